/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "init.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* One TCP connection of a program is one stream to the gateway. Nothing is buffered here: the socket's buffer is on one side, the
 * stream's window on the other. */

#define CONNECTIONS_MAX 4000

typedef enum { PROXY, MODEL, TRANSPARENT } Way;

typedef struct
{
  Watch watch;
  Way way;
} Listener;

typedef struct
{
  Watch watch;
  CreelStream *stream;
  uint32_t wanted;
} Connection;

static CreelChannel *channel;
static Listener listeners[6];
static size_t n_connections;

static void
connection_free (Connection *connection, bool reset)
{
  struct linger hard = { 1, 0 };

  if (reset && connection->watch.fd >= 0)
    setsockopt (connection->watch.fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
  watch_close (&connection->watch);
  n_connections--;
  loop_free_later (connection);
}

static void
want (Connection *connection, uint32_t events)
{
  connection->wanted |= events;
  watch_set (&connection->watch, connection->wanted | EPOLLONESHOT);
}

static void
fail (Connection *connection)
{
  creel_stream_reset (connection->stream, CREEL_STREAM_CONNECT_ERROR);
  connection_free (connection, true);
}

static void
on_response (CreelStream *stream, const CreelHead *head, void *user_data)
{
  if (head->status != 200)
    fail (user_data);
}

static size_t
on_data (CreelStream *stream, const uint8_t *bytes, size_t n_bytes, void *user_data)
{
  Connection *connection = user_data;
  ssize_t n = send (connection->watch.fd, bytes, n_bytes, MSG_NOSIGNAL);

  if (n < 0 && errno != EAGAIN)
    {
      fail (connection);
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
  shutdown (((Connection *) user_data)->watch.fd, SHUT_WR);
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

static const CreelStreamHandler handler = {
  .response = on_response, .data = on_data, .end = on_end, .pull = on_pull, .closed = on_closed
};

static void
on_connection_event (Watch *watch, uint32_t events)
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

/* Where the program wanted to go, as host:port. */
static bool
destination (int fd, char *authority, size_t size)
{
  union
  {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
  } to;
  socklen_t length = sizeof to;
  char text[INET6_ADDRSTRLEN];
  const char *name;

  if (getsockname (fd, &to.any, &length) < 0)
    return false;
  if (to.any.sa_family == AF_INET6)
    {
      snprintf (authority, size, "[%s]:%u", inet_ntop (AF_INET6, &to.v6.sin6_addr, text, sizeof text), ntohs (to.v6.sin6_port));
      return true;
    }
  name = names_find (to.v4.sin_addr.s_addr);
  if (name == NULL)
    name = inet_ntop (AF_INET, &to.v4.sin_addr, text, sizeof text);
  snprintf (authority, size, "%s:%u", name, ntohs (to.v4.sin_port));
  return true;
}

static void
take (int fd, Way way)
{
  CreelHeader headers[] = { { "creel-way", way == PROXY ? "proxy" : "transparent" } };
  struct linger hard = { 1, 0 };
  char authority[300] = "";
  Connection *connection = NULL;
  int yes = 1;

  if (way == PROXY)
    strcpy (authority, "proxy:3128");
  else if (way == MODEL)
    strcpy (authority, "localhost:12434");
  if ((authority[0] != '\0' || destination (fd, authority, sizeof authority)) && n_connections < CONNECTIONS_MAX)
    connection = calloc (1, sizeof *connection);
  if (connection != NULL)
    {
      connection->watch.fd = fd;
      connection->watch.call = on_connection_event;
      connection->stream = creel_channel_request (channel, "CONNECT", NULL, authority, headers, 1, true, &handler, connection);
    }
  if (connection == NULL || connection->stream == NULL)
    {
      free (connection);
      /* the gateway is away, or there are too many: refused at once is better than waiting */
      setsockopt (fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
      close (fd);
      return;
    }
  setsockopt (fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  n_connections++;
}

static void
on_listener (Watch *watch, uint32_t events)
{
  Listener *listener = container_of (watch, Listener, watch);

  for (int i = 0; i < 64; i++)
    {
      int fd = accept4 (watch->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

      if (fd < 0)
        break;
      take (fd, listener->way);
    }
}

static int
listen_on (Listener *listener, int family, unsigned short port, Way way)
{
  struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons (port), .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
  struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons (port), .sin6_addr = IN6ADDR_LOOPBACK_INIT };
  int fd = socket (family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  int yes = 1;
  bool failed = fd < 0;

  if (!failed)
    {
      setsockopt (fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
      if (family == AF_INET6)
        setsockopt (fd, IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof yes);
      failed = (family == AF_INET ? bind (fd, (struct sockaddr *) &v4, sizeof v4) : bind (fd, (struct sockaddr *) &v6, sizeof v6)) < 0 ||
               listen (fd, 1024) < 0;
    }
  if (failed)
    {
      say ("egress: port %u: %s", port, strerror (errno));
      if (fd >= 0)
        close (fd);
      return -1;
    }
  *listener = (Listener){ .watch = { .fd = fd, .call = on_listener }, .way = way };
  watch_set (&listener->watch, EPOLLIN);
  return fd;
}

static void
on_opened (CreelChannel *unused, void *user_data)
{
  say ("egress: host is there");
}

static void
on_channel_closed (CreelChannel *unused, const char *reason, void *user_data)
{
  say ("egress: %s", reason);
}

static const CreelChannelHandler channel_handler = { .opened = on_opened, .closed = on_channel_closed };

void
egress_start (int port)
{
  int tcp[2], dns_tcp[2], dns_udp[2];

  channel = creel_channel_new (port, CREEL_CHANNEL_GUEST, true, &channel_handler, NULL);
  if (channel == NULL)
    return;
  loop_add_channel (channel, port);
  listen_on (&listeners[0], AF_INET, 3128, PROXY);
  listen_on (&listeners[1], AF_INET6, 3128, PROXY);
  listen_on (&listeners[2], AF_INET, 12434, MODEL);
  listen_on (&listeners[3], AF_INET6, 12434, MODEL);
  tcp[0] = listen_on (&listeners[4], AF_INET, 1, TRANSPARENT);
  tcp[1] = listen_on (&listeners[5], AF_INET6, 1, TRANSPARENT);
  resolver_start (dns_tcp, dns_udp);
  if (redirect_start (tcp, dns_tcp, dns_udp) < 0)
    say ("redirect: %s; programs that ignore the proxy variables have no network", strerror (errno));
}
