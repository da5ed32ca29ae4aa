/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib-unix.h>
#include <locale.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "creel-config.h"
#include "creel-error.h"
#include "creel-names.h"
#include "creel-secret-agent.h"

typedef struct
{
  GMainLoop *loop;
  int status;
} Run;

static gboolean
on_terminate (gpointer user_data)
{
  g_main_loop_quit (((Run *) user_data)->loop);
  return G_SOURCE_CONTINUE;
}

static void
on_bus_closed (GDBusConnection *bus, gboolean remote_peer_vanished, GError *error, gpointer user_data)
{
  Run *run = user_data;

  g_message ("A bus has gone away; leaving");
  run->status = 1; /* systemd starts us again, unless the session ends too */
  g_main_loop_quit (run->loop);
}

static void
on_name_lost (GDBusConnection *bus, const char *name, gpointer user_data)
{
  g_message ("Another creel-agent serves this session already");
  g_main_loop_quit (((Run *) user_data)->loop);
}

static void
on_name_acquired (GDBusConnection *bus, const char *name, gpointer user_data)
{
  g_autoptr (GError) error = NULL;
  gpointer *data = user_data;

  if (!creel_secret_agent_start (data[1], &error))
    {
      g_warning ("Cannot serve: %s", error->message);
      ((Run *) data[0])->status = 1;
      g_main_loop_quit (((Run *) data[0])->loop);
    }
}

static void
on_name_lost_data (GDBusConnection *bus, const char *name, gpointer user_data)
{
  on_name_lost (bus, name, ((gpointer *) user_data)[0]);
}

static GDBusConnection *
connect_bus (GBusType type, Run *run)
{
  g_autoptr (GError) error = NULL;
  GDBusConnection *bus = g_bus_get_sync (type, NULL, &error);

  if (bus == NULL)
    {
      g_printerr ("creel-agent: no %s bus: %s\n", type == G_BUS_TYPE_SYSTEM ? "system" : "session", error->message);
      return NULL;
    }
  g_dbus_connection_set_exit_on_close (bus, FALSE);
  g_signal_connect (bus, "closed", G_CALLBACK (on_bus_closed), run);
  return bus;
}

int
main (int argc, char **argv)
{
  static const struct rlimit no_core = { 0, 0 };
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  g_autoptr (GDBusConnection) system_bus = NULL, session_bus = NULL;
  g_autoptr (CreelSecretAgent) agent = NULL;
  Run run = { loop, 0 };

  setlocale (LC_ALL, "");
  if (argc > 1)
    {
      if (g_str_equal (argv[1], "--version"))
        g_print ("creel-agent %s\n", CREEL_VERSION);
      else
        g_printerr ("creel-agent: takes no arguments; it is started with the session\n");
      return g_str_equal (argv[1], "--version") ? 0 : 2;
    }
  /* keys pass through this memory: no other process of the user and no core file may look into it */
  prctl (PR_SET_DUMPABLE, 0);
  setrlimit (RLIMIT_CORE, &no_core);
  (void) creel_error_quark (); /* registers the error names */

  if ((session_bus = connect_bus (G_BUS_TYPE_SESSION, &run)) == NULL
      || (system_bus = connect_bus (G_BUS_TYPE_SYSTEM, &run)) == NULL)
    return 1;
  agent = creel_secret_agent_new (system_bus, session_bus);
  gpointer data[] = { &run, agent };

  guint term = g_unix_signal_add (SIGTERM, on_terminate, &run), interrupt = g_unix_signal_add (SIGINT, on_terminate, &run);
  guint name = g_bus_own_name_on_connection (session_bus, CREEL_AGENT_BUS_NAME, G_BUS_NAME_OWNER_FLAGS_DO_NOT_QUEUE,
                                             on_name_acquired, on_name_lost_data, data, NULL);

  g_main_loop_run (loop);
  creel_secret_agent_stop (agent);
  g_bus_unown_name (name);
  g_source_remove (term);
  g_source_remove (interrupt);
  g_signal_handlers_disconnect_by_data (session_bus, &run);
  g_signal_handlers_disconnect_by_data (system_bus, &run);
  return run.status;
}
