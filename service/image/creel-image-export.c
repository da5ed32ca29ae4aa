/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-image-export.h"
#include "creel-error.h"
#include "creel-image-blobs.h"
#include "creel-image-digest.h"
#include "creel-image-json.h"
#include "creel-image-layout.h"
#include "creel-image-manifest.h"
#include "creel-image-process.h"
#include "creel-image-skopeo.h"
#include "creel-image-unsquash.h"
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define BLOCK (256 * 1024)
#define NOBODY "0000000000000000000000000000000000000000000000000000000000000000"

typedef struct
{
  CreelImageBlobs *blobs;
  CreelImageReport *report;
  struct archive *tar;
  int out;
  guint64 done, total;
  int write_errno;
  gboolean broken; /* of another thread */
  gboolean failed; /* nothing more is written */
} Export;

static gboolean
fail_write (Export *self, GError **error)
{
  if (self->write_errno != 0)
    errno = self->write_errno;
  return creel_image_process_fail (error, "Cannot write the exported image");
}

static gboolean
on_bytes (gpointer user_data, gconstpointer bytes, gsize length, GError **error)
{
  Export *self = user_data;

  return creel_image_process_write (self->out, bytes, length) || fail_write (self, error);
}

/* ---- oci-archive ---- */

static la_ssize_t
on_write (struct archive *archive, void *user_data, const void *buffer, size_t length)
{
  Export *self = user_data;

  if (self->failed)
    return -1;
  if (creel_image_process_write (self->out, buffer, length))
    return length;
  self->write_errno = errno;
  archive_set_error (archive, errno, "%s", g_strerror (errno));
  return -1;
}

static gboolean
add_header (Export *self, const char *name, guint64 size)
{
  struct archive_entry *entry = archive_entry_new ();
  int r;

  archive_entry_set_pathname (entry, name);
  archive_entry_set_filetype (entry, g_str_has_suffix (name, "/") ? AE_IFDIR : AE_IFREG);
  archive_entry_set_perm (entry, g_str_has_suffix (name, "/") ? 0755 : 0644);
  archive_entry_set_size (entry, size);
  archive_entry_set_mtime (entry, 0, 0);
  r = archive_write_header (self->tar, entry);
  archive_entry_free (entry);
  return r >= ARCHIVE_WARN;
}

static gboolean
add_bytes (Export *self, gconstpointer bytes, gsize length)
{
  return length == 0 || archive_write_data (self->tar, bytes, length) == (la_ssize_t)length;
}

static gboolean
add_text (Export *self, const char *name, const char *text, GError **error)
{
  return (add_header (self, name, strlen (text)) && add_bytes (self, text, strlen (text))) ||
         fail_write (self, error);
}

static gboolean
add_blob (Export *self, const char *hex, guint64 expected, GError **error)
{
  g_autoptr (CreelImageDigest) digest = creel_image_digest_new ();
  g_autofree char *name = g_strconcat ("blobs/sha256/", hex, NULL);
  g_autofree guint8 *buffer = g_malloc (BLOCK);
  g_autofree char *actual = NULL;
  guint64 size, position = 0;
  gboolean good;
  gssize n = 0;
  int fd = creel_image_blobs_get (self->blobs, hex, &size, error);

  if (fd < 0)
    return FALSE;
  good = size != expected || add_header (self, name, size) || fail_write (self, error);
  while (good && size == expected && position < size &&
         (n = pread (fd, buffer, MIN (BLOCK, size - position), position)) > 0)
    {
      creel_image_digest_update (digest, buffer, n);
      good = add_bytes (self, buffer, n) || fail_write (self, error);
      position += n;
      self->done += n;
      creel_image_report_progress (self->report, "exporting", MIN (self->done, self->total),
                                   self->total);
    }
  close (fd);
  if (!good)
    return FALSE;
  actual = creel_image_digest_get (digest);
  if (position == expected && g_str_equal (actual, hex))
    return TRUE;
  g_set_error (error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE,
               "Blob sha256:%.12s… in the store is damaged; pull the image again", hex);
  return FALSE;
}

static gboolean
write_oci (Export *self, const CreelImageManifest *manifest, const char *hex, guint64 size,
           const char *reference, GError **error)
{
  g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);
  g_autofree char *index = creel_image_layout_index (hex, size, reference);
  gboolean good;

  self->tar = archive_write_new ();
  archive_write_set_format_pax_restricted (self->tar);
  archive_write_set_bytes_per_block (self->tar, BLOCK);
  archive_write_set_bytes_in_last_block (self->tar, 1);
  good = (archive_write_open (self->tar, self, NULL, on_write, NULL) == ARCHIVE_OK &&
          add_header (self, "blobs/", 0) && add_header (self, "blobs/sha256/", 0)) ||
         fail_write (self, error);
  good = good && add_text (self, "oci-layout", CREEL_IMAGE_OCI_LAYOUT, error) &&
         add_text (self, "index.json", index, error) && add_blob (self, hex, size, error) &&
         add_blob (self, manifest->config->digest, manifest->config->size, error);
  for (guint i = 0; good && i < manifest->layers->len; i++)
    {
      const CreelImageDescriptor *layer = manifest->layers->pdata[i];

      good = !g_hash_table_add (seen, layer->digest) ||
             add_blob (self, layer->digest, layer->size, error);
    }
  good = good && (archive_write_close (self->tar) == ARCHIVE_OK || fail_write (self, error));
  /* Closed even so: libarchive would not free its buffer else. */
  self->failed = !good;
  archive_write_free (self->tar);
  return good;
}

/* ---- docker-archive ---- */

typedef struct
{
  Export *export;
  int from;
  GError *error;
} Copier;

/* skopeo cannot open the caller's file again, which is not ours, so it gets a pipe and this copies.
 */
static gpointer
copy_pipe (gpointer user_data)
{
  Copier *self = user_data;
  g_autofree guint8 *buffer = g_malloc (BLOCK);
  gssize n;

  while ((n = read (self->from, buffer, BLOCK)) != 0)
    {
      if (n < 0 && errno == EINTR)
        continue;
      /* skopeo holds an end of its own to read from, so it would wait for ever: read on, to its
       * end. */
      if (n > 0 && self->error == NULL && !on_bytes (self->export, buffer, n, &self->error))
        __atomic_store_n (&self->export->broken, TRUE, __ATOMIC_RELAXED);
      if (n < 0)
        break;
      __atomic_add_fetch (&self->export->done, n, __ATOMIC_RELAXED);
    }
  close (self->from);
  return NULL;
}

static guint64
on_tick (pid_t pid, gpointer user_data)
{
  Export *self = user_data;
  guint64 done = __atomic_load_n (&self->done, __ATOMIC_RELAXED);

  if (__atomic_load_n (&self->broken, __ATOMIC_RELAXED))
    creel_image_process_kill (pid);
  creel_image_report_progress (self->report, "exporting", done, 0);
  return done;
}

static gboolean
write_docker (Export *self, const char *hex, guint64 size, const char *reference, GError **error)
{
  g_autoptr (CreelImageSkopeo) skopeo = creel_image_skopeo_new (NULL, -1, error);
  g_autofree char *layout = NULL;
  g_autofree char *source = NULL;
  /* Its own names need a tag. */
  const char *slash = strrchr (reference, '/');
  gboolean tagged = strchr (slash != NULL ? slash : reference, ':') != NULL;
  g_autofree char *destination =
      g_strdup_printf ("docker-archive:/proc/self/fd/4:%s%s", reference, tagged ? "" : ":latest");
  const char *const options[] = { "--src-shared-blob-dir", creel_image_blobs_get_path (self->blobs),
                                  NULL };
  Copier copier = { .export = self };
  g_autoptr (GError) local = NULL;
  GThread *thread;
  gboolean good;
  int pipes[2];

  if (skopeo == NULL || (layout = creel_image_layout_make (hex, size, error)) == NULL)
    return FALSE;
  if (pipe2 (pipes, O_CLOEXEC) < 0)
    {
      creel_image_process_fail (error, "Cannot make a pipe");
      creel_image_layout_remove (layout);
      return FALSE;
    }
  source = g_strdup_printf ("oci:%s:image", layout);
  copier.from = pipes[0];
  thread = g_thread_new ("copy", copy_pipe, &copier);
  good = creel_image_skopeo_copy (skopeo, options, source, destination, pipes[1], on_tick, self,
                                  &local);
  close (pipes[1]);
  g_thread_join (thread);
  creel_image_layout_remove (layout);
  if (copier.error != NULL)
    {
      g_propagate_error (error, copier.error);
      return FALSE;
    }
  if (!good)
    g_propagate_error (error, g_steal_pointer (&local));
  return good;
}

/* ---- all ---- */

static gboolean
export_archive (Export *self, const char *hex, gboolean oci, const char *reference, GError **error)
{
  g_autoptr (CreelImageBlobs) blobs = creel_image_blobs_open (FALSE, error);
  g_autoptr (GBytes) bytes =
      blobs != NULL ? creel_image_blobs_read (blobs, hex, CREEL_IMAGE_JSON_MAX, error) : NULL;
  g_autoptr (CreelImageManifest) manifest =
      bytes != NULL ? creel_image_manifest_parse (bytes, error) : NULL;
  gsize size = bytes != NULL ? g_bytes_get_size (bytes) : 0;

  if (manifest == NULL)
    return FALSE;
  self->blobs = blobs;
  self->total = oci ? manifest->size + size : 0;
  creel_image_report_progress (self->report, "exporting", 0, self->total);
  if (oci ? !write_oci (self, manifest, hex, size, reference, error)
          : !write_docker (self, hex, size, reference, error))
    return FALSE;
  creel_image_report_progress (self->report, "exporting", self->done, self->done);
  creel_image_report_done (self->report, manifest->config->digest);
  return TRUE;
}

gboolean
creel_image_export (const char *manifest, const char *format, const char *reference, int in,
                    int out, CreelImageReport *report, GError **error)
{
  Export self = { .report = report, .out = out };

  if (g_str_equal (format, "oci-archive") || g_str_equal (format, "docker-archive"))
    return export_archive (&self, manifest, *format == 'o', reference, error);
  if (!g_str_equal (format, "rootfs"))
    {
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_FAILED,
                   "There is no such format; give oci-archive, docker-archive or rootfs");
      return FALSE;
    }
  if (!creel_image_unsquash (in, on_bytes, &self, "exporting", report, error))
    return FALSE;
  creel_image_report_done (report, NOBODY);
  return TRUE;
}
