/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-image-job.h"

#include "creel-error.h"
#include "creel-image-collect.h"
#include "creel-image-store.h"
#include "creel-job.h"

typedef struct
{
  CreelImageJob *work;
  CreelJob *job;
} Waiter;

struct _CreelImageJob
{
  CreelDaemon *daemon;
  char *key; /* or NULL */
  GPtrArray *waiters;
  CreelWorker *worker; /* of the step that runs, or NULL */
  CreelImageStep next;
  GCancellable *cancellable;
  char *directory; /* where an image grows, or NULL */
  GVariantDict *details;
  void (*on_error) (CreelImageJob *job, const GError *error, gpointer data);
  void (*cleanup) (CreelImageJob *job, gpointer data);
  GError *end; /* how it will be over, while cleanup is at work */
  gpointer data;
  GDestroyNotify free_data;
  GData *parts;
  guint64 estimate;
};

static void
waiter_free (gpointer data)
{
  g_free (data);
}

static gboolean
too_many (CreelCall *call)
{
  if (creel_job_count (call->daemon, call->uid) < CREEL_MAX_JOBS_PER_USER)
    return FALSE;
  creel_call_fail_new (call, CREEL_ERROR, CREEL_ERROR_LIMITS_EXCEEDED, "You have %d jobs already; wait for one", CREEL_MAX_JOBS_PER_USER);
  return TRUE;
}

static void
cancel_work (CreelImageJob *self)
{
  if (self->worker != NULL)
    creel_worker_cancel (self->worker);
  g_cancellable_cancel (self->cancellable);
}

/* A client cancels its own job. Others that wait for the same work keep it. */
static void
cancel (gpointer user_data)
{
  Waiter *waiter = user_data;
  CreelImageJob *self = waiter->work;
  g_autoptr (GError) error = NULL;

  if (self->waiters->len == 1)
    {
      cancel_work (self);
      return;
    }
  error = g_error_new_literal (CREEL_ERROR, CREEL_ERROR_CANCELLED, "Cancelled");
  creel_job_finish (waiter->job, error, NULL);
  g_ptr_array_remove (self->waiters, waiter);
}

static CreelJob *
add_waiter (CreelImageJob *self, CreelCall *call, const char *operation, const char *target)
{
  Waiter *waiter = g_new0 (Waiter, 1);

  waiter->work = self;
  waiter->job = creel_job_new (self->daemon, call->uid, operation, target, cancel, waiter);
  if (call->arguments != NULL)
    creel_job_set_starter (waiter->job, call->sender);
  g_ptr_array_add (self->waiters, waiter);
  return waiter->job;
}

static CreelJob *
nth_job (CreelImageJob *self, guint i)
{
  return ((Waiter *) self->waiters->pdata[i])->job;
}

CreelImageJob *
creel_image_job_new (CreelCall *call, const char *operation, const char *target, const char *key, gpointer data,
                     GDestroyNotify free_data)
{
  CreelImageJob *self;

  if (too_many (call))
    {
      if (free_data != NULL)
        free_data (data);
      return NULL;
    }
  self = g_new0 (CreelImageJob, 1);
  g_datalist_init (&self->parts);
  self->daemon = call->daemon;
  self->key = g_strdup (key);
  self->waiters = g_ptr_array_new_with_free_func (waiter_free);
  self->cancellable = g_cancellable_new ();
  self->details = g_variant_dict_new (NULL);
  self->data = data;
  self->free_data = free_data;
  add_waiter (self, call, operation, target);
  g_ptr_array_add (self->daemon->image_jobs, self);
  return self;
}

gboolean
creel_image_job_join (CreelCall *call, const char *operation, const char *target, const char *key)
{
  GPtrArray *all = call->daemon->image_jobs;

  for (guint i = 0; i < all->len; i++)
    {
      CreelImageJob *self = all->pdata[i];

      /* what is being killed ends as cancelled, which the newcomer did not ask for */
      if (g_strcmp0 (self->key, key) != 0 || g_cancellable_is_cancelled (self->cancellable))
        continue;
      if (!too_many (call))
        {
          CreelJob *job = add_waiter (self, call, operation, target);

          creel_call_return (call, g_variant_new ("(o)", creel_job_get_path (job)));
        }
      return TRUE;
    }
  return FALSE;
}

void
creel_image_job_reply (CreelImageJob *job, CreelCall *call)
{
  creel_call_return (call, g_variant_new ("(o)", creel_job_get_path (nth_job (job, 0))));
}

CreelDaemon *
creel_image_job_get_daemon (CreelImageJob *job)
{
  return job->daemon;
}

uid_t
creel_image_job_get_owner (CreelImageJob *job)
{
  return creel_job_get_owner (nth_job (job, 0));
}

gpointer
creel_image_job_get_data (CreelImageJob *job)
{
  return job->data;
}

void
creel_image_job_set_part (CreelImageJob *job, const char *key, gpointer part, GDestroyNotify free_part)
{
  g_datalist_set_data_full (&job->parts, key, part, free_part);
}

gpointer
creel_image_job_get_part (CreelImageJob *job, const char *key)
{
  return g_datalist_get_data (&job->parts, key);
}

void
creel_image_job_set_estimate (CreelImageJob *job, guint64 total)
{
  job->estimate = total;
}

GCancellable *
creel_image_job_get_cancellable (CreelImageJob *job)
{
  return job->cancellable;
}

void
creel_image_job_set_on_error (CreelImageJob *job, void (*on_error) (CreelImageJob *job, const GError *error, gpointer data))
{
  job->on_error = on_error;
}

void
creel_image_job_set_progress (CreelImageJob *job, const char *phase, guint64 done, guint64 total)
{
  for (guint i = 0; i < job->waiters->len; i++)
    creel_job_set_progress (nth_job (job, i), phase, done, total);
}

static void
on_progress (gpointer user_data, const CreelWorkerLines *lines)
{
  CreelImageJob *self = user_data;
  guint64 total = lines->total_steps;

  if (total == 0 && lines->done <= self->estimate)
    total = self->estimate;
  /* an index comes before what it leads to */
  for (guint i = 0; lines->digests[0] != NULL && i < self->waiters->len; i++)
    creel_job_set_digest (nth_job (self, i), lines->digests[g_strv_length (lines->digests) - 1]);
  creel_image_job_set_progress (self, lines->phase, lines->done, total);
}

static void
abort_image (CreelImageJob *self)
{
  if (self->directory != NULL)
    creel_image_store_abort (self->directory);
  g_clear_pointer (&self->directory, g_free);
}

void
creel_image_job_fail_step (CreelImageJob *self, const GError *error)
{
  abort_image (self);
  if (self->on_error != NULL && !g_error_matches (error, CREEL_ERROR, CREEL_ERROR_CANCELLED))
    self->on_error (self, error, self->data);
  else
    creel_image_job_fail (self, error);
}

static void
on_worker_done (gpointer user_data, CreelWorkerLines *lines, const GError *error)
{
  CreelImageJob *self = user_data;

  self->worker = NULL;
  self->estimate = 0;
  if (error != NULL)
    creel_image_job_fail_step (self, error);
  else
    self->next (self, lines, self->data);
}

void
creel_image_job_run (CreelImageJob *job, CreelWorkerKind kind, const char *const *arguments, int input, int output,
                     CreelImageStep next)
{
  g_autoptr (GError) error = NULL;

  job->next = next;
  job->worker = creel_worker_start (job->daemon, kind, arguments, input, output, on_progress, on_worker_done, job, &error);
  if (job->worker == NULL)
    creel_image_job_fail_step (job, error);
  else if (g_cancellable_is_cancelled (job->cancellable))
    creel_worker_cancel (job->worker);
}

int
creel_image_job_begin_image (CreelImageJob *job, GError **error)
{
  int fd = -1;

  abort_image (job);
  job->directory = creel_image_store_begin (creel_job_get_number (nth_job (job, 0)), &fd, error);
  return job->directory != NULL ? fd : -1;
}

gboolean
creel_image_job_commit_image (CreelImageJob *job, CreelImageConfig *config, const char *reference, GError **error)
{
  gboolean ok = creel_image_store_commit (job->directory, config, reference, error);

  if (!ok)
    creel_image_store_abort (job->directory);
  g_clear_pointer (&job->directory, g_free);
  return ok;
}

void
creel_image_job_add_detail (CreelImageJob *job, const char *key, GVariant *value)
{
  g_variant_dict_insert_value (job->details, key, value);
}

static void
finish (CreelImageJob *self, const GError *error)
{
  void (*cleanup) (CreelImageJob *job, gpointer data) = g_steal_pointer (&self->cleanup);
  g_autoptr (GVariant) details = NULL;

  if (cleanup != NULL)
    {
      self->end = error != NULL ? g_error_copy (error) : NULL;
      cleanup (self, self->data);
      return;
    }
  details = g_variant_ref_sink (g_variant_dict_end (self->details));

  abort_image (self);
  g_ptr_array_remove (self->daemon->image_jobs, self);
  creel_image_collect_deferred (self->daemon);
  for (guint i = 0; i < self->waiters->len; i++)
    creel_job_finish (nth_job (self, i), error, error == NULL ? details : NULL);
  g_ptr_array_unref (self->waiters);
  g_variant_dict_unref (self->details);
  g_object_unref (self->cancellable);
  g_datalist_clear (&self->parts);
  if (self->free_data != NULL)
    self->free_data (self->data);
  g_free (self->key);
  g_free (self);
}

void
creel_image_job_set_cleanup (CreelImageJob *job, void (*cleanup) (CreelImageJob *job, gpointer data))
{
  job->cleanup = cleanup;
}

void
creel_image_job_cleaned_up (CreelImageJob *job)
{
  g_autoptr (GError) error = g_steal_pointer (&job->end);

  finish (job, error);
}

void
creel_image_job_done (CreelImageJob *job)
{
  finish (job, NULL);
}

void
creel_image_job_fail (CreelImageJob *job, const GError *error)
{
  finish (job, error);
}

gboolean
creel_image_job_fail_owner (CreelImageJob *job, const GError *error)
{
  uid_t owner = creel_image_job_get_owner (job);
  gboolean others = FALSE;

  for (guint i = 0; i < job->waiters->len; i++)
    others |= creel_job_get_owner (nth_job (job, i)) != owner;
  if (!others)
    {
      creel_image_job_fail (job, error);
      return FALSE;
    }
  for (guint i = job->waiters->len; i-- > 0;)
    if (creel_job_get_owner (nth_job (job, i)) == owner)
      {
        creel_job_finish (nth_job (job, i), error, NULL);
        g_ptr_array_remove_index (job->waiters, i);
      }
  return TRUE;
}

gboolean
creel_image_job_any (CreelDaemon *daemon)
{
  return daemon->image_jobs->len > 0;
}
