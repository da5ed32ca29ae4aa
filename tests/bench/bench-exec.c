/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bench-exec WHERE rounds N WORD... | bytes WORD... | save FILE
 * Times sessions over one connection that stays. WHERE: a sandbox's name (by way of creeld, on the system bus) or a gateway's own
 * socket (root). rounds: milliseconds from the call to Exited, a line each. bytes: MB/s that come out of stdout. save (gateway only): what the sandbox has written, into FILE; bytes and seconds. */
#include <fcntl.h>
#include <gio/gio.h>
#include <gio/gunixfdlist.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "creel-names.h"

typedef struct
{
  GDBusConnection *connection;
  const char *destination, *interface; /* destination NULL: peer to peer */
  char *path;
  GMainLoop *loop;
  gboolean exited;
} Bench;

static void
die (GError *error)
{
  g_printerr ("bench-exec: %s\n", error->message);
  exit (EXIT_FAILURE);
}

static void
on_exited (GDBusConnection *connection, const char *sender, const char *path, const char *interface, const char *name,
           GVariant *parameters, gpointer user_data)
{
  Bench *bench = user_data;

  bench->exited = TRUE;
  g_main_loop_quit (bench->loop);
}

static void
start (Bench *bench, char **argv, int fds[3])
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GUnixFDList) list = NULL;
  g_autoptr (GVariant) answer = g_dbus_connection_call_with_unix_fd_list_sync (
      bench->connection, bench->destination, bench->path, bench->interface, "Exec",
      g_variant_new ("(@aay@a{sv})", g_variant_new_bytestring_array ((const char *const *) argv, -1),
                     g_variant_new_array (G_VARIANT_TYPE ("{sv}"), NULL, 0)),
      NULL, 0, 60000, NULL, &list, NULL, &error);
  g_autofree int *all = NULL;

  if (answer == NULL)
    die (error);
  bench->exited = FALSE;
  all = g_unix_fd_list_steal_fds (list, NULL);
  for (int i = 0; i < 3; i++)
    {
      g_autoptr (GVariant) handle = g_variant_get_child_value (answer, 1 + i);

      fds[i] = all[g_variant_get_handle (handle)];
    }
}

static void
finish (Bench *bench, int fds[3])
{
  /* our own loop has not run since the call: the signal cannot have been missed */
  if (!bench->exited)
    g_main_loop_run (bench->loop);
  for (int i = 0; i < 3; i++)
    close (fds[i]);
}

static void
open_connection (Bench *bench, const char *where)
{
  g_autoptr (GError) error = NULL;

  bench->loop = g_main_loop_new (NULL, FALSE);
  if (where[0] == '/')
    {
      g_autofree char *address = g_strdup_printf ("unix:path=%s", where);

      bench->connection = g_dbus_connection_new_for_address_sync (address, G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT, NULL, NULL, &error);
      bench->interface = CREEL_BUS_NAME ".Gateway";
      bench->path = g_strdup (CREEL_GATEWAY_PATH);
      if (bench->connection == NULL)
        die (error);
      g_dbus_connection_signal_subscribe (bench->connection, NULL, bench->interface, "Exited", NULL, NULL, 0, on_exited, bench, NULL);
    }
  else
    {
      g_autoptr (GVariant) answer = NULL;

      bench->connection = g_bus_get_sync (G_BUS_TYPE_SYSTEM, NULL, &error);
      if (bench->connection == NULL)
        die (error);
      bench->destination = CREEL_BUS_NAME;
      bench->interface = CREEL_BUS_NAME ".Sandbox";
      answer = g_dbus_connection_call_sync (bench->connection, CREEL_BUS_NAME, CREEL_OBJECT_PATH, CREEL_BUS_NAME ".Manager", "GetSandbox",
                                            g_variant_new ("(s)", where), G_VARIANT_TYPE ("(o)"), 0, -1, NULL, &error);
      if (answer == NULL)
        die (error);
      g_variant_get (answer, "(o)", &bench->path);
      g_dbus_connection_signal_subscribe (bench->connection, CREEL_BUS_NAME, CREEL_BUS_NAME ".Session", "Exited", NULL, NULL, 0, on_exited,
                                          bench, NULL);
    }
}

static void
save (Bench *bench, const char *path)
{
  static char buffer[1024 * 1024];
  g_autoptr (GError) error = NULL;
  g_autoptr (GUnixFDList) list = NULL;
  gint64 began = g_get_monotonic_time ();
  g_autoptr (GVariant) answer = g_dbus_connection_call_with_unix_fd_list_sync (
      bench->connection, bench->destination, bench->path, bench->interface, "Save", g_variant_new ("(a{sv})", NULL),
      G_VARIANT_TYPE ("(th)"), 0, 60000, NULL, &list, NULL, &error);
  int out = open (path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  guint64 estimate, total = 0;
  gint32 handle;
  gssize n;
  int in;

  if (answer == NULL)
    die (error);
  g_variant_get (answer, "(th)", &estimate, &handle);
  in = g_unix_fd_list_get (list, handle, &error);
  while (in >= 0 && (n = read (in, buffer, sizeof buffer)) > 0)
    {
      if (out >= 0 && write (out, buffer, n) != n)
        break;
      total += n;
    }
  close (in);
  close (out);
  printf ("%" G_GUINT64_FORMAT " %.3f\n", total, (double) (g_get_monotonic_time () - began) / 1e6);
}

int
main (int argc, char **argv)
{
  static char buffer[256 * 1024];
  Bench bench = { 0 };
  int fds[3];

  if (argc < 4 || (g_str_equal (argv[2], "rounds") && argc < 5))
    {
      g_printerr ("usage: bench-exec SANDBOX|SOCKET rounds N WORD... | bytes WORD... | save FILE\n");
      return 2;
    }
  open_connection (&bench, argv[1]);
  if (g_str_equal (argv[2], "rounds"))
    for (int i = atoi (argv[3]); i > 0; i--)
      {
        gint64 began = g_get_monotonic_time ();

        start (&bench, argv + 4, fds);
        finish (&bench, fds);
        printf ("%.3f\n", (double) (g_get_monotonic_time () - began) / 1000.0);
      }
  else if (g_str_equal (argv[2], "save"))
    save (&bench, argv[3]);
  else
    {
      gint64 began = g_get_monotonic_time ();
      guint64 total = 0;
      ssize_t n;

      start (&bench, argv + 3, fds);
      while ((n = read (fds[1], buffer, sizeof buffer)) > 0)
        total += (guint64) n;
      printf ("%.1f\n", (double) total / (double) (g_get_monotonic_time () - began));
      finish (&bench, fds);
    }
  return EXIT_SUCCESS;
}
