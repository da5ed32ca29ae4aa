/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A job that a client began for somebody else: the client hears of it and may end it, and no other client does. */
#include "creel-error.h"
#include "creel-job.h"

#define OWNER 4242

typedef struct
{
  GDBusConnection *connection;
  guint progress, removed;
  char *digest, *text;
} Listener;

static guint cancelled;

static void
on_cancel (gpointer user_data)
{
  cancelled++;
}

static void
on_signal (GDBusConnection *connection, const char *sender, const char *path, const char *interface, const char *name, GVariant *parameters, gpointer user_data)
{
  Listener *listener = user_data;

  if (g_str_equal (name, "PropertiesChanged"))
    {
      g_autoptr (GVariant) changed = g_variant_get_child_value (parameters, 1);

      g_clear_pointer (&listener->digest, g_free);
      g_assert_true (g_variant_lookup (changed, "Digest", "s", &listener->digest));
    }
  else if (g_str_equal (name, "JobRemoved"))
    {
      g_clear_pointer (&listener->text, g_free);
      g_variant_get_child (parameters, 4, "s", &listener->text);
    }
  listener->progress += g_str_equal (name, "PropertiesChanged");
  listener->removed += g_str_equal (name, "JobRemoved");
}

static GDBusConnection *
connect_to (GTestDBus *bus)
{
  return g_dbus_connection_new_for_address_sync (
      g_test_dbus_get_bus_address (bus), G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION, NULL, NULL, NULL);
}

static void
on_gone (const char *name, uid_t uid, gpointer user_data)
{
}

static void
run_until (guint *counter, guint value)
{
  gint64 end = g_get_monotonic_time () + 10 * G_USEC_PER_SEC;

  while (*counter < value && g_get_monotonic_time () < end)
    if (!g_main_context_iteration (NULL, FALSE))
      g_usleep (500);
  g_assert_cmpuint (*counter, ==, value);
}

static CreelJob *
begin (CreelDaemon *daemon, const char *starter)
{
  CreelJob *job = creel_job_new (daemon, OWNER, "model-pull", "ai/a", on_cancel, NULL);

  creel_job_set_starter (job, starter);
  return job;
}

static void
test_starter (void)
{
  GTestDBus *bus = g_test_dbus_new (G_TEST_DBUS_NONE);
  Listener listeners[3] = { 0 }; /* the starter, one of the owner, one of neither */
  const char *names[3];
  CreelDaemon daemon = { .jobs = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify) creel_job_free) };
  g_autoptr (GError) cut = g_error_new_literal (CREEL_ERROR, CREEL_ERROR_FAILED, "cut in the middle of \xc3");
  g_autofree char *path = NULL;
  CreelJob *job;

  g_test_dbus_up (bus);
  daemon.bus = connect_to (bus);
  daemon.callers = creel_callers_new (daemon.bus, on_gone, NULL);
  for (guint i = 0; i < 3; i++)
    {
      listeners[i].connection = connect_to (bus);
      g_dbus_connection_signal_subscribe (listeners[i].connection, NULL, NULL, NULL, NULL, NULL, G_DBUS_SIGNAL_FLAGS_NONE, on_signal, &listeners[i], NULL);
      names[i] = g_dbus_connection_get_unique_name (listeners[i].connection);
      creel_callers_add (daemon.callers, names[i], i == 1 ? OWNER : 77);
    }

  job = begin (&daemon, names[0]);
  path = g_strdup (creel_job_get_path (job));
  creel_job_set_digest (job, "sha256:abc");
  creel_job_set_progress (job, "fetching", 1, 2);
  g_assert_false (creel_job_cancel_of (&daemon, path, names[2]));
  g_assert_false (creel_job_cancel_of (&daemon, "/org/creel/Creel1/job/9", names[0]));
  g_assert_false (creel_job_cancel_of (&daemon, "/org/creel/Creel1", names[0]));
  g_assert_cmpuint (cancelled, ==, 0);
  g_assert_true (creel_job_cancel_of (&daemon, path, names[0]));
  g_assert_cmpuint (cancelled, ==, 1);
  creel_job_finish (job, NULL, NULL);
  for (guint i = 0; i < 2; i++)
    {
      run_until (&listeners[i].removed, 1);
      g_assert_cmpuint (listeners[i].progress, ==, 1);
      g_assert_cmpstr (listeners[i].digest, ==, "sha256:abc");
    }
  g_assert_cmpuint (listeners[2].progress + listeners[2].removed, ==, 0);

  /* one whose owner is the starter's user too hears it once */
  job = begin (&daemon, names[1]);
  creel_job_finish (job, NULL, NULL);
  job = creel_job_new (&daemon, 77, "model-pull", "ai/a", on_cancel, NULL);
  creel_job_finish (job, NULL, NULL);
  run_until (&listeners[0].removed, 2);
  run_until (&listeners[1].removed, 2);
  job = begin (&daemon, names[0]);
  creel_job_finish (job, cut, NULL);
  run_until (&listeners[0].removed, 3);
  g_assert_cmpstr (listeners[0].text, ==, "cut in the middle of \uFFFD");

  /* a starter who leaves */
  begin (&daemon, names[0]);
  begin (&daemon, names[0]);
  begin (&daemon, names[1]);
  begin (&daemon, NULL);
  creel_job_cancel_all_of (&daemon, names[0]);
  g_assert_cmpuint (cancelled, ==, 3);

  g_hash_table_unref (daemon.jobs);
  creel_callers_free (daemon.callers);
  for (guint i = 0; i < 3; i++)
    {
      g_dbus_connection_close_sync (listeners[i].connection, NULL, NULL);
      g_object_unref (listeners[i].connection);
      g_free (listeners[i].digest);
      g_free (listeners[i].text);
    }
  g_dbus_connection_close_sync (daemon.bus, NULL, NULL);
  g_object_unref (daemon.bus);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_test_dbus_down (bus);
  g_object_unref (bus);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/job/starter", test_starter);
  return g_test_run ();
}
