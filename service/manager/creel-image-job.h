/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "creel-call.h"
#include "creel-worker.h"

/* The work of an image: workers one after the other, and what they made at the end. Clients see it as a job; more than
 * one job may wait for the same work. The first step that fails ends it, and leaves nothing behind but whole blobs.
 *
 *   job = creel_image_job_new (call, "image-pull", target, NULL, data, data_free);
 *   creel_image_job_reply (job, call);    answered first: whatever fails from now on is told by the job
 *   creel_image_job_run (job, CREEL_WORKER_FETCH, arguments, secret_fd, -1, fetched);
 *
 *   static void fetched (CreelImageJob *job, CreelWorkerLines *lines, gpointer data)    the next _run, or _done or _fail
 *
 * Nothing touches the job after _done and _fail, which free it, nor after _run, which may fail at once. */
typedef struct _CreelImageJob CreelImageJob;
typedef void (*CreelImageStep) (CreelImageJob *job, CreelWorkerLines *lines, gpointer data);

/* NULL when the caller has too many jobs: the call is answered then. key: jobs of an equal one join, or NULL. Takes data. */
CreelImageJob *creel_image_job_new (CreelCall *call, const char *operation, const char *target, const char *key, gpointer data,
                                    GDestroyNotify free_data);
/* When work of that key goes on, the caller gets a job that ends as it does; the call is answered and TRUE returned. */
gboolean creel_image_job_join (CreelCall *call, const char *operation, const char *target, const char *key);
/* Answers the call with the path of its job. */
void creel_image_job_reply (CreelImageJob *job, CreelCall *call);

/* The next step: takes the descriptors, -1 is /dev/null. next is called when it succeeded; otherwise the job fails. */
void creel_image_job_run (CreelImageJob *job, CreelWorkerKind kind, const char *const *arguments, int input, int output,
                          CreelImageStep next);
/* Between workers: what the job waits for is cancelled with this, and then must call _fail. Owned by the job. */
GCancellable *creel_image_job_get_cancellable (CreelImageJob *job);
void creel_image_job_set_progress (CreelImageJob *job, const char *phase, guint64 done, guint64 total);
CreelDaemon *creel_image_job_get_daemon (CreelImageJob *job);
gpointer creel_image_job_get_data (CreelImageJob *job);
/* What a chain of steps that many kinds of jobs share keeps with the job; freed with it. */
void creel_image_job_set_part (CreelImageJob *job, const char *key, gpointer part, GDestroyNotify free_part);
gpointer creel_image_job_get_part (CreelImageJob *job, const char *key);
/* For the next step only: how many bytes it will probably be, when its worker does not know. */
void creel_image_job_set_estimate (CreelImageJob *job, guint64 total);
/* Who pays for it: of jobs that joined, the oldest that is left. */
uid_t creel_image_job_get_owner (CreelImageJob *job);

/* A new image to be: the descriptor of its empty squashfs for a worker's fd 1, owned by the caller; -1 with an error. */
int creel_image_job_begin_image (CreelImageJob *job, GError **error);
/* What _begin_image began and a worker filled becomes image config->id, called `reference`. */
gboolean creel_image_job_commit_image (CreelImageJob *job, CreelImageConfig *config, const char *reference, GError **error);

/* Something for the details of JobRemoved; takes a floating value. */
void creel_image_job_add_detail (CreelImageJob *job, const char *key, GVariant *value);
void creel_image_job_done (CreelImageJob *job);
void creel_image_job_fail (CreelImageJob *job, const GError *error);
/* As when a worker failed: on_error decides. */
void creel_image_job_fail_step (CreelImageJob *job, const GError *error);
/* Fails the jobs of its present owner only. TRUE: others are left, and the work may begin again for them. */
gboolean creel_image_job_fail_owner (CreelImageJob *job, const GError *error);
/* Called instead of failing the job when a step of it fails: may start again, or must call _fail. */
void creel_image_job_set_on_error (CreelImageJob *job, void (*on_error) (CreelImageJob *job, const GError *error, gpointer data));

/* Called once before the job is over, however that comes: what must be gone by then may take its time, and then says _cleaned_up. */
void creel_image_job_set_cleanup (CreelImageJob *job, void (*cleanup) (CreelImageJob *job, gpointer data));
void creel_image_job_cleaned_up (CreelImageJob *job);

/* Is any work of images going on? Nothing is deleted from the OCI store meanwhile. */
gboolean creel_image_job_any (CreelDaemon *daemon);
