/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-daemon.h"

#include <glib-unix.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "creel-agent-registry.h"
#include "creel-ceiling.h"
#include "creel-dispatch.h"
#include "creel-engine-version.h"
#include "creel-engines.h"
#include "creel-error.h"
#include "creel-image-store.h"
#include "creel-job.h"
#include "creel-names.h"
#include "creel-ports.h"
#include "creel-sandbox.h"
#include "creel-session.h"

static void
on_caller_gone (const char *name, uid_t uid, gpointer user_data)
{
  CreelDaemon *daemon = user_data;

  creel_session_hangup_all (daemon, name);
  creel_agent_registry_gone (daemon->agents, name);
  creel_engines_client_gone (daemon->engines, name);
  creel_job_cancel_all_of (daemon, name);
}

static void
on_unit_changed (const char *unit, gpointer user_data)
{
  CreelDaemon *daemon = user_data;
  g_autofree char *name = NULL;
  CreelSandbox *sandbox;

  if (unit == NULL)
    {
      creel_daemon_rescan (daemon);
      return;
    }
  if (!g_str_has_prefix (unit, CREEL_UNIT_PREFIX) || !g_str_has_suffix (unit, ".service"))
    return;
  name = g_strndup (unit + strlen (CREEL_UNIT_PREFIX), strlen (unit) - strlen (CREEL_UNIT_PREFIX) - strlen (".service"));
  sandbox = g_hash_table_lookup (daemon->sandboxes, name);
  if (sandbox != NULL)
    creel_sandbox_refresh (sandbox, NULL, NULL);
}

void
creel_daemon_rescan (CreelDaemon *daemon)
{
  g_auto (GStrv) names = creel_definition_list ();
  g_autoptr (GPtrArray) known = g_ptr_array_new_with_free_func (g_free);
  GHashTableIter iter;
  gpointer key;

  g_hash_table_iter_init (&iter, daemon->sandboxes);
  while (g_hash_table_iter_next (&iter, &key, NULL))
    g_ptr_array_add (known, g_strdup (key));
  for (guint i = 0; i < known->len; i++)
    {
      CreelSandbox *sandbox = g_hash_table_lookup (daemon->sandboxes, known->pdata[i]);

      if (g_strv_contains ((const char *const *) names, known->pdata[i]))
        creel_sandbox_reload (sandbox);
      else if (!creel_sandbox_is_active (sandbox) && !g_hash_table_contains (daemon->reserved, known->pdata[i]))
        creel_sandbox_drop (daemon, known->pdata[i]);
    }
  for (char **name = names; *name != NULL; name++)
    if (!g_hash_table_contains (daemon->sandboxes, *name) && !g_hash_table_contains (daemon->reserved, *name))
      creel_sandbox_add (daemon, *name);
  creel_ports_sweep (daemon);
}

void
creel_daemon_emit (CreelDaemon *daemon, uid_t owner, const char *path, const char *interface, const char *signal,
                   GVariant *parameters)
{
  g_autoptr (GVariant) owned = g_variant_ref_sink (parameters);
  g_autoptr (GPtrArray) names = creel_callers_of (daemon->callers, owner);

  for (guint i = 0; i < names->len; i++)
    g_dbus_connection_emit_signal (daemon->bus, names->pdata[i], path, interface, signal, owned, NULL);
}

/* Everything is exported before the name is ours: no client finds half a service. */
static gboolean
own_name (CreelDaemon *daemon, GError **error)
{
  g_autoptr (GVariant) reply = NULL;
  guint32 result;

  /* at the start only, before the loop runs; flag 4: do not queue behind another */
  reply = g_dbus_connection_call_sync (daemon->bus, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                       "RequestName", g_variant_new ("(su)", CREEL_BUS_NAME, 4), G_VARIANT_TYPE ("(u)"),
                                       G_DBUS_CALL_FLAGS_NONE, -1, NULL, error);
  if (reply == NULL)
    return FALSE;
  g_variant_get (reply, "(u)", &result);
  if (result == 1)
    return TRUE;
  g_set_error_literal (error, CREEL_ERROR, CREEL_ERROR_FAILED, "Another process has the name " CREEL_BUS_NAME);
  return FALSE;
}

static void
on_known (gpointer user_data, GError *error)
{
  --*(guint *) user_data;
}

/* At the start only: until systemd said what runs, nothing seems to. */
static void
learn_states (CreelDaemon *daemon)
{
  GHashTableIter iter;
  gpointer sandbox;
  guint waiting = 0;

  g_hash_table_iter_init (&iter, daemon->sandboxes);
  for (; g_hash_table_iter_next (&iter, NULL, &sandbox); waiting++)
    creel_sandbox_refresh (sandbox, on_known, &waiting);
  while (waiting > 0)
    g_main_context_iteration (NULL, TRUE);
}

CreelDaemon *
creel_daemon_new (GError **error)
{
  g_autoptr (CreelDaemon) daemon = g_new0 (CreelDaemon, 1);

  daemon->sandboxes = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify) creel_sandbox_free);
  daemon->sessions = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify) creel_session_free);
  daemon->image_jobs = g_ptr_array_new ();
  daemon->garbage = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  daemon->jobs = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify) creel_job_free);
  daemon->reserved = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  daemon->bus = g_bus_get_sync (G_BUS_TYPE_SYSTEM, NULL, error);
  if (daemon->bus == NULL)
    return NULL;
  g_dbus_connection_set_exit_on_close (daemon->bus, FALSE);
  (void) creel_error_quark ();
  daemon->callers = creel_callers_new (daemon->bus, on_caller_gone, daemon);
  daemon->agents = creel_agent_registry_new (daemon);
  daemon->units = creel_units_new (daemon->bus, CREEL_UNIT_PREFIX, on_unit_changed, daemon);
  daemon->engines = creel_engines_new (daemon);
  daemon->engine_version = creel_engine_version_new (daemon);
  creel_image_store_clean ();
  daemon->ceiling = creel_ceiling_new (daemon);
  creel_daemon_rescan (daemon);
  learn_states (daemon);
  if (!creel_dispatch_export (daemon, error) || !own_name (daemon, error))
    return NULL;
  return g_steal_pointer (&daemon);
}

void
creel_daemon_free (CreelDaemon *daemon)
{
  if (daemon->bus != NULL)
    creel_dispatch_unexport (daemon);
  g_clear_pointer (&daemon->ceiling, creel_ceiling_free);
  g_clear_pointer (&daemon->sandboxes, g_hash_table_unref);
  g_clear_pointer (&daemon->sessions, g_hash_table_unref);
  g_clear_pointer (&daemon->jobs, g_hash_table_unref);
  g_clear_pointer (&daemon->image_jobs, g_ptr_array_unref);
  g_clear_pointer (&daemon->garbage, g_hash_table_unref);
  g_clear_pointer (&daemon->reserved, g_hash_table_unref);
  g_clear_pointer (&daemon->engine_version, creel_engine_version_free);
  g_clear_pointer (&daemon->engines, creel_engines_free);
  g_clear_pointer (&daemon->units, creel_units_free);
  g_clear_pointer (&daemon->agents, creel_agent_registry_free);
  g_clear_pointer (&daemon->callers, creel_callers_free);
  g_clear_object (&daemon->bus);
  g_free (daemon);
}

typedef struct
{
  GMainLoop *loop;
  gboolean lost;
} Run;

static gboolean
on_terminate (gpointer user_data)
{
  Run *run = user_data;

  g_main_loop_quit (run->loop);
  return G_SOURCE_CONTINUE;
}

static void
on_bus_lost (GDBusConnection *bus, gboolean remote, GError *error, gpointer user_data)
{
  Run *run = user_data;

  run->lost = TRUE;
  g_main_loop_quit (run->loop);
}

static gboolean
on_watchdog (gpointer unused)
{
  sd_notify (0, "WATCHDOG=1");
  return G_SOURCE_CONTINUE;
}

gboolean
creel_daemon_run (CreelDaemon *daemon)
{
  Run run = { g_main_loop_new (NULL, FALSE), FALSE };
  guint term = g_unix_signal_add (SIGTERM, on_terminate, &run);
  guint interrupt = g_unix_signal_add (SIGINT, on_terminate, &run);
  gulong closed = g_signal_connect (daemon->bus, "closed", G_CALLBACK (on_bus_lost), &run);
  guint64 period = 0;
  guint watchdog = 0;

  if (sd_watchdog_enabled (0, &period) > 0)
    watchdog = g_timeout_add (MAX (period / 2000, 1), on_watchdog, NULL);
  sd_notify (0, "READY=1");
  g_main_loop_run (run.loop);
  sd_notify (0, "STOPPING=1");
  g_clear_handle_id (&watchdog, g_source_remove);
  g_source_remove (term);
  g_source_remove (interrupt);
  g_signal_handler_disconnect (daemon->bus, closed);
  g_main_loop_unref (run.loop);
  return !run.lost;
}
