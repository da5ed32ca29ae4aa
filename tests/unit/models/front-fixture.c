/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "front-fixture.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "creel-names.h"

void
start_front (Fixture *f)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GSocket) socket = g_socket_new (G_SOCKET_FAMILY_IPV4, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_DEFAULT, NULL);
  g_autoptr (GSocketAddress) address = g_inet_socket_address_new_from_string ("127.0.0.1", 0);
  g_autoptr (GSocketAddress) bound = NULL;
  int fd;

  g_assert_true (g_socket_bind (socket, address, TRUE, NULL) && g_socket_listen (socket, NULL));
  bound = g_socket_get_local_address (socket, NULL);
  f->port = g_inet_socket_address_get_port (G_INET_SOCKET_ADDRESS (bound));
  fd = dup (g_socket_get_fd (socket));
  f->runner = creel_models_runner_new (&f->config, f->connection, CREEL_BUS_NAME, f->folder);
  creel_models_runner_set_memory (f->runner, 8192 * MIB, 4096 * MIB);
  f->server = creel_models_server_new (&fd, 1, &f->config, f->runner, f->audit, NULL, &error);
  g_assert_no_error (error);
}

void
stop_front (Fixture *f)
{
  g_clear_pointer (&f->server, creel_models_server_free);
  g_clear_pointer (&f->runner, creel_models_runner_free);
}

void
set_up (Fixture *f, gconstpointer unused)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  g_autofree char *journal = NULL;

  f->folder = g_dir_make_tmp ("creel-models-XXXXXX", NULL);
  g_setenv ("CREEL_ROOT", f->folder, TRUE);
  f->bus = g_test_dbus_new (G_TEST_DBUS_NONE);
  g_test_dbus_up (f->bus);
  f->fake = fake_engines_new (g_test_dbus_get_bus_address (f->bus), f->folder);
  f->connection = g_dbus_connection_new_for_address_sync (
      g_test_dbus_get_bus_address (f->bus), G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION, NULL, NULL, NULL);
  journal = g_build_filename (f->folder, "journal", NULL);
  strcpy (address.sun_path, journal);
  f->journal = socket (AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  g_assert_cmpint (bind (f->journal, (struct sockaddr *) &address, sizeof address), ==, 0);
  f->audit = creel_models_audit_new (journal);
  f->config = (CreelModelsConfig){ .memory_max = G_MAXUINT64, .registry = (char *) "docker.io" };
  start_front (f);
}

void
tear_down (Fixture *f, gconstpointer unused)
{
  g_autofree char *command = g_strdup_printf ("rm -r '%s'", f->folder);

  stop_front (f);
  fake_engines_free (f->fake);
  creel_models_audit_free (f->audit);
  close (f->journal);
  g_dbus_connection_close_sync (f->connection, NULL, NULL);
  g_object_unref (f->connection);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_test_dbus_down (f->bus);
  g_object_unref (f->bus);
  g_assert_cmpint (system (command), ==, 0);
  g_free (f->folder);
}

void
on_client (CreelEndpoint *endpoint, gpointer user_data)
{
  Client *client = user_data;
  gsize size;
  const guint8 *data = creel_endpoint_peek (endpoint, &size);

  if (!client->paused && size > 0)
    {
      g_string_append_len (client->got, (const char *) data, (gssize) size);
      creel_endpoint_consume (endpoint, size);
    }
  client->eof = creel_endpoint_at_eof (endpoint);
}

Client *
client_new (Fixture *f)
{
  g_autoptr (GSocketClient) maker = g_socket_client_new ();
  g_autoptr (GSocketConnection) stream = g_socket_client_connect_to_host (maker, "127.0.0.1", f->port, NULL, NULL);
  Client *client = g_new0 (Client, 1);

  g_assert_nonnull (stream);
  g_socket_set_blocking (g_socket_connection_get_socket (stream), FALSE);
  client->got = g_string_new (NULL);
  client->endpoint = creel_endpoint_new (G_IO_STREAM (stream));
  creel_endpoint_set_func (client->endpoint, on_client, client);
  creel_endpoint_set_reading (client->endpoint, TRUE);
  return client;
}

void
client_free (Client *client)
{
  creel_endpoint_close (client->endpoint);
  creel_endpoint_unref (client->endpoint);
  g_string_free (client->got, TRUE);
  g_free (client);
}

void
say (Client *client, const char *text)
{
  creel_endpoint_write (client->endpoint, text, strlen (text));
  creel_endpoint_flush (client->endpoint);
}

void
post (Client *client, const char *path, const char *body)
{
  g_autofree char *text = g_strdup_printf ("POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %zu\r\n\r\n%s", path, strlen (body), body);

  say (client, text);
}

gboolean
has (Client *client, const char *text)
{
  return strstr (client->got->str, text) != NULL;
}

void
settle (void)
{
  gint64 quiet = g_get_monotonic_time (), end = quiet + 60 * G_USEC_PER_SEC;

  while (g_get_monotonic_time () - quiet < G_USEC_PER_SEC / 5 && g_get_monotonic_time () < end)
    if (g_main_context_iteration (NULL, FALSE))
      quiet = g_get_monotonic_time ();
    else
      g_usleep (500);
}

void
run_for (guint ms)
{
  gint64 end = g_get_monotonic_time () + ms * 1000;

  while (g_get_monotonic_time () < end)
    if (!g_main_context_iteration (NULL, FALSE))
      g_usleep (500);
}

char *
read_journal (Fixture *f)
{
  char text[4096];
  gssize n = -1;

  WAIT_FOR (n > 0 || (n = recv (f->journal, text, sizeof text, MSG_DONTWAIT)) > 0);
  return g_strndup (text, (gsize) n);
}
