/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bench-exec SOCKET rounds N ARGV... | bytes ARGV... : times sessions over a gateway's own socket, as root.
 * rounds: one line per session, milliseconds from the call to Exited. bytes: what comes out of stdout, MB/s. */
#include <gio/gio.h>
#include <gio/gunixfdlist.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "creel-names.h"

#define INTERFACE CREEL_BUS_NAME ".Gateway"

typedef struct
{
  GMainLoop *loop;
  GVariant *exited;
} Wait;

static void
on_exited (GDBusConnection *connection, const char *sender, const char *path, const char *interface, const char *name,
           GVariant *parameters, gpointer user_data)
{
  Wait *wait = user_data;

  g_clear_pointer (&wait->exited, g_variant_unref);
  wait->exited = g_variant_ref (parameters);
  g_main_loop_quit (wait->loop);
}

static guint
start (GDBusConnection *connection, char **argv, int fds[3])
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GUnixFDList) list = NULL;
  g_autoptr (GVariant) answer = g_dbus_connection_call_with_unix_fd_list_sync (
      connection, NULL, CREEL_GATEWAY_PATH, INTERFACE, "Exec",
      g_variant_new ("(@aay@a{sv})", g_variant_new_bytestring_array ((const char *const *) argv, -1),
                     g_variant_new_array (G_VARIANT_TYPE ("{sv}"), NULL, 0)),
      NULL, 0, 60000, NULL, &list, NULL, &error);
  int handles[3];
  guint id;

  if (answer == NULL)
    {
      g_printerr ("%s\n", error->message);
      exit (EXIT_FAILURE);
    }
  g_variant_get (answer, "(uhhh)", &id, &handles[0], &handles[1], &handles[2]);
  for (int i = 0; i < 3; i++)
    fds[i] = g_unix_fd_list_get (list, handles[i], NULL);
  return id;
}

static void
finish (Wait *wait, int fds[3])
{
  for (int i = 0; i < 3; i++)
    close (fds[i]);
  if (wait->exited == NULL)
    g_main_loop_run (wait->loop);
  g_clear_pointer (&wait->exited, g_variant_unref);
}

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *address = NULL;
  GDBusConnection *connection;
  Wait wait = { 0 };
  int fds[3];

  if (argc < 4)
    {
      g_printerr ("Usage: bench-exec SOCKET rounds N ARGV... | bytes ARGV...\n");
      return EXIT_FAILURE;
    }
  address = g_strdup_printf ("unix:path=%s", argv[1]);
  connection = g_dbus_connection_new_for_address_sync (address, G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT, NULL, NULL,
                                                       &error);
  if (connection == NULL)
    {
      g_printerr ("%s\n", error->message);
      return EXIT_FAILURE;
    }
  wait.loop = g_main_loop_new (NULL, FALSE);
  g_dbus_connection_signal_subscribe (connection, NULL, INTERFACE, "Exited", CREEL_GATEWAY_PATH, NULL, 0, on_exited, &wait,
                                      NULL);

  if (g_str_equal (argv[2], "rounds"))
    for (int i = atoi (argv[3]); i > 0; i--)
      {
        gint64 began = g_get_monotonic_time ();

        start (connection, argv + 4, fds);
        if (wait.exited == NULL)
          g_main_loop_run (wait.loop);
        printf ("%.3f\n", (g_get_monotonic_time () - began) / 1000.0);
        finish (&wait, fds);
      }
  else
    {
      gint64 began = g_get_monotonic_time ();
      static char buffer[256 * 1024];
      guint64 total = 0;
      ssize_t n;

      start (connection, argv + 3, fds);
      while ((n = read (fds[1], buffer, sizeof buffer)) > 0)
        total += n;
      began = g_get_monotonic_time () - began;
      printf ("%.1f MB/s (%" G_GUINT64_FORMAT " bytes in %.3f s)\n", total / (double) began, total, began / 1e6);
      finish (&wait, fds);
    }
  return EXIT_SUCCESS;
}
