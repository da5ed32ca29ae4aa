/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* creel-models: the HTTP front of this machine's models, on the socket that systemd passes it. */
#include <glib-unix.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <systemd/sd-daemon.h>

#include "creel-models-memory.h"
#include "creel-models-server.h"
#include "creel-names.h"
#include "creel-root.h"

#define DRAIN_SECONDS 20
#define SOCKETS_MAX 8

typedef struct
{
  GMainLoop *loop;
  CreelModelsServer *server;
} Front;

static void
on_drained (gpointer user_data)
{
  g_main_loop_quit (user_data);
}

static gboolean
on_too_long (gpointer user_data)
{
  g_main_loop_quit (user_data);
  return G_SOURCE_REMOVE;
}

static gboolean
on_terminate (gpointer user_data)
{
  Front *front = user_data;

  sd_notify (FALSE, "STOPPING=1");
  creel_models_server_drain (front->server, on_drained, front->loop);
  g_timeout_add_seconds (DRAIN_SECONDS, on_too_long, front->loop);
  return G_SOURCE_REMOVE;
}

/* Prompts pass through this memory, and it is to stay small. */
static void
restrict_process (void)
{
  signal (SIGPIPE, SIG_IGN);
  /* GIO's threads would each get an arena, and freed pages stay in it */
  mallopt (M_ARENA_MAX, 1);
  mallopt (M_TRIM_THRESHOLD, 256 * 1024);
  mallopt (M_MMAP_THRESHOLD, 128 * 1024);
  g_setenv ("GIO_USE_VFS", "local", TRUE);
  g_setenv ("GIO_MODULE_DIR", "/nonexistent", TRUE);
}

int
main (int argc, char **argv)
{
  g_autofree char *engines = creel_root_path (CREEL_ENGINE_DIR);
  g_auto (CreelModelsConfig) config = { 0 };
  g_autoptr (CreelModelsRunner) runner = NULL;
  g_autoptr (CreelModelsAudit) audit = NULL;
  g_autoptr (CreelModelsPeers) peers = NULL;
  g_autoptr (CreelModelsServer) server = NULL;
  g_autoptr (GDBusConnection) bus = NULL;
  g_autoptr (GMainLoop) loop = NULL;
  g_autoptr (GError) error = NULL;
  guint64 total = 0, available = 0;
  int fds[SOCKETS_MAX], n_fds = sd_listen_fds (TRUE);

  restrict_process ();
  if (n_fds <= 0 || n_fds > SOCKETS_MAX)
    {
      g_printerr ("No socket was passed; start " CREEL_MODELS_SOCKET "\n");
      return EXIT_FAILURE;
    }
  for (int i = 0; i < n_fds; i++)
    fds[i] = SD_LISTEN_FDS_START + i;
  creel_models_memory_read (&total, &available);
  if (!creel_models_config_load (total, &config, &error))
    {
      g_printerr ("%s\n", error->message);
      return EXIT_FAILURE;
    }
  bus = g_bus_get_sync (G_BUS_TYPE_SYSTEM, NULL, &error);
  if (bus == NULL)
    {
      g_printerr ("There is no system bus: %s\n", error->message);
      return EXIT_FAILURE;
    }
  audit = creel_models_audit_new (NULL);
  peers = creel_models_peers_new (bus);
  runner = creel_models_runner_new (&config, bus, CREEL_BUS_NAME, engines);
  server = creel_models_server_new (fds, (guint) n_fds, &config, runner, audit, peers, &error);
  if (server == NULL)
    {
      g_printerr ("%s\n", error->message);
      return EXIT_FAILURE;
    }
  loop = g_main_loop_new (NULL, FALSE);
  g_unix_signal_add (SIGTERM, on_terminate, &(Front){ loop, server });
  g_unix_signal_add (SIGINT, on_terminate, &(Front){ loop, server });
  malloc_trim (0);
  sd_notify (FALSE, "READY=1");
  g_main_loop_run (loop);
  /* nobody would unload them */
  creel_models_runner_unload_all (runner);
  return EXIT_SUCCESS;
}
