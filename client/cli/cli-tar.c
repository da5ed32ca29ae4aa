/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli-tar.h"

#include <archive.h>
#include <archive_entry.h>
#include <gio/gio.h>
#include <string.h>
#include <sys/stat.h>

#define BUFFER_SIZE (256 * 1024)
#define BLOCK_SIZE 65536

static gboolean
fail (GError **error, struct archive *archive, const char *what)
{
  const char *text = archive_error_string (archive);

  g_set_error (error, G_IO_ERROR, G_IO_ERROR_FAILED, "%s: %s", what, text != NULL ? text : "it is broken");
  return FALSE;
}

static gboolean
copy_data (struct archive *from, struct archive *to, GError **error)
{
  g_autofree char *buffer = g_malloc (BUFFER_SIZE);
  la_ssize_t n;

  while ((n = archive_read_data (from, buffer, BUFFER_SIZE)) > 0)
    if (archive_write_data (to, buffer, n) < 0)
      return fail (error, to, "Cannot write");
  return n == 0 || fail (error, from, "Cannot read");
}

/* -- packing -- */

static char *
join (const char *root, const char *rest)
{
  if (*root == '\0')
    return g_strdup (*rest == '\0' ? "." : rest);
  return *rest == '\0' ? g_strdup (root) : g_strconcat (root, "/", rest, NULL);
}

static gboolean
pack_entry (struct archive *disk, struct archive *tar, struct archive_entry *entry, const char *path, const char *root, GError **error)
{
  const char *full = archive_entry_pathname (entry);
  const char *rest = full + strlen (path);
  g_autofree char *name = NULL;

  while (*rest == '/')
    rest++;
  name = join (root, rest);
  if (g_str_equal (name, "."))
    return TRUE; /* the folder that takes it stays as it is */
  archive_entry_set_pathname (entry, name);
  archive_entry_set_uid (entry, 0);
  archive_entry_set_gid (entry, 0);
  archive_entry_set_uname (entry, NULL);
  archive_entry_set_gname (entry, NULL);
  archive_entry_sparse_clear (entry);
  if (archive_write_header (tar, entry) < ARCHIVE_WARN)
    return fail (error, tar, "Cannot send");
  return archive_entry_size (entry) == 0 || copy_data (disk, tar, error);
}

gboolean
cli_tar_pack (const char *path, const char *root, int fd, GError **error)
{
  struct archive *disk = archive_read_disk_new (), *tar = archive_write_new ();
  struct archive_entry *entry = archive_entry_new ();
  gboolean ok = TRUE;
  int result;

  archive_read_disk_set_symlink_physical (disk);
  archive_read_disk_set_behavior (disk, ARCHIVE_READDISK_NO_XATTR | ARCHIVE_READDISK_NO_ACL | ARCHIVE_READDISK_NO_FFLAGS);
  archive_write_set_format_pax_restricted (tar);
  archive_write_set_bytes_per_block (tar, BLOCK_SIZE);
  if (archive_write_open_fd (tar, fd) != ARCHIVE_OK)
    ok = fail (error, tar, "Cannot send");
  else if (archive_read_disk_open (disk, path) != ARCHIVE_OK)
    ok = fail (error, disk, "Cannot read");
  while (ok && (result = archive_read_next_header2 (disk, entry)) != ARCHIVE_EOF)
    {
      mode_t type = archive_entry_filetype (entry);

      if (result < ARCHIVE_WARN)
        ok = fail (error, disk, "Cannot read");
      else if (type == S_IFREG || type == S_IFDIR || type == S_IFLNK)
        ok = pack_entry (disk, tar, entry, path, root, error);
      if (ok)
        archive_read_disk_descend (disk);
      archive_entry_clear (entry);
    }
  if (ok && archive_write_close (tar) != ARCHIVE_OK)
    ok = fail (error, tar, "Cannot send");
  if (!ok)
    archive_write_fail (tar);
  archive_entry_free (entry);
  archive_read_free (disk);
  archive_write_free (tar);
  return ok;
}

/* -- unpacking -- */

/* What follows base in a name of the tar, without "." and empty parts: "" for base itself. NULL: not below base. */
static char *
rest_of (const char *name, const char *base)
{
  g_autoptr (GString) rest = g_string_new (NULL);
  g_auto (GStrv) parts = NULL;
  gboolean seen = g_str_equal (base, ".");

  if (name == NULL || *name == '/' || *name == '\0')
    return NULL;
  parts = g_strsplit (name, "/", -1);
  for (char **part = parts; *part != NULL; part++)
    {
      if (**part == '\0' || g_str_equal (*part, "."))
        continue;
      if (g_str_equal (*part, ".."))
        return NULL;
      if (!seen)
        {
          if (!g_str_equal (*part, base))
            return NULL;
          seen = TRUE;
          continue;
        }
      g_string_append_printf (rest, "%s%s", rest->len > 0 ? "/" : "", *part);
    }
  return seen ? g_string_free (g_steal_pointer (&rest), FALSE) : NULL;
}

typedef struct
{
  struct archive *tar, *disk;
  const char *base, *root;
  gboolean want_directory, exists;
  GHashTable *files; /* names of regular files made so far: what a hard link may lead to */
  guint n;
} Unpack;

static gboolean
unexpected (GError **error, const char *name)
{
  g_autofree char *shown = g_utf8_make_valid (name != NULL ? name : "", name != NULL ? MIN ((gssize) strlen (name), 200) : 0);

  for (char *p = shown; *p != '\0'; p++)
    if ((guchar) *p < ' ' || *p == 0x7f)
      *p = '?';
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_FAILED, "The sandbox sent \"%s\", which was not asked for; nothing more is taken", shown);
  return FALSE;
}

static gboolean
unpack_entry (Unpack *self, struct archive_entry *entry, GError **error)
{
  const char *link = archive_entry_hardlink (entry);
  g_autofree char *rest = rest_of (archive_entry_pathname (entry), self->base);
  g_autofree char *name = rest != NULL ? join (self->root, rest) : NULL;
  mode_t type = archive_entry_filetype (entry);

  if (name == NULL)
    return unexpected (error, archive_entry_pathname (entry));
  if (link != NULL)
    {
      g_autofree char *link_rest = rest_of (link, self->base);
      g_autofree char *link_name = link_rest != NULL ? join (self->root, link_rest) : NULL;

      if (link_name == NULL || !g_hash_table_contains (self->files, link_name))
        return unexpected (error, link);
      archive_entry_copy_hardlink (entry, link_name);
    }
  else if (type != S_IFREG && type != S_IFDIR && type != S_IFLNK)
    return TRUE;
  if (*rest == '\0' && type != S_IFDIR && self->want_directory)
    return g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_DIRECTORY, "It is a file, and there is no folder to put it into"), FALSE;
  if (*rest == '\0' && type == S_IFDIR && self->exists)
    return g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_DIRECTORY, "It is a folder, and there is a file of that name"), FALSE;
  if (g_str_equal (name, "."))
    return TRUE; /* the working directory is the user's own, and stays as it is */
  archive_entry_copy_pathname (entry, name);
  archive_entry_set_perm (entry, archive_entry_perm (entry) & 0777);
  if (archive_write_header (self->disk, entry) < ARCHIVE_WARN)
    return fail (error, self->disk, "Cannot write");
  if (link == NULL && type == S_IFREG)
    {
      g_hash_table_add (self->files, g_strdup (name));
      if (!copy_data (self->tar, self->disk, error))
        return FALSE;
    }
  if (archive_write_finish_entry (self->disk) < ARCHIVE_WARN)
    return fail (error, self->disk, "Cannot write");
  self->n++;
  return TRUE;
}

gboolean
cli_tar_unpack (int fd, const char *base, const char *root, gboolean want_directory, gboolean exists, guint *ret_n, GError **error)
{
  Unpack self = { archive_read_new (), archive_write_disk_new (), base, root, want_directory, exists,
                  g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL), 0 };
  struct archive_entry *entry;
  gboolean ok = TRUE;
  int result;

  archive_read_support_format_tar (self.tar);
  archive_write_disk_set_options (self.disk, ARCHIVE_EXTRACT_TIME | ARCHIVE_EXTRACT_PERM | ARCHIVE_EXTRACT_SECURE_SYMLINKS |
                                                 ARCHIVE_EXTRACT_SECURE_NODOTDOT | ARCHIVE_EXTRACT_SECURE_NOABSOLUTEPATHS);
  result = archive_read_open_fd (self.tar, fd, BLOCK_SIZE);
  while (result == ARCHIVE_OK && ok && (result = archive_read_next_header (self.tar, &entry)) >= ARCHIVE_WARN && result != ARCHIVE_EOF)
    {
      ok = unpack_entry (&self, entry, error);
      result = ARCHIVE_OK;
    }
  if (ok && result != ARCHIVE_EOF)
    ok = fail (error, self.tar, "What the sandbox sent is no tar");
  if (archive_write_close (self.disk) < ARCHIVE_WARN && ok) /* modes and times of directories */
    ok = fail (error, self.disk, "Cannot write");
  archive_write_free (self.disk);
  archive_read_free (self.tar);
  g_hash_table_unref (self.files);
  *ret_n = self.n;
  return ok;
}
