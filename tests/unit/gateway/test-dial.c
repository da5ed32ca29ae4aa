/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which of several addresses gets the connection, on addresses of the loopback. */
#include "creel-dial.h"

#define ATTEMPT G_GINT64_CONSTANT (10000000) /* microseconds until an address that is silent is given up */

typedef struct
{
  GSocket *listener;
  GPtrArray *fill; /* connections that leave no room for another one */
  guint16 port;
} Fixture;

static GSocket *
listen_on (const char *address, guint16 port, guint backlog)
{
  g_autoptr (GSocket) socket = g_socket_new (G_SOCKET_FAMILY_IPV4, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, NULL);
  g_autoptr (GSocketAddress) where = g_inet_socket_address_new_from_string (address, port);
  g_autoptr (GError) error = NULL;

  g_socket_set_listen_backlog (socket, (gint) backlog);
  g_socket_bind (socket, where, TRUE, &error);
  g_assert_no_error (error);
  g_socket_listen (socket, &error);
  g_assert_no_error (error);
  return g_steal_pointer (&socket);
}

static guint16
get_port (GSocket *socket)
{
  g_autoptr (GSocketAddress) local = g_socket_get_local_address (socket, NULL);

  return g_inet_socket_address_get_port (G_INET_SOCKET_ADDRESS (local));
}

/* 127.0.0.1 takes connections, 127.0.0.2 neither takes nor refuses them, 127.0.0.3 refuses. */
static void
set_up (Fixture *f, gconstpointer unused)
{
  g_autoptr (GSocketAddress) silent = NULL;
  g_autoptr (GSocket) full = NULL;

  f->listener = listen_on ("127.0.0.1", 0, 16);
  f->port = get_port (f->listener);
  f->fill = g_ptr_array_new_with_free_func (g_object_unref);
  full = listen_on ("127.0.0.2", f->port, 0);
  g_ptr_array_add (f->fill, g_object_ref (full));
  silent = g_inet_socket_address_new_from_string ("127.0.0.2", f->port);
  for (guint i = 0; i < 4; i++)
    {
      GSocket *socket = g_socket_new (G_SOCKET_FAMILY_IPV4, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, NULL);

      g_socket_set_blocking (socket, FALSE);
      g_socket_connect (socket, silent, NULL, NULL);
      g_ptr_array_add (f->fill, socket);
    }
  g_usleep (50000);
}

static void
tear_down (Fixture *f, gconstpointer unused)
{
  g_object_unref (f->listener);
  g_ptr_array_unref (f->fill);
}

static void
on_dialled (GObject *source, GAsyncResult *result, gpointer user_data)
{
  *(GAsyncResult **) user_data = g_object_ref (result);
}

static GAsyncResult *
dial (guint16 port, GCancellable *cancellable, const char *first, ...)
{
  GList *addresses = NULL;
  GAsyncResult *result = NULL;
  va_list arguments;

  va_start (arguments, first);
  for (const char *text = first; text != NULL; text = va_arg (arguments, const char *))
    addresses = g_list_append (addresses, g_inet_address_new_from_string (text));
  va_end (arguments);
  creel_dial_async (addresses, port, cancellable, on_dialled, &result);
  g_list_free_full (addresses, g_object_unref);
  while (result == NULL)
    g_main_context_iteration (NULL, TRUE);
  return result;
}

/* The address that has the connection; NULL: none, and no trace of an attempt is left */
static char *
finish (GAsyncResult *owned, GError **error)
{
  g_autoptr (GAsyncResult) result = owned;
  g_autoptr (GSocketConnection) connection = creel_dial_finish (result, error);
  g_autoptr (GSocketAddress) peer = connection != NULL ? g_socket_connection_get_remote_address (connection, NULL) : NULL;

  g_assert_true (connection == NULL || !g_socket_get_blocking (g_socket_connection_get_socket (connection)));
  return peer != NULL ? g_inet_address_to_string (g_inet_socket_address_get_address (G_INET_SOCKET_ADDRESS (peer))) : NULL;
}

static void
test_first (Fixture *f, gconstpointer unused)
{
  g_autofree char *got = finish (dial (f->port, NULL, "127.0.0.1", "127.0.0.3", NULL), NULL);

  g_assert_cmpstr (got, ==, "127.0.0.1");
}

static void
test_refused (Fixture *f, gconstpointer unused)
{
  g_autofree char *got = finish (dial (f->port, NULL, "127.0.0.3", "127.0.0.1", NULL), NULL);

  g_assert_cmpstr (got, ==, "127.0.0.1");
}

/* One that says nothing is not waited for to its end. */
static void
test_silent (Fixture *f, gconstpointer unused)
{
  gint64 start = g_get_monotonic_time ();
  g_autofree char *got = finish (dial (f->port, NULL, "127.0.0.2", "127.0.0.1", NULL), NULL);

  g_assert_cmpstr (got, ==, "127.0.0.1");
  g_assert_cmpint (g_get_monotonic_time () - start, <, ATTEMPT);
}

static void
test_families (Fixture *f, gconstpointer unused)
{
  gint64 start = g_get_monotonic_time ();
  /* both silent ones of the first family would take two turns */
  g_autofree char *got = finish (dial (f->port, NULL, "::1", "127.0.0.2", "127.0.0.1", "::1", NULL), NULL);

  g_assert_cmpstr (got, ==, "127.0.0.1");
  g_assert_cmpint (g_get_monotonic_time () - start, <, ATTEMPT);
}

static void
test_none (Fixture *f, gconstpointer unused)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *got = finish (dial (f->port, NULL, "127.0.0.3", "::1", "127.0.0.4", NULL), &error);

  g_assert_null (got);
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CONNECTION_REFUSED);
}

static gboolean
cancel (gpointer user_data)
{
  g_cancellable_cancel (user_data);
  return G_SOURCE_REMOVE;
}

static void
test_cancelled (Fixture *f, gconstpointer unused)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;
  g_autofree char *got = NULL;

  g_timeout_add (20, cancel, cancellable);
  got = finish (dial (f->port, cancellable, "127.0.0.2", NULL), &error);
  g_assert_null (got);
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_clear_error (&error);
  got = finish (dial (f->port, cancellable, "127.0.0.1", NULL), &error);
  g_assert_null (got);
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
}

#define ADD(name, func) g_test_add ("/dial/" name, Fixture, NULL, set_up, func, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("first", test_first);
  ADD ("refused", test_refused);
  ADD ("silent", test_silent);
  ADD ("families", test_families);
  ADD ("none", test_none);
  ADD ("cancelled", test_cancelled);
  return g_test_run ();
}
