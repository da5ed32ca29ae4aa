/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The guest's side of tests/bench, static.
 * As PID 1 of a bare guest: writes zeros into its first virtio port for ever: the raw channel that others are compared with.
 * bench-guest spawn N PROGRAM [WORD...]: microseconds of each fork, exec and wait, one a line. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
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

static void
be_init (void)
{
  static char zeros[WRITE_SIZE];
  int fd;

  mount ("devtmpfs", "/dev", "devtmpfs", 0, NULL);
  mount ("proc", "/proc", "proc", 0, NULL);
  mount ("sysfs", "/sys", "sysfs", 0, NULL);
  load_modules ();
  fd = open_port ();
  while (fd >= 0 && write (fd, zeros, sizeof zeros) > 0)
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
  fprintf (stderr, "usage: bench-guest spawn N PROGRAM [WORD...]\n");
  return 2;
}
