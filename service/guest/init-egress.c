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

/* The way out: one TCP connection of a program is one stream to the gateway. */

typedef enum { PROXY, MODEL, TRANSPARENT } Way;

typedef struct
{
  Watch watch;
  Way way;
} Listener;

static CreelChannel *channel;
static Listener listeners[6];

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
  if (authority[0] != '\0' || destination (fd, authority, sizeof authority))
    connection = connection_new (fd);
  if (connection != NULL)
    {
      connection->stream = creel_channel_request (channel, "CONNECT", NULL, authority, headers, 1, true, &connection_handler, connection);
      if (connection->stream == NULL)
        {
          connection_free (connection, true);
          return;
        }
    }
  if (connection == NULL)
    {
      /* the gateway is away, or there are too many: refused at once is better than waiting */
      setsockopt (fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
      close (fd);
      return;
    }
  setsockopt (fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
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
