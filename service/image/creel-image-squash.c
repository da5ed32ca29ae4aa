/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-image-squash.h"
#include "creel-error.h"
#include "creel-image-digest.h"
#include "creel-image-process.h"
#include "creel-image-tar.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK (128 * 1024)
#define STDERR_MAX 4096

typedef struct
{
  CreelImageReport *report;
  pid_t pid; /* of tar2sqfs */
  int input; /* the tar goes here */
  int noise; /* what it says, a temporary file */
  struct archive *tar;
  guint64 done, total;
} Squash;

/* ---- the child ---- */

static gboolean
start (Squash *self, int out, GError **error)
{
  const char *const environment[] = { "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", NULL };
  /* The unit may have 64 tasks, however many processors there are. */
  g_autofree char *jobs = g_strdup_printf ("%u", MIN (g_get_num_processors (), 16));
  /* clang-format off */
  /* Not mksquashfs: with -tar it gives the root directory its own uid and the present time. */
  const char *const argv[] = {
    "tar2sqfs", "--force", "--quiet", "--no-skip", "--compressor", "zstd", "--comp-extra", "level=3",
    "--num-jobs", jobs,
    "/proc/self/fd/3", NULL,
  };
  /* clang-format on */
  int pipes[2];

  self->noise = memfd_create ("tar2sqfs", MFD_CLOEXEC);
  if (self->noise < 0 || pipe2 (pipes, O_CLOEXEC) < 0)
    return creel_image_process_fail (error, "Cannot start tar2sqfs");
  fcntl (pipes[1], F_SETPIPE_SZ, 1024 * 1024);
  self->input = pipes[1];
  {
    const int fds[] = { pipes[0], self->noise, self->noise, out };

    self->pid = creel_image_process_spawn (argv, environment, fds, G_N_ELEMENTS (fds), error);
  }
  close (pipes[0]);
  return self->pid > 0;
}

/* tar2sqfs calls every failed write an I/O error, so look oneself. The file is lost anyway. */
static gboolean
disk_is_full (int out)
{
  g_autofree guint8 *buffer = g_malloc (BLOCK);
  gint64 end = lseek (out, 0, SEEK_END);

  memset (buffer, 1, BLOCK);
  for (guint i = 0; i < 8; i++)
    {
      gssize n = pwrite (out, buffer, BLOCK, end);

      if (n < 0)
        return errno == ENOSPC || errno == EDQUOT;
      end += n;
    }
  return FALSE;
}

/* Waits for tar2sqfs and says why it failed. */
static gboolean
finish (Squash *self, int out, GError **error)
{
  char text[STDERR_MAX];
  g_autofree char *quoted = NULL;
  gssize n;
  int status;

  status = creel_image_process_wait (self->pid);
  self->pid = 0;
  if (status == 0)
    return TRUE;
  if (status == 127)
    {
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_FAILED,
                   "tar2sqfs is not installed; install squashfs-tools-ng");
      return FALSE;
    }
  n = MAX (pread (self->noise, text, sizeof text - 1, 0), 0);
  text[n] = '\0';
  if (disk_is_full (out))
    {
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_NO_SPACE,
                   "The disk of the image store is full; free some space or remove images");
      return FALSE;
    }
  quoted = creel_image_quote (g_strstrip (text));
  g_set_error (error, CREEL_ERROR, CREEL_ERROR_FAILED, "tar2sqfs failed (status %d): %s", status,
               quoted);
  return FALSE;
}

/* ---- the tar ---- */

static la_ssize_t
on_write (struct archive *archive, void *user_data, const void *buffer, size_t length)
{
  Squash *self = user_data;
  gssize n;

  do
    n = write (self->input, buffer, length);
  while (n < 0 && errno == EINTR);
  if (n < 0)
    archive_set_error (archive, errno, "%s", g_strerror (errno));
  return n;
}

/* A failed write means that tar2sqfs has ended; finish () then tells why. */
static gboolean
write_header (Squash *self, const CreelImageNode *node, const char *hardlink)
{
  return creel_image_tar_header (self->tar, node, hardlink);
}

static gboolean
changed (GError **error)
{
  g_set_error (error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE,
               "The archive changed while it was read; import it again");
  return FALSE;
}

/* FALSE without an error: tar2sqfs has ended. */
static gboolean
write_data (Squash *self, CreelImageReader *reader, guint64 size, guint8 *buffer, GError **error)
{
  while (size > 0)
    {
      gssize n = creel_image_reader_read (reader, buffer, MIN (size, BLOCK), error);

      if (n < 0)
        return FALSE;
      if (n == 0)
        return changed (error);
      for (gssize done = 0; done < n;)
        {
          la_ssize_t written = archive_write_data (self->tar, buffer + done, n - done);

          if (written <= 0)
            return FALSE;
          done += written;
        }
      size -= n;
      self->done += n;
      creel_image_report_progress (self->report, "packing", self->done, self->total);
    }
  return TRUE;
}

static gboolean
write_files (Squash *self, CreelImageArchive *archive, GPtrArray *files, GError **error)
{
  g_autofree guint8 *buffer = g_malloc (BLOCK);
  guint next = 0;

  while (next < files->len)
    {
      guint layer = ((CreelImageNode *)files->pdata[next])->inode->layer;
      const CreelImageLayer *source = archive->layers->pdata[layer - 1];
      g_autoptr (CreelImageReader) reader =
          creel_image_reader_new (archive->source, source->member, NULL, error);

      if (reader == NULL)
        return FALSE;
      for (guint index = 0; next < files->len; index++)
        {
          const CreelImageNode *node = files->pdata[next];
          struct archive_entry *entry;

          if (node->inode->layer != layer)
            break;
          if (!creel_image_reader_next (reader, &entry, error))
            return FALSE;
          if (entry == NULL)
            return changed (error);
          if (index != node->inode->index)
            continue;
          if (archive_entry_filetype (entry) != AE_IFREG ||
              (guint64)archive_entry_size (entry) != node->inode->size)
            return changed (error);
          if (!write_header (self, node, NULL) ||
              !write_data (self, reader, node->inode->size, buffer, error))
            return FALSE;
          next++;
        }
    }
  return TRUE;
}

static gboolean
write_tar (Squash *self, CreelImageArchive *archive, CreelImageTree *tree, CreelImageList *list,
           GError **error)
{
  self->tar = creel_image_tar_new (on_write, self);
  if (self->tar == NULL)
    return FALSE;
  if (!write_header (self, creel_image_tree_get_root (tree), NULL))
    return FALSE;
  for (guint i = 0; i < list->plain->len; i++)
    if (!write_header (self, list->plain->pdata[i], NULL))
      return FALSE;
  if (!write_files (self, archive, list->files, error))
    return FALSE;
  for (guint i = 0; i < list->links->len; i++)
    {
      const CreelImageNode *node = list->links->pdata[i];
      g_autofree char *path = creel_image_node_path (node->inode->first);

      if (!write_header (self, node, path))
        return FALSE;
    }
  return archive_write_close (self->tar) == ARCHIVE_OK;
}

gboolean
creel_image_squash (CreelImageArchive *archive, CreelImageTree *tree, CreelImageList *list, int out,
                    CreelImageReport *report, GError **error)
{
  Squash self = { .report = report, .input = -1, .noise = -1, .total = list->size };
  gboolean written = FALSE, good = FALSE;

  creel_image_source_set_quiet (archive->source);
  if (start (&self, out, error))
    {
      g_autoptr (GError) read_error = NULL;

      creel_image_report_progress (report, "packing", 0, self.total);
      written = write_tar (&self, archive, tree, list, &read_error);
      /* An unfinished tar would be packed as if it were whole. */
      if (!written && read_error != NULL)
        creel_image_process_kill (self.pid);
      if (self.tar != NULL)
        {
          archive_write_fail (self.tar);
          archive_write_free (self.tar);
        }
      close (self.input);
      good = finish (&self, out, read_error == NULL ? error : NULL);
      if (read_error != NULL)
        g_propagate_error (error, g_steal_pointer (&read_error));
      else if (good && !written)
        g_set_error (error, CREEL_ERROR, CREEL_ERROR_FAILED, "tar2sqfs ended early");
      good = good && written;
    }
  else if (self.input >= 0)
    close (self.input);
  if (self.noise >= 0)
    close (self.noise);
  if (good && fdatasync (out) < 0)
    return creel_image_process_fail (error, "Cannot write the image");
  if (good)
    creel_image_report_progress (report, "packing", self.total, self.total);
  return good;
}

char *
creel_image_squash_digest (int fd, GError **error)
{
  g_autoptr (CreelImageDigest) checksum = creel_image_digest_new ();
  g_autofree guint8 *buffer = g_malloc (BLOCK);
  gint64 position = 0;
  gssize n;

  while ((n = pread (fd, buffer, BLOCK, position)) != 0)
    {
      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0)
        {
          creel_image_process_fail (error, "Cannot read the image back");
          return NULL;
        }
      creel_image_digest_update (checksum, buffer, n);
      position += n;
    }
  return creel_image_digest_get (checksum);
}
