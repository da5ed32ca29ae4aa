/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The guest's side of tests/bench, static.
 * As PID 1 of a bare guest: writes zeros into its first virtio port for ever: the raw channel that others are compared with. With
 * bench.in=BYTES on the kernel's command line: says so with a byte, reads that many and says so again; with bench.tcp too: and another
 * process has got them by TCP, as programs get what comes through Creel.
 * bench-guest fetch AUTHORITY BYTES: a connection through the explicit proxy to an origin that answers GET /BYTES; throws them away. MB/s.
 * bench-guest spawn N PROGRAM [WORD...]: microseconds of each fork, exec and wait, one a line. */
#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WRITE_SIZE (64 * 1024) /* what a virtio port does fastest */

static double
usec (void)
{
  struct timespec now;

  clock_gettime (CLOCK_MONOTONIC, &now);
  return (double) now.tv_sec * 1e6 + (double) now.tv_nsec / 1e3;
}

static int
spawn (int rounds, char **argv)
{
  for (int i = 0; i < rounds; i++)
    {
      double began = usec ();
      pid_t pid = fork ();
      int status;

      if (pid == 0)
        {
          execv (argv[0], argv);
          _exit (127);
        }
      if (pid < 0 || waitpid (pid, &status, 0) < 0 || status != 0)
        {
          fprintf (stderr, "bench-guest: %s failed\n", argv[0]);
          return 1;
        }
      printf ("%.0f\n", usec () - began);
    }
  return 0;
}

/* Those of creel-init's own initramfs, in its order */
static void
load_modules (void)
{
  FILE *list = fopen ("/modules", "re");
  char path[256];

  while (list != NULL && fgets (path, sizeof path, list) != NULL)
    {
      int fd;

      path[strcspn (path, "\n")] = '\0';
      fd = open (path, O_RDONLY | O_CLOEXEC);
      if (fd >= 0)
        {
          syscall (SYS_finit_module, fd, "", 0);
          close (fd);
        }
    }
  if (list != NULL)
    fclose (list);
}

static int
open_port (void)
{
  for (int attempt = 0; attempt < 1000; attempt++)
    {
      DIR *dir = opendir ("/dev");
      struct dirent *entry;

      while (dir != NULL && (entry = readdir (dir)) != NULL)
        if (strncmp (entry->d_name, "vport", 5) == 0)
          {
            int fd = openat (dirfd (dir), entry->d_name, O_RDWR | O_CLOEXEC);

            if (fd >= 0)
              {
                closedir (dir);
                return fd;
              }
          }
      if (dir != NULL)
        closedir (dir);
      usleep (10000);
    }
  return -1;
}

static int
fetch (const char *authority, const char *bytes)
{
  static char buffer[WRITE_SIZE];
  struct sockaddr_in proxy = { .sin_family = AF_INET, .sin_port = htons (3128), .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
  unsigned long long total = 0, wanted = strtoull (bytes, NULL, 10);
  int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  double began = usec ();
  ssize_t n = snprintf (buffer, sizeof buffer, "GET http://%s/%s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", authority, bytes, authority);

  if (connect (fd, (struct sockaddr *) &proxy, sizeof proxy) != 0 || write (fd, buffer, (size_t) n) != n)
    return 1;
  while ((n = read (fd, buffer, sizeof buffer)) > 0)
    {
      if (total == 0 && strncmp (buffer, "HTTP/1.1 200 ", 13) != 0)
        fprintf (stderr, "bench-guest: %.*s\n", (int) strcspn (buffer, "\r"), buffer);
      total += (unsigned long long) n;
    }
  if (total < wanted)
    return 1;
  printf ("%.1f\n", (double) total / (usec () - began));
  return 0;
}

/* The near end of a connection to a process that throws away what comes */
static int
start_reader (void)
{
  static char buffer[WRITE_SIZE];
  struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons (8080), .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
  struct ifreq loopback = { .ifr_name = "lo", .ifr_flags = IFF_UP };
  int listener = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), near = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), far;

  if (ioctl (listener, SIOCSIFFLAGS, &loopback) < 0 || bind (listener, (struct sockaddr *) &address, sizeof address) < 0 || listen (listener, 1) < 0 ||
      connect (near, (struct sockaddr *) &address, sizeof address) < 0 || (far = accept (listener, NULL, NULL)) < 0)
    perror ("bench-guest: loopback");
  else if (fork () == 0)
    {
      close (near);
      while (read (far, buffer, sizeof buffer) > 0)
        ;
      _exit (0);
    }
  else
    close (far);
  close (listener);
  return near;
}

/* A page a time is what a port gives. For TCP as many are gathered as are there, as in creel-init. */
static ssize_t
gather (int fd, char *buffer, size_t size, bool by_tcp)
{
  struct pollfd readable = { .fd = fd, .events = POLLIN };
  ssize_t n = read (fd, buffer, size), more = n;

  while (by_tcp && more > 0 && (size_t) n < size && poll (&readable, 1, 0) == 1 && (more = read (fd, buffer + n, size - (size_t) n)) > 0)
    n += more;
  return n;
}

static void
take (int fd, unsigned long long left, bool by_tcp)
{
  static char buffer[WRITE_SIZE];
  int reader = by_tcp ? start_reader () : -1;
  ssize_t n = write (fd, "", 1);

  while (left > 0 && (n = gather (fd, buffer, left < sizeof buffer ? (size_t) left : sizeof buffer, by_tcp)) >= 0)
    {
      /* nobody is at the other end yet */
      if (n == 0)
        usleep (10000);
      else if (by_tcp && send (reader, buffer, (size_t) n, 0) != n)
        return;
      left -= (unsigned long long) n;
    }
  if (by_tcp)
    {
      close (reader);
      wait (NULL);
    }
  n = write (fd, "", 1);
}

static void
be_init (void)
{
  static char zeros[WRITE_SIZE], words[4096];
  const char *in;
  int fd;

  mount ("devtmpfs", "/dev", "devtmpfs", 0, NULL);
  mount ("proc", "/proc", "proc", 0, NULL);
  mount ("sysfs", "/sys", "sysfs", 0, NULL);
  load_modules ();
  fd = open ("/proc/cmdline", O_RDONLY | O_CLOEXEC);
  if (fd < 0 || read (fd, words, sizeof words - 1) < 0)
    words[0] = '\0';
  in = strstr (words, "bench.in=");
  fd = open_port ();
  if (in != NULL)
    take (fd, strtoull (in + 9, NULL, 10), strstr (words, "bench.tcp") != NULL);
  while (in == NULL && fd >= 0 && write (fd, zeros, sizeof zeros) > 0)
    ;
  while (1)
    pause ();
}

int
main (int argc, char **argv)
{
  if (getpid () == 1)
    be_init ();
  if (argc >= 4 && strcmp (argv[1], "spawn") == 0)
    return spawn (atoi (argv[2]), argv + 3);
  if (argc == 4 && strcmp (argv[1], "fetch") == 0)
    return fetch (argv[2], argv[3]);
  fprintf (stderr, "usage: bench-guest spawn N PROGRAM [WORD...] | fetch AUTHORITY BYTES\n");
  return 2;
}
