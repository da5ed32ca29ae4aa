/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-image-collect.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "creel-error.h"
#include "creel-image-job.h"
#include "creel-image-store.h"
#include "creel-model-store.h"
#include "creel-names.h"
#include "creel-root.h"

/* Digests that images and models have. NULL when one cannot be read: then nothing is known to be garbage. */
static GHashTable *
find_owned (void)
{
  g_autoptr (GHashTable) owned = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_auto (GStrv) ids = creel_image_store_list ();
  g_autoptr (GError) model_error = NULL;

  if (!creel_model_store_add_owned (owned, &model_error))
    {
      g_warning ("No blobs are deleted: %s", model_error->message);
      return NULL;
    }
  for (char **id = ids; *id != NULL; id++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (CreelImageConfig) config = creel_image_config_load (*id, &error);

      if (config == NULL)
        {
          g_warning ("No blobs are deleted: %s", error->message);
          return NULL;
        }
      for (char **blob = config->blobs; *blob != NULL; blob++)
        g_hash_table_add (owned, g_strndup (*blob, 64));
    }
  return g_steal_pointer (&owned);
}

static int
open_blobs (void)
{
  g_autofree char *path = creel_root_path (CREEL_OCI_DIR "/blobs/sha256");

  return open (path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

gboolean
creel_image_collect_is_whole (const CreelImageConfig *config)
{
  int directory = config->manifest != NULL ? open_blobs () : -1;
  gboolean whole = directory >= 0 && config->blobs[0] != NULL;

  for (char **blob = config->blobs; whole && *blob != NULL; blob++)
    {
      g_autofree char *digest = g_strndup (*blob, 64);
      struct stat st;

      whole = fstatat (directory, digest, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG (st.st_mode) &&
              (guint64) st.st_size == g_ascii_strtoull (*blob + 65, NULL, 10);
    }
  if (directory >= 0)
    close (directory);
  return whole;
}

void
creel_image_collect_blobs (CreelDaemon *daemon, char **blobs)
{
  for (; blobs != NULL && *blobs != NULL; blobs++)
    g_hash_table_add (daemon->garbage, g_strndup (*blobs, 64));
  creel_image_collect_deferred (daemon);
}

void
creel_image_collect_deferred (CreelDaemon *daemon)
{
  g_autoptr (GHashTable) owned = NULL;
  GHashTableIter iter;
  gpointer digest;
  int directory;

  if (creel_image_job_any (daemon) || g_hash_table_size (daemon->garbage) == 0 || (owned = find_owned ()) == NULL)
    return;
  directory = open_blobs ();
  g_hash_table_iter_init (&iter, daemon->garbage);
  while (directory >= 0 && g_hash_table_iter_next (&iter, &digest, NULL))
    if (!g_hash_table_contains (owned, digest) && unlinkat (directory, digest, 0) < 0 && errno != ENOENT)
      g_warning ("Cannot delete blob %s: %s", (char *) digest, g_strerror (errno));
  if (directory >= 0)
    close (directory);
  g_hash_table_remove_all (daemon->garbage);
}

/* Those of a directory that are not in the set `kept`, or all; how many bytes they had. */
static guint64
delete_files (const char *directory, GHashTable *kept)
{
  g_autofree char *path = creel_root_path (directory);
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const char *entry;
  guint64 bytes = 0;

  while (dir != NULL && (entry = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *file = g_build_filename (path, entry, NULL);
      struct stat st;

      if ((kept == NULL || !g_hash_table_contains (kept, entry)) && lstat (file, &st) == 0 && unlink (file) == 0)
        bytes += S_ISREG (st.st_mode) ? st.st_size : 0;
    }
  return bytes;
}

gboolean
creel_image_collect_all (CreelDaemon *daemon, guint64 *ret_bytes, GError **error)
{
  g_autoptr (GHashTable) owned = NULL;

  *ret_bytes = 0;
  if (creel_image_job_any (daemon))
    {
      g_set_error_literal (error, CREEL_ERROR, CREEL_ERROR_FAILED, "Images or models are being made or moved now; prune when that has ended");
      return FALSE;
    }
  owned = find_owned ();
  if (owned == NULL)
    {
      g_set_error_literal (error, CREEL_ERROR, CREEL_ERROR_FAILED, "An image or a model cannot be read, so nothing is deleted; \"journalctl -u creeld\" says which");
      return FALSE;
    }
  *ret_bytes = delete_files (CREEL_OCI_DIR "/blobs/sha256", owned) + delete_files (CREEL_OCI_DIR "/partial", NULL);
  g_hash_table_remove_all (daemon->garbage);
  return TRUE;
}
