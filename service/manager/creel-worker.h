/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "creel-daemon.h"
#include "creel-worker-lines.h"
#include "creel-worker-unit.h"

/* One run of a worker: a transient unit with three descriptors, of which creeld keeps the end of one and reads lines
 * from it. What lines say is checked by creel-worker-lines; that the worker succeeded is checked here. */
typedef struct _CreelWorker CreelWorker;

/* Phase or progress changed. */
typedef void (*CreelWorkerProgress) (gpointer user_data, const CreelWorkerLines *lines);
/* The unit and all its processes are gone. error NULL: it did its work, lines->id is set; else CREEL_ERROR, and lines are
 * what it said until then. lines is the callee's to keep for as long as the call lasts. The worker is freed afterwards. */
typedef void (*CreelWorkerDone) (gpointer user_data, CreelWorkerLines *lines, const GError *error);

/* Takes input and output; -1 is /dev/null. arguments: after the mode, or NULL. NULL with an error, then nothing is called. */
CreelWorker *creel_worker_start (CreelDaemon *daemon, CreelWorkerKind kind, const char *const *arguments, int input, int output,
                                 CreelWorkerProgress progress, CreelWorkerDone done, gpointer user_data, GError **error);
/* The same for a kind that is its caller. */
CreelWorker *creel_worker_start_as (CreelDaemon *daemon, CreelWorkerKind kind, uid_t uid, const char *const *arguments, int input,
                                    int output, CreelWorkerProgress progress, CreelWorkerDone done, gpointer user_data, GError **error);
/* Kills it; done is called with CREEL_ERROR_CANCELLED when it is gone. */
void creel_worker_cancel (CreelWorker *worker);
