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
GVariant *creel_job_get_properties (CreelJob *job);
guint creel_job_count (CreelDaemon *daemon, uid_t owner);
void creel_job_set_progress (CreelJob *job, const char *phase, guint64 done, guint64 total);
/* Says JobRemoved and frees the job. details: floating a{sv} or NULL. */
void creel_job_finish (CreelJob *job, const GError *error, GVariant *details);
