/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An OCI layout in a tar: index.json leads to a manifest, which leads to blobs by digest. */
#include "creel-image-archive.h"
#include "creel-error.h"
#include "creel-image-digest.h"
#include "creel-image-json.h"
#include "creel-image-manifest.h"

static GBytes *
read_blob (CreelImageArchive *self, const char *digest, GError **error)
{
  g_autofree char *name = g_strconcat ("blobs/sha256/", digest, NULL);
  g_autoptr (GBytes) bytes =
      creel_image_source_read_member (self->source, name, CREEL_IMAGE_JSON_MAX, error);
  g_autofree char *actual = NULL;

  if (bytes == NULL)
    return NULL;
  actual = creel_image_digest_of (bytes);
  if (!g_str_equal (actual, digest))
    {
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE,
                   "Blob sha256:%.12s… in the archive does not have its digest: it is damaged or "
                   "was changed",
                   digest);
      return NULL;
    }
  return g_steal_pointer (&bytes);
}

static void
add_reference (CreelImageArchive *self, JsonNode *entry)
{
  JsonObject *annotations = creel_image_json_object (json_node_get_object (entry), "annotations");
  const char *name = creel_image_json_string (annotations, "io.containerd.image.name");

  if (name == NULL)
    name = creel_image_json_string (annotations, "org.opencontainers.image.ref.name");
  if (name != NULL && self->config->references->len == 0)
    g_ptr_array_add (self->config->references, g_strdup (name));
}

gboolean
creel_image_archive_load_manifest (CreelImageArchive *self, GBytes *bytes, GError **error)
{
  g_autoptr (CreelImageManifest) manifest = creel_image_manifest_parse (bytes, error);
  g_autoptr (GBytes) config = NULL;

  if (manifest == NULL || (config = read_blob (self, manifest->config->digest, error)) == NULL ||
      !creel_image_archive_load_config (self, config, error))
    return FALSE;
  for (guint i = 0; i < manifest->layers->len; i++)
    {
      const CreelImageDescriptor *layer = manifest->layers->pdata[i];
      g_autofree char *name = g_strconcat ("blobs/sha256/", layer->digest, NULL);

      creel_image_archive_add_layer (self, name, layer->digest);
    }
  return TRUE;
}

gboolean
creel_image_archive_load_oci (CreelImageArchive *self, GError **error)
{
  g_autoptr (GBytes) bytes =
      creel_image_source_read_member (self->source, "index.json", CREEL_IMAGE_JSON_MAX, error);

  for (guint i = 0; bytes != NULL && i < CREEL_IMAGE_MAX_INDEXES; i++)
    {
      g_autoptr (CreelImageDescriptor) descriptor = NULL;
      g_autoptr (JsonNode) entry = NULL;

      if (!creel_image_manifest_choose (bytes, i == 0, &descriptor, &entry, error))
        return FALSE;
      if (descriptor == NULL)
        return creel_image_archive_load_manifest (self, bytes, error);
      add_reference (self, entry);
      g_bytes_unref (bytes);
      bytes = read_blob (self, descriptor->digest, error);
    }
  if (bytes != NULL)
    g_set_error (error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE,
                 "The indexes in the archive are nested too deep");
  return FALSE;
}
