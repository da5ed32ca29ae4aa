/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-image-tar.h"
#include <sys/stat.h>

#define BLOCK (128 * 1024)

struct archive *
creel_image_tar_new (archive_write_callback *on_write, gpointer user_data)
{
  struct archive *tar = archive_write_new ();

  archive_write_set_format_pax_restricted (tar);
  archive_write_set_bytes_per_block (tar, BLOCK);
  archive_write_set_bytes_in_last_block (tar, 1);
  if (archive_write_open (tar, user_data, NULL, on_write, NULL) != ARCHIVE_OK)
    g_clear_pointer (&tar, archive_write_free);
  return tar;
}

gboolean
creel_image_tar_header (struct archive *tar, const CreelImageNode *node, const char *hardlink)
{
  const CreelImageInode *inode = node->inode;
  struct archive_entry *entry = archive_entry_new ();
  g_autofree char *path = creel_image_node_path (node);
  int r;

  archive_entry_set_pathname (entry, *path != '\0' ? path : "./");
  archive_entry_set_filetype (entry, inode->mode & S_IFMT);
  archive_entry_set_perm (entry, inode->mode & 07777);
  archive_entry_set_uid (entry, inode->uid);
  archive_entry_set_gid (entry, inode->gid);
  archive_entry_set_mtime (entry, inode->mtime, 0);
  archive_entry_set_size (entry, 0);
  if (hardlink != NULL)
    archive_entry_set_hardlink (entry, hardlink);
  else if (S_ISLNK (inode->mode))
    archive_entry_set_symlink (entry, inode->target);
  else if (S_ISREG (inode->mode))
    archive_entry_set_size (entry, inode->size);
  for (guint i = 0; hardlink == NULL && inode->xattrs != NULL && i < inode->xattrs->len; i++)
    {
      const CreelImageXattr *xattr = inode->xattrs->pdata[i];
      gsize size;
      gconstpointer value = g_bytes_get_data (xattr->value, &size);

      archive_entry_xattr_add_entry (entry, xattr->name, value, size);
    }
  r = archive_write_header (tar, entry);
  archive_entry_free (entry);
  return r >= ARCHIVE_WARN;
}
