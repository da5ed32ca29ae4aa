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
  GFileMonitor *monitors[2]; /* of the folder of the policy, of creel.conf with its sections [Network] and [Limits] */
  guint settle;
};

static gboolean
on_settled (gpointer user_data)
{
  CreelCeiling *ceiling = user_data;
  GHashTableIter iter;
  gpointer sandbox;

  ceiling->settle = 0;
  g_message ("What the administrator says of the network changed");
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

static GFileMonitor *
watch (CreelCeiling *ceiling, const char *where, gboolean is_folder)
{
  g_autofree char *path = creel_root_path (where);
  /* the local one: no modules of a desktop in this process */
  g_autoptr (GFile) file = g_vfs_get_file_for_path (g_vfs_get_local (), path);
  g_autoptr (GError) error = NULL;
  GFileMonitor *monitor = is_folder ? g_file_monitor_directory (file, G_FILE_MONITOR_WATCH_MOVES, NULL, &error)
                                    : g_file_monitor_file (file, G_FILE_MONITOR_NONE, NULL, &error);

  if (monitor != NULL)
    g_signal_connect (monitor, "changed", G_CALLBACK (on_changed), ceiling);
  else
    g_warning ("Changes of %s count only after a restart of creeld: %s", path, error->message);
  return monitor;
}

CreelCeiling *
creel_ceiling_new (CreelDaemon *daemon)
{
  CreelCeiling *ceiling = g_new0 (CreelCeiling, 1);

  ceiling->daemon = daemon;
  ceiling->monitors[0] = watch (ceiling, CREEL_CONFIG_DIR "/policy.d", TRUE);
  ceiling->monitors[1] = watch (ceiling, CREEL_CONFIG_DIR "/creel.conf", FALSE);
  return ceiling;
}

void
creel_ceiling_free (CreelCeiling *ceiling)
{
  g_clear_handle_id (&ceiling->settle, g_source_remove);
  for (guint i = 0; i < G_N_ELEMENTS (ceiling->monitors); i++)
    if (ceiling->monitors[i] != NULL)
      {
        g_signal_handlers_disconnect_by_data (ceiling->monitors[i], ceiling);
        g_file_monitor_cancel (ceiling->monitors[i]);
        g_object_unref (ceiling->monitors[i]);
      }
  g_free (ceiling);
}
