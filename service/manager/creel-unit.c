/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-unit.h"

#include <gio/gunixfdlist.h>
#include <string.h>

#include "creel-error.h"

#define SYSTEMD "org.freedesktop.systemd1"
#define MANAGER_PATH "/org/freedesktop/systemd1"
#define MANAGER SYSTEMD ".Manager"
#define PROPERTIES "org.freedesktop.DBus.Properties"
#define CALL_TIMEOUT (90 * 1000) /* a reload of all units can be slow */

typedef struct
{
  char *path_prefix;
  CreelUnitChangedFunc changed;
  gpointer user_data;
} Watch;

struct _CreelUnits
{
  GDBusConnection *bus;
  GArray *watches;
  CreelUnitChangedFunc changed;
  gpointer user_data;
  GHashTable *jobs;     /* object path -> Job, waiting */
  GHashTable *early;    /* object path -> result: removed before StartUnit's reply was seen */
  guint calls;          /* job calls without a reply yet */
  GCancellable *cancellable;
  guint subscriptions[3];
};

void
creel_unit_state_clear (CreelUnitState *state)
{
  g_clear_pointer (&state->active_state, g_free);
  g_clear_pointer (&state->status_text, g_free);
  g_clear_pointer (&state->result, g_free);
  g_clear_pointer (&state->service, g_variant_unref);
}

/* As systemd's bus_label_escape (): everything but letters and digits is _XX, and a leading digit too. */
static char *
unit_path (const char *unit)
{
  GString *path = g_string_new (MANAGER_PATH "/unit/");

  for (const char *p = unit; *p != '\0'; p++)
    if (g_ascii_isalpha (*p) || (p > unit && g_ascii_isdigit (*p)))
      g_string_append_c (path, *p);
    else
      g_string_append_printf (path, "_%02x", (guchar) *p);
  return g_string_free (path, FALSE);
}

static char *
unit_from_path (const char *path)
{
  GString *unit = g_string_new (NULL);

  for (const char *p = path + strlen (MANAGER_PATH "/unit/"); *p != '\0'; p++)
    if (*p == '_' && g_ascii_isxdigit (p[1]) && g_ascii_isxdigit (p[2]))
      {
        g_string_append_c (unit, g_ascii_xdigit_value (p[1]) * 16 + g_ascii_xdigit_value (p[2]));
        p += 2;
      }
    else
      g_string_append_c (unit, *p);
  return g_string_free (unit, FALSE);
}

typedef struct _Job
{
  CreelUnits *units;
  CreelUnitFunc done;
  gpointer user_data;
  struct _Job *next; /* systemd gives two callers that want the same the same job */
} Job;

static void
job_free (gpointer data)
{
  for (Job *job = data, *next; job != NULL; job = next)
    {
      next = job->next;
      g_free (job);
    }
}

static void
job_done (Job *job, const char *result)
{
  g_autoptr (GError) error = NULL;

  if (g_str_equal (result, "timeout"))
    g_set_error (&error, CREEL_ERROR, CREEL_ERROR_TIMED_OUT, "systemd gave up waiting");
  else if (g_str_equal (result, "canceled"))
    g_set_error (&error, CREEL_ERROR, CREEL_ERROR_CANCELLED, "Another request to systemd took its place");
  else if (!g_str_equal (result, "done") && !g_str_equal (result, "skipped"))
    g_set_error (&error, CREEL_ERROR, CREEL_ERROR_FAILED, "systemd's job ended with \"%s\"", result);
  job->done (job->user_data, error);
  g_free (job);
}

static void
on_job_removed (GDBusConnection *bus, const char *sender, const char *path, const char *interface, const char *signal,
                GVariant *parameters, gpointer user_data)
{
  CreelUnits *units = user_data;
  const char *job_path, *result;
  gpointer key, job;

  if (!g_variant_is_of_type (parameters, G_VARIANT_TYPE ("(uoss)")))
    return;
  g_variant_get (parameters, "(u&o&s&s)", NULL, &job_path, NULL, &result);
  if (g_hash_table_steal_extended (units->jobs, job_path, &key, &job))
    {
      g_free (key);
      for (Job *each = job, *next; each != NULL; each = next)
        {
          next = each->next;
          job_done (each, result);
        }
    }
  /* also when somebody waited for it already: another may get the same job with an answer that is under way */
  if (units->calls > 0)
    g_hash_table_insert (units->early, g_strdup (job_path), g_strdup (result));
}

static void
on_reloading (GDBusConnection *bus, const char *sender, const char *path, const char *interface, const char *signal,
              GVariant *parameters, gpointer user_data)
{
  CreelUnits *units = user_data;
  gboolean active = TRUE;

  if (g_variant_is_of_type (parameters, G_VARIANT_TYPE ("(b)")))
    g_variant_get (parameters, "(b)", &active);
  if (!active)
    units->changed (NULL, units->user_data);
}

static void
on_properties_changed (GDBusConnection *bus, const char *sender, const char *path, const char *interface,
                       const char *signal, GVariant *parameters, gpointer user_data)
{
  CreelUnits *units = user_data;
  for (guint i = 0; i < units->watches->len; i++)
    {
      const Watch *watch = &g_array_index (units->watches, Watch, i);
      g_autofree char *unit = g_str_has_prefix (path, watch->path_prefix) ? unit_from_path (path) : NULL;

      if (unit != NULL)
        watch->changed (unit, watch->user_data);
    }
}

void
creel_units_watch (CreelUnits *units, const char *prefix, CreelUnitChangedFunc changed, gpointer user_data)
{
  Watch watch = { unit_path (prefix), changed, user_data };

  g_array_append_val (units->watches, watch);
}

static void
watch_clear (gpointer data)
{
  g_free (((Watch *) data)->path_prefix);
}

static void
on_subscribed (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);

  if (reply == NULL && !g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    g_warning ("Cannot subscribe to systemd: %s", error->message);
}

CreelUnits *
creel_units_new (GDBusConnection *bus, const char *prefix, CreelUnitChangedFunc changed, gpointer user_data)
{
  CreelUnits *units = g_new0 (CreelUnits, 1);

  units->bus = g_object_ref (bus);
  units->watches = g_array_new (FALSE, FALSE, sizeof (Watch));
  g_array_set_clear_func (units->watches, watch_clear);
  creel_units_watch (units, prefix, changed, user_data);
  units->changed = changed;
  units->user_data = user_data;
  units->jobs = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, job_free);
  units->early = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  units->cancellable = g_cancellable_new ();
  units->subscriptions[0] = g_dbus_connection_signal_subscribe (bus, SYSTEMD, MANAGER, "JobRemoved", MANAGER_PATH, NULL,
                                                                G_DBUS_SIGNAL_FLAGS_NONE, on_job_removed, units, NULL);
  units->subscriptions[1] = g_dbus_connection_signal_subscribe (bus, SYSTEMD, MANAGER, "Reloading", MANAGER_PATH, NULL,
                                                                G_DBUS_SIGNAL_FLAGS_NONE, on_reloading, units, NULL);
  units->subscriptions[2] = g_dbus_connection_signal_subscribe (bus, SYSTEMD, PROPERTIES, "PropertiesChanged", NULL,
                                                                SYSTEMD ".Unit", G_DBUS_SIGNAL_FLAGS_NONE,
                                                                on_properties_changed, units, NULL);
  g_dbus_connection_call (bus, SYSTEMD, MANAGER_PATH, MANAGER, "Subscribe", NULL, NULL, G_DBUS_CALL_FLAGS_NONE, -1,
                          units->cancellable, on_subscribed, NULL);
  return units;
}

void
creel_units_free (CreelUnits *units)
{
  g_cancellable_cancel (units->cancellable);
  for (guint i = 0; i < G_N_ELEMENTS (units->subscriptions); i++)
    g_dbus_connection_signal_unsubscribe (units->bus, units->subscriptions[i]);
  g_hash_table_unref (units->jobs);
  g_hash_table_unref (units->early);
  g_object_unref (units->cancellable);
  g_object_unref (units->bus);
  g_array_unref (units->watches);
  g_free (units);
}

static void
set_systemd_error (GError **error, const GError *from)
{
  g_autoptr (GError) copy = g_error_copy (from);

  g_dbus_error_strip_remote_error (copy);
  g_set_error (error, CREEL_ERROR, CREEL_ERROR_FAILED, "systemd refused: %s", copy->message);
}

static void
on_job_queued (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Job *job = user_data;
  g_autoptr (GError) local_error = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GUnixFDList) fds = NULL;
  g_autoptr (GVariant) reply = g_dbus_connection_call_with_unix_fd_list_finish (G_DBUS_CONNECTION (source), &fds, result,
                                                                                &local_error);
  g_autofree char *early = NULL;
  const char *path;

  if (g_error_matches (local_error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    {
      g_free (job); /* we are going away */
      return;
    }
  job->units->calls--;
  if (reply == NULL)
    {
      set_systemd_error (&error, local_error);
      job->done (job->user_data, error);
      g_free (job);
      return;
    }
  g_variant_get (reply, "(&o)", &path);
  early = g_strdup (g_hash_table_lookup (job->units->early, path));
  if (job->units->calls == 0)
    g_hash_table_remove_all (job->units->early);
  if (early != NULL)
    job_done (job, early);
  else
    {
      Job *first = g_hash_table_lookup (job->units->jobs, path);

      if (first == NULL)
        g_hash_table_insert (job->units->jobs, g_strdup (path), job);
      else
        {
          job->next = first->next;
          first->next = job;
        }
    }
}

static void
call_for_job (CreelUnits *units, const char *method, GVariant *parameters, GUnixFDList *fds, CreelUnitFunc done,
              gpointer user_data)
{
  Job *job = g_new0 (Job, 1);

  *job = (Job) { units, done, user_data };
  units->calls++;
  g_dbus_connection_call_with_unix_fd_list (units->bus, SYSTEMD, MANAGER_PATH, MANAGER, method, parameters,
                                            G_VARIANT_TYPE ("(o)"), G_DBUS_CALL_FLAGS_NONE, CALL_TIMEOUT, fds,
                                            units->cancellable, on_job_queued, job);
}

void
creel_units_job (CreelUnits *units, const char *verb, const char *unit, CreelUnitFunc done, gpointer user_data)
{
  call_for_job (units, verb, g_variant_new ("(ss)", unit, "replace"), NULL, done, user_data);
}

void
creel_units_start_transient (CreelUnits *units, const char *unit, GVariant *properties, GUnixFDList *fds,
                             CreelUnitFunc done, gpointer user_data)
{
  call_for_job (units, "StartTransientUnit",
                g_variant_new ("(ss@a(sv)a(sa(sv)))", unit, "fail", properties, NULL), fds, done, user_data);
}

typedef struct
{
  CreelUnitFunc done;
  gpointer user_data;
} Plain;

static void
on_plain_reply (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autofree Plain *plain = user_data;
  g_autoptr (GError) local_error = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &local_error);

  if (g_error_matches (local_error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return;
  if (reply == NULL)
    set_systemd_error (&error, local_error);
  if (plain->done != NULL)
    plain->done (plain->user_data, error);
}

static void
call_plain (CreelUnits *units, const char *method, GVariant *parameters, CreelUnitFunc done, gpointer user_data)
{
  Plain *plain = g_new0 (Plain, 1);

  *plain = (Plain) { done, user_data };
  g_dbus_connection_call (units->bus, SYSTEMD, MANAGER_PATH, MANAGER, method, parameters, NULL, G_DBUS_CALL_FLAGS_NONE,
                          CALL_TIMEOUT, units->cancellable, on_plain_reply, plain);
}

void
creel_units_reload (CreelUnits *units, CreelUnitFunc done, gpointer user_data)
{
  call_plain (units, "Reload", NULL, done, user_data);
}

void
creel_units_disable (CreelUnits *units, const char *unit, CreelUnitFunc done, gpointer user_data)
{
  const char *const names[] = { unit, NULL };

  call_plain (units, "DisableUnitFiles", g_variant_new ("(^asb)", names, FALSE), done, user_data);
}

void
creel_units_kill (CreelUnits *units, const char *unit, int signal)
{
  call_plain (units, "KillUnit", g_variant_new ("(ssi)", unit, "all", signal), NULL, NULL);
}

void
creel_units_reset_failed (CreelUnits *units, const char *unit)
{
  call_plain (units, "ResetFailedUnit", g_variant_new ("(s)", unit), NULL, NULL);
}

typedef struct
{
  CreelUnits *units;
  char *path;
  CreelUnitState state;
  CreelUnitStateFunc done;
  gpointer user_data;
} GetState;

static void
get_state_finish (GetState *get, gboolean ok)
{
  get->done (ok ? &get->state : NULL, get->user_data);
  creel_unit_state_clear (&get->state);
  g_free (get->path);
  g_free (get);
}

static void
on_service_properties (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GetState *get = user_data;
  g_autoptr (GVariant) reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, NULL);
  g_autoptr (GVariant) properties = reply != NULL ? g_variant_get_child_value (reply, 0) : NULL;

  if (properties != NULL)
    {
      g_variant_lookup (properties, "StatusText", "s", &get->state.status_text);
      g_variant_lookup (properties, "Result", "s", &get->state.result);
      g_variant_lookup (properties, "ExecMainStatus", "i", &get->state.exit_status);
      get->state.service = g_variant_ref (properties);
    }
  get_state_finish (get, properties != NULL);
}

static void
on_unit_properties (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GetState *get = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);
  g_autoptr (GVariant) properties = reply != NULL ? g_variant_get_child_value (reply, 0) : NULL;
  guint64 since;

  if (properties != NULL && g_variant_lookup (properties, "ActiveEnterTimestamp", "t", &since))
    get->state.since = (gint64) since;
  if (properties == NULL || !g_variant_lookup (properties, "ActiveState", "s", &get->state.active_state))
    {
      get_state_finish (get, FALSE);
      return;
    }
  g_dbus_connection_call (G_DBUS_CONNECTION (source), SYSTEMD, get->path, PROPERTIES, "GetAll",
                          g_variant_new ("(s)", SYSTEMD ".Service"), G_VARIANT_TYPE ("(a{sv})"), G_DBUS_CALL_FLAGS_NONE,
                          CALL_TIMEOUT, NULL, on_service_properties, get);
}

void
creel_units_get_state (CreelUnits *units, const char *unit, CreelUnitStateFunc done, gpointer user_data)
{
  GetState *get = g_new0 (GetState, 1);

  get->path = unit_path (unit);
  get->done = done;
  get->user_data = user_data;
  g_dbus_connection_call (units->bus, SYSTEMD, get->path, PROPERTIES, "GetAll",
                          g_variant_new ("(s)", SYSTEMD ".Unit"), G_VARIANT_TYPE ("(a{sv})"), G_DBUS_CALL_FLAGS_NONE,
                          CALL_TIMEOUT, NULL, on_unit_properties, get);
}

typedef struct
{
  CreelUnitListFunc done;
  gpointer user_data;
} List;

static void
on_list (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autofree List *list = user_data;
  g_autoptr (GError) local_error = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &local_error);
  g_autoptr (GHashTable) units = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  g_autoptr (GVariant) rows = NULL;
  GVariantIter iter;
  const char *unit, *state;

  if (g_error_matches (local_error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return; /* we are going away */
  if (reply == NULL)
    set_systemd_error (&error, local_error);
  else
    {
      rows = g_variant_get_child_value (reply, 0);
      g_variant_iter_init (&iter, rows);
      while (g_variant_iter_next (&iter, "(&sss&sssouso)", &unit, NULL, NULL, &state, NULL, NULL, NULL, NULL, NULL, NULL))
        g_hash_table_insert (units, g_strdup (unit), g_strdup (state));
    }
  list->done (units, list->user_data, error);
}

void
creel_units_list (CreelUnits *units, const char *pattern, CreelUnitListFunc done, gpointer user_data)
{
  const char *const patterns[] = { pattern, NULL }, *const states[] = { NULL };
  List *list = g_new0 (List, 1);

  *list = (List) { done, user_data };
  g_dbus_connection_call (units->bus, SYSTEMD, MANAGER_PATH, MANAGER, "ListUnitsByPatterns",
                          g_variant_new ("(^as^as)", states, patterns), G_VARIANT_TYPE ("(a(ssssssouso))"), G_DBUS_CALL_FLAGS_NONE,
                          CALL_TIMEOUT, units->cancellable, on_list, list);
}
