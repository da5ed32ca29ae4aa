/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-image-archive.h"
#include "creel-error.h"
#include "creel-image-digest.h"
#include "creel-image-json.h"

static void
layer_free (gpointer data)
{
  CreelImageLayer *layer = data;

  g_free (layer->member);
  g_free (layer->digest);
  g_free (layer);
}

void
creel_image_archive_free (CreelImageArchive *self)
{
  g_clear_pointer (&self->source, creel_image_source_free);
  creel_image_config_free (self->config);
  g_ptr_array_unref (self->layers);
  g_free (self->id);
  g_free (self);
}

void
creel_image_archive_add_layer (CreelImageArchive *self, const char *member, const char *digest)
{
  CreelImageLayer *layer = g_new0 (CreelImageLayer, 1);

  layer->member = g_strdup (member);
  layer->digest = g_strdup (digest);
  g_ptr_array_add (self->layers, layer);
}

gboolean
creel_image_archive_load_config (CreelImageArchive *self, GBytes *bytes, GError **error)
{
  g_autoptr (JsonNode) node = creel_image_json_parse (bytes, "The config of the image", error);

  if (node == NULL)
    return FALSE;
  if (!JSON_NODE_HOLDS_OBJECT (node))
    {
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE,
                   "The config of the image is not an object");
      return FALSE;
    }
  g_free (self->id);
  self->id = creel_image_digest_of (bytes);
  return creel_image_config_load (self->config, json_node_get_object (node), error);
}

static CreelImageArchive *
archive_new (void)
{
  CreelImageArchive *self = g_new0 (CreelImageArchive, 1);

  self->config = creel_image_config_new ();
  self->layers = g_ptr_array_new_with_free_func (layer_free);
  return self;
}

CreelImageArchive *
creel_image_archive_open_blobs (CreelImageBlobs *blobs, const char *manifest,
                                CreelImageReport *report, GError **error)
{
  g_autoptr (CreelImageArchive) self = archive_new ();
  g_autoptr (GBytes) bytes = creel_image_blobs_read (blobs, manifest, CREEL_IMAGE_JSON_MAX, error);

  self->layered = TRUE;
  self->source = creel_image_source_new_blobs (blobs, report);
  if (bytes == NULL || !creel_image_archive_load_manifest (self, bytes, error))
    return NULL;
  for (guint i = 0; i < self->layers->len; i++)
    {
      const CreelImageLayer *layer = self->layers->pdata[i];

      if (!creel_image_source_add_blob (self->source, layer->digest, error))
        return NULL;
    }
  return g_steal_pointer (&self);
}

CreelImageArchive *
creel_image_archive_open (int fd, CreelImageReport *report, GError **error)
{
  g_autoptr (CreelImageArchive) self = archive_new ();
  gboolean is_root;

  self->source = creel_image_source_new (fd, report, error);
  if (self->source == NULL || !creel_image_source_index (self->source, &is_root, error))
    return NULL;

  if (!is_root && creel_image_source_has_member (self->source, "oci-layout"))
    {
      self->layered = TRUE;
      self->config->source = g_strdup ("oci-archive");
      if (!creel_image_archive_load_oci (self, error))
        return NULL;
    }
  else if (!is_root && creel_image_source_has_member (self->source, "manifest.json"))
    {
      self->layered = TRUE;
      self->config->source = g_strdup ("docker-archive");
      if (!creel_image_archive_load_docker (self, error))
        return NULL;
    }
  else
    {
      self->config->source = g_strdup ("rootfs");
      creel_image_archive_add_layer (self, NULL, NULL);
    }
  return g_steal_pointer (&self);
}
