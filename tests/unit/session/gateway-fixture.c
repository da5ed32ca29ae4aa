/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gateway-fixture.h"

#include <gio/gunixconnection.h>
#include <glib-unix.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "creel-names.h"
#include "stand-in-proxy.h"

gboolean
gateway_on_too_long (gpointer user_data)
{
  g_error ("The test hangs");
  return G_SOURCE_REMOVE;
}

void
gateway_on_result (GObject *source, GAsyncResult *result, gpointer user_data)
{
  *(GAsyncResult **) user_data = g_object_ref (result);
}

GDBusConnection *
gateway_connect_peer (GatewayFixture *f, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GSocket) socket = NULL;
  g_autoptr (GSocketConnection) stream = NULL;
  int pair[2];

  g_assert_cmpint (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), ==, 0);
  socket = g_socket_new_from_fd (pair[1], NULL);
  stream = g_socket_connection_factory_create_connection (socket);
  creel_gateway_bus_take_connection (f->bus, pair[0]);
  g_dbus_connection_new (G_IO_STREAM (stream), NULL, G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT, NULL, NULL, gateway_on_result,
                         &result);
  WAIT_UNTIL (result != NULL);
  return g_dbus_connection_new_finish (result, error);
}

void
gateway_disconnect_peer (GDBusConnection **peer)
{
  g_autoptr (GAsyncResult) result = NULL;

  g_dbus_connection_close (*peer, NULL, gateway_on_result, &result);
  WAIT_UNTIL (result != NULL);
  g_clear_object (peer);
}

GVariant *
gateway_call (GDBusConnection *peer, const char *interface, const char *method, GVariant *parameters, GUnixFDList **ret_fds,
      GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  g_dbus_connection_call_with_unix_fd_list (peer, NULL, CREEL_GATEWAY_PATH, interface, method, parameters, NULL, 0, 20000,
                                            NULL, NULL, gateway_on_result, &result);
  WAIT_UNTIL (result != NULL);
  return g_dbus_connection_call_with_unix_fd_list_finish (peer, ret_fds, result, error);
}

GVariant *
gateway_call_text (GDBusConnection *peer, const char *method, const char *parameters, GError **error)
{
  GVariant *value = g_variant_parse (NULL, parameters, NULL, NULL, NULL);

  g_assert_nonnull (value);
  return gateway_call (peer, INTERFACE, method, value, NULL, error);
}

char *
gateway_get_property (GatewayFixture *f, const char *name)
{
  g_autoptr (GVariant) answer = gateway_call (f->a, "org.freedesktop.DBus.Properties", "Get",
                                      g_variant_new ("(ss)", INTERFACE, name), NULL, NULL);
  g_autoptr (GVariant) value = NULL;

  g_assert_nonnull (answer);
  g_variant_get (answer, "(v)", &value);
  return g_variant_is_of_type (value, G_VARIANT_TYPE_STRING) ? g_variant_dup_string (value, NULL)
                                                             : g_variant_print (value, FALSE);
}

static void
on_exited (GDBusConnection *connection, const char *sender, const char *path, const char *interface, const char *name,
           GVariant *parameters, gpointer user_data)
{
  GatewayFixture *f = user_data;

  g_clear_pointer (&f->exited, g_variant_unref);
  f->exited = g_variant_ref (parameters);
}

void
gateway_write_definition (GatewayFixture *f, const char *text)
{
  g_assert_true (g_file_set_contents (f->definition_path, text, -1, NULL));
}

void
gateway_connect_guest (GatewayFixture *f)
{
  g_autofree char *path = g_build_filename (f->root, "control", NULL);
  g_autoptr (GSocketAddress) address = g_unix_socket_address_new (path);
  g_autoptr (GSocket) socket = g_socket_new (G_SOCKET_FAMILY_UNIX, G_SOCKET_TYPE_STREAM, 0, NULL);
  int fd;

  g_assert_true (g_socket_connect (socket, address, NULL, NULL));
  fd = dup (g_socket_get_fd (socket));
  g_unix_set_fd_nonblocking (fd, TRUE, NULL);
  f->guest = fake_guest_new (fd);
}

static int
listen_at (GatewayFixture *f, const char *name)
{
  g_autofree char *path = g_build_filename (f->root, name, NULL);
  g_autoptr (GSocketAddress) address = g_unix_socket_address_new (path);
  g_autoptr (GSocket) socket = g_socket_new (G_SOCKET_FAMILY_UNIX, G_SOCKET_TYPE_STREAM, 0, NULL);

  g_assert_true (g_socket_bind (socket, address, TRUE, NULL));
  g_assert_true (g_socket_listen (socket, NULL));
  return dup (g_socket_get_fd (socket));
}

void
gateway_set_up (GatewayFixture *f, gconstpointer data)
{
  g_autofree char *directory = NULL;
  g_autoptr (GError) error = NULL;

  memset (&stand_in, 0, sizeof stand_in);
  f->root = g_dir_make_tmp ("creel-session-XXXXXX", NULL);
  g_setenv ("CREEL_ROOT", f->root, TRUE);
  directory = g_build_filename (f->root, CREEL_SYSTEM_UNIT_DIR, "creel@box.service.d", NULL);
  f->definition_path = g_build_filename (directory, CREEL_DEFINITION_FILE, NULL);
  g_assert_cmpint (g_mkdir_with_parents (directory, 0755), ==, 0);
  gateway_write_definition (f, DEFINITION);

  f->gateway = creel_gateway_new ("box", -1, listen_at (f, "control"), -1, &error);
  g_assert_no_error (error);
  f->bus = creel_gateway_bus_new (f->gateway, -1, getuid ());
  f->a = gateway_connect_peer (f, &error);
  g_assert_no_error (error);
  f->exited_id = g_dbus_connection_signal_subscribe (f->a, NULL, INTERFACE, "Exited", CREEL_GATEWAY_PATH, NULL, 0,
                                                     on_exited, f, NULL);
}

void
gateway_set_up_ready (GatewayFixture *f, gconstpointer data)
{
  gateway_set_up (f, data);
  gateway_connect_guest (f);
  WAIT_UNTIL (g_str_equal (creel_gateway_get_state (f->gateway), "ready"));
}

void
gateway_tear_down (GatewayFixture *f, gconstpointer data)
{
  g_autofree char *control = g_build_filename (f->root, "control", NULL);

  if (f->a != NULL)
    {
      g_dbus_connection_signal_unsubscribe (f->a, f->exited_id);
      gateway_disconnect_peer (&f->a);
    }
  if (f->b != NULL)
    gateway_disconnect_peer (&f->b);
  for (int i = 0; i < 50; i++)
    g_main_context_iteration (NULL, FALSE);
  creel_gateway_bus_free (f->bus);
  creel_gateway_free (f->gateway);
  fake_guest_free (f->guest);
  g_clear_pointer (&f->exited, g_variant_unref);
  g_unlink (f->definition_path);
  g_unlink (control);
  for (char *directory = g_path_get_dirname (f->definition_path); strlen (directory) >= strlen (f->root);)
    {
      char *parent = g_path_get_dirname (directory);

      g_rmdir (directory);
      g_free (directory);
      directory = parent;
      if (strlen (parent) < strlen (f->root))
        {
          g_free (parent);
          break;
        }
    }
  g_unsetenv ("CREEL_ROOT");
  g_free (f->definition_path);
  g_free (f->root);
}
