/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* systemd and polkit as creeld sees them, on a private bus. Units hold no processes. What fails is told by names:
 *   a workspace check of a path with "missing" exits with 10; the start of a sandbox "bad-..." fails with 70 + GuestFailed;
 *   a port 6666 is busy; an engine that is killed has failed with 9, one whose context is 666 does not start, one with 777 does though its job is not seen to end;
 *   a worker with "endless" goes on until it is killed. What polkit was asked for is appended to $MOCK_POLKIT.asked.
 * polkit allows what the file in $MOCK_POLKIT lists, one action a line; no file: everything. While there is a $MOCK_POLKIT.hold the person thinks,
 * while there is a $MOCK_POLKIT.slow nobody hears what is active. */
#include <gio/gio.h>
#include <gio/gunixfdlist.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static GHashTable *active; /* unit -> ActiveState */
static GHashTable *status; /* unit -> exit status */
static GHashTable *running; /* set of units */
static GHashTable *held; /* unit -> GUnixFDList of a worker that goes on */
static GHashTable *words; /* unit -> Environment of an engine */
static guint next_job;

static const char xml[] =
    "<node><interface name='org.freedesktop.systemd1.Manager'>"
    "<method name='Subscribe'/><method name='Reload'/>"
    "<method name='StartUnit'><arg type='s' direction='in'/><arg type='s' direction='in'/><arg type='o' direction='out'/></method>"
    "<method name='StopUnit'><arg type='s' direction='in'/><arg type='s' direction='in'/><arg type='o' direction='out'/></method>"
    "<method name='StartTransientUnit'><arg type='s' direction='in'/><arg type='s' direction='in'/><arg type='a(sv)' direction='in'/>"
    "<arg type='a(sa(sv))' direction='in'/><arg type='o' direction='out'/></method>"
    "<method name='DisableUnitFiles'><arg type='as' direction='in'/><arg type='b' direction='in'/><arg type='a(sss)' direction='out'/></method>"
    "<method name='KillUnit'><arg type='s' direction='in'/><arg type='s' direction='in'/><arg type='i' direction='in'/></method>"
    "<method name='ListUnitsByPatterns'><arg type='as' direction='in'/><arg type='as' direction='in'/><arg type='a(ssssssouso)' direction='out'/></method>"
    "<method name='ResetFailedUnit'><arg type='s' direction='in'/></method>"
    "</interface>"
    "<interface name='org.freedesktop.PolicyKit1.Authority'>"
    "<method name='CheckAuthorization'><arg type='(sa{sv})' direction='in'/><arg type='s' direction='in'/><arg type='a{ss}' direction='in'/>"
    "<arg type='u' direction='in'/><arg type='s' direction='in'/><arg type='(bba{ss})' direction='out'/></method>"
    "</interface>"
    "<interface name='org.freedesktop.systemd1.Unit'><property name='ActiveState' type='s' access='read'/></interface>"
    "<interface name='org.freedesktop.systemd1.Service'><property name='StatusText' type='s' access='read'/>"
    "<property name='Result' type='s' access='read'/><property name='ExecMainStatus' type='i' access='read'/>"
    "<property name='Environment' type='as' access='read'/><property name='MemoryCurrent' type='t' access='read'/></interface></node>";

static char *
unit_path (const char *unit)
{
  GString *path = g_string_new ("/org/freedesktop/systemd1/unit/");

  for (; *unit != '\0'; unit++)
    if (g_ascii_isalnum (*unit))
      g_string_append_c (path, *unit);
    else
      g_string_append_printf (path, "_%02x", (guchar) *unit);
  return g_string_free (path, FALSE);
}

static void
set_state (GDBusConnection *bus, const char *unit, const char *state, int code)
{
  g_autofree char *path = unit_path (unit);

  g_hash_table_insert (active, g_strdup (path), g_strdup (state));
  g_hash_table_insert (status, g_strdup (path), GINT_TO_POINTER (code));
  g_dbus_connection_emit_signal (bus, NULL, path, "org.freedesktop.DBus.Properties", "PropertiesChanged",
                                 g_variant_new ("(sa{sv}as)", "org.freedesktop.systemd1.Unit", NULL, NULL), NULL);
}

static void
job (GDBusConnection *bus, GDBusMethodInvocation *invocation, const char *unit, const char *result)
{
  g_autofree char *path = g_strdup_printf ("/org/freedesktop/systemd1/job/%u", ++next_job);

  g_dbus_method_invocation_return_value (invocation, g_variant_new ("(o)", path));
  g_dbus_connection_emit_signal (bus, NULL, "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager", "JobRemoved",
                                 g_variant_new ("(uoss)", next_job, path, unit, result), NULL);
}

static gboolean
is_allowed (const char *action, GVariant *details)
{
  const char *file = g_getenv ("MOCK_POLKIT");
  g_autofree char *text = NULL, *asked = g_strconcat (file, ".asked", NULL), *shown = g_variant_print (details, FALSE);
  g_auto (GStrv) lines = NULL;
  g_autofree char *hold = g_strconcat (file, ".hold", NULL);
  FILE *log = fopen (asked, "a");

  if (log != NULL)
    {
      fprintf (log, "%s %s\n", action, shown);
      fclose (log);
    }
  while (g_file_test (hold, G_FILE_TEST_EXISTS))
    g_usleep (10000);

  if (!g_file_get_contents (file, &text, NULL, NULL))
    return TRUE;
  lines = g_strsplit (text, "\n", -1);
  return g_strv_contains ((const char *const *) lines, action);
}

static void
list_units (GVariant *parameters, GDBusMethodInvocation *invocation)
{
  g_autoptr (GVariant) patterns = g_variant_get_child_value (parameters, 1);
  const char *pattern;
  GVariantBuilder rows;
  GHashTableIter iter;
  gpointer unit;

  g_variant_get_child (patterns, 0, "&s", &pattern);
  g_variant_builder_init (&rows, G_VARIANT_TYPE ("a(ssssssouso)"));
  g_hash_table_iter_init (&iter, running);
  while (g_hash_table_iter_next (&iter, &unit, NULL))
    if (g_pattern_match_simple (pattern, unit))
      g_variant_builder_add (&rows, "(ssssssouso)", unit, "", "loaded", "active", "listening", "", "/", 0, "", "/");
  g_dbus_method_invocation_return_value (invocation, g_variant_new ("(a(ssssssouso))", &rows));
}

static void
start_transient (GDBusConnection *bus, GDBusMethodInvocation *invocation, GVariant *parameters, const char *unit)
{
  GUnixFDList *fds = g_dbus_message_get_unix_fd_list (g_dbus_method_invocation_get_message (invocation));
  g_autofree char *text = g_variant_print (parameters, FALSE);
  gboolean engine = g_str_has_prefix (unit, "creel-engine-");
  gboolean bad = strstr (text, engine ? "CREEL_CONTEXT_SIZE=666'" : "missing") != NULL;

  if (g_str_has_prefix (unit, "creel-version-") && fds != NULL)
    {
      int fd = g_unix_fd_list_get (fds, 0, NULL);

      if (write (fd, "noise\nversion: 1.2 (mock)\n", 26) != 26)
        g_warning ("write failed");
      close (fd);
    }
  if (strstr (text, "endless") != NULL && fds != NULL)
    {
      g_hash_table_insert (held, g_strdup (unit), g_object_ref (fds));
      g_hash_table_add (running, g_strdup (unit));
      set_state (bus, unit, "active", 0);
      job (bus, invocation, unit, "done");
      return;
    }
  if (engine && !bad)
    {
      g_autoptr (GVariant) properties = g_variant_get_child_value (parameters, 2);
      g_autoptr (GVariant) value = NULL;
      GVariantIter iter;
      const char *key;

      g_variant_iter_init (&iter, properties);
      while (g_variant_iter_next (&iter, "(&sv)", &key, &value))
        {
          if (g_str_equal (key, "Environment"))
            g_hash_table_insert (words, unit_path (unit), g_variant_ref (value));
          g_clear_pointer (&value, g_variant_unref);
        }
      g_hash_table_add (running, g_strdup (unit));
    }
  set_state (bus, unit, bad ? "failed" : engine ? "active" : "inactive", bad ? 10 : 0);
  job (bus, invocation, unit, bad ? "failed" : engine && strstr (text, "CREEL_CONTEXT_SIZE=777'") != NULL ? "timeout" : "done");
}

static void
on_call (GDBusConnection *bus, const char *sender, const char *path, const char *interface, const char *method,
         GVariant *parameters, GDBusMethodInvocation *invocation, gpointer unused)
{
  const char *unit = NULL;

  if (g_str_equal (method, "CheckAuthorization"))
    {
      g_autoptr (GVariant) details = g_variant_get_child_value (parameters, 2);
      const char *action;

      g_variant_get_child (parameters, 1, "&s", &action);
      g_dbus_method_invocation_return_value (invocation, g_variant_new ("((bba{ss}))", is_allowed (action, details), FALSE, NULL));
      return;
    }
  if (g_str_equal (method, "ListUnitsByPatterns"))
    {
      list_units (parameters, invocation);
      return;
    }
  if (g_str_equal (method, "DisableUnitFiles"))
    {
      g_dbus_method_invocation_return_value (invocation, g_variant_new ("(a(sss))", NULL));
      return;
    }
  if (!g_str_has_suffix (method, "Unit") || g_str_equal (method, "KillUnit") || g_str_equal (method, "ResetFailedUnit"))
    {
      g_dbus_method_invocation_return_value (invocation, NULL);
      if (g_str_has_suffix (method, "Unit"))
        g_variant_get_child (parameters, 0, "&s", &unit);
      if (g_str_equal (method, "KillUnit") && g_hash_table_remove (running, unit))
        {
          g_hash_table_remove (held, unit);
          set_state (bus, unit, "failed", 9);
        }
      if (g_str_equal (method, "Reload"))
        g_dbus_connection_emit_signal (bus, NULL, "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager", "Reloading",
                                       g_variant_new ("(b)", FALSE), NULL);
      return;
    }
  g_variant_get_child (parameters, 0, "&s", &unit);
  if (g_str_equal (method, "StopUnit"))
    {
      g_hash_table_remove (running, unit);
      set_state (bus, unit, "inactive", 0);
      job (bus, invocation, unit, "done");
    }
  else if (g_str_equal (method, "StartUnit"))
    {
      gboolean bad = g_str_has_prefix (unit, "creel@bad") || strstr (unit, ":6666:") != NULL;

      if (!bad)
        g_hash_table_add (running, g_strdup (unit));

      set_state (bus, unit, bad ? "failed" : "active", bad ? 70 + 13 : 0);
      job (bus, invocation, unit, bad ? "failed" : "done");
    }
  else
    start_transient (bus, invocation, parameters, unit);
}

static GVariant *
on_get (GDBusConnection *bus, const char *sender, const char *path, const char *interface, const char *name, GError **error,
        gpointer unused)
{
  const char *state = g_hash_table_lookup (active, path);
  int code = GPOINTER_TO_INT (g_hash_table_lookup (status, path));
  g_autofree char *slow = g_strconcat (g_getenv ("MOCK_POLKIT"), ".slow", NULL);

  while (g_file_test (slow, G_FILE_TEST_EXISTS))
    g_usleep (10000);
  if (g_str_equal (name, "ActiveState"))
    return g_variant_new_string (state != NULL ? state : "inactive");
  if (g_str_equal (name, "Environment"))
    {
      GVariant *own = g_hash_table_lookup (words, path);

      return own != NULL ? g_variant_ref (own) : g_variant_new ("as", NULL);
    }
  if (g_str_equal (name, "MemoryCurrent"))
    return g_variant_new_uint64 (12345);
  if (g_str_equal (name, "StatusText"))
    return g_variant_new_string (code != 0 ? "The guest said nonsense" : "");
  if (g_str_equal (name, "Result"))
    return g_variant_new_string (code != 0 ? "exit-code" : "success");
  return g_variant_new_int32 (code);
}

static const GDBusInterfaceVTable vtable = { .method_call = on_call, .get_property = on_get };
static GDBusNodeInfo *node;

static GDBusInterfaceInfo **
introspect (GDBusConnection *bus, const char *sender, const char *path, const char *name, gpointer unused)
{
  GDBusInterfaceInfo **infos = g_new0 (GDBusInterfaceInfo *, 3);

  infos[0] = g_dbus_interface_info_ref (node->interfaces[2]);
  infos[1] = g_dbus_interface_info_ref (node->interfaces[3]);
  return infos;
}

static const GDBusInterfaceVTable *
dispatch (GDBusConnection *bus, const char *sender, const char *path, const char *interface, const char *name, gpointer *data,
          gpointer unused)
{
  return &vtable;
}

static char **
enumerate (GDBusConnection *bus, const char *sender, const char *path, gpointer unused)
{
  return g_new0 (char *, 1);
}

int
main (int argc, char **argv)
{
  static const GDBusSubtreeVTable units = { .enumerate = enumerate, .introspect = introspect, .dispatch = dispatch };
  const char *names[] = { "org.freedesktop.systemd1", "org.freedesktop.PolicyKit1" };
  g_autoptr (GError) error = NULL;
  g_autoptr (GDBusConnection) bus = g_bus_get_sync (G_BUS_TYPE_SYSTEM, NULL, &error);
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);

  g_assert_no_error (error);
  active = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  running = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  words = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_variant_unref);
  held = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_object_unref);
  status = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  node = g_dbus_node_info_new_for_xml (xml, &error);
  g_assert_no_error (error);
  g_dbus_connection_register_object (bus, "/org/freedesktop/systemd1", node->interfaces[0], &vtable, NULL, NULL, NULL);
  g_dbus_connection_register_object (bus, "/org/freedesktop/PolicyKit1/Authority", node->interfaces[1], &vtable, NULL, NULL, NULL);
  g_dbus_connection_register_subtree (bus, "/org/freedesktop/systemd1/unit", &units,
                                      G_DBUS_SUBTREE_FLAGS_DISPATCH_TO_UNENUMERATED_NODES, NULL, NULL, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    g_bus_own_name_on_connection (bus, names[i], G_BUS_NAME_OWNER_FLAGS_NONE, NULL, NULL, NULL, NULL);
  g_main_loop_run (loop);
  return 0;
}
