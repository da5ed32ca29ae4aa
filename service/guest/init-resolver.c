/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "init.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* The sockets of the resolver. Queries to any server's port 53 are steered here too: the answer leaves from the address asked. */

#define CONNECTIONS_MAX 64
#define CONNECTION_USEC (10 * 1000 * 1000)
#define QUERY_MAX 1024

typedef struct
{
  Watch watch;
  Timer timer;
  size_t length;
  uint8_t query[2 + QUERY_MAX];
} Asker;

static Watch udp[2] = { { .fd = -1 }, { .fd = -1 } };
static Watch tcp[2] = { { .fd = -1 }, { .fd = -1 } };
static size_t n_connections;

static void
on_datagram (Watch *watch, uint32_t events)
{
  for (int i = 0; i < 64; i++)
    {
      uint8_t query[QUERY_MAX];
      uint8_t answer[DNS_ANSWER_MAX];
      struct sockaddr_storage peer;
      _Alignas (struct cmsghdr) char control[256];
      struct iovec io = { query, sizeof query };
      struct msghdr message = { .msg_name = &peer, .msg_namelen = sizeof peer, .msg_iov = &io, .msg_iovlen = 1,
                                .msg_control = control, .msg_controllen = sizeof control };
      ssize_t n = recvmsg (watch->fd, &message, 0);

      if (n < 0)
        break;
      io.iov_len = names_answer (query, n, answer);
      io.iov_base = answer;
      if (io.iov_len == 0)
        continue;
      /* the packet info that came says where it goes back from, but the interface is for the kernel to choose */
      for (struct cmsghdr *item = CMSG_FIRSTHDR (&message); item != NULL; item = CMSG_NXTHDR (&message, item))
        if (item->cmsg_level == IPPROTO_IP && item->cmsg_type == IP_PKTINFO)
          {
            struct in_pktinfo *info = (void *) CMSG_DATA (item);

            info->ipi_ifindex = 0;
            info->ipi_spec_dst = info->ipi_addr;
          }
        else if (item->cmsg_level == IPPROTO_IPV6 && item->cmsg_type == IPV6_PKTINFO)
          ((struct in6_pktinfo *) (void *) CMSG_DATA (item))->ipi6_ifindex = 0;
      n = sendmsg (watch->fd, &message, MSG_DONTWAIT);
      (void) n; /* a lost answer is asked for again */
    }
}

static void
connection_close (Asker *connection)
{
  timer_stop (&connection->timer);
  watch_close (&connection->watch);
  n_connections--;
  loop_free_later (connection);
}

static void
on_timeout (Timer *timer)
{
  connection_close (container_of (timer, Asker, timer));
}

static void
on_stream (Watch *watch, uint32_t events)
{
  Asker *connection = container_of (watch, Asker, watch);
  ssize_t n = read (watch->fd, connection->query + connection->length, sizeof connection->query - connection->length);

  if (n <= 0)
    {
      if (n == 0 || errno != EAGAIN)
        connection_close (connection);
      return;
    }
  connection->length += n;
  while (connection->length >= 2)
    {
      uint8_t answer[2 + DNS_ANSWER_MAX];
      size_t wanted = (size_t) connection->query[0] << 8 | connection->query[1];
      size_t length;

      if (wanted > QUERY_MAX)
        {
          connection_close (connection);
          return;
        }
      if (connection->length < 2 + wanted)
        return;
      length = names_answer (connection->query + 2, wanted, answer + 2);
      answer[0] = (uint8_t) (length >> 8);
      answer[1] = (uint8_t) length;
      /* a client that lets its answers pile up is not served */
      if (length == 0 || send (watch->fd, answer, 2 + length, MSG_NOSIGNAL) != (ssize_t) (2 + length))
        {
          connection_close (connection);
          return;
        }
      connection->length -= 2 + wanted;
      memmove (connection->query, connection->query + 2 + wanted, connection->length);
    }
}

static void
on_connection (Watch *watch, uint32_t events)
{
  int fd = accept4 (watch->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
  Asker *connection = fd < 0 || n_connections >= CONNECTIONS_MAX ? NULL : calloc (1, sizeof *connection);

  if (connection == NULL)
    {
      if (fd >= 0)
        close (fd);
      return;
    }
  n_connections++;
  connection->watch.fd = fd;
  connection->watch.call = on_stream;
  connection->timer.call = on_timeout;
  watch_set (&connection->watch, EPOLLIN);
  timer_set (&connection->timer, CONNECTION_USEC);
}

static int
open_socket (int family, int type)
{
  struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons (53), .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
  struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons (53), .sin6_addr = IN6ADDR_LOOPBACK_INIT };
  int fd = socket (family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  int yes = 1;
  int failed = fd < 0;

  if (!failed)
    {
      setsockopt (fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
      if (family == AF_INET)
        setsockopt (fd, IPPROTO_IP, IP_PKTINFO, &yes, sizeof yes);
      else
        {
          setsockopt (fd, IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof yes);
          setsockopt (fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &yes, sizeof yes);
        }
      failed = family == AF_INET ? bind (fd, (struct sockaddr *) &v4, sizeof v4) : bind (fd, (struct sockaddr *) &v6, sizeof v6);
    }
  if (!failed && type == SOCK_STREAM)
    failed = listen (fd, 64);
  if (failed)
    say ("resolver: %s", strerror (errno));
  if (failed && fd >= 0)
    close (fd);
  return failed ? -1 : fd;
}

void
resolver_start (int ret_tcp[2], int ret_udp[2])
{
  for (int i = 0; i < 2; i++)
    {
      ret_udp[i] = udp[i].fd = open_socket (i == 0 ? AF_INET : AF_INET6, SOCK_DGRAM);
      ret_tcp[i] = tcp[i].fd = open_socket (i == 0 ? AF_INET : AF_INET6, SOCK_STREAM);
      udp[i].call = on_datagram;
      tcp[i].call = on_connection;
      watch_set (&udp[i], EPOLLIN);
      watch_set (&tcp[i], EPOLLIN);
    }
}
