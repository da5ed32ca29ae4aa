/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "init.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>

/* One TCP connection of the guest is one stream of a channel. Nothing is buffered here: the socket's buffer is on one side, the
 * stream's window on the other. */

#define CONNECTIONS_MAX 4000 /* of both channels together */

static size_t n_connections;

Connection *
connection_new (int fd)
{
  Connection *connection = n_connections < CONNECTIONS_MAX ? calloc (1, sizeof *connection) : NULL;

  if (connection == NULL)
    return NULL;
  n_connections++;
  connection->watch.fd = fd;
  connection->watch.call = connection_event;
  return connection;
}

void
connection_free (Connection *connection, bool reset)
{
  struct linger hard = { 1, 0 };

  if (reset && connection->watch.fd >= 0)
    setsockopt (connection->watch.fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
  watch_close (&connection->watch);
  n_connections--;
  loop_free_later (connection);
}

void
connection_fail (Connection *connection)
{
  creel_stream_reset (connection->stream, CREEL_STREAM_CONNECT_ERROR);
  connection_free (connection, true);
}

static void
want (Connection *connection, uint32_t events)
{
  connection->wanted |= events;
  watch_set (&connection->watch, connection->wanted | EPOLLONESHOT);
}

static void
on_response (CreelStream *stream, const CreelHead *head, void *user_data)
{
  if (head->status != 200)
    connection_fail (user_data);
}

static size_t
on_data (CreelStream *stream, const uint8_t *bytes, size_t n_bytes, void *user_data)
{
  Connection *connection = user_data;
  ssize_t n;

  if (connection->connecting)
    return 0;
  n = send (connection->watch.fd, bytes, n_bytes, MSG_NOSIGNAL);
  if (n < 0 && errno != EAGAIN)
    {
      connection_fail (connection);
      return n_bytes;
    }
  if (n < 0)
    n = 0;
  if ((size_t) n < n_bytes)
    want (connection, EPOLLOUT);
  return n;
}

static void
on_end (CreelStream *stream, void *user_data)
{
  Connection *connection = user_data;

  connection->ended = true;
  if (!connection->connecting)
    shutdown (connection->watch.fd, SHUT_WR);
}

static ssize_t
on_pull (CreelStream *stream, uint8_t *buffer, size_t size, bool *ret_end, void *user_data)
{
  Connection *connection = user_data;
  ssize_t n = recv (connection->watch.fd, buffer, size, 0);

  if (n < 0 && errno == EAGAIN)
    {
      want (connection, EPOLLIN);
      return 0;
    }
  *ret_end = n == 0;
  return n;
}

static void
on_closed (CreelStream *stream, uint32_t code, void *user_data)
{
  connection_free (user_data, code != CREEL_STREAM_NO_ERROR);
}

const CreelStreamHandler connection_handler = {
  .response = on_response, .data = on_data, .end = on_end, .pull = on_pull, .closed = on_closed
};

void
connection_event (Watch *watch, uint32_t events)
{
  Connection *connection = container_of (watch, Connection, watch);
  uint32_t happened = events;

  if ((events & (EPOLLERR | EPOLLHUP)) != 0)
    happened |= connection->wanted;
  connection->wanted &= ~happened;
  if (connection->wanted != 0)
    watch_set (watch, connection->wanted | EPOLLONESHOT);
  if ((happened & EPOLLIN) != 0)
    creel_stream_resume (connection->stream);
  if ((happened & EPOLLOUT) != 0)
    creel_stream_receive (connection->stream); /* may be the connection's end */
}
