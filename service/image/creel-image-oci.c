/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An OCI layout in a tar: index.json leads to a manifest, which leads to blobs by digest. */
#include "creel-image-archive.h"
#include "creel-error.h"
#include "creel-image-json.h"
#include <string.h>

#define MAX_LAYERS 512
#define MAX_INDEXES 4 /* an index in an index in ... */

static gboolean
bad (GError **error, const char *text)
{
  g_set_error_literal (error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE, text);
  return FALSE;
}

/* The hex part of a descriptor's digest, NULL when it is not a SHA-256. */
static const char *
descriptor_digest (JsonObject *descriptor)
{
  const char *digest = creel_image_json_string (descriptor, "digest");

  if (digest == NULL || !g_str_has_prefix (digest, "sha256:"))
    return NULL;
  digest += strlen ("sha256:");
  return strlen (digest) == 64 && strspn (digest, "0123456789abcdef") == 64 ? digest : NULL;
}

static GBytes *
read_blob (CreelImageArchive *self, JsonObject *descriptor, GError **error)
{
  const char *digest = descriptor_digest (descriptor);
  g_autofree char *name = NULL;
  g_autofree char *actual = NULL;
  g_autoptr (GBytes) bytes = NULL;

  if (digest == NULL)
    {
      bad (error, "A descriptor in the archive has no valid sha256 digest");
      return NULL;
    }
  name = g_strconcat ("blobs/sha256/", digest, NULL);
  bytes = creel_image_source_read_member (self->source, name, CREEL_IMAGE_JSON_MAX, error);
  if (bytes == NULL)
    return NULL;
  actual = g_compute_checksum_for_bytes (G_CHECKSUM_SHA256, bytes);
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

static gboolean
media_type_is_index (const char *type)
{
  return g_strcmp0 (type, "application/vnd.oci.image.index.v1+json") == 0 ||
         g_strcmp0 (type, "application/vnd.docker.distribution.manifest.list.v2+json") == 0;
}

static gboolean
layer_is_supported (const char *type)
{
  return type != NULL &&
         (g_str_has_prefix (type, "application/vnd.oci.image.layer.v1.tar") ||
          g_str_has_prefix (type, "application/vnd.oci.image.layer.nondistributable.v1.tar") ||
          g_str_has_prefix (type, "application/vnd.docker.image.rootfs.diff.tar")) &&
         !g_str_has_suffix (type, "+encrypted");
}

/* The manifest for this host: the only one, else the one whose platform is the host's. */
static JsonObject *
choose_manifest (JsonArray *manifests, GError **error)
{
  guint n = manifests != NULL ? json_array_get_length (manifests) : 0;
  const char *host = creel_image_config_host_architecture ();
  JsonObject *chosen = NULL;
  guint images = 0, matching = 0;

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
        continue;
      matching++;
      if (chosen == NULL)
        chosen = manifest;
    }
  if (chosen == NULL && images > 0)
    g_set_error (error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE,
                 "The archive has no image for linux/%s, which this host is; get the one for it",
                 host);
  else if (chosen == NULL)
    bad (error, "The index of the archive names no image");
  else if (matching > 1 && creel_image_json_object (chosen, "platform") == NULL)
    {
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE,
                   "The archive holds %u images; save the one that you want alone", matching);
      return NULL;
    }
  return chosen;
}

static void
add_reference (CreelImageArchive *self, JsonObject *descriptor)
{
  JsonObject *annotations = creel_image_json_object (descriptor, "annotations");
  const char *name = creel_image_json_string (annotations, "io.containerd.image.name");

  if (name == NULL)
    name = creel_image_json_string (annotations, "org.opencontainers.image.ref.name");
  if (name != NULL && self->config->references->len == 0)
    g_ptr_array_add (self->config->references, g_strdup (name));
}

static gboolean
load_manifest (CreelImageArchive *self, JsonObject *manifest, GError **error)
{
  JsonArray *layers = creel_image_json_array (manifest, "layers");
  guint n = layers != NULL ? json_array_get_length (layers) : 0;
  g_autoptr (GBytes) config = NULL;

  if (n == 0 || n > MAX_LAYERS)
    {
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE,
                   "The manifest in the archive does not name 1 to %d layers", MAX_LAYERS);
      return FALSE;
    }
  config = read_blob (self, creel_image_json_object (manifest, "config"), error);
  if (config == NULL || !creel_image_archive_load_config (self, config, error))
    return FALSE;
  for (guint i = 0; i < n; i++)
    {
      JsonObject *layer = creel_image_json_element_object (layers, i);
      const char *digest = descriptor_digest (layer);
      g_autofree char *name = NULL;

      if (digest == NULL || !layer_is_supported (creel_image_json_string (layer, "mediaType")))
        return bad (
            error,
            "The manifest in the archive has a layer that is not a plain tar with a sha256 digest");
      name = g_strconcat ("blobs/sha256/", digest, NULL);
      creel_image_archive_add_layer (self, name, digest);
    }
  return TRUE;
}

gboolean
creel_image_archive_load_oci (CreelImageArchive *self, GError **error)
{
  g_autoptr (GBytes) bytes =
      creel_image_source_read_member (self->source, "index.json", CREEL_IMAGE_JSON_MAX, error);

  for (guint i = 0; bytes != NULL && i < MAX_INDEXES; i++)
    {
      g_autoptr (JsonNode) node =
          creel_image_json_parse (bytes, i == 0 ? "index.json" : "A manifest", error);
      JsonObject *object, *descriptor;

      if (node == NULL)
        return FALSE;
      if (!JSON_NODE_HOLDS_OBJECT (node))
        return bad (error, "A manifest in the archive is not an object");
      object = json_node_get_object (node);
      if (i > 0 && !media_type_is_index (creel_image_json_string (object, "mediaType")) &&
          creel_image_json_array (object, "manifests") == NULL)
        return load_manifest (self, object, error);

      descriptor = choose_manifest (creel_image_json_array (object, "manifests"), error);
      if (descriptor == NULL)
        return FALSE;
      add_reference (self, descriptor);
      g_bytes_unref (bytes);
      bytes = read_blob (self, descriptor, error);
    }
  return bytes == NULL ? FALSE : bad (error, "The indexes in the archive are nested too deep");
}
