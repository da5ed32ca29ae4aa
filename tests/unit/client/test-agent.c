/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The real creel-agent with a real gnome-keyring on a private bus; this test plays the service. */
#include <fcntl.h>
#include <gio/gio.h>
#include <gio/gunixfdlist.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "creel-dbus-agent.h"
#include "creel-dbus-agentmanager.h"
#include "creel-error.h"
#include "creel-keyring-registry.h"
#include "creel-names.h"

typedef struct
{
  GTestDBus *bus;
  char *folder;
  GSubprocess *keyring, *agent;
  GDBusConnection *service; /* owns CREEL_BUS_NAME */
  CreelDBusAgentManager *manager;
  char *agent_name;
  guint owner_id;
  int n_registered, n_revoked;
} Fixture;

static gboolean
on_register (CreelDBusAgentManager *manager, GDBusMethodInvocation *invocation, const char *const *capabilities, gpointer user_data)
{
  Fixture *f = user_data;

  g_free (f->agent_name);
  f->agent_name = g_strdup (g_dbus_method_invocation_get_sender (invocation));
  f->n_registered++;
  creel_dbus_agent_manager_complete_register (manager, invocation);
  return TRUE;
}

static gboolean
on_revoke (CreelDBusAgentManager *manager, GDBusMethodInvocation *invocation, const char *const *credentials, gpointer user_data)
{
  ((Fixture *) user_data)->n_revoked++;
  creel_dbus_agent_manager_complete_revoke (manager, invocation);
  return TRUE;
}

static void
wait_for (const int *count, int wanted)
{
  gint64 end = g_get_monotonic_time () + 15 * G_USEC_PER_SEC;

  while (*count < wanted && g_get_monotonic_time () < end)
    if (!g_main_context_iteration (NULL, FALSE))
      g_usleep (10 * 1000);
  g_assert_cmpint (*count, >=, wanted);
}

static GDBusConnection *
connect_to (Fixture *f)
{
  g_autoptr (GError) error = NULL;
  GDBusConnection *bus = g_dbus_connection_new_for_address_sync (g_test_dbus_get_bus_address (f->bus),
                                                                 G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
                                                                 NULL, NULL, &error);

  g_assert_no_error (error);
  return bus;
}

static void
own_name (Fixture *f)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = NULL;

  f->service = connect_to (f);
  f->manager = creel_dbus_agent_manager_skeleton_new ();
  g_signal_connect (f->manager, "handle-register", G_CALLBACK (on_register), f);
  g_signal_connect (f->manager, "handle-revoke", G_CALLBACK (on_revoke), f);
  g_dbus_interface_skeleton_export (G_DBUS_INTERFACE_SKELETON (f->manager), f->service, CREEL_OBJECT_PATH, &error);
  g_assert_no_error (error);
  reply = g_dbus_connection_call_sync (f->service, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "RequestName",
                                       g_variant_new ("(su)", CREEL_BUS_NAME, 4U), G_VARIANT_TYPE ("(u)"), G_DBUS_CALL_FLAGS_NONE, -1, NULL, &error);
  g_assert_no_error (error);
}

static void
drop_name (Fixture *f)
{
  g_dbus_interface_skeleton_unexport (G_DBUS_INTERFACE_SKELETON (f->manager));
  g_clear_object (&f->manager);
  g_dbus_connection_close_sync (f->service, NULL, NULL);
  g_clear_object (&f->service);
}

static void
wait_for_name (GDBusConnection *bus, const char *name)
{
  gboolean has = FALSE;

  for (int i = 0; i < 200 && !has; i++)
    {
      g_autoptr (GVariant) reply
          = g_dbus_connection_call_sync (bus, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "NameHasOwner",
                                         g_variant_new ("(s)", name), G_VARIANT_TYPE ("(b)"), G_DBUS_CALL_FLAGS_NONE, -1, NULL, NULL);

      g_variant_get (reply, "(b)", &has);
      if (!has)
        g_usleep (50 * 1000);
    }
  g_assert_true (has);
}

static void
set_up (Fixture *f, gconstpointer unused)
{
  static const char *const variables[] = { "HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "XDG_CACHE_HOME" };
  g_autoptr (GError) error = NULL;

  f->folder = g_dir_make_tmp ("creel-agent-XXXXXX", &error);
  g_assert_no_error (error);
  for (guint i = 0; i < G_N_ELEMENTS (variables); i++)
    g_setenv (variables[i], f->folder, TRUE);
  g_unsetenv ("DISPLAY");
  g_unsetenv ("WAYLAND_DISPLAY");
  f->bus = g_test_dbus_new (G_TEST_DBUS_NONE);
  g_test_dbus_up (f->bus);
  g_setenv ("DBUS_SYSTEM_BUS_ADDRESS", g_test_dbus_get_bus_address (f->bus), TRUE);

  f->keyring = g_subprocess_new (G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_SILENCE | G_SUBPROCESS_FLAGS_STDERR_SILENCE, &error,
                                 "gnome-keyring-daemon", "--foreground", "--unlock", "--components=secrets", NULL);
  g_assert_no_error (error);
  g_output_stream_write_all (g_subprocess_get_stdin_pipe (f->keyring), "pass", 4, NULL, NULL, NULL);
  g_output_stream_close (g_subprocess_get_stdin_pipe (f->keyring), NULL, NULL);
  own_name (f);
  wait_for_name (f->service, "org.freedesktop.secrets");
  f->agent = g_subprocess_new (G_SUBPROCESS_FLAGS_NONE, &error, g_getenv ("CREEL_AGENT"), NULL);
  g_assert_no_error (error);
  wait_for (&f->n_registered, 1);
}

static void
tear_down (Fixture *f, gconstpointer unused)
{
  g_autofree char *remove = g_strdup_printf ("rm -rf '%s'", f->folder);

  g_subprocess_send_signal (f->agent, SIGTERM);
  g_subprocess_wait (f->agent, NULL, NULL);
  g_assert_cmpint (g_subprocess_get_exit_status (f->agent), ==, 0);
  drop_name (f);
  g_subprocess_force_exit (f->keyring);
  g_subprocess_wait (f->keyring, NULL, NULL);
  g_test_dbus_down (f->bus);
  g_spawn_command_line_sync (remove, NULL, NULL, NULL, NULL);
  g_clear_object (&f->agent);
  g_clear_object (&f->keyring);
  g_clear_object (&f->bus);
  g_free (f->folder);
  g_free (f->agent_name);
}

static char *
call_agent (Fixture *f, GDBusConnection *bus, const char *method, GVariant *parameters, GError **error)
{
  g_autoptr (GUnixFDList) fds = NULL;
  g_autoptr (GVariant) reply
      = g_dbus_connection_call_with_unix_fd_list_sync (bus, f->agent_name, CREEL_AGENT_PATH, "org.creel.Creel1.Agent", method,
                                                       parameters, G_VARIANT_TYPE ("(h)"),
                                                       G_DBUS_CALL_FLAGS_NONE, 30000, NULL, &fds, NULL, error);
  char *secret = g_malloc0 (256);
  int fd, seals;

  if (reply == NULL)
    {
      g_free (secret);
      return NULL;
    }
  fd = g_unix_fd_list_get (fds, 0, NULL);
  seals = F_SEAL_SEAL | F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK;
  g_assert_cmpint (fcntl (fd, F_GET_SEALS) & seals, ==, seals);
  g_assert_cmpint (write (fd, "x", 1), ==, -1);
  g_assert_cmpint (pread (fd, secret, 255, 0), >=, 0);
  close (fd);
  return secret;
}

/* Asks the agent over `bus`; the key, or NULL with the error. */
static char *
ask (Fixture *f, GDBusConnection *bus, const char *sandbox, const char *credential, GError **error)
{
  return call_agent (f, bus, "GetSecret", g_variant_new ("(ssu)", sandbox, credential, 0U), error);
}

static char *
ask_registry (Fixture *f, GDBusConnection *bus, const char *host, GError **error)
{
  return call_agent (f, bus, "GetRegistrySecret", g_variant_new ("(su)", host, 0U), error);
}

static void
store (const char *sandbox, const char *credential, const char *secret)
{
  g_autoptr (GError) error = NULL;

  creel_keyring_store (sandbox, credential, secret, strlen (secret), CREEL_KEYRING_NONE, NULL, &error);
  g_assert_no_error (error);
}

static void
test_secrets (Fixture *f, gconstpointer unused)
{
  g_autoptr (GDBusConnection) stranger = connect_to (f);
  g_autoptr (GError) error = NULL, none = NULL, denied = NULL, bad = NULL, gone = NULL;
  g_autofree char *all = NULL, *own = NULL, *other = NULL;
  g_autoptr (GPtrArray) list = NULL;

  store (NULL, "openai", "sk-for-all");
  store ("box", "openai", "sk-for-box");
  store ("box", "only", "sk-only");
  all = ask (f, f->service, "another", "openai", &error);
  g_assert_no_error (error);
  g_assert_cmpstr (all, ==, "sk-for-all");
  own = ask (f, f->service, "box", "openai", &error);
  g_assert_cmpstr (own, ==, "sk-for-box");
  other = ask (f, f->service, "another", "only", &none);
  g_assert_null (other); /* a key of one sandbox is none for another */
  g_assert_error (none, CREEL_ERROR, CREEL_ERROR_NO_SUCH_SECRET);
  g_assert_null (ask (f, stranger, "box", "openai", &denied));
  g_assert_error (denied, G_DBUS_ERROR, G_DBUS_ERROR_ACCESS_DENIED);
  g_assert_null (ask (f, f->service, "../x", "openai", &bad));
  g_assert_error (bad, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS);

  list = creel_keyring_list (NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpint (list->len, ==, 3);
  f->n_revoked = 0;
  g_assert_true (creel_keyring_remove ("box", "only", CREEL_KEYRING_NONE, NULL, &error));
  wait_for (&f->n_revoked, 1); /* what is deleted is forgotten everywhere */
  g_assert_null (ask (f, f->service, "box", "only", &gone));
  g_assert_error (gone, CREEL_ERROR, CREEL_ERROR_NO_SUCH_SECRET);
}

static void
test_registries (Fixture *f, gconstpointer unused)
{
  g_autoptr (GDBusConnection) stranger = connect_to (f);
  g_autoptr (GError) error = NULL, none = NULL, denied = NULL, bad = NULL, gone = NULL;
  g_autofree char *first = NULL, *second = NULL, *key = NULL;
  g_autoptr (GPtrArray) list = NULL, keys = NULL;

  store (NULL, "ghcr.io", "a-key-of-that-name");
  g_assert_true (creel_keyring_registry_store ("ghcr.io", "alice", "one", 3, CREEL_KEYRING_NONE, NULL, &error));
  first = ask_registry (f, f->service, "ghcr.io", &error);
  g_assert_no_error (error);
  g_assert_cmpstr (first, ==, "alice:one");
  /* another user of the same registry takes the place of the first */
  g_assert_true (creel_keyring_registry_store ("ghcr.io", "bob", "two", 3, CREEL_KEYRING_NONE, NULL, &error));
  second = ask_registry (f, f->service, "ghcr.io", &error);
  g_assert_cmpstr (second, ==, "bob:two");
  list = creel_keyring_registry_list (NULL, &error);
  g_assert_cmpint (list->len, ==, 1);
  g_assert_cmpstr (((CreelKeyringRegistry *) list->pdata[0])->user, ==, "bob");

  /* the two kinds do not mix */
  key = ask (f, f->service, "box", "ghcr.io", &error);
  g_assert_cmpstr (key, ==, "a-key-of-that-name");
  keys = creel_keyring_list (NULL, &error);
  g_assert_cmpint (keys->len, ==, 1);
  g_assert_null (ask_registry (f, f->service, "localhost:5000", &none));
  g_assert_error (none, CREEL_ERROR, CREEL_ERROR_NO_SUCH_SECRET);
  g_assert_null (ask_registry (f, stranger, "ghcr.io", &denied));
  g_assert_error (denied, G_DBUS_ERROR, G_DBUS_ERROR_ACCESS_DENIED);
  g_assert_null (ask_registry (f, f->service, "ghcr.io/../x", &bad));
  g_assert_error (bad, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS);

  g_assert_true (creel_keyring_registry_remove ("ghcr.io", CREEL_KEYRING_NONE, NULL, &error));
  g_assert_false (creel_keyring_registry_remove ("ghcr.io", CREEL_KEYRING_NONE, NULL, &gone));
  g_assert_error (gone, CREEL_ERROR, CREEL_ERROR_NO_SUCH_SECRET);
}

static void
test_locked (Fixture *f, gconstpointer unused)
{
  const char *const collections[] = { "/org/freedesktop/secrets/aliases/default", NULL };
  g_autoptr (GVariant) reply = NULL;
  g_autoptr (GError) error = NULL, locked = NULL, refused = NULL;
  gint64 start;

  store (NULL, "openai", "sk-for-all");
  f->n_revoked = 0;
  reply = g_dbus_connection_call_sync (f->service, "org.freedesktop.secrets", "/org/freedesktop/secrets", "org.freedesktop.Secret.Service", "Lock",
                                       g_variant_new ("(^ao)", collections), NULL, G_DBUS_CALL_FLAGS_NONE, -1, NULL, &error);
  g_assert_no_error (error);
  wait_for (&f->n_revoked, 1);
  start = g_get_monotonic_time ();
  g_assert_null (ask (f, f->service, "box", "openai", &locked));
  g_assert_error (locked, CREEL_ERROR, CREEL_ERROR_KEYRING_LOCKED);
  g_assert_cmpint (g_get_monotonic_time () - start, <, 5 * G_USEC_PER_SEC);
  g_assert_false (creel_keyring_store (NULL, "x", "y", 1, CREEL_KEYRING_NONE, NULL, &refused));
  g_assert_error (refused, CREEL_ERROR, CREEL_ERROR_KEYRING_LOCKED);
}

static void
test_owner (Fixture *f, gconstpointer unused)
{
  g_autoptr (GDBusConnection) stranger = connect_to (f);
  g_autoptr (GError) error = NULL, denied = NULL;
  g_autoptr (GSubprocess) second = NULL;
  g_autofree char *secret = NULL;

  store (NULL, "openai", "sk-for-all");
  /* nobody owns the name: nobody gets a key */
  drop_name (f);
  g_usleep (300 * 1000);
  g_assert_null (ask (f, stranger, "box", "openai", &denied));
  g_assert_error (denied, G_DBUS_ERROR, G_DBUS_ERROR_ACCESS_DENIED);
  /* a new owner is registered with, and served */
  own_name (f);
  wait_for (&f->n_registered, 2);
  secret = ask (f, f->service, "box", "openai", &error);
  g_assert_no_error (error);
  g_assert_cmpstr (secret, ==, "sk-for-all");
  /* a second agent of the session leaves by itself */
  second = g_subprocess_new (G_SUBPROCESS_FLAGS_STDERR_SILENCE | G_SUBPROCESS_FLAGS_STDOUT_SILENCE, &error, g_getenv ("CREEL_AGENT"), NULL);
  g_assert_true (g_subprocess_wait_check (second, NULL, &error));
}

static void
test_keyring_gone (Fixture *f, gconstpointer unused)
{
  g_autoptr (GError) error = NULL;

  store (NULL, "openai", "sk-for-all");
  f->n_revoked = 0;
  g_subprocess_force_exit (f->keyring);
  wait_for (&f->n_revoked, 1);
  g_assert_null (ask (f, f->service, "box", "openai", &error));
  g_assert_true (error->domain == CREEL_ERROR);
}

int
main (int argc, char **argv)
{
  g_autofree char *keyring = g_find_program_in_path ("gnome-keyring-daemon");

  if (keyring == NULL)
    return 77; /* meson: skipped */
  (void) creel_error_quark ();
  g_test_init (&argc, &argv, NULL);
  g_test_add ("/agent/secrets", Fixture, NULL, set_up, test_secrets, tear_down);
  g_test_add ("/agent/registries", Fixture, NULL, set_up, test_registries, tear_down);
  g_test_add ("/agent/locked", Fixture, NULL, set_up, test_locked, tear_down);
  g_test_add ("/agent/owner", Fixture, NULL, set_up, test_owner, tear_down);
  g_test_add ("/agent/keyring-gone", Fixture, NULL, set_up, test_keyring_gone, tear_down);
  return g_test_run ();
}
