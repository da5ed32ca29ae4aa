/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-image-store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "creel-error.h"
#include "creel-names.h"
#include "creel-root.h"
#include "creel-sandbox-store.h"

#define TEMPORARY ".new-"

static gboolean
fail (GError **error, const char *what, const char *path)
{
  int code = errno;

  g_set_error (error, CREEL_ERROR, code == ENOSPC || code == EDQUOT ? CREEL_ERROR_NO_SPACE : CREEL_ERROR_FAILED,
               "Cannot %s %s: %s", what, path, g_strerror (code));
  return FALSE;
}

char *
creel_image_store_begin (guint job, int *ret_fd, GError **error)
{
  g_autofree char *store = creel_root_path (CREEL_IMAGE_DIR);
  g_autofree char *directory = g_strdup_printf ("%s/" TEMPORARY "%u-%08x", store, job, g_random_int ());
  g_autofree char *path = g_build_filename (directory, "rootfs.squashfs", NULL);
  int fd;

  if (g_mkdir_with_parents (store, 0711) < 0 || mkdir (directory, 0700) < 0)
    {
      fail (error, "make", directory);
      return NULL;
    }
  fd = open (path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  /* the worker is another user and opens it again through /proc/self/fd; nobody else gets past the directory */
  if (fd < 0 || fchmod (fd, 0666) < 0)
    {
      fail (error, "make", path);
      if (fd >= 0)
        close (fd);
      creel_image_store_abort (directory);
      return NULL;
    }
  *ret_fd = fd;
  return g_steal_pointer (&directory);
}

void
creel_image_store_abort (const char *directory)
{
  static const char *const files[] = { "rootfs.squashfs", "image.conf", ".image.conf.new" };

  for (guint i = 0; i < G_N_ELEMENTS (files); i++)
    {
      g_autofree char *path = g_build_filename (directory, files[i], NULL);

      unlink (path);
    }
  if (rmdir (directory) < 0 && errno != ENOENT)
    g_warning ("Cannot delete %s: %s", directory, g_strerror (errno));
}

static char *
image_directory (const char *id)
{
  g_autofree char *store = creel_root_path (CREEL_IMAGE_DIR);

  return g_build_filename (store, id, NULL);
}

static gboolean
write_references (GHashTable *references, GError **error)
{
  g_autofree char *path = creel_root_path (CREEL_IMAGE_DIR "/references.conf");
  g_autoptr (GString) text = g_string_new ("# Names of images, written by creeld\n");
  g_autoptr (GList) names = g_list_sort (g_hash_table_get_keys (references), (GCompareFunc) strcmp);

  for (GList *l = names; l != NULL; l = l->next)
    g_string_append_printf (text, "%s=%s\n", (char *) l->data, (char *) g_hash_table_lookup (references, l->data));
  return creel_store_replace_file (path, text->str, text->len, 0644, error);
}

/* Is it one at all? The kernel of a guest will mount it, but a file of zeros should be refused here. */
static gboolean
check_squashfs (int fd, guint64 *ret_size, GError **error)
{
  char magic[4];
  struct stat st;

  if (fstat (fd, &st) == 0 && pread (fd, magic, sizeof magic, 0) == sizeof magic && memcmp (magic, "hsqs", 4) == 0)
    {
      *ret_size = st.st_size;
      return TRUE;
    }
  g_set_error_literal (error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE, "The worker did not make a file system");
  return FALSE;
}

gboolean
creel_image_store_commit (const char *directory, CreelImageConfig *config, const char *reference, GError **error)
{
  g_autofree char *squashfs = g_build_filename (directory, "rootfs.squashfs", NULL);
  g_autofree char *conf = g_build_filename (directory, "image.conf", NULL);
  g_autofree char *target = image_directory (config->id);
  g_autoptr (GHashTable) references = creel_image_references_load (error);
  g_autofree char *text = NULL;
  gboolean ok;
  int fd;

  if (references == NULL)
    return FALSE;
  fd = open (squashfs, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0)
    return fail (error, "open", squashfs);
  ok = check_squashfs (fd, &config->size, error);
  if (ok && (fchmod (fd, 0644) < 0 || fsync (fd) < 0))
    ok = fail (error, "write", squashfs);
  close (fd);
  if (!ok)
    return FALSE;

  if (!g_file_test (target, G_FILE_TEST_IS_DIR))
    {
      config->created = g_get_real_time ();
      text = creel_image_config_format (config, error);
      if (text == NULL || !creel_store_replace_file (conf, text, strlen (text), 0644, error))
        return FALSE;
      if (chmod (directory, 0755) < 0 || rename (directory, target) < 0)
        return fail (error, "keep", target);
    }
  else
    creel_image_store_abort (directory);
  g_hash_table_insert (references, g_strdup (reference), g_strdup (config->id));
  return write_references (references, error);
}

gboolean
creel_image_store_set_blobs (const char *id, const char *manifest, char **blobs, GError **error)
{
  g_autoptr (CreelImageConfig) config = creel_image_config_load (id, error);
  g_autofree char *directory = image_directory (id);
  g_autofree char *conf = g_build_filename (directory, "image.conf", NULL);
  g_autofree char *text = NULL;

  if (config == NULL)
    return FALSE;
  g_free (config->manifest);
  g_strfreev (config->blobs);
  config->manifest = g_strdup (manifest);
  config->blobs = g_strdupv (blobs);
  text = creel_image_config_format (config, error);
  return text != NULL && creel_store_replace_file (conf, text, strlen (text), 0644, error);
}

void
creel_image_store_clean (void)
{
  g_autofree char *store = creel_root_path (CREEL_IMAGE_DIR);
  g_autoptr (GDir) dir = g_dir_open (store, 0, NULL);
  const char *entry;

  while (dir != NULL && (entry = g_dir_read_name (dir)) != NULL)
    if (g_str_has_prefix (entry, TEMPORARY))
      {
        g_autofree char *path = g_build_filename (store, entry, NULL);

        creel_image_store_abort (path);
      }
}

char **
creel_image_store_list (void)
{
  g_autofree char *store = creel_root_path (CREEL_IMAGE_DIR);
  g_autoptr (GDir) dir = g_dir_open (store, 0, NULL);
  g_autoptr (GStrvBuilder) ids = g_strv_builder_new ();
  const char *entry;

  while (dir != NULL && (entry = g_dir_read_name (dir)) != NULL)
    if (creel_image_id_is_valid (entry))
      g_strv_builder_add (ids, entry);
  return g_strv_builder_end (ids);
}

gboolean
creel_image_store_add_names (const char *id, char **names, GError **error)
{
  g_autoptr (GHashTable) references = creel_image_references_load (error);
  gboolean changed = FALSE;

  if (references == NULL)
    return FALSE;
  for (; *names != NULL; names++)
    if (g_strcmp0 (g_hash_table_lookup (references, *names), id) != 0)
      {
        g_hash_table_insert (references, g_strdup (*names), g_strdup (id));
        changed = TRUE;
      }
  return !changed || write_references (references, error);
}

/* Digests go with the last name that a person gave: they alone would keep an image that nobody asked for. */
static guint
drop_name (GHashTable *references, const char *name, const char *id)
{
  GHashTableIter iter;
  gpointer key, value;
  guint left = 0;

  if (name != NULL)
    g_hash_table_remove (references, name);
  g_hash_table_iter_init (&iter, references);
  while (name != NULL && g_hash_table_iter_next (&iter, &key, &value))
    left += g_str_equal (value, id) && strchr (key, '@') == NULL;
  if (left > 0)
    return left;
  g_hash_table_iter_init (&iter, references);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    if (g_str_equal (value, id))
      g_hash_table_iter_remove (&iter);
  return 0;
}

gboolean
creel_image_store_remove (const char *reference, gboolean (*in_use) (const char *id, gpointer user_data), gpointer user_data,
                          char ***ret_blobs, GError **error)
{
  g_autofree char *id = creel_image_resolve (reference, error);
  g_autoptr (GHashTable) references = id != NULL ? creel_image_references_load (error) : NULL;
  g_autofree char *name = references != NULL ? creel_image_find_name (references, reference) : NULL;
  g_autoptr (CreelImageConfig) config = id != NULL ? creel_image_config_load (id, NULL) : NULL;
  g_autofree char *directory = NULL;
  guint left;

  if (references == NULL)
    return FALSE;
  left = drop_name (references, name, id);
  if (left == 0 && in_use (id, user_data))
    {
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_IMAGE_IN_USE, "Image %s is the disk of a sandbox; remove that first", reference);
      return FALSE;
    }
  if (!write_references (references, error))
    return FALSE;
  if (left > 0)
    return TRUE;
  directory = image_directory (id);
  creel_image_store_abort (directory);
  if (ret_blobs != NULL && config != NULL)
    *ret_blobs = g_strdupv (config->blobs);
  return TRUE;
}
