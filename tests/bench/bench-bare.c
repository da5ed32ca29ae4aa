/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The floor: a guest without anything of Creel on the host but the channel's code.
 * bench-bare boot DIR QEMU...     starts it with sockets DIR/control and DIR/egress and the console in DIR/console. Prints seconds since
 *                                 its start: "alive" (first line of /init), "open" (both channels), "command" (the exit of `true`); and "processor", what QEMU used to then.
 * bench-bare raw DIR BYTES QEMU...  reads BYTES from DIR/egress as fast as they come, and prints MB/s.
 * bench-bare raw-in DIR BYTES QEMU...  writes BYTES there from when the guest says a byte until it says another, and prints MB/s. */
#include "creel-channel.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define LIMIT_USEC (120 * 1000000ull)

static uint64_t began;
static pid_t qemu;

typedef struct
{
  const char *name;
  int listener;
  int fd;
  CreelChannel *channel;
  bool opened;
} End;

static void __attribute__ ((noreturn))
die (const char *what)
{
  fprintf (stderr, "bench-bare: %s: %s\n", what, strerror (errno));
  if (qemu > 0)
    kill (qemu, SIGKILL);
  exit (1);
}

static double
seconds (void)
{
  return (double) (creel_channel_now () - began) / 1e6;
}

static int
listen_at (const char *directory, const char *name)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

  snprintf (address.sun_path, sizeof address.sun_path, "%s/%s", directory, name);
  unlink (address.sun_path);
  if (fd < 0 || bind (fd, (struct sockaddr *) &address, sizeof address) < 0 || listen (fd, 1) < 0)
    die (address.sun_path);
  return fd;
}

static void
start (char **argv)
{
  began = creel_channel_now ();
  qemu = fork ();
  if (qemu == 0)
    {
      execvp (argv[0], argv);
      perror (argv[0]);
      _exit (127);
    }
  if (qemu < 0)
    die ("fork");
}

/* Returns the seconds of processor time that it took. */
static double
stop (void)
{
  struct rusage usage;

  kill (qemu, SIGKILL);
  waitpid (qemu, NULL, 0);
  getrusage (RUSAGE_CHILDREN, &usage);
  return (double) (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) + (double) (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void
on_opened (CreelChannel *channel, void *user_data)
{
  ((End *) user_data)->opened = true;
}

static void
on_closed (CreelChannel *channel, const char *reason, void *user_data)
{
  errno = EPIPE;
  die (reason);
}

static const CreelChannelHandler handler = { .opened = on_opened, .closed = on_closed };

static void
turn (End *ends)
{
  struct pollfd polls[2];
  int timeout = 2; /* the console is looked at in between */

  for (int i = 0; i < 2; i++)
    {
      if (ends[i].channel != NULL && creel_channel_get_deadline (ends[i].channel) <= creel_channel_now ())
        timeout = 0;
      polls[i].fd = ends[i].channel != NULL ? ends[i].fd : ends[i].listener;
      polls[i].events = ends[i].channel != NULL ? creel_channel_get_events (ends[i].channel) : POLLIN;
      polls[i].revents = 0;
    }
  poll (polls, 2, timeout);
  for (int i = 0; i < 2; i++)
    if (ends[i].channel != NULL)
      creel_channel_dispatch (ends[i].channel, polls[i].revents);
    else if (polls[i].revents != 0)
      {
        ends[i].fd = accept4 (ends[i].listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        ends[i].channel = creel_channel_new (ends[i].fd, CREEL_CHANNEL_HOST, i == 0, &handler, &ends[i]);
      }
  if (seconds () * 1e6 > LIMIT_USEC || waitpid (qemu, NULL, WNOHANG) == qemu)
    {
      errno = ETIMEDOUT;
      die ("the guest did not get there");
    }
}

static bool
is_alive (const char *console)
{
  char text[65536];
  int fd = open (console, O_RDONLY | O_CLOEXEC);
  ssize_t n = fd < 0 ? 0 : read (fd, text, sizeof text - 1);

  if (fd >= 0)
    close (fd);
  text[n < 0 ? 0 : n] = '\0';
  return strstr (text, "creel-init: alive") != NULL;
}

static ssize_t
pull_command (CreelStream *stream, uint8_t *buffer, size_t size, bool *ret_end, void *user_data)
{
  static const char body[] = "arg=true\0user=0";

  memcpy (buffer, body, sizeof body);
  *ret_end = true;
  return sizeof body;
}

static size_t
on_data (CreelStream *stream, const uint8_t *bytes, size_t n, void *user_data)
{
  return n;
}

static void
on_command_over (CreelStream *stream, uint32_t code, void *user_data)
{
  *(bool *) user_data = true;
}

static const CreelStreamHandler command_handler = { .data = on_data, .pull = pull_command, .closed = on_command_over };

static void
boot (const char *directory, char **argv)
{
  End ends[2] = { { .name = "control" }, { .name = "egress" } };
  char console[256];
  bool over = false;
  double alive = 0;

  for (int i = 0; i < 2; i++)
    ends[i].listener = listen_at (directory, ends[i].name);
  snprintf (console, sizeof console, "%s/console", directory);
  unlink (console);
  start (argv);
  while (!(ends[0].opened && ends[1].opened))
    {
      turn (ends);
      if (alive == 0 && is_alive (console))
        alive = seconds ();
    }
  printf ("alive %.3f\nopen %.3f\n", alive, seconds ());
  if (creel_channel_request (ends[0].channel, "POST", "/exec/1", NULL, NULL, 0, true, &command_handler, &over) == NULL)
    die ("request");
  while (!over)
    turn (ends);
  printf ("command %.3f\n", seconds ());
  printf ("processor %.3f\n", stop ());
}

static void
raw (const char *directory, uint64_t bytes, char **argv)
{
  static char buffer[256 * 1024];
  int listener = listen_at (directory, "egress");
  uint64_t first = 0, total = 0;
  int fd;

  start (argv);
  fd = accept (listener, NULL, NULL);
  while (total < bytes)
    {
      ssize_t n = read (fd, buffer, sizeof buffer);

      if (n <= 0)
        die ("read");
      if (first == 0)
        first = creel_channel_now ();
      total += (uint64_t) n;
    }
  printf ("%.1f\n", (double) total / (double) (creel_channel_now () - first));
  stop ();
}

static void
raw_in (const char *directory, uint64_t bytes, char **argv)
{
  static char buffer[256 * 1024];
  int listener = listen_at (directory, "egress");
  uint64_t left = bytes, first;
  int fd;

  start (argv);
  fd = accept (listener, NULL, NULL);
  if (read (fd, buffer, 1) != 1)
    die ("read");
  first = creel_channel_now ();
  while (left > 0)
    {
      ssize_t n = write (fd, buffer, left < sizeof buffer ? left : sizeof buffer);

      if (n <= 0)
        die ("write");
      left -= (uint64_t) n;
    }
  if (read (fd, buffer, 1) != 1)
    die ("read");
  printf ("%.1f\n", (double) bytes / (double) (creel_channel_now () - first));
  stop ();
}

int
main (int argc, char **argv)
{
  signal (SIGPIPE, SIG_IGN);
  if (argc >= 4 && strcmp (argv[1], "boot") == 0)
    boot (argv[2], argv + 3);
  else if (argc >= 5 && strcmp (argv[1], "raw") == 0)
    raw (argv[2], strtoull (argv[3], NULL, 10), argv + 4);
  else if (argc >= 5 && strcmp (argv[1], "raw-in") == 0)
    raw_in (argv[2], strtoull (argv[3], NULL, 10), argv + 4);
  else
    {
      fprintf (stderr, "usage: bench-bare boot DIR QEMU... | raw|raw-in DIR BYTES QEMU...\n");
      return 2;
    }
  return 0;
}
