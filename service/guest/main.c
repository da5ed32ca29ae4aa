/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "init.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* The ports have names of ours; which device is which is not promised. */
static int
open_port (const char *wanted)
{
  for (int attempt = 0; attempt < 500; attempt++)
    {
      DIR *dir = opendir ("/sys/class/virtio-ports");
      struct dirent *entry;

      while (dir != NULL && (entry = readdir (dir)) != NULL)
        {
          char path[512];
          char *name;
          bool found;

          snprintf (path, sizeof path, "/sys/class/virtio-ports/%s/name", entry->d_name);
          name = entry->d_name[0] == '.' ? NULL : read_file (path, 16384, NULL);
          found = name != NULL && strncmp (name, wanted, strlen (wanted)) == 0 && name[strlen (wanted)] == '\n';
          free (name);
          snprintf (path, sizeof path, "/dev/%s", entry->d_name);
          if (found)
            {
              int fd = open (path, O_RDWR | O_NONBLOCK | O_CLOEXEC);

              if (fd >= 0)
                {
                  closedir (dir);
                  return fd;
                }
            }
        }
      if (dir != NULL)
        closedir (dir);
      usleep (10000);
    }
  return -1;
}

int
main (int argc, char **argv)
{
  struct rlimit files = { 65536, 1048576 };
  const char *problem;
  int control, egress;

  if (getpid () != 1)
    {
      fprintf (stderr, "creel-init is the first process of a guest and does nothing else\n");
      return 2;
    }
  if (fcntl (STDERR_FILENO, F_GETFD) < 0)
    {
      mount ("devtmpfs", "/dev", "devtmpfs", MS_NOSUID, "mode=755");
      for (int i = 0; i < 3; i++)
        if (open ("/dev/console", O_RDWR | O_NOCTTY) < 0)
          break;
    }
  say ("alive");
  loop_init ();
  reap_start ();
  problem = mount_everything ();
  write_file ("/proc/self/oom_score_adj", "-1000", 5, 0);
  setrlimit (RLIMIT_NOFILE, &files);
  control = open_port ("org.creel.control");
  egress = open_port ("org.creel.egress");
  if (control < 0)
    say ("there is no port org.creel.control");
  else
    control_start (control, problem);
  network_start ();
  if (egress < 0)
    say ("there is no port org.creel.egress");
  else if (*problem == '\0')
    egress_start (egress);
  say ("waiting for the host");
  loop_run ();
}
