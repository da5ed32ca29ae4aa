/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-image-manifest.h"
#include "creel-error.h"
#include "creel-image-config.h"
#include "creel-image-digest.h"
#include "creel-image-json.h"
#include <string.h>

#define MAX_SIZE (G_GUINT64_CONSTANT (1) << 40)
#define MAX_PLATFORMS_SHOWN 8

void
creel_image_descriptor_free (CreelImageDescriptor *self)
{
  g_free (self->digest);
  g_free (self->media_type);
  g_free (self);
}

CreelImageDescriptor *
creel_image_descriptor_new (const char *digest, guint64 size, const char *media_type)
{
  CreelImageDescriptor *self = g_new0 (CreelImageDescriptor, 1);

  self->digest = g_strdup (digest);
  self->size = size;
  self->media_type = g_strdup (media_type);
  return self;
}

CreelImageDescriptor *
creel_image_descriptor_load (JsonObject *object, GError **error)
{
  const char *digest = creel_image_json_string (object, "digest");
  const char *type = creel_image_json_string (object, "mediaType");
  JsonNode *size = object != NULL ? json_object_get_member (object, "size") : NULL;
  gint64 bytes;

  if (digest == NULL || !g_str_has_prefix (digest, "sha256:") ||
      !creel_image_digest_is_valid (digest + strlen ("sha256:")))
    {
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE,
                   "A manifest of the image names something without a valid sha256 digest");
      return NULL;
    }
  bytes = size != NULL && JSON_NODE_HOLDS_VALUE (size) &&
                  json_node_get_value_type (size) == G_TYPE_INT64
              ? json_node_get_int (size)
              : -1;
  if (bytes < 0 || (guint64)bytes > MAX_SIZE)
    {
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE,
                   "A manifest of the image names something without a valid size");
      return NULL;
    }
  return creel_image_descriptor_new (digest + strlen ("sha256:"), bytes, type != NULL ? type : "");
}

void
creel_image_manifest_free (CreelImageManifest *self)
{
  g_clear_pointer (&self->config, creel_image_descriptor_free);
  g_ptr_array_unref (self->layers);
  g_free (self);
}

static gboolean
layer_is_supported (const char *type)
{
  return (g_str_has_prefix (type, CREEL_IMAGE_TYPE_LAYER) ||
          g_str_has_prefix (type, "application/vnd.oci.image.layer.nondistributable.v1.tar") ||
          g_str_has_prefix (type, "application/vnd.docker.image.rootfs.diff.tar")) &&
         !g_str_has_suffix (type, "+encrypted");
}

static gboolean
not_an_image (const char *type, GError **error)
{
  g_autofree char *quoted = creel_image_quote (*type != '\0' ? type : "unknown");

  g_set_error (error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE,
               "This is not an image that can be run, it holds something of the type %s", quoted);
  return FALSE;
}

static JsonObject *
parse_object (GBytes *bytes, JsonNode **ret_node, GError **error)
{
  *ret_node = creel_image_json_parse (bytes, "A manifest", error);
  if (*ret_node == NULL)
    return NULL;
  if (!JSON_NODE_HOLDS_OBJECT (*ret_node))
    {
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE, "A manifest is not an object");
      return NULL;
    }
  return json_node_get_object (*ret_node);
}

static gboolean
load (CreelImageManifest *self, JsonObject *object, GError **error)
{
  const char *type = creel_image_json_string (object, "mediaType");
  const char *artifact = creel_image_json_string (object, "artifactType");
  JsonArray *layers = creel_image_json_array (object, "layers");
  guint n = layers != NULL ? json_array_get_length (layers) : 0;

  if (creel_image_json_array (object, "fsLayers") != NULL)
    {
      g_set_error (
          error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE,
          "The image has a manifest of Docker's old schema 1; push it again with a tool of "
          "today");
      return FALSE;
    }
  if (artifact != NULL && *artifact != '\0')
    return not_an_image (artifact, error);
  self->config = creel_image_descriptor_load (creel_image_json_object (object, "config"), error);
  if (self->config == NULL)
    return FALSE;
  if (!g_str_equal (self->config->media_type, CREEL_IMAGE_TYPE_CONFIG) &&
      !g_str_equal (self->config->media_type, "application/vnd.docker.container.image.v1+json"))
    return not_an_image (self->config->media_type, error);
  self->is_oci = g_str_equal (self->config->media_type, CREEL_IMAGE_TYPE_CONFIG) &&
                 (type == NULL || g_str_equal (type, CREEL_IMAGE_TYPE_MANIFEST));
  self->size = self->config->size;
  if (n == 0 || n > CREEL_IMAGE_MAX_LAYERS)
    {
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE,
                   "The manifest of the image does not name 1 to %d layers",
                   CREEL_IMAGE_MAX_LAYERS);
      return FALSE;
    }
  for (guint i = 0; i < n; i++)
    {
      CreelImageDescriptor *layer =
          creel_image_descriptor_load (creel_image_json_element_object (layers, i), error);

      if (layer == NULL)
        return FALSE;
      g_ptr_array_add (self->layers, layer);
      if (!layer_is_supported (layer->media_type))
        return not_an_image (layer->media_type, error);
      self->size += layer->size;
    }
  return TRUE;
}

CreelImageManifest *
creel_image_manifest_parse (GBytes *bytes, GError **error)
{
  g_autoptr (JsonNode) node = NULL;
  JsonObject *object = parse_object (bytes, &node, error);
  g_autoptr (CreelImageManifest) self = NULL;

  if (object == NULL)
    return NULL;
  self = g_new0 (CreelImageManifest, 1);
  self->layers = g_ptr_array_new_with_free_func ((GDestroyNotify)creel_image_descriptor_free);
  return load (self, object, error) ? g_steal_pointer (&self) : NULL;
}

/* ---- indexes ---- */

static gboolean
media_type_is_index (const char *type)
{
  return g_strcmp0 (type, "application/vnd.oci.image.index.v1+json") == 0 ||
         g_strcmp0 (type, "application/vnd.docker.distribution.manifest.list.v2+json") == 0;
}

static void
note_platform (GString *list, const char *os, const char *architecture, guint *inout_n)
{
  g_autofree char *name = g_strdup_printf ("%s/%s", os != NULL ? os : "linux",
                                           architecture != NULL ? architecture : "?");
  g_autofree char *quoted = creel_image_quote (name);

  if (++*inout_n <= MAX_PLATFORMS_SHOWN)
    g_string_append_printf (list, "%s%s", list->len > 0 ? ", " : "", quoted);
}

/* The manifest for this host: the only one, else the one whose platform is the host's. */
static JsonObject *
choose (JsonArray *manifests, GError **error)
{
  g_autoptr (GString) platforms = g_string_new (NULL);
  guint n = manifests != NULL ? json_array_get_length (manifests) : 0;
  const char *host = creel_image_config_host_architecture ();
  JsonObject *chosen = NULL;
  guint images = 0, matching = 0, shown = 0;

  for (guint i = 0; i < n; i++)
    {
      JsonObject *manifest = creel_image_json_element_object (manifests, i);
      JsonObject *platform = creel_image_json_object (manifest, "platform");
      const char *os = creel_image_json_string (platform, "os");
      const char *architecture = creel_image_json_string (platform, "architecture");

      /* Attestations say unknown/unknown. */
      if (manifest == NULL || g_strcmp0 (os, "unknown") == 0)
        continue;
      images++;
      if (architecture != NULL &&
          (!g_str_equal (architecture, host) || g_strcmp0 (os, "linux") != 0))
        {
          note_platform (platforms, os, architecture, &shown);
          continue;
        }
      matching++;
      if (chosen == NULL)
        chosen = manifest;
    }
  if (chosen == NULL && images > 0)
    g_set_error (error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE,
                 "There is no image for linux/%s, which this host is, only for %s", host,
                 platforms->str);
  else if (chosen == NULL)
    g_set_error (error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE, "The index names no image");
  else if (matching > 1 && creel_image_json_object (chosen, "platform") == NULL)
    {
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE,
                   "There are %u images here and nothing says which is for this host; give the one "
                   "that you want alone",
                   matching);
      return NULL;
    }
  return chosen;
}

gboolean
creel_image_manifest_choose (GBytes *bytes, gboolean top, CreelImageDescriptor **ret_descriptor,
                             JsonNode **ret_entry, GError **error)
{
  g_autoptr (JsonNode) node = NULL;
  JsonObject *object = parse_object (bytes, &node, error);
  g_autoptr (CreelImageDescriptor) descriptor = NULL;
  JsonObject *entry;

  if (object == NULL)
    return FALSE;
  if (!top && !media_type_is_index (creel_image_json_string (object, "mediaType")) &&
      creel_image_json_array (object, "manifests") == NULL)
    {
      *ret_descriptor = NULL;
      return TRUE;
    }
  entry = choose (creel_image_json_array (object, "manifests"), error);
  if (entry == NULL || (descriptor = creel_image_descriptor_load (entry, error)) == NULL)
    return FALSE;
  if (ret_entry != NULL)
    {
      *ret_entry = json_node_alloc ();
      json_node_init_object (*ret_entry, entry);
    }
  *ret_descriptor = g_steal_pointer (&descriptor);
  return TRUE;
}
