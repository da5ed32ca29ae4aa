/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-image-merge.h"
#include "creel-error.h"
#include <elf.h>
#include <string.h>

/* e_machine of the current entry's data, 0 when it is no ELF file. */
static gboolean
read_machine (CreelImageReader *reader, struct archive_entry *entry, guint16 *ret_machine,
              GError **error)
{
  guint8 head[20];
  gssize n;

  *ret_machine = 0;
  if (archive_entry_hardlink (entry) != NULL || archive_entry_filetype (entry) != AE_IFREG ||
      (archive_entry_perm (entry) & 0111) == 0 || archive_entry_size (entry) < (gint64)sizeof head)
    return TRUE;
  n = creel_image_reader_read (reader, head, sizeof head, error);
  if (n < 0)
    return FALSE;
  if (n == sizeof head && memcmp (head, ELFMAG, SELFMAG) == 0)
    *ret_machine =
        head[EI_DATA] == ELFDATA2MSB ? head[18] << 8 | head[19] : head[19] << 8 | head[18];
  return TRUE;
}

static gboolean
merge_layer (CreelImageArchive *archive, CreelImageTree *tree, const CreelImageLayer *layer,
             guint64 *inout_bytes, GError **error)
{
  g_autoptr (CreelImageReader) reader =
      creel_image_reader_new (archive->source, layer->member, layer->digest, error);
  struct archive_entry *entry;

  if (reader == NULL)
    return FALSE;
  creel_image_tree_begin_layer (tree, archive->layered);
  for (guint index = 0;; index++)
    {
      guint16 machine;
      guint64 size;

      if (!creel_image_reader_next (reader, &entry, error))
        return FALSE;
      if (entry == NULL)
        return TRUE;
      /* Before its data is read, which is what a bomb wants. */
      size = CLAMP (archive_entry_size (entry), 0, (gint64)CREEL_IMAGE_MAX_BYTES + 1);
      if (!creel_image_source_check_limits (archive->source, *inout_bytes += size, error))
        return FALSE;
      if (!read_machine (reader, entry, &machine, error) ||
          !creel_image_tree_add (tree, entry, index, machine, error))
        return FALSE;
    }
}

static gboolean
check_root (CreelImageArchive *archive, const CreelImageList *list, GError **error)
{
  if (list->plain->len + list->files->len == 0)
    {
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE, "The archive holds no files");
      return FALSE;
    }
  if (list->programs == 0 || (!archive->layered && !list->has_bin))
    {
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE,
                   "The archive is not a root file system: it has no %s; give a rootfs tar, "
                   "docker-archive or "
                   "oci-archive",
                   list->programs == 0 ? "program" : "/bin or /usr/bin");
      return FALSE;
    }
  if (list->native == 0 && list->foreign > 0)
    {
      g_set_error (
          error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE,
          "The image's programs are for another architecture (ELF machine %u); this host is %s",
          list->foreign_machine, creel_image_config_host_architecture ());
      return FALSE;
    }
  return TRUE;
}

CreelImageTree *
creel_image_merge (CreelImageArchive *archive, CreelImageList **ret_list, GError **error)
{
  g_autoptr (CreelImageTree) tree = creel_image_tree_new ();
  g_autoptr (CreelImageList) list = NULL;
  guint64 bytes = 0;

  for (guint i = 0; i < archive->layers->len; i++)
    if (!merge_layer (archive, tree, archive->layers->pdata[i], &bytes, error))
      {
        if (archive->layers->len > 1)
          g_prefix_error (error, "Layer %u of %u: ", i + 1, archive->layers->len);
        return NULL;
      }
  list = creel_image_tree_list (tree, creel_image_config_host_machine ());
  if (!check_root (archive, list, error))
    return NULL;
  *ret_list = g_steal_pointer (&list);
  return g_steal_pointer (&tree);
}
