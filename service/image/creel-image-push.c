/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-error.h"
#include "creel-image-blobs.h"
#include "creel-image-digest.h"
#include "creel-image-fetch.h"
#include "creel-image-json.h"
#include "creel-image-layout.h"
#include "creel-image-manifest.h"
#include "creel-image-process.h"
#include "creel-image-skopeo.h"
#include "creel-model-fetch.h"
#include "creel-model-manifest.h"
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

typedef struct
{
  CreelImageReport *report;
  guint64 total;
} Push;

/* What skopeo has written so far, to the registry nearly all of it. */
static guint64
on_tick (pid_t pid, gpointer user_data)
{
  Push *self = user_data;
  g_autofree char *path = g_strdup_printf ("/proc/%d/io", (int)pid);
  g_autofree char *text = NULL;
  const char *found;
  guint64 done = 0;

  if (g_file_get_contents (path, &text, NULL, NULL) && (found = strstr (text, "wchar: ")) != NULL)
    done = g_ascii_strtoull (found + strlen ("wchar: "), NULL, 10);
  /* The end is reported when the registry has said so. */
  creel_image_report_progress (self->report, "pushing",
                               MIN (done, self->total > 0 ? self->total - 1 : 0), self->total);
  return done;
}

static char *
read_digest (const char *layout, GError **error)
{
  g_autofree char *path = g_build_filename (layout, "digest", NULL);
  g_autofree char *text = NULL;

  if (g_file_get_contents (path, &text, NULL, NULL) &&
      g_str_has_prefix (g_strstrip (text), "sha256:") &&
      creel_image_digest_is_valid (text + strlen ("sha256:")))
    return g_strdup (text + strlen ("sha256:"));
  g_set_error (error, CREEL_ERROR, CREEL_ERROR_FAILED, "skopeo did not say what it has pushed");
  return NULL;
}

/* All that goes out must be here, as plain files; skopeo checks each layer's digest while it sends
 * it. */
static gboolean
check_blobs (CreelImageBlobs *blobs, const CreelImageDescriptor *config, GPtrArray *layers,
             GError **error)
{
  g_autoptr (GBytes) bytes =
      creel_image_blobs_read (blobs, config->digest, CREEL_IMAGE_JSON_MAX, error);

  if (bytes == NULL)
    return FALSE;
  for (guint i = 0; i < layers->len; i++)
    {
      const CreelImageDescriptor *layer = layers->pdata[i];
      guint64 size;
      int fd = creel_image_blobs_get (blobs, layer->digest, &size, error);

      if (fd < 0)
        return FALSE;
      close (fd);
      if (size != layer->size)
        {
          g_set_error (error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE,
                       "Layer sha256:%.12s… in the store is damaged; pull the image again",
                       layer->digest);
          return FALSE;
        }
    }
  return TRUE;
}

/* What a manifest names: an image's or, with is_model, a model's. FALSE with error. */
static gboolean
read_manifest (GBytes *bytes, gboolean is_model, CreelImageBlobs *blobs, guint64 *ret_size,
               char **ret_config, GError **error)
{
  g_autoptr (CreelImageManifest) image = NULL;
  g_autoptr (CreelModelManifest) model = NULL;
  g_autoptr (GPtrArray) layers = g_ptr_array_new ();

  if (is_model)
    {
      model = creel_model_manifest_parse (bytes, error);
      if (model == NULL)
        return FALSE;
      for (guint i = 0; i < model->layers->len; i++)
        g_ptr_array_add (layers, ((CreelModelLayer *)model->layers->pdata[i])->blob);
      *ret_size = model->size;
      *ret_config = g_strdup (model->config->digest);
      return check_blobs (blobs, model->config, layers, error);
    }
  image = creel_image_manifest_parse (bytes, error);
  if (image == NULL)
    return FALSE;
  *ret_size = image->size;
  *ret_config = g_strdup (image->config->digest);
  return check_blobs (blobs, image->config, image->layers, error);
}

static gboolean
push (const char *hex, const char *reference, gboolean is_model, int credential,
      CreelImageReport *report, GError **error)
{
  g_autoptr (CreelImageRemote) remote = creel_image_remote_parse (reference, error);
  g_autoptr (CreelImageSkopeo) skopeo = NULL;
  g_autoptr (CreelImageBlobs) blobs = NULL;
  g_autoptr (GBytes) bytes = NULL;
  g_autofree char *config = NULL;
  g_autofree char *layout = NULL;
  g_autofree char *digest_file = NULL;
  g_autofree char *source = NULL;
  g_autofree char *destination = NULL;
  g_autofree char *digest = NULL;
  Push self = { .report = report };

  if (remote == NULL)
    return FALSE;
  if (remote->digest != NULL)
    {
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_FAILED,
                   "It is pushed to a name and a tag; the registry makes the digest");
      return FALSE;
    }
  if ((skopeo = creel_image_skopeo_new (remote, credential, error)) == NULL ||
      (blobs = creel_image_blobs_open (FALSE, error)) == NULL ||
      (bytes = creel_image_blobs_read (blobs, hex, CREEL_IMAGE_JSON_MAX, error)) == NULL ||
      !read_manifest (bytes, is_model, blobs, &self.total, &config, error) ||
      (layout = creel_image_layout_make (hex, g_bytes_get_size (bytes), error)) == NULL)
    return FALSE;

  creel_image_report_progress (report, "pushing", 0, self.total);
  digest_file = g_strdup_printf ("--digestfile=%s/digest", layout);
  source = g_strdup_printf ("oci:%s:image", layout);
  destination = creel_image_remote_uri (remote, NULL);
  {
    /* A model's layers are files, and its id the digest of its manifest: not a byte may change. */
    const char *const options[] = { "--src-shared-blob-dir", creel_image_blobs_get_path (blobs),
                                    digest_file, is_model ? "--preserve-digests" : NULL, NULL };

    if (creel_image_skopeo_copy (skopeo, options, source, destination, -1, on_tick, &self, error))
      digest = read_digest (layout, error);
  }
  creel_image_layout_remove (layout);
  if (digest == NULL)
    return FALSE;
  creel_image_report_progress (report, "pushing", self.total, self.total);
  creel_image_report_hex (report, "digest", digest);
  creel_image_report_done (report, is_model ? hex : config);
  return TRUE;
}

gboolean
creel_image_push (const char *hex, const char *reference, int credential, CreelImageReport *report,
                  GError **error)
{
  return push (hex, reference, FALSE, credential, report, error);
}

gboolean
creel_model_push (const char *hex, const char *reference, int credential, CreelImageReport *report,
                  GError **error)
{
  return push (hex, reference, TRUE, credential, report, error);
}
