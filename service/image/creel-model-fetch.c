/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-model-fetch.h"
#include "creel-error.h"
#include "creel-image-digest.h"
#include "creel-image-json.h"
#include "creel-image-process.h"
#include "creel-model-manifest.h"
#include "creel-registry.h"
#include <errno.h>
#include <string.h>
#include <unistd.h>

#define BLOCK (1024 * 1024)
#define MAX_ATTEMPTS 5 /* without a byte more */

typedef struct
{
  CreelRegistry *registry;
  CreelImageBlobs *blobs;
  CreelImageReport *report;
  GPtrArray *missing; /* of CreelImageDescriptor, borrowed */
  guint64 done, total;
} Fetch;

static void
report_progress (Fetch *self)
{
  creel_image_report_progress (self->report, "fetching", MIN (self->done, self->total),
                               self->total);
}

/* Follows indexes to the manifest, whose digest is returned. Digests are reported on the way. */
static GBytes *
find_manifest (Fetch *self, const CreelImageRemote *remote, char **ret_digest, GError **error)
{
  g_autofree char *wanted = g_strdup (remote->digest);

  for (guint i = 0; i <= CREEL_IMAGE_MAX_INDEXES; i++)
    {
      g_autoptr (GBytes) bytes = creel_registry_get_manifest (self->registry, wanted, error);
      g_autoptr (CreelImageDescriptor) chosen = NULL;
      g_autofree char *digest = NULL;

      if (bytes == NULL)
        return NULL;
      digest = creel_image_digest_of (bytes);
      if (wanted != NULL && !g_str_equal (wanted, digest))
        {
          g_set_error (error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE,
                       "The registry sent another manifest than sha256:%.12s…", wanted);
          return NULL;
        }
      if (!creel_image_manifest_choose (bytes, FALSE, &chosen, NULL, error))
        return NULL;
      creel_image_report_hex (self->report, "digest", digest);
      if (chosen == NULL)
        {
          *ret_digest = g_steal_pointer (&digest);
          return g_steal_pointer (&bytes);
        }
      g_free (wanted);
      wanted = g_strdup (chosen->digest);
    }
  g_set_error (error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE,
               "The indexes of the model are nested too deep");
  return NULL;
}

/* ---- what is here ---- */

static void
on_checked (gpointer user_data, gsize n)
{
  Fetch *self = user_data;

  self->done += n;
  report_progress (self);
}

static void
look (Fetch *self, const CreelImageDescriptor *descriptor, GHashTable *seen)
{
  guint64 before = self->done;

  if (!g_hash_table_add (seen, descriptor->digest))
    return;
  if (creel_image_blobs_check (self->blobs, descriptor->digest, descriptor->size, on_checked, self))
    return;
  self->done = before;
  g_ptr_array_add (self->missing, (gpointer)descriptor);
}

static gboolean
check_space (Fetch *self, GError **error)
{
  guint64 needed = 0;

  for (guint i = 0; i < self->missing->len; i++)
    {
      const CreelImageDescriptor *descriptor = self->missing->pdata[i];

      needed +=
          descriptor->size -
          MIN (creel_image_blobs_peek_partial (self->blobs, descriptor->digest), descriptor->size);
    }
  return self->missing->len == 0 || creel_image_blobs_check_free (self->blobs, "model", needed, error);
}

/* ---- one blob ---- */

/* The digest of what an earlier worker left of it; NULL when the file cannot be read. */
static CreelImageDigest *
digest_partial (Fetch *self, int fd, guint64 size, guint8 *buffer)
{
  g_autoptr (CreelImageDigest) digest = creel_image_digest_new ();

  for (guint64 position = 0; position < size;)
    {
      gssize n = pread (fd, buffer, MIN (BLOCK, size - position), position);

      if (n < 0 && errno == EINTR)
        continue;
      if (n <= 0)
        return NULL;
      creel_image_digest_update (digest, buffer, n);
      position += n;
      self->done += n;
      report_progress (self);
    }
  return g_steal_pointer (&digest);
}

/* Takes bytes until the blob is whole or the connection ends. */
static gboolean
take_bytes (Fetch *self, GInputStream *stream, int fd, guint64 size, guint64 *inout_position,
            CreelImageDigest *digest, guint8 *buffer, GError **error)
{
  g_autoptr (GError) failure = NULL;

  while (*inout_position < size)
    {
      gssize n = g_input_stream_read (stream, buffer, BLOCK, NULL, &failure);

      if (n < 0)
        {
          creel_registry_explain (self->registry, failure, error);
          return FALSE;
        }
      if (n == 0)
        {
          g_set_error (error, CREEL_ERROR, CREEL_ERROR_FAILED,
                       "The registry ended the connection in the middle; try again, what has come "
                       "is kept");
          return FALSE;
        }
      n = MIN ((guint64)n, size - *inout_position); /* more would not be what was promised */
      if (!creel_image_process_write (fd, buffer, n))
        return creel_image_process_fail (error, "Cannot write to the OCI store");
      creel_image_digest_update (digest, buffer, n);
      *inout_position += n;
      self->done += n;
      report_progress (self);
    }
  return TRUE;
}

static gboolean
is_worth_another (const GError *error)
{
  return g_error_matches (error, CREEL_ERROR, CREEL_ERROR_FAILED) ||
         g_error_matches (error, CREEL_ERROR, CREEL_ERROR_TIMED_OUT);
}

static gboolean
fetch_bytes (Fetch *self, const CreelImageDescriptor *descriptor, int fd, guint8 *buffer,
             GError **error)
{
  guint64 base = self->done, position = MIN (lseek (fd, 0, SEEK_END), (goffset)descriptor->size);
  g_autoptr (CreelImageDigest) digest = digest_partial (self, fd, position, buffer);
  g_autofree char *actual = NULL;
  guint64 furthest = position;
  guint attempts = 0;

  if (digest == NULL)
    {
      position = 0;
      self->done = base;
      digest = creel_image_digest_new ();
    }
  while (position < descriptor->size)
    {
      guint64 start = position;
      g_autoptr (GError) failure = NULL;
      g_autoptr (GInputStream) stream =
          creel_registry_open_blob (self->registry, descriptor->digest, &start, &failure);

      if (stream != NULL && start != position)
        {
          g_clear_pointer (&digest, creel_image_digest_free);
          digest = creel_image_digest_new ();
          position = start;
          self->done = base;
        }
      if (stream != NULL && (ftruncate (fd, position) < 0 || lseek (fd, position, SEEK_SET) < 0))
        return creel_image_process_fail (error, "Cannot write to the OCI store");
      if (stream != NULL &&
          take_bytes (self, stream, fd, descriptor->size, &position, digest, buffer, &failure))
        break;
      /* One that starts again each time, and ends each time, does not come further. */
      attempts = position > furthest ? 1 : attempts + 1;
      furthest = MAX (furthest, position);
      if (stream == NULL || attempts >= MAX_ATTEMPTS || !is_worth_another (failure))
        {
          g_propagate_error (error, g_steal_pointer (&failure));
          return FALSE;
        }
      g_usleep (attempts * G_USEC_PER_SEC / 2);
    }
  /* What an earlier worker left may have been of a registry that told another size. */
  if (ftruncate (fd, descriptor->size) < 0)
    return creel_image_process_fail (error, "Cannot write to the OCI store");
  actual = creel_image_digest_get (digest);
  if (g_str_equal (actual, descriptor->digest))
    return TRUE;
  g_set_error (
      error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE,
      "What came for sha256:%.12s… does not have its digest: it is damaged or was changed; "
      "pull the model again",
      descriptor->digest);
  return FALSE;
}

static gboolean
fetch_blob (Fetch *self, const CreelImageDescriptor *descriptor, guint8 *buffer, GError **error)
{
  g_autoptr (GError) failure = NULL;
  int fd = creel_image_blobs_open_partial (self->blobs, descriptor->digest, error);
  gboolean good;

  if (fd < 0)
    return FALSE;
  /* Whoever had the file before us may have brought it home. */
  if (creel_image_blobs_peek (self->blobs, descriptor->digest) == (gint64)descriptor->size)
    {
      self->done += descriptor->size;
      good = TRUE;
    }
  else
    good = fetch_bytes (self, descriptor, fd, buffer, &failure) &&
           creel_image_blobs_commit_partial (self->blobs, fd, descriptor->digest, &failure);
  if (g_error_matches (failure, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE))
    creel_image_blobs_drop_partial (self->blobs, descriptor->digest);
  close (fd);
  if (failure != NULL)
    g_propagate_error (error, g_steal_pointer (&failure));
  return good;
}

gboolean
creel_model_fetch (const char *reference, int credential, CreelImageReport *report, GError **error)
{
  g_autoptr (CreelImageRemote) remote = creel_image_remote_parse (reference, error);
  g_autoptr (CreelRegistry) registry = NULL;
  g_autoptr (CreelImageBlobs) blobs = NULL;
  g_autoptr (CreelModelManifest) manifest = NULL;
  g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);
  g_autoptr (GPtrArray) missing = g_ptr_array_new ();
  g_autoptr (GBytes) bytes = NULL;
  g_autofree guint8 *buffer = g_malloc (BLOCK);
  g_autofree char *digest = NULL;
  g_autofree char *hex = NULL;
  Fetch self = { .report = report, .missing = missing };

  if (remote == NULL || (registry = creel_registry_new (remote, credential, error)) == NULL ||
      (blobs = creel_image_blobs_open (TRUE, error)) == NULL)
    return FALSE;
  self.registry = registry;
  self.blobs = blobs;
  creel_image_report_progress (report, "fetching", 0, 0);
  bytes = find_manifest (&self, remote, &digest, error);
  if (bytes == NULL || (manifest = creel_model_manifest_parse (bytes, error)) == NULL)
    return FALSE;
  self.total = manifest->size;
  look (&self, manifest->config, seen);
  for (guint i = 0; i < manifest->layers->len; i++)
    look (&self, ((CreelModelLayer *)manifest->layers->pdata[i])->blob, seen);
  if (!check_space (&self, error))
    return FALSE;
  for (guint i = 0; i < missing->len; i++)
    if (!fetch_blob (&self, missing->pdata[i], buffer, error))
      return FALSE;
  self.done = self.total;
  report_progress (&self);
  if ((hex = creel_image_blobs_put (blobs, bytes, error)) == NULL ||
      !creel_model_manifest_report (manifest, blobs, hex, g_bytes_get_size (bytes), report, error))
    return FALSE;
  creel_image_report_done (report, hex);
  return TRUE;
}
