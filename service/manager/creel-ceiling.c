/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-ceiling.h"

#include "creel-names.h"
#include "creel-root.h"
#include "creel-sandbox.h"

/* An editor makes several changes of one */
#define SETTLE_MS 200

struct _CreelCeiling
{
  CreelDaemon *daemon;
  GFileMonitor *monitor;
  guint settle;
};

static gboolean
on_settled (gpointer user_data)
{
  CreelCeiling *ceiling = user_data;
  GHashTableIter iter;
  gpointer sandbox;

  ceiling->settle = 0;
  g_message ("The ceiling of the policy in " CREEL_CONFIG_DIR "/policy.d changed");
  creel_daemon_rescan (ceiling->daemon);
  g_hash_table_iter_init (&iter, ceiling->daemon->sandboxes);
  while (g_hash_table_iter_next (&iter, NULL, &sandbox))
    if (creel_sandbox_get_link (sandbox) != NULL)
      creel_gateway_link_reload (creel_sandbox_get_link (sandbox));
  return G_SOURCE_REMOVE;
}

static void
on_changed (GFileMonitor *monitor, GFile *file, GFile *other, GFileMonitorEvent event, gpointer user_data)
{
  CreelCeiling *ceiling = user_data;

  g_clear_handle_id (&ceiling->settle, g_source_remove);
  ceiling->settle = g_timeout_add (SETTLE_MS, on_settled, ceiling);
}

CreelCeiling *
creel_ceiling_new (CreelDaemon *daemon)
{
  CreelCeiling *ceiling = g_new0 (CreelCeiling, 1);
  g_autofree char *path = creel_root_path (CREEL_CONFIG_DIR "/policy.d");
  /* the local one: no modules of a desktop in this process */
  g_autoptr (GFile) directory = g_vfs_get_file_for_path (g_vfs_get_local (), path);
  g_autoptr (GError) error = NULL;

  ceiling->daemon = daemon;
  ceiling->monitor = g_file_monitor_directory (directory, G_FILE_MONITOR_WATCH_MOVES, NULL, &error);
  if (ceiling->monitor != NULL)
    g_signal_connect (ceiling->monitor, "changed", G_CALLBACK (on_changed), ceiling);
  else
    g_warning ("Changes of %s count only after a restart of creeld: %s", path, error->message);
  return ceiling;
}

void
creel_ceiling_free (CreelCeiling *ceiling)
{
  g_clear_handle_id (&ceiling->settle, g_source_remove);
  if (ceiling->monitor != NULL)
    {
      g_signal_handlers_disconnect_by_data (ceiling->monitor, ceiling);
      g_file_monitor_cancel (ceiling->monitor);
      g_object_unref (ceiling->monitor);
    }
  g_free (ceiling);
}
