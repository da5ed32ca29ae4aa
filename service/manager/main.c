/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "creel-daemon.h"

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (CreelDaemon) daemon = NULL;

  signal (SIGPIPE, SIG_IGN);
  umask (022);
  daemon = creel_daemon_new (&error);
  if (daemon == NULL)
    {
      g_printerr ("creeld: %s\n", error->message);
      return EXIT_FAILURE;
    }
  return creel_daemon_run (daemon) ? EXIT_SUCCESS : EXIT_FAILURE;
}
