/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-models-errands.h"

#include "creel-error.h"
#include "creel-names.h"

#define ENGINES CREEL_BUS_NAME ".Engines"
#define JOB CREEL_BUS_NAME ".Job"
#define PROPERTIES "org.freedesktop.DBus.Properties"
/* an engine that is unloaded may take its time */
#define CALL_MS (2 * 60 * 1000)

struct _CreelModelsErrand
{
  CreelModelsErrands *errands;
  char *job; /* NULL: creeld has not answered yet */
  gboolean left; /* nobody waits for it */
  CreelModelsErrandFuncs funcs;
  gpointer user_data;
};

struct _CreelModelsErrands
{
  GDBusConnection *connection;
  char *bus_name;
  GHashTable *jobs; /* path -> CreelModelsErrand; those without an answer belong to their calls */
  GCancellable *cancellable;
  guint subscriptions[2], watch_id;
};

static void
errand_free (gpointer data)
{
  CreelModelsErrand *errand = data;

  g_free (errand->job);
  g_free (errand);
}

/* creeld's own words are for people; what else goes wrong is that it does not answer. */
static GError *
explain (const GError *error)
{
  GError *shown = g_error_copy (error);
  gboolean ours = error->domain == CREEL_ERROR || g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS) ||
                  g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_ACCESS_DENIED);

  g_dbus_error_strip_remote_error (shown);
  if (!ours)
    g_prefix_error (&shown, "creeld, which keeps the models, does not answer: ");
  return shown;
}

static void
end (CreelModelsErrand *errand, const GError *error)
{
  if (!errand->left)
    errand->funcs.ended (error, errand->user_data);
  errand_free (errand);
}

/* One that has a job */
static void
end_job (CreelModelsErrands *errands, const char *path, const GError *error)
{
  gpointer errand;

  if (g_hash_table_steal_extended (errands->jobs, path, NULL, &errand))
    end (errand, error);
}

static void
cancel_job (CreelModelsErrand *errand)
{
  CreelModelsErrands *errands = errand->errands;

  g_dbus_connection_call (errands->connection, errands->bus_name, CREEL_OBJECT_PATH, ENGINES, "CancelJob", g_variant_new ("(o)", errand->job), NULL,
                          G_DBUS_CALL_FLAGS_NO_AUTO_START, -1, NULL, NULL, NULL);
}

static void
on_answered (GObject *source, GAsyncResult *result, gpointer user_data)
{
  CreelModelsErrand *errand = user_data;
  g_autoptr (GError) error = NULL, shown = NULL;
  g_autoptr (GVariant) reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);

  /* the front ends, and its errands are gone */
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    {
      errand_free (errand);
      return;
    }
  if (reply == NULL)
    {
      shown = explain (error);
      end (errand, shown);
      return;
    }
  g_variant_get (reply, "(o)", &errand->job);
  if (g_str_equal (errand->job, "/"))
    {
      end (errand, NULL);
      return;
    }
  if (errand->left)
    {
      cancel_job (errand);
      errand_free (errand);
    }
  else
    g_hash_table_insert (errand->errands->jobs, errand->job, errand);
}

static void
on_job_removed (GDBusConnection *connection, const char *sender, const char *path, const char *interface, const char *name, GVariant *parameters,
                gpointer user_data)
{
  CreelModelsErrands *errands = user_data;
  g_autoptr (GError) error = NULL;
  const char *job, *result, *error_name, *text;

  if (!g_variant_is_of_type (parameters, G_VARIANT_TYPE ("(ossssa{sv})")))
    return;
  g_variant_get (parameters, "(&o&s&s&s&s@a{sv})", &job, NULL, &result, &error_name, &text, NULL);
  if (!g_str_equal (result, "done"))
    {
      error = g_dbus_error_new_for_dbus_error (*error_name != '\0' ? error_name : CREEL_ERROR_PREFIX "Failed", text);
      g_dbus_error_strip_remote_error (error);
    }
  end_job (errands, job, error);
}

static void
on_properties_changed (GDBusConnection *connection, const char *sender, const char *path, const char *interface, const char *name, GVariant *parameters,
                       gpointer user_data)
{
  CreelModelsErrands *errands = user_data;
  CreelModelsErrand *errand = g_hash_table_lookup (errands->jobs, path);
  g_autoptr (GVariant) changed = NULL;
  const char *digest = "";
  guint64 done, total;

  if (errand == NULL || !g_variant_is_of_type (parameters, G_VARIANT_TYPE ("(sa{sv}as)")))
    return;
  changed = g_variant_get_child_value (parameters, 1);
  g_variant_lookup (changed, "Digest", "&s", &digest);
  if (g_variant_lookup (changed, "Progress", "(tt)", &done, &total))
    errand->funcs.progress (done, total, digest, errand->user_data);
}

/* It knows its jobs no more. */
static void
on_vanished (GDBusConnection *connection, const char *name, gpointer user_data)
{
  CreelModelsErrands *errands = user_data;
  g_autoptr (GError) error = g_error_new_literal (G_DBUS_ERROR, G_DBUS_ERROR_NO_REPLY, "creeld, which keeps the models, ended; try again");
  g_autoptr (GPtrArray) paths = g_ptr_array_new_with_free_func (g_free);
  GHashTableIter iter;
  gpointer path;

  g_hash_table_iter_init (&iter, errands->jobs);
  while (g_hash_table_iter_next (&iter, &path, NULL))
    g_ptr_array_add (paths, g_strdup (path));
  for (guint i = 0; i < paths->len; i++)
    end_job (errands, paths->pdata[i], error);
}

CreelModelsErrands *
creel_models_errands_new (GDBusConnection *connection, const char *bus_name)
{
  CreelModelsErrands *errands = g_new0 (CreelModelsErrands, 1);

  /* registers the names of errors */
  (void) creel_error_quark ();
  errands->connection = g_object_ref (connection);
  errands->bus_name = g_strdup (bus_name);
  errands->jobs = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, errand_free);
  errands->cancellable = g_cancellable_new ();
  errands->subscriptions[0] = g_dbus_connection_signal_subscribe (connection, bus_name, CREEL_BUS_NAME ".Manager", "JobRemoved", CREEL_OBJECT_PATH, NULL,
                                                                  G_DBUS_SIGNAL_FLAGS_NONE, on_job_removed, errands, NULL);
  errands->subscriptions[1] = g_dbus_connection_signal_subscribe (connection, bus_name, PROPERTIES, "PropertiesChanged", NULL, JOB,
                                                                  G_DBUS_SIGNAL_FLAGS_NONE, on_properties_changed, errands, NULL);
  if (bus_name != NULL)
    errands->watch_id = g_bus_watch_name_on_connection (connection, bus_name, G_BUS_NAME_WATCHER_FLAGS_NONE, NULL, on_vanished, errands, NULL);
  return errands;
}

void
creel_models_errands_free (CreelModelsErrands *errands)
{
  if (errands == NULL)
    return;
  g_cancellable_cancel (errands->cancellable);
  g_clear_handle_id (&errands->watch_id, g_bus_unwatch_name);
  for (gsize i = 0; i < G_N_ELEMENTS (errands->subscriptions); i++)
    g_dbus_connection_signal_unsubscribe (errands->connection, errands->subscriptions[i]);
  g_hash_table_unref (errands->jobs);
  g_object_unref (errands->connection);
  g_object_unref (errands->cancellable);
  g_free (errands->bus_name);
  g_free (errands);
}

CreelModelsErrand *
creel_models_errands_begin (CreelModelsErrands *errands, uid_t uid, const char *method, GVariant *arguments, const CreelModelsErrandFuncs *funcs,
                            gpointer user_data)
{
  CreelModelsErrand *errand = g_new0 (CreelModelsErrand, 1);

  errand->errands = errands;
  errand->funcs = *funcs;
  errand->user_data = user_data;
  g_dbus_connection_call (errands->connection, errands->bus_name, CREEL_OBJECT_PATH, ENGINES, "ManageModels",
                          g_variant_new ("(usv)", (guint32) uid, method, arguments), G_VARIANT_TYPE ("(o)"), G_DBUS_CALL_FLAGS_NONE, CALL_MS,
                          errands->cancellable, on_answered, errand);
  return errand;
}

void
creel_models_errands_cancel (CreelModelsErrands *errands, CreelModelsErrand *errand)
{
  if (errand->job == NULL)
    {
      errand->left = TRUE;
      return;
    }
  cancel_job (errand);
  g_hash_table_remove (errands->jobs, errand->job);
}
