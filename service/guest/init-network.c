/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "init.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* The guest has no network card. Every address is local: what a program connects to arrives at this kernel, where init-redirect.c
 * steers TCP and DNS to us; anything else meets no socket and is refused at once. */

#define OWN_ADDRESS 0xc6120001u /* 198.18.0.1 */

typedef struct
{
  struct nlmsghdr head;
  union
  {
    struct ifaddrmsg address;
    struct rtmsg route;
  } body;
  char attributes[128];
} Message;

static void
add_attribute (Message *message, unsigned short type, const void *data, size_t length)
{
  struct rtattr *attribute = (void *) ((char *) message + NLMSG_ALIGN (message->head.nlmsg_len));

  attribute->rta_type = type;
  attribute->rta_len = (unsigned short) RTA_LENGTH (length);
  memcpy (RTA_DATA (attribute), data, length);
  message->head.nlmsg_len = NLMSG_ALIGN (message->head.nlmsg_len) + RTA_LENGTH (length);
}

static void
request (const char *what, Message *message)
{
  struct
  {
    struct nlmsghdr head;
    struct nlmsgerr error;
    char more[256];
  } answer = { 0 };
  int fd = socket (AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  int code = fd < 0 ? errno : 0;

  message->head.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE;
  if (code == 0 && (send (fd, message, message->head.nlmsg_len, 0) < 0 || recv (fd, &answer, sizeof answer, 0) < 0))
    code = errno;
  else if (code == 0 && answer.head.nlmsg_type == NLMSG_ERROR)
    code = -answer.error.error;
  if (code != 0)
    say ("network: cannot add %s: %s", what, strerror (code));
  if (fd >= 0)
    close (fd);
}

static void
add_local_default (int family, int interface)
{
  Message message = { .head = { .nlmsg_len = NLMSG_LENGTH (sizeof (struct rtmsg)), .nlmsg_type = RTM_NEWROUTE },
                      .body.route = { .rtm_family = (unsigned char) family, .rtm_table = RT_TABLE_MAIN, .rtm_protocol = RTPROT_BOOT,
                                      .rtm_scope = RT_SCOPE_HOST, .rtm_type = RTN_LOCAL } };
  uint32_t source = htonl (OWN_ADDRESS);

  if (family == AF_INET6)
    message.body.route.rtm_scope = RT_SCOPE_UNIVERSE;
  add_attribute (&message, RTA_OIF, &interface, sizeof interface);
  if (family == AF_INET)
    add_attribute (&message, RTA_PREFSRC, &source, sizeof source);
  request (family == AF_INET ? "the IPv4 route" : "the IPv6 route", &message);
}

static void
add_address (int interface)
{
  Message message = { .head = { .nlmsg_len = NLMSG_LENGTH (sizeof (struct ifaddrmsg)), .nlmsg_type = RTM_NEWADDR },
                      .body.address = { .ifa_family = AF_INET, .ifa_prefixlen = 32, .ifa_scope = RT_SCOPE_UNIVERSE,
                                        .ifa_index = (unsigned) interface } };
  uint32_t address = htonl (OWN_ADDRESS);

  add_attribute (&message, IFA_LOCAL, &address, sizeof address);
  add_attribute (&message, IFA_ADDRESS, &address, sizeof address);
  request ("an address", &message);
}

void
network_start (void)
{
  struct ifreq request_up = { .ifr_name = "lo" };
  int fd = socket (AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  int lo = (int) if_nametoindex ("lo");

  request_up.ifr_flags = IFF_UP | IFF_RUNNING;
  if (fd < 0 || ioctl (fd, SIOCSIFFLAGS, &request_up) < 0)
    say ("network: cannot bring lo up: %s", strerror (errno));
  if (fd >= 0)
    close (fd);
  add_address (lo);
  add_local_default (AF_INET, lo);
  add_local_default (AF_INET6, lo);
  /* or this kernel would answer pings for the whole world; and users may open low ports, as in containers */
  write_file ("/proc/sys/net/ipv4/icmp_echo_ignore_all", "1", 1, 0);
  write_file ("/proc/sys/net/ipv6/icmp/echo_ignore_all", "1", 1, 0);
  write_file ("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0", 1, 0);
}
