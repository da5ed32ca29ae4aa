/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proxy-fixture.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void
on_origin_read (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Fixture *f = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) bytes = g_input_stream_read_bytes_finish (G_INPUT_STREAM (source), result, &error);
  GSocketConnection *connection = g_object_get_data (G_OBJECT (source), "connection");

  f->origin_broke = f->origin_broke || bytes == NULL;
  if (bytes == NULL || g_bytes_get_size (bytes) == 0)
    return;
  g_byte_array_append (f->origin_got, g_bytes_get_data (bytes, NULL), (guint) g_bytes_get_size (bytes));
  if (f->origin_says != NULL)
    g_socket_send (g_socket_connection_get_socket (connection), f->origin_says, strlen (f->origin_says), NULL, NULL);
  if (f->origin_closes)
    g_socket_shutdown (g_socket_connection_get_socket (connection), FALSE, TRUE, NULL);
  g_input_stream_read_bytes_async (G_INPUT_STREAM (source), 65536, 0, NULL, on_origin_read, f);
}

static gboolean
on_incoming (GSocketService *service, GSocketConnection *connection, GObject *object, gpointer user_data)
{
  Fixture *f = user_data;
  GInputStream *in = g_io_stream_get_input_stream (G_IO_STREAM (connection));

  g_ptr_array_add (f->origin_connections, g_object_ref (connection));
  g_object_set_data (G_OBJECT (in), "connection", connection);
  g_input_stream_read_bytes_async (in, 65536, 0, NULL, on_origin_read, f);
  return TRUE;
}

void
set_rules (Fixture *f, const char *allow)
{
  g_autoptr (CreelPolicy) policy = creel_policy_new (CREEL_VERDICT_DENY);

  if (allow != NULL)
    {
      g_autofree char *text = g_strdup_printf ("%s:%u", allow, f->port);
      CreelRule *rule = creel_rule_parse (CREEL_VERDICT_ALLOW, text, "test", NULL);

      g_assert_nonnull (rule);
      creel_policy_take_rule (policy, rule);
    }
  creel_proxy_set_policy (f->proxy, policy, NULL);
}

void
set_up (Fixture *f, gconstpointer unused)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };

  f->directory = g_dir_make_tmp ("creel-proxy-XXXXXX", NULL);
  f->journal = g_build_filename (f->directory, "journal", NULL);
  f->journal_fd = socket (AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  g_strlcpy (address.sun_path, f->journal, sizeof address.sun_path);
  g_assert_cmpint (bind (f->journal_fd, (struct sockaddr *) &address, sizeof address), ==, 0);
  f->ca = creel_ca_new ("test", NULL);
  f->audit = creel_audit_new ("test", f->journal);
  f->proxy = creel_proxy_new ("test", f->ca, f->audit);
  f->origin = g_socket_service_new ();
  f->origin_got = g_byte_array_new ();
  f->origin_connections = g_ptr_array_new_with_free_func (g_object_unref);
  f->port = g_socket_listener_add_any_inet_port (G_SOCKET_LISTENER (f->origin), NULL, NULL);
  g_signal_connect (f->origin, "incoming", G_CALLBACK (on_incoming), f);
  set_rules (f, "localhost");
}

void
tear_down (Fixture *f, gconstpointer unused)
{
  creel_proxy_abort_all (f->proxy);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_object_unref (f->proxy);
  creel_audit_unref (f->audit);
  creel_ca_unref (f->ca);
  g_socket_service_stop (f->origin);
  g_socket_listener_close (G_SOCKET_LISTENER (f->origin));
  g_object_unref (f->origin);
  for (guint i = 0; i < f->origin_connections->len; i++)
    g_io_stream_close (f->origin_connections->pdata[i], NULL, NULL);
  g_ptr_array_unref (f->origin_connections);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_byte_array_unref (f->origin_got);
  if (f->client_fd > 0)
    close (f->client_fd);
  close (f->journal_fd);
  g_unlink (f->journal);
  g_rmdir (f->directory);
  g_free (f->journal);
  g_free (f->directory);
}

void
start_client (Fixture *f, const char *authority)
{
  int fds[2];

  if (f->client_fd > 0)
    close (f->client_fd);
  g_assert_cmpint (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), ==, 0);
  f->client_fd = fds[0];
  g_autoptr (GSocket) socket = g_socket_new_from_fd (fds[1], NULL);
  g_socket_set_blocking (socket, FALSE);
  g_autoptr (GSocketConnection) stream = g_socket_connection_factory_create_connection (socket);
  creel_proxy_accept (f->proxy, G_IO_STREAM (stream), authority, authority != NULL ? CREEL_WAY_TRANSPARENT : CREEL_WAY_PROXY);
}

char *
talk (Fixture *f, const char *say, const char *wanted, gboolean *ret_ended)
{
  g_autoptr (GString) got = g_string_new (NULL);
  gint64 deadline = g_get_monotonic_time () + 6 * G_USEC_PER_SEC;
  gboolean ended = FALSE;

  if (say != NULL)
    g_assert_cmpint (write (f->client_fd, say, strlen (say)), ==, (gssize) strlen (say));
  while (!ended && (wanted == NULL || strstr (got->str, wanted) == NULL) && g_get_monotonic_time () < deadline)
    {
      char buffer[65536];
      gssize n;

      g_main_context_iteration (NULL, FALSE);
      n = read (f->client_fd, buffer, sizeof buffer);
      if (n > 0)
        g_string_append_len (got, buffer, n);
      else if (n == 0)
        ended = TRUE;
      else
        g_usleep (500);
    }
  if (ret_ended != NULL)
    *ret_ended = ended;
  return g_string_free (g_steal_pointer (&got), FALSE);
}

char *
make_request (Fixture *f, const char *format)
{
  g_auto (GStrv) parts = g_strsplit (format, "PORT", -1);
  g_autofree char *port = g_strdup_printf ("%u", f->port);

  return g_strjoinv (port, parts);
}
