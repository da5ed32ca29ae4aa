/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What `docker save` and `podman save` write: manifest.json names the config and the layers. */
#include "creel-image-archive.h"
#include "creel-error.h"
#include "creel-image-json.h"

#define MAX_LAYERS 512

gboolean
creel_image_archive_load_docker (CreelImageArchive *self, GError **error)
{
  g_autoptr (GBytes) bytes =
      creel_image_source_read_member (self->source, "manifest.json", CREEL_IMAGE_JSON_MAX, error);
  g_autoptr (GBytes) config = NULL;
  g_autoptr (JsonNode) node = NULL;
  JsonArray *manifests, *layers, *tags;
  JsonObject *manifest;
  const char *config_name;

  if (bytes == NULL || (node = creel_image_json_parse (bytes, "manifest.json", error)) == NULL)
    return FALSE;
  manifests = JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;
  manifest = creel_image_json_element_object (manifests, 0);
  if (manifest != NULL && json_array_get_length (manifests) > 1)
    {
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE,
                   "The archive holds %u images; save the one that you want alone",
                   json_array_get_length (manifests));
      return FALSE;
    }
  config_name = creel_image_json_string (manifest, "Config");
  layers = creel_image_json_array (manifest, "Layers");
  if (config_name == NULL || layers == NULL || json_array_get_length (layers) == 0 ||
      json_array_get_length (layers) > MAX_LAYERS)
    {
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE,
                   "manifest.json in the archive does not name a config and 1 to %d layers",
                   MAX_LAYERS);
      return FALSE;
    }
  config = creel_image_source_read_member (self->source, config_name, CREEL_IMAGE_JSON_MAX, error);
  if (config == NULL || !creel_image_archive_load_config (self, config, error))
    return FALSE;

  for (guint i = 0; i < json_array_get_length (layers); i++)
    {
      const char *layer = creel_image_json_element_string (layers, i);

      if (layer == NULL)
        {
          g_set_error (error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE,
                       "manifest.json in the archive names a layer that is not a text");
          return FALSE;
        }
      creel_image_archive_add_layer (self, layer, NULL);
    }
  tags = creel_image_json_array (manifest, "RepoTags");
  for (guint i = 0; tags != NULL && i < MIN (json_array_get_length (tags), 20); i++)
    if (creel_image_json_element_string (tags, i) != NULL)
      g_ptr_array_add (self->config->references,
                       g_strdup (creel_image_json_element_string (tags, i)));
  return TRUE;
}
