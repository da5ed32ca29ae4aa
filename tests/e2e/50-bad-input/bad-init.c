/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* PID 1 of a guest that does not behave: built static by the test. -DBABBLE: fills both channels with noise; without: says nothing. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifdef BABBLE
static void
load_modules (void)
{
  FILE *list = fopen ("/modules", "re");
  char name[128], path[256];

  while (list != NULL && fscanf (list, "%127s", name) == 1)
    {
      int fd;

      snprintf (path, sizeof path, "/lib/modules/%s.ko", name);
      fd = open (path, O_RDONLY | O_CLOEXEC);
      if (fd >= 0)
        {
          syscall (SYS_finit_module, fd, "", 0);
          close (fd);
        }
    }
}

static void
babble (void)
{
  static const char noise[] = "PRI * HTTP/2.0\r\n\r\nCREEL1 READY 00000000000000000000000000000000\n\xff\xfe\0GET / HTTP/1.1\r\n";
  char bytes[4096];
  int ports[2];

  for (size_t i = 0; i < sizeof bytes; i++)
    bytes[i] = noise[i % sizeof noise];
  mount ("devtmpfs", "/dev", "devtmpfs", 0, NULL);
  load_modules ();
  for (int tries = 0; tries < 50; tries++)
    {
      ports[0] = open ("/dev/vport0p1", O_RDWR | O_CLOEXEC);
      ports[1] = open ("/dev/vport0p2", O_RDWR | O_CLOEXEC);
      if (ports[0] >= 0 && ports[1] >= 0)
        break;
      usleep (100000);
    }
  for (;;)
    for (int i = 0; i < 2; i++)
      if (write (ports[i], bytes, sizeof bytes) < 0)
        usleep (1000);
}
#endif

int
main (void)
{
#ifdef BABBLE
  babble ();
#endif
  for (;;)
    pause ();
}
