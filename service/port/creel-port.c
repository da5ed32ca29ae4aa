/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* creel-port NAME:ADDRESS:PORT:GUEST: gives the listening socket that systemd made to the gateway of the sandbox, and again when the
 * gateway was restarted. It never takes a connection itself, so the only bytes it reads are the gateway's answers. */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#define GATEWAY "/run/creel/channels/%.*s.gateway"
#define PATH "/org/creel/Creel1/gateway"
#define INTERFACE "org.creel.Creel1.Gateway"
#define RETRY_USEC (200 * 1000)
#define REFUSED_USEC (2 * 1000 * 1000)
#define ANSWER_USEC (20 * 1000 * 1000)
#define NAME_MAX_LENGTH 63

typedef struct
{
  char address[sizeof "unix:path=" + sizeof GATEWAY + NAME_MAX_LENGTH];
  unsigned guest_port;
} Target;

/* The sandbox is before the first colon, the guest's port after the last; what systemd passes is what the generator wrote. */
static bool
parse (const char *instance, Target *ret_target)
{
  const char *first = strchr (instance, ':'), *last = strrchr (instance, ':');
  char *end;
  unsigned long port;

  if (first == NULL || first == instance || first - instance > NAME_MAX_LENGTH || last == first ||
      strspn (instance, "abcdefghijklmnopqrstuvwxyz0123456789-") != (size_t) (first - instance))
    return false;
  port = strtoul (last + 1, &end, 10);
  if (*end != '\0' || port < 1 || port > 65535)
    return false;
  snprintf (ret_target->address, sizeof ret_target->address, "unix:path=" GATEWAY, (int) (first - instance), instance);
  ret_target->guest_port = (unsigned) port;
  return true;
}

static int
hand_over (sd_bus *bus, const Target *target, sd_bus_error *error)
{
  sd_bus_message *call = NULL;
  int r = sd_bus_message_new_method_call (bus, &call, NULL, PATH, INTERFACE, "Publish");

  if (r >= 0)
    r = sd_bus_message_append (call, "hq", SD_LISTEN_FDS_START, (uint16_t) target->guest_port);
  if (r >= 0)
    r = sd_bus_call (bus, call, ANSWER_USEC, error, NULL);
  sd_bus_message_unref (call);
  return r;
}

/* Until the gateway is gone. It sends what changes of it: that is read and dropped. */
static void
stay (sd_bus *bus)
{
  int r;

  while ((r = sd_bus_process (bus, NULL)) >= 0)
    if (r == 0 && (r = sd_bus_wait (bus, UINT64_MAX)) < 0 && r != -EINTR)
      break;
}

/* Returns how long to wait before the next try. */
static useconds_t
serve (const Target *target, char **last_problem)
{
  sd_bus_error error = SD_BUS_ERROR_NULL;
  sd_bus *bus = NULL;
  useconds_t wait = RETRY_USEC;
  int r = sd_bus_new (&bus);

  if (r >= 0)
    r = sd_bus_set_address (bus, target->address);
  if (r >= 0)
    r = sd_bus_negotiate_fds (bus, 1);
  if (r >= 0)
    r = sd_bus_start (bus);
  if (r >= 0)
    r = hand_over (bus, target, &error);
  if (r >= 0)
    {
      free (*last_problem);
      *last_problem = NULL;
      stay (bus);
    }
  else
    {
      const char *problem = error.message != NULL ? error.message : strerror (-r);

      /* a gateway that says no will say it again */
      if (sd_bus_error_has_name (&error, SD_BUS_ERROR_ACCESS_DENIED))
        wait = REFUSED_USEC;
      if (*last_problem == NULL || strcmp (*last_problem, problem) != 0)
        fprintf (stderr, "The gateway does not take the port: %.200s\n", problem);
      free (*last_problem);
      *last_problem = strdup (problem);
    }
  sd_bus_error_free (&error);
  sd_bus_close (bus);
  sd_bus_unref (bus);
  return wait;
}

int
main (int argc, char **argv)
{
  Target target;
  char *problem = NULL;

  if (argc != 2 || !parse (argv[1], &target))
    {
      fprintf (stderr, "Usage: creel-port NAME:ADDRESS:PORT:GUEST\nStarted by systemd as creel-port@.service.\n");
      return EXIT_FAILURE;
    }
  if (sd_listen_fds (1) != 1)
    {
      fprintf (stderr, "One socket must be passed; start creel-port@%s.socket\n", argv[1]);
      return EXIT_FAILURE;
    }
  while (true)
    usleep (serve (&target, &problem));
}
