/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An archive as creel-image reads it: kind, manifests, layers, the merged tree; no squashfs. The first byte chooses whether the rest is
 * the file, or a JSON document, or the entries of an archive that is put together here so that the fuzzer need not find checksums. */
#include "creel-image-json.h"
#include "creel-image-merge.h"

#include <locale.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

static void
read_archive (const guint8 *data, gsize size)
{
  int fd = memfd_create ("fuzz", MFD_CLOEXEC);
  g_autoptr (CreelImageArchive) archive = NULL;
  g_autoptr (CreelImageTree) tree = NULL;
  g_autoptr (CreelImageList) list = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (write (fd, data, size), ==, size);
  archive = creel_image_archive_open (fd, NULL, &error);
  if (archive != NULL)
    tree = creel_image_merge (archive, &list, &error);
  g_assert_true ((tree != NULL) == (error == NULL));
  for (guint i = 0; list != NULL && i < list->plain->len; i++)
    {
      g_autofree char *path = creel_image_node_path (list->plain->pdata[i]);

      g_assert_true (*path != '\0' && *path != '/' && strlen (path) < 4096);
    }
  close (fd);
}

static void
read_json (const guint8 *data, gsize size)
{
  g_autoptr (GBytes) bytes = g_bytes_new (data, size);
  g_autoptr (JsonNode) node = creel_image_json_parse (bytes, "fuzz", NULL);
  g_autoptr (CreelImageConfig) config = creel_image_config_new ();

  if (node != NULL && JSON_NODE_HOLDS_OBJECT (node))
    creel_image_config_load (config, json_node_get_object (node), NULL);
}

/* Entries: a byte (its low bits the type, bit 3 the next layer), a path, a newline, a target, a newline. */
static void
apply_entries (const guint8 *data, gsize size)
{
  static const guint types[] = { AE_IFREG, AE_IFDIR, AE_IFLNK, AE_IFREG, AE_IFIFO, AE_IFCHR, AE_IFDIR, AE_IFREG };
  g_autoptr (CreelImageTree) tree = creel_image_tree_new ();
  g_autoptr (CreelImageList) list = NULL;
  g_autofree char *text = g_strndup ((const char *) data, size);
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);

  creel_image_tree_begin_layer (tree, TRUE);
  for (guint i = 0; lines[i] != NULL && lines[i + 1] != NULL && *lines[i] != '\0'; i += 2)
    {
      struct archive_entry *entry = archive_entry_new ();
      guint kind = (guint8) *lines[i];

      if ((kind & 8) != 0)
        creel_image_tree_begin_layer (tree, TRUE);
      archive_entry_set_pathname (entry, lines[i] + 1);
      archive_entry_set_filetype (entry, types[kind & 7]);
      archive_entry_set_perm (entry, 0755);
      archive_entry_set_size (entry, 1);
      if ((kind & 7) == 2)
        archive_entry_set_symlink (entry, lines[i + 1]);
      if ((kind & 7) == 3)
        archive_entry_set_hardlink (entry, lines[i + 1]);
      creel_image_tree_add (tree, entry, i, 0, NULL);
      archive_entry_free (entry);
    }
  list = creel_image_tree_list (tree, 0);
  for (guint i = 0; i < list->links->len; i++)
    {
      const CreelImageNode *node = list->links->pdata[i];

      g_assert_nonnull (node->inode->first);
      g_assert_true (node->inode->refs > 1);
    }
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  setlocale (LC_ALL, "C.UTF-8");
  if (size < 2)
    return 0;
  if (data[0] == 'j')
    read_json (data + 1, size - 1);
  else if (data[0] == 'e')
    apply_entries (data + 1, size - 1);
  else
    read_archive (data + 1, size - 1);
  return 0;
}
