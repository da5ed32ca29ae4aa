/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "creel-daemon.h"
#include "creel-plan.h"

/* One COPY: a worker that is the caller writes a tar stream into the stdin of a tar in the guest. The guest sees nothing else of the
 * folder, and no byte of it comes through here. */
typedef struct _CreelBuildCopy CreelBuildCopy;
typedef void (*CreelBuildCopyDone) (const GError *error, gpointer user_data);

/* Done is called once and not before it returns; the copy is freed afterwards. Its error is in CREEL_ERROR. output: borrowed, or -1. `step` must outlive it. */
CreelBuildCopy *creel_build_copy_start (CreelDaemon *daemon, const char *sandbox, uid_t uid, const char *folder, const CreelPlanStep *step,
                                        int output, CreelBuildCopyDone done, gpointer user_data);
/* Nothing is called any more. */
void creel_build_copy_cancel (CreelBuildCopy *copy);
