/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "init.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* The way into the guest: a connection that the host took on a published port goes to a server on our loopback. */

static void on_connected (Watch *watch, uint32_t events);

/* Starts to connect to 127.0.0.1 or ::1. True: it is under way. */
static bool
start (Connection *connection, int family)
{
  struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons (connection->port), .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
  struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons (connection->port), .sin6_addr = IN6ADDR_LOOPBACK_INIT };
  const struct sockaddr *to = family == AF_INET ? (struct sockaddr *) &v4 : (struct sockaddr *) &v6;
  int fd = socket (family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  int yes = 1;

  if (fd < 0)
    return false;
  if (connect (fd, to, family == AF_INET ? sizeof v4 : sizeof v6) < 0 && errno != EINPROGRESS)
    {
      close (fd);
      return false;
    }
  setsockopt (fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  connection->watch.fd = fd;
  connection->watch.call = on_connected;
  connection->family = family;
  watch_set (&connection->watch, EPOLLOUT | EPOLLONESHOT);
  return true;
}

static void
on_connected (Watch *watch, uint32_t events)
{
  Connection *connection = container_of (watch, Connection, watch);
  int code = 0;
  socklen_t length = sizeof code;

  if (getsockopt (watch->fd, SOL_SOCKET, SO_ERROR, &code, &length) < 0 || code != 0)
    {
      watch_close (watch);
      if (connection->family != AF_INET || !start (connection, AF_INET6))
        connection_fail (connection);
      return;
    }
  connection->connecting = false;
  watch->call = connection_event;
  if (creel_stream_respond (connection->stream, 200, NULL, 0, true) < 0)
    {
      connection_fail (connection);
      return;
    }
  if (connection->ended)
    shutdown (watch->fd, SHUT_WR);
  else
    creel_stream_receive (connection->stream); /* what the client said meanwhile */
}

void
forward_connect (CreelStream *stream, const char *authority)
{
  Connection *connection = NULL;
  unsigned port;
  char more;

  if (authority == NULL || sscanf (authority, "localhost:%5u%c", &port, &more) != 1 || port < 1 || port > UINT16_MAX)
    {
      control_answer (stream, 400, "error=connections go to localhost:PORT\n");
      return;
    }
  connection = connection_new (-1);
  if (connection == NULL)
    {
      creel_stream_reset (stream, CREEL_STREAM_REFUSED);
      return;
    }
  connection->stream = stream;
  connection->port = (unsigned short) port;
  connection->connecting = true;
  creel_stream_set_handler (stream, &connection_handler, connection);
  creel_stream_keep_small (stream);
  if (!start (connection, AF_INET) && !start (connection, AF_INET6))
    connection_fail (connection);
}
