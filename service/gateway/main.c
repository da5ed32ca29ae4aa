/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* creel-gateway NAME: the host end of one sandbox's two channels. All it has are the sockets it is given. */
#include <glib-unix.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <systemd/sd-daemon.h>

#include "creel-gateway-bus.h"

typedef struct
{
  int egress, control, gateway, state;
} Sockets;

static gboolean
take_sockets (Sockets *sockets)
{
  g_auto (GStrv) names = NULL;
  int n = sd_listen_fds_with_names (TRUE, &names);

  *sockets = (Sockets) { -1, -1, -1, -1 };
  for (int i = 0; i < n; i++)
    {
      int *fd = g_str_equal (names[i], "egress")    ? &sockets->egress
                : g_str_equal (names[i], "control") ? &sockets->control
                : g_str_equal (names[i], "gateway") ? &sockets->gateway
                : g_str_equal (names[i], "state")   ? &sockets->state
                                                    : NULL;

      if (fd != NULL && *fd < 0)
        *fd = SD_LISTEN_FDS_START + i;
    }
  return sockets->egress >= 0 && sockets->control >= 0 && sockets->gateway >= 0;
}

/* Keys and everything the guest does pass through this memory. */
static void
restrict_process (void)
{
  const struct rlimit none = { 0, 0 };

  prctl (PR_SET_DUMPABLE, 0, 0, 0, 0);
  setrlimit (RLIMIT_CORE, &none);
  signal (SIGPIPE, SIG_IGN);
  /* GIO's threads would each get an arena, and freed pages stay in it */
  mallopt (M_ARENA_MAX, 1);
  mallopt (M_TRIM_THRESHOLD, 256 * 1024);
  mallopt (M_MMAP_THRESHOLD, 128 * 1024);
  g_setenv ("GIO_USE_VFS", "local", TRUE);
  g_setenv ("GIO_USE_PROXY_RESOLVER", "dummy", TRUE);
  g_setenv ("GIO_USE_NETWORK_MONITOR", "base", TRUE);
  g_setenv ("GIO_MODULE_DIR", "/nonexistent", TRUE);
}

static gboolean
on_terminate (gpointer user_data)
{
  g_main_loop_quit (user_data);
  return G_SOURCE_CONTINUE;
}

int
main (int argc, char **argv)
{
  g_autoptr (GMainLoop) loop = NULL;
  g_autoptr (GError) error = NULL;
  CreelGateway *gateway;
  CreelGatewayBus *bus;
  Sockets sockets;

  restrict_process ();
  if (argc != 2 || !creel_sandbox_name_is_valid (argv[1]))
    {
      g_printerr ("Usage: creel-gateway NAME\nStarted by systemd as creel-gateway@NAME.service.\n");
      return EXIT_FAILURE;
    }
  if (!take_sockets (&sockets))
    {
      g_printerr ("The sockets egress, control and gateway were not passed; start creel-gateway@%s.socket\n", argv[1]);
      return EXIT_FAILURE;
    }

  loop = g_main_loop_new (NULL, FALSE);
  gateway = creel_gateway_new (argv[1], sockets.egress, sockets.control, sockets.state, &error);
  if (gateway == NULL)
    {
      g_printerr ("%s\n", error->message);
      return EXIT_FAILURE;
    }
  bus = creel_gateway_bus_new (gateway, sockets.gateway, 0);
  g_unix_signal_add (SIGTERM, on_terminate, loop);
  g_unix_signal_add (SIGINT, on_terminate, loop);
  malloc_trim (0);
  sd_notify (FALSE, "READY=1");
  g_main_loop_run (loop);

  sd_notify (FALSE, "STOPPING=1");
  creel_gateway_stop (gateway, "the gateway stops");
  creel_gateway_bus_flush (bus);
  creel_gateway_bus_free (bus);
  creel_gateway_free (gateway);
  return EXIT_SUCCESS;
}
