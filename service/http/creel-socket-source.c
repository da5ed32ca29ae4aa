/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-socket-source.h"

#include <errno.h>
#include <glib-unix.h>
#include <sys/socket.h>

typedef struct
{
  GSource source;
  GObject *stream;
} SocketSource;

int
creel_socket_get_fd (GIOStream *stream)
{
  /* that one has another stream inside */
  if (!G_IS_SOCKET_CONNECTION (stream) || G_IS_TCP_WRAPPER_CONNECTION (stream))
    return -1;
  return g_socket_get_fd (g_socket_connection_get_socket (G_SOCKET_CONNECTION (stream)));
}

static gboolean
dispatch (GSource *source, GSourceFunc callback, gpointer user_data)
{
  GPollableSourceFunc func = (GPollableSourceFunc) (void (*) (void)) callback;

  return func == NULL ? G_SOURCE_REMOVE : func (((SocketSource *) source)->stream, user_data);
}

static void
finalize (GSource *source)
{
  g_object_unref (((SocketSource *) source)->stream);
}

gboolean
creel_socket_source_call_closure (GObject *stream, gpointer closure)
{
  GValue again = G_VALUE_INIT, parameter = G_VALUE_INIT;
  gboolean result;

  g_value_init (&again, G_TYPE_BOOLEAN);
  g_value_init (&parameter, G_TYPE_OBJECT);
  g_value_set_object (&parameter, stream);
  g_closure_invoke (closure, &again, 1, &parameter, NULL);
  result = g_value_get_boolean (&again);
  g_value_unset (&parameter);
  g_value_unset (&again);
  return result;
}

GSource *
creel_socket_source_new (GObject *stream, int fd, GIOCondition condition)
{
  static GSourceFuncs funcs = { NULL, NULL, dispatch, finalize, (GSourceFunc) (void (*) (void)) creel_socket_source_call_closure, NULL };
  GSource *source = g_source_new (&funcs, sizeof (SocketSource));

  g_source_set_static_name (source, "creel-socket");
  ((SocketSource *) source)->stream = g_object_ref (stream);
  g_source_add_unix_fd (source, fd, condition);
  /* nothing here runs a loop inside of a callback; GLib would take the socket from its list and put it back each time */
  g_source_set_can_recurse (source, TRUE);
  return source;
}

gssize
creel_socket_read (int fd, void *buffer, gsize size)
{
  gssize n;

  do
    n = recv (fd, buffer, size, MSG_DONTWAIT);
  while (n < 0 && errno == EINTR);
  return n;
}

gssize
creel_socket_write_pieces (int fd, const struct iovec *pieces, int n_pieces)
{
  struct msghdr message = { .msg_iov = (struct iovec *) pieces, .msg_iovlen = (gsize) n_pieces };
  gssize n;

  do
    n = sendmsg (fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  while (n < 0 && errno == EINTR);
  return n;
}

gssize
creel_socket_write (int fd, const void *data, gsize size)
{
  struct iovec piece = { (void *) data, size };

  return creel_socket_write_pieces (fd, &piece, 1);
}
