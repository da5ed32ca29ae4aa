/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-image-fetch.h"
#include "creel-error.h"
#include "creel-image-blobs.h"
#include "creel-image-config.h"
#include "creel-image-digest.h"
#include "creel-image-json.h"
#include "creel-image-layout.h"
#include "creel-image-manifest.h"
#include "creel-image-skopeo.h"
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>


typedef struct
{
  CreelImageBlobs *blobs;
  CreelImageReport *report;
  CreelImageManifest *manifest; /* in the registry's form */
  GPtrArray *missing;           /* of CreelImageDescriptor, borrowed */
  guint64 present, total;
} Fetch;

/* ---- what the registry has ---- */

static gboolean
check_config_of_host (const char *wanted, const char *got, GError **error)
{
  if (g_str_equal (wanted, got))
    return TRUE;
  g_set_error (error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE,
               "The registry sent another manifest than sha256:%.12s…", wanted);
  return FALSE;
}

/* Follows indexes to the manifest for this host. Digests are reported on the way. */
static GBytes *
find_manifest (CreelImageSkopeo *skopeo, const CreelImageRemote *remote, CreelImageReport *report,
               char **ret_digest, GError **error)
{
  g_autofree char *uri = creel_image_remote_uri (remote, NULL);
  g_autofree char *wanted = g_strdup (remote->digest);

  for (guint i = 0; i <= CREEL_IMAGE_MAX_INDEXES; i++)
    {
      g_autoptr (GBytes) bytes = creel_image_skopeo_inspect (skopeo, uri, error);
      g_autoptr (CreelImageDescriptor) chosen = NULL;
      g_autofree char *digest = NULL;

      if (bytes == NULL)
        return NULL;
      digest = creel_image_digest_of (bytes);
      if ((wanted != NULL && !check_config_of_host (wanted, digest, error)) ||
          !creel_image_manifest_choose (bytes, FALSE, &chosen, NULL, error))
        return NULL;
      creel_image_report_hex (report, "digest", digest);
      if (chosen == NULL)
        {
          *ret_digest = g_steal_pointer (&digest);
          return g_steal_pointer (&bytes);
        }
      g_free (wanted);
      wanted = g_strdup (chosen->digest);
      g_free (uri);
      uri = creel_image_remote_uri (remote, chosen->digest);
    }
  g_set_error (error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE,
               "The indexes of the image are nested too "
               "deep");
  return NULL;
}

/* ---- what is here ---- */

static void
on_checked (gpointer user_data, gsize n)
{
  Fetch *self = user_data;

  self->present += n;
  creel_image_report_progress (self->report, "fetching", MIN (self->present, self->total),
                               self->total);
}

static void
look (Fetch *self, const CreelImageDescriptor *descriptor, GHashTable *seen)
{
  guint64 before = self->present;

  if (!g_hash_table_add (seen, descriptor->digest))
    return;
  self->total += descriptor->size;
  if (!creel_image_blobs_check (self->blobs, descriptor->digest, descriptor->size, on_checked,
                                self))
    {
      self->present = before;
      g_ptr_array_add (self->missing, (gpointer)descriptor);
    }
}

static gboolean
check_space (Fetch *self, GError **error)
{
  guint64 needed = 0;

  for (guint i = 0; i < self->missing->len; i++)
    if (!g_uint64_checked_add (&needed, needed,
                               ((CreelImageDescriptor *)self->missing->pdata[i])->size))
      needed = G_MAXUINT64;
  return needed == 0 || creel_image_blobs_check_free (self->blobs, "image", needed, error);
}

/* ---- the copy ---- */

/* skopeo writes each blob to a file in the layout, and moves it to the store when it is whole. */
static guint64
on_tick (pid_t pid, gpointer user_data)
{
  Fetch *self = user_data;
  int copy =
      openat (creel_image_blobs_get_job_fd (self->blobs), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *directory = copy >= 0 ? fdopendir (copy) : NULL;
  guint64 done = self->present;
  struct dirent *entry;
  struct stat st;

  for (guint i = 0; i < self->missing->len; i++)
    {
      const CreelImageDescriptor *descriptor = self->missing->pdata[i];

      if (creel_image_blobs_peek (self->blobs, descriptor->digest) == (gint64)descriptor->size)
        done += descriptor->size;
    }
  while (directory != NULL && (entry = readdir (directory)) != NULL)
    if (g_str_has_prefix (entry->d_name, "oci-put-blob") &&
        fstatat (copy, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0)
      done += st.st_size;
  if (directory != NULL)
    closedir (directory);
  else if (copy >= 0)
    close (copy);
  creel_image_report_progress (self->report, "fetching", MIN (done, self->total), self->total);
  return done;
}

/* The local manifest's digest. */
static char *
copy (Fetch *self, CreelImageSkopeo *skopeo, const CreelImageRemote *remote, const char *digest,
      GError **error)
{
  g_autofree char *source = creel_image_remote_uri (remote, digest);
  g_autofree char *destination =
      g_strdup_printf ("oci:%s:image", creel_image_blobs_get_job (self->blobs));
  /* Layers keep their bytes, so those that are not compressed stay so. The policy has seen the
   * signatures before the copy, which has no place for them. */
  const char *const options[] = { "--dest-shared-blob-dir",
                                  creel_image_blobs_get_path (self->blobs),
                                  "--dest-oci-accept-uncompressed-layers", "--remove-signatures",
                                  NULL };

  if (!creel_image_skopeo_copy (skopeo, options, source, destination, -1, on_tick, self, error))
    return NULL;
  return creel_image_layout_read (creel_image_blobs_get_job_fd (self->blobs), error);
}

static void
report_image (Fetch *self, const char *digest, gsize size, const CreelImageManifest *manifest)
{
  creel_image_report_progress (self->report, "fetching", self->total, self->total);
  creel_image_report_manifest (self->report, digest, size, manifest);
}

gboolean
creel_image_fetch (const char *reference, int credential, CreelImageReport *report, GError **error)
{
  g_autoptr (CreelImageRemote) remote = creel_image_remote_parse (reference, error);
  g_autoptr (CreelImageSkopeo) skopeo = NULL;
  g_autoptr (CreelImageBlobs) blobs = NULL;
  g_autoptr (CreelImageManifest) there = NULL;
  g_autoptr (CreelImageManifest) here = NULL;
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (GBytes) local = NULL;
  g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);
  g_autoptr (GPtrArray) missing = g_ptr_array_new ();
  g_autofree char *digest = NULL;
  g_autofree char *manifest = NULL;
  Fetch self = { .report = report, .missing = missing };

  if (remote == NULL || (skopeo = creel_image_skopeo_new (remote, credential, error)) == NULL ||
      (blobs = creel_image_blobs_open (TRUE, error)) == NULL)
    return FALSE;
  creel_image_report_progress (report, "fetching", 0, 0);
  bytes = find_manifest (skopeo, remote, report, &digest, error);
  if (bytes == NULL || (there = creel_image_manifest_parse (bytes, error)) == NULL)
    return FALSE;
  self.blobs = blobs;
  self.manifest = there;
  look (&self, there->config, seen);
  for (guint i = 0; i < there->layers->len; i++)
    look (&self, there->layers->pdata[i], seen);
  if (!check_space (&self, error))
    return FALSE;
  /* All here already, under the very same manifest: nothing to ask for. */
  if (there->is_oci && missing->len == 0)
    manifest = creel_image_blobs_put (blobs, bytes, error);
  else
    manifest = copy (&self, skopeo, remote, digest, error);
  if (manifest == NULL ||
      (local = creel_image_blobs_read (blobs, manifest, CREEL_IMAGE_JSON_MAX, error)) == NULL ||
      (here = creel_image_manifest_parse (local, error)) == NULL)
    return FALSE;
  for (guint i = 0; i < here->layers->len; i++)
    {
      const CreelImageDescriptor *layer = here->layers->pdata[i];

      if (creel_image_blobs_peek (blobs, layer->digest) != (gint64)layer->size)
        {
          g_set_error (error, CREEL_ERROR, CREEL_ERROR_FAILED,
                       "skopeo left out layer sha256:%.12s…; pull the image again", layer->digest);
          return FALSE;
        }
    }
  report_image (&self, manifest, g_bytes_get_size (local), here);
  creel_image_report_done (report, here->config->digest);
  return TRUE;
}
