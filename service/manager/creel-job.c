/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-job.h"

#include <string.h>

#include "creel-call.h"
#include "creel-error.h"
#include "creel-names.h"

#define INTERFACE CREEL_BUS_NAME ".Job"

struct _CreelJob
{
  CreelDaemon *daemon;
  guint number;
  char *key;
  char *path;
  uid_t owner;
  char *starter; /* or NULL */
  const char *operation;
  char *target;
  char *phase;
  char *digest;
  guint64 done, total;
  void (*cancel) (gpointer user_data);
  gpointer user_data;
};

CreelJob *
creel_job_new (CreelDaemon *daemon, uid_t owner, const char *operation, const char *target,
               void (*cancel) (gpointer user_data), gpointer user_data)
{
  CreelJob *job = g_new0 (CreelJob, 1);

  job->daemon = daemon;
  job->number = ++daemon->last_job;
  job->key = g_strdup_printf ("%u", job->number);
  job->path = g_strconcat (CREEL_JOB_PATH "/", job->key, NULL);
  job->owner = owner;
  job->operation = operation;
  job->target = g_strdup (target);
  job->phase = g_strdup ("");
  job->digest = g_strdup ("");
  job->cancel = cancel;
  job->user_data = user_data;
  g_hash_table_insert (daemon->jobs, g_strdup (job->key), job);
  return job;
}

void
creel_job_free (CreelJob *job)
{
  g_free (job->key);
  g_free (job->path);
  g_free (job->starter);
  g_free (job->target);
  g_free (job->phase);
  g_free (job->digest);
  g_free (job);
}

const char *
creel_job_get_path (CreelJob *job)
{
  return job->path;
}

guint
creel_job_get_number (CreelJob *job)
{
  return job->number;
}

uid_t
creel_job_get_owner (CreelJob *job)
{
  return job->owner;
}

void
creel_job_set_starter (CreelJob *job, const char *name)
{
  g_free (job->starter);
  job->starter = g_strdup (name);
}

gboolean
creel_job_cancel_of (CreelDaemon *daemon, const char *path, const char *starter)
{
  CreelJob *job = g_str_has_prefix (path, CREEL_JOB_PATH "/") ? g_hash_table_lookup (daemon->jobs, path + strlen (CREEL_JOB_PATH "/")) : NULL;

  if (job == NULL || g_strcmp0 (job->starter, starter) != 0)
    return FALSE;
  job->cancel (job->user_data);
  return TRUE;
}

void
creel_job_cancel_all_of (CreelDaemon *daemon, const char *starter)
{
  g_autoptr (GPtrArray) paths = g_ptr_array_new_with_free_func (g_free);
  GHashTableIter iter;
  gpointer job;

  /* one that others wait for as well leaves the table at once */
  g_hash_table_iter_init (&iter, daemon->jobs);
  while (g_hash_table_iter_next (&iter, NULL, &job))
    g_ptr_array_add (paths, g_strdup (((CreelJob *) job)->path));
  for (guint i = 0; i < paths->len; i++)
    creel_job_cancel_of (daemon, paths->pdata[i], starter);
}

/* To the owner's clients and, where it is none of them, the starter. Takes floating parameters. */
static void
emit (CreelJob *job, const char *path, const char *interface, const char *signal, GVariant *parameters)
{
  g_autoptr (GVariant) owned = g_variant_ref_sink (parameters);
  g_autoptr (GPtrArray) names = creel_callers_of (job->daemon->callers, job->owner);

  creel_daemon_emit (job->daemon, job->owner, path, interface, signal, owned);
  if (job->starter != NULL && !g_ptr_array_find_with_equal_func (names, job->starter, g_str_equal, NULL))
    g_dbus_connection_emit_signal (job->daemon->bus, job->starter, path, interface, signal, owned, NULL);
}

GVariant *
creel_job_get_properties (CreelJob *job)
{
  GVariantBuilder b;

  if (job == NULL)
    return NULL;
  g_variant_builder_init (&b, G_VARIANT_TYPE ("a{sv}"));
  g_variant_builder_add (&b, "{sv}", "Operation", g_variant_new_string (job->operation));
  g_variant_builder_add (&b, "{sv}", "Target", g_variant_new_string (job->target));
  g_variant_builder_add (&b, "{sv}", "Owner", g_variant_new_uint32 (job->owner));
  g_variant_builder_add (&b, "{sv}", "Phase", g_variant_new_string (job->phase));
  g_variant_builder_add (&b, "{sv}", "Progress", g_variant_new ("(tt)", job->done, job->total));
  g_variant_builder_add (&b, "{sv}", "Digest", g_variant_new_string (job->digest));
  return g_variant_builder_end (&b);
}

guint
creel_job_count (CreelDaemon *daemon, uid_t owner)
{
  GHashTableIter iter;
  gpointer job;
  guint n = 0;

  g_hash_table_iter_init (&iter, daemon->jobs);
  while (g_hash_table_iter_next (&iter, NULL, &job))
    n += ((CreelJob *) job)->owner == owner;
  return n;
}

void
creel_job_set_digest (CreelJob *job, const char *digest)
{
  g_free (job->digest);
  job->digest = g_strdup (digest);
}

void
creel_job_set_progress (CreelJob *job, const char *phase, guint64 done, guint64 total)
{
  GVariantBuilder changed;

  g_free (job->phase);
  job->phase = g_strdup (phase);
  job->done = done;
  job->total = total;
  g_variant_builder_init (&changed, G_VARIANT_TYPE ("a{sv}"));
  g_variant_builder_add (&changed, "{sv}", "Phase", g_variant_new_string (phase));
  g_variant_builder_add (&changed, "{sv}", "Progress", g_variant_new ("(tt)", done, total));
  g_variant_builder_add (&changed, "{sv}", "Digest", g_variant_new_string (job->digest));
  emit (job, job->path, "org.freedesktop.DBus.Properties", "PropertiesChanged", g_variant_new ("(sa{sv}as)", INTERFACE, &changed, NULL));
}

void
creel_job_finish (CreelJob *job, const GError *error, GVariant *details)
{
  const char *result = "done";
  /* as in creel_call_fail () */
  g_autofree char *name = NULL, *text = g_utf8_make_valid (error != NULL ? error->message : "", -1);

  if (g_error_matches (error, CREEL_ERROR, CREEL_ERROR_CANCELLED))
    result = "cancelled";
  else if (error != NULL)
    result = "failed";
  if (error != NULL)
    name = g_dbus_error_encode_gerror (error);
  emit (job, CREEL_OBJECT_PATH, CREEL_BUS_NAME ".Manager", "JobRemoved",
        g_variant_new ("(ossss@a{sv})", job->path, job->target, result, name != NULL ? name : "", text,
                       details != NULL ? details : g_variant_new ("a{sv}", NULL)));
  g_hash_table_remove (job->daemon->jobs, job->key);
}

static void
handle_cancel (CreelCall *call)
{
  CreelJob *job = g_hash_table_lookup (call->daemon->jobs, call->node);

  job->cancel (job->user_data);
  creel_call_return (call, NULL);
}

const CreelMethod creel_job_methods[] = {
  { "Job", "Cancel", NULL, handle_cancel },
  { NULL }
};
