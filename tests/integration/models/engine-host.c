/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* engine-host FOLDER PROGRAM - creeld's Models and Engines on the bus of DBUS_SYSTEM_BUS_ADDRESS, for the front of the model runner. It has one
 * model, ai/creel-test, whose engine is PROGRAM SOCKET CONTEXT. */
#include <gio/gio.h>
#include <glib-unix.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <sys/wait.h>

#define BUS_NAME "org.creel.Creel1"
#define OBJECT "/org/creel/Creel1"
#define ID "sha256-1111111111111111111111111111111111111111111111111111111111111111"
#define HEX "1111111111111111"

static const char xml[] =
    "<node><interface name='org.creel.Creel1.Models'>"
    "<method name='ListModels'><arg type='a{sv}' direction='in'/><arg type='aa{sv}' direction='out'/></method></interface>"
    "<interface name='org.creel.Creel1.Engines'>"
    "<method name='StartEngine'><arg type='s' direction='in'/><arg type='a{sv}' direction='in'/></method>"
    "<method name='StopEngine'><arg type='s' direction='in'/></method>"
    "<method name='ListEngines'><arg type='aa{sv}' direction='out'/></method>"
    "<method name='ReportEngine'><arg type='s' direction='in'/><arg type='a{sv}' direction='in'/></method></interface></node>";

typedef struct
{
  GDBusConnection *bus;
  const char *folder, *program;
  char *front;
  GPid pid;
  GDBusMethodInvocation *stopping;
} Host;

static void
on_engine_exit (GPid pid, int status, gpointer user_data)
{
  Host *host = user_data;
  gboolean told = host->stopping != NULL || (WIFEXITED (status) && WEXITSTATUS (status) == 0);

  host->pid = 0;
  g_dbus_connection_emit_signal (host->bus, host->front, OBJECT, BUS_NAME ".Engines", "EngineStopped",
                                 g_variant_new ("(sss)", ID, told ? "success" : "signal", told ? "It ended" : "It crashed"), NULL);
  if (host->stopping != NULL)
    g_dbus_method_invocation_return_value (g_steal_pointer (&host->stopping), NULL);
}

static void
start (Host *host, GDBusMethodInvocation *invocation, GVariant *options)
{
  g_autofree char *folder = g_build_filename (host->folder, HEX, NULL), *path = g_build_filename (folder, "engine.sock", NULL), *context = NULL;
  const char *argv[] = { host->program, path, NULL, NULL };
  g_autoptr (GError) error = NULL;
  guint64 size = 0;

  g_variant_lookup (options, "context-size", "t", &size);
  argv[2] = context = g_strdup_printf ("%" G_GUINT64_FORMAT, size);
  if (host->pid != 0)
    {
      g_dbus_method_invocation_return_dbus_error (invocation, BUS_NAME ".Error.Running", "It runs");
      return;
    }
  g_mkdir_with_parents (folder, 0700);
  g_unlink (path);
  if (!g_spawn_async (NULL, (char **) argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD, NULL, NULL, &host->pid, &error))
    g_dbus_method_invocation_return_dbus_error (invocation, BUS_NAME ".Error.Failed", error->message);
  else
    {
      g_child_watch_add (host->pid, on_engine_exit, host);
      g_dbus_method_invocation_return_value (invocation, NULL);
    }
}

static GVariant *
list_models (void)
{
  return g_variant_new_parsed ("([{'id':<'" ID "'>,'name':<'ai/creel-test'>,'references':<['docker.io/ai/creel-test:latest']>,'format':<'gguf'>,"
                               "'architecture':<'llama'>,'size':<uint64 524288>,'context-length':<uint64 131072>,'kv-bytes-per-token':<uint64 256>,"
                               "'chat-template':<true>,'created':<int64 1700000000000000>}],)");
}

static void
on_call (GDBusConnection *connection, const char *sender, const char *path, const char *interface, const char *method, GVariant *parameters,
         GDBusMethodInvocation *invocation, gpointer user_data)
{
  Host *host = user_data;
  g_autoptr (GVariant) options = NULL;

  if (g_str_equal (method, "ListModels"))
    {
      g_dbus_method_invocation_return_value (invocation, list_models ());
      return;
    }
  g_free (host->front);
  host->front = g_strdup (sender);
  if (g_str_equal (method, "StartEngine"))
    {
      options = g_variant_get_child_value (parameters, 1);
      start (host, invocation, options);
    }
  else if (g_str_equal (method, "StopEngine") && host->pid != 0)
    {
      host->stopping = invocation;
      kill (host->pid, SIGTERM);
    }
  else if (g_str_equal (method, "StopEngine"))
    g_dbus_method_invocation_return_dbus_error (invocation, BUS_NAME ".Error.NotRunning", "It does not run");
  else if (!g_str_equal (method, "ListEngines"))
    g_dbus_method_invocation_return_value (invocation, NULL);
  else if (host->pid != 0)
    g_dbus_method_invocation_return_value (invocation, g_variant_new_parsed ("([{'id':<'" ID "'>,'state':<'running'>,'context-size':<uint64 131072>}],)"));
  else
    g_dbus_method_invocation_return_value (invocation, g_variant_new_parsed ("(@aa{sv} [],)"));
}

static gboolean
on_terminate (gpointer user_data)
{
  g_main_loop_quit (user_data);
  return G_SOURCE_REMOVE;
}

int
main (int argc, char **argv)
{
  static const GDBusInterfaceVTable vtable = { .method_call = on_call };
  g_autoptr (GDBusNodeInfo) node = g_dbus_node_info_new_for_xml (xml, NULL);
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  Host host = { .folder = argv[1], .program = argv[2] };

  g_assert_cmpint (argc, ==, 3);
  host.bus = g_bus_get_sync (G_BUS_TYPE_SYSTEM, NULL, NULL);
  g_assert_nonnull (host.bus);
  for (guint i = 0; i < 2; i++)
    g_assert_cmpuint (g_dbus_connection_register_object (host.bus, OBJECT, node->interfaces[i], &vtable, &host, NULL, NULL), !=, 0);
  g_bus_own_name_on_connection (host.bus, BUS_NAME, G_BUS_NAME_OWNER_FLAGS_NONE, NULL, NULL, NULL, NULL);
  g_unix_signal_add (SIGTERM, on_terminate, loop);
  g_main_loop_run (loop);
  if (host.pid != 0)
    kill (host.pid, SIGKILL);
  g_free (host.front);
  return 0;
}
