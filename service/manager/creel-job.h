/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "creel-daemon.h"

/* Long work as clients see it. What does the work keeps the job until creel_job_finish(). */
CreelJob *creel_job_new (CreelDaemon *daemon, uid_t owner, const char *operation, const char *target,
                         void (*cancel) (gpointer user_data), gpointer user_data);
void creel_job_free (CreelJob *job);
const char *creel_job_get_path (CreelJob *job);
guint creel_job_get_number (CreelJob *job);
uid_t creel_job_get_owner (CreelJob *job);
/* A client that began it for its owner: hears its signals too, and may cancel it. */
void creel_job_set_starter (CreelJob *job, const char *name);
/* FALSE: that client has no such job. */
gboolean creel_job_cancel_of (CreelDaemon *daemon, const char *path, const char *starter);
/* The client is gone, and nobody waits for what it began. */
void creel_job_cancel_all_of (CreelDaemon *daemon, const char *starter);
GVariant *creel_job_get_properties (CreelJob *job);
guint creel_job_count (CreelDaemon *daemon, uid_t owner);
/* Is told with the next progress. */
void creel_job_set_digest (CreelJob *job, const char *digest);
void creel_job_set_progress (CreelJob *job, const char *phase, guint64 done, guint64 total);
/* Says JobRemoved and frees the job. details: floating a{sv} or NULL. */
void creel_job_finish (CreelJob *job, const GError *error, GVariant *details);
