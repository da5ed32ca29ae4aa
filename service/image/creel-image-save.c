/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-image-save.h"
#include "creel-error.h"
#include "creel-image-document.h"
#include "creel-image-source.h"
#include "creel-image-tar.h"
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK (256 * 1024)
#define TAR_BLOCK 512
#define MAX_PADDING (1024 * 1024)
#define WHITEOUT ".wh."
#define OPAQUE ".wh..wh..opq"

typedef struct
{
  int in;
  guint64 received;
  gboolean ended;
  guint8 *buffer, *data;
  CreelImagePack *pack;
  CreelImageReport *report;
  CreelImageTree *tree;
  struct archive *from, *to;
  gboolean from_scratch;
  guint entries;
  guint64 unpacked;
  GError *error; /* of a callback */
  gboolean failed;
} Save;

static gboolean
refuse (GError **error, const char *path, const char *why)
{
  g_autofree char *quoted = creel_image_quote (path);

  g_set_error (error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE, "The sandbox sent %s, %s", quoted, why);
  return FALSE;
}

/* ---- both streams ---- */

static la_ssize_t
on_read (struct archive *archive, void *user_data, const void **ret_buffer)
{
  Save *self = user_data;
  gssize n;

  do
    n = read (self->in, self->buffer, BLOCK);
  while (n < 0 && errno == EINTR);
  *ret_buffer = self->buffer;
  if (n < 0)
    archive_set_error (archive, errno, "%s", g_strerror (errno));
  self->ended = n <= 0;
  self->received += MAX (n, 0);
  creel_image_report_progress (self->report, "saving", self->received, 0);
  return n;
}

static la_ssize_t
on_write (struct archive *archive, void *user_data, const void *buffer, size_t length)
{
  Save *self = user_data;

  if (self->failed)
    return -1;
  if (creel_image_pack_write (self->pack, buffer, length,
                              self->error == NULL ? &self->error : NULL))
    return length;
  archive_set_error (archive, EIO, "cannot be written");
  return -1;
}

static gboolean
fail_write (Save *self, GError **error)
{
  if (self->error != NULL)
    g_propagate_error (error, g_steal_pointer (&self->error));
  else
    g_set_error (error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE,
                 "The sandbox sent something that no layer can hold: %s",
                 archive_error_string (self->to) != NULL ? archive_error_string (self->to) : "?");
  return FALSE;
}

static gboolean
fail_read (Save *self, GError **error)
{
  const char *text = archive_error_string (self->from);
  g_autofree char *quoted = creel_image_quote (text != NULL ? text : "unknown error");

  g_set_error (error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE,
               "What the sandbox sent is damaged or ended early: %s", quoted);
  return FALSE;
}

/* ---- entries ---- */

/* "./a//b/" to "a/b"; the tree has refused ".." by then or will. */
static char *
plain_path (const char *path)
{
  g_auto (GStrv) parts = g_strsplit (path, "/", -1);
  g_autoptr (GPtrArray) kept = g_ptr_array_new ();

  for (guint i = 0; parts[i] != NULL; i++)
    if (*parts[i] != '\0' && !g_str_equal (parts[i], "."))
      g_ptr_array_add (kept, parts[i]);
  g_ptr_array_add (kept, NULL);
  return g_strjoinv ("/", (char **)kept->pdata);
}

/* What lives only as long as the guest does; the directories themselves stay. */
static gboolean
is_of_the_moment (const char *path)
{
  static const char *const tops[] = { "proc/", "sys/", "dev/", "run/", "tmp/" };

  for (guint i = 0; i < G_N_ELEMENTS (tops); i++)
    if (g_str_has_prefix (path, tops[i]))
      return TRUE;
  return FALSE;
}

/* The tree would follow links, and make a directory of a file; in an overlay's directory neither
 * can be. */
static gboolean
check_parents (Save *self, const char *path, GError **error)
{
  g_autofree char *parent = g_strdup (path);
  const CreelImageNode *node = NULL;
  char *slash;

  while (node == NULL && (slash = strrchr (parent, '/')) != NULL)
    {
      *slash = '\0';
      node = creel_image_tree_find (self->tree, parent);
    }
  return node == NULL || node->children != NULL ||
         refuse (error, path, "below something that is no directory");
}

static gboolean
has_counterpart (Save *self, const char *path, const char *name)
{
  g_autofree char *parent = g_strndup (path, name - path);
  g_autofree char *other = NULL;

  if (g_str_has_prefix (name, WHITEOUT))
    other = g_strconcat (parent, name + strlen (WHITEOUT), NULL);
  else
    other = g_strconcat (parent, WHITEOUT, name, NULL);
  return creel_image_tree_find (self->tree, other) != NULL;
}

/* Whiteouts are empty files with a special name. *ret_skip: nothing to hide. */
static gboolean
check_whiteout (Save *self, struct archive_entry *entry, const char *path, const char *name,
                gboolean *ret_skip, GError **error)
{
  const char *hidden = name + strlen (WHITEOUT);

  *ret_skip = self->from_scratch;
  if (archive_entry_hardlink (entry) != NULL || archive_entry_filetype (entry) != AE_IFREG ||
      archive_entry_size (entry) != 0)
    return refuse (error, path, "which has the name of a whiteout and is none");
  if (g_str_equal (name, OPAQUE))
    return TRUE;
  if (g_str_has_prefix (hidden, WHITEOUT) || *hidden == '\0' || g_str_equal (hidden, ".") ||
      g_str_equal (hidden, ".."))
    return refuse (error, path, "a whiteout of nothing");
  archive_entry_set_perm (entry, 0);
  archive_entry_set_uid (entry, 0);
  archive_entry_set_gid (entry, 0);
  archive_entry_xattr_clear (entry);
  return TRUE;
}

static gboolean
copy_data (Save *self, guint64 size, GError **error)
{
  while (size > 0)
    {
      la_ssize_t n = archive_read_data (self->from, self->data, MIN (size, BLOCK));

      if (n == ARCHIVE_RETRY)
        continue;
      if (n < 0)
        return fail_read (self, error);
      if (n == 0) /* a hole at the end; the writer fills it up */
        return TRUE;
      for (gssize done = 0; done < n;)
        {
          la_ssize_t written = archive_write_data (self->to, self->data + done, n - done);

          if (written <= 0)
            return fail_write (self, error);
          done += written;
        }
      size -= n;
    }
  return TRUE;
}

/* An image that unpacks to much more than its size could not be taken in again. */
static gboolean
check_limits (Save *self, guint64 size, GError **error)
{
  guint64 packed = creel_image_pack_get_packed (self->pack);

  self->unpacked += size;
  if (self->unpacked > CREEL_IMAGE_MAX_BYTES)
    {
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE,
                   "The sandbox holds more than %" G_GUINT64_FORMAT
                   " GiB of changes, which is the limit of an image",
                   CREEL_IMAGE_MAX_BYTES >> 30);
      return FALSE;
    }
  if (creel_image_pack_get_raw (self->pack) > CREEL_IMAGE_RATIO_FLOOR &&
      creel_image_pack_get_raw (self->pack) / CREEL_IMAGE_MAX_RATIO > packed)
    {
      g_set_error (
          error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE,
          "The sandbox holds more than a gigabyte of nothing but zeros or the like; delete "
          "that and save again");
      return FALSE;
    }
  return TRUE;
}

static gboolean
take_entry (Save *self, struct archive_entry *entry, GError **error)
{
  const char *sent = archive_entry_pathname (entry);
  const char *target = archive_entry_hardlink (entry);
  guint type = archive_entry_filetype (entry);
  g_autofree char *path = sent != NULL ? plain_path (sent) : NULL;
  g_autofree char *found = NULL;
  g_autofree char *first = NULL;
  const CreelImageNode *node, *before;
  const char *name;
  gboolean skip = FALSE;

  if (path == NULL)
    return refuse (error, "a name", "which cannot be read");
  if (is_of_the_moment (path) || (target == NULL && type != AE_IFREG && type != AE_IFDIR &&
                                  type != AE_IFLNK && type != AE_IFIFO))
    return TRUE;
  name = strrchr (path, '/') != NULL ? strrchr (path, '/') + 1 : path;
  if (g_str_has_prefix (name, WHITEOUT) &&
      (!check_whiteout (self, entry, path, name, &skip, error) || skip))
    return skip;
  if (!check_parents (self, path, error))
    return FALSE;
  if (has_counterpart (self, path, name))
    return refuse (error, path, "both as a file and as a whiteout");
  before = creel_image_tree_find (self->tree, path);
  if (before != NULL && *path != '\0' &&
      (before->children == NULL || type != AE_IFDIR || target != NULL))
    return refuse (error, path, "twice");
  if (type == AE_IFREG && target == NULL &&
      !check_limits (self, CLAMP (archive_entry_size (entry), 0, (gint64)CREEL_IMAGE_MAX_BYTES + 1),
                     error))
    return FALSE;
  if (!creel_image_tree_add (self->tree, entry, self->entries++, 0, error))
    return FALSE;

  node = creel_image_tree_find (self->tree, path);
  found = node != NULL ? creel_image_node_path (node) : NULL;
  if (g_strcmp0 (found, path) != 0)
    return refuse (error, path, "which is not where it says");
  if (target != NULL)
    {
      g_autofree char *plain = plain_path (target);

      node = creel_image_tree_find (self->tree, plain);
      first = node != NULL ? creel_image_node_path (node) : NULL;
      if (g_strcmp0 (first, plain) != 0 || g_str_equal (path, plain))
        return refuse (error, path, "a hard link through a symbolic link");
      node = creel_image_tree_find (self->tree, path);
    }
  if (!creel_image_tar_header (self->to, node, first))
    return fail_write (self, error);
  return target != NULL || type != AE_IFREG || copy_data (self, node->inode->size, error);
}

/* libarchive is content when a stream ends between two entries. Ours has to say that it is the end.
 */
static gboolean
check_end (Save *self, GError **error)
{
  guint64 end = archive_read_header_position (self->from);
  const void *buffer;

  while (!self->ended && self->received < end + MAX_PADDING)
    if (on_read (self->from, self, &buffer) < 0)
      return fail_read (self, error);
  if (self->received < end + 2 * TAR_BLOCK)
    {
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE,
                   "What the sandbox sent ended early; is it still running?");
      return FALSE;
    }
  if (!self->ended)
    {
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE,
                   "The sandbox sent more after the end of its layer");
      return FALSE;
    }
  return TRUE;
}

static gboolean
copy_entries (Save *self, GError **error)
{
  struct archive_entry *entry;
  int r;

  archive_read_support_format_tar (self->from);
  if (archive_read_open (self->from, self, NULL, on_read, NULL) < ARCHIVE_WARN)
    return fail_read (self, error);
  for (;;)
    {
      r = archive_read_next_header (self->from, &entry);
      if (r == ARCHIVE_RETRY)
        continue;
      if (r == ARCHIVE_EOF)
        break;
      if (r < ARCHIVE_WARN)
        return fail_read (self, error);
      if (!take_entry (self, entry, error))
        return FALSE;
    }
  if (!check_end (self, error))
    return FALSE;
  if (archive_write_close (self->to) != ARCHIVE_OK)
    return fail_write (self, error);
  return check_limits (self, 0, error);
}

gboolean
creel_image_save_stream (int in, gboolean from_scratch, CreelImagePack *pack,
                         CreelImageReport *report, guint *ret_entries, GError **error)
{
  g_autoptr (CreelImageTree) tree = creel_image_tree_new ();
  g_autofree guint8 *buffer = g_malloc (BLOCK);
  g_autofree guint8 *data = g_malloc (BLOCK);
  Save self = { .in = in,
                .buffer = buffer,
                .data = data,
                .pack = pack,
                .report = report,
                .tree = tree,
                .from_scratch = from_scratch };
  gboolean good;

  creel_image_tree_begin_layer (tree, FALSE);
  self.from = archive_read_new ();
  self.to = creel_image_tar_new (on_write, &self);
  good = self.to != NULL ? copy_entries (&self, error) : fail_write (&self, error);
  archive_read_free (self.from);
  /* Closed even so: libarchive would not free its buffer else. */
  self.failed = TRUE;
  if (self.to != NULL)
    archive_write_free (self.to);
  g_clear_error (&self.error);
  *ret_entries = self.entries;
  return good;
}

gboolean
creel_image_save (const char *base_digest, char **words, int in, CreelImageReport *report,
                  GError **error)
{
  gboolean from_scratch = g_str_equal (base_digest, "scratch");
  g_autoptr (CreelImageChanges) changes = creel_image_changes_parse (words, error);
  g_autoptr (CreelImageBlobs) blobs = NULL;
  g_autoptr (CreelImageBase) base = NULL;
  g_autoptr (CreelImagePack) pack = NULL;
  g_autoptr (CreelImageDescriptor) layer = NULL;
  g_autofree char *diff_id = NULL;
  guint entries;

  if (changes == NULL || (blobs = creel_image_blobs_open (TRUE, error)) == NULL ||
      (!from_scratch && (base = creel_image_base_load (blobs, base_digest, error)) == NULL) ||
      (pack = creel_image_pack_new (blobs, error)) == NULL)
    return FALSE;
  if (changes->created < 0)
    changes->created = g_get_real_time () / G_USEC_PER_SEC;
  creel_image_report_progress (report, "saving", 0, 0);
  if (!creel_image_save_stream (in, from_scratch, pack, report, &entries, error))
    return FALSE;
  if (entries == 0 && from_scratch)
    {
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE, "There are no files to save");
      return FALSE;
    }
  if (entries > 0 && (layer = creel_image_pack_finish (pack, &diff_id, error)) == NULL)
    return FALSE;
  return creel_image_document_write (blobs, base, changes, layer, diff_id, report, error);
}
