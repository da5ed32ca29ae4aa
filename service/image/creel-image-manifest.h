/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Manifests and indexes of OCI and of Docker's schema 2, wherever their bytes come from: hostile.
 */
#pragma once

#include <gio/gio.h>
#include <json-glib/json-glib.h>

#define CREEL_IMAGE_MAX_LAYERS 512
#define CREEL_IMAGE_MAX_INDEXES 4 /* an index in an index in ... */

#define CREEL_IMAGE_TYPE_MANIFEST "application/vnd.oci.image.manifest.v1+json"
#define CREEL_IMAGE_TYPE_CONFIG "application/vnd.oci.image.config.v1+json"
#define CREEL_IMAGE_TYPE_LAYER "application/vnd.oci.image.layer.v1.tar"

typedef struct
{
  char *digest; /* SHA-256, 64 hex digits */
  guint64 size;
  char *media_type;
} CreelImageDescriptor;

typedef struct
{
  gboolean is_oci; /* and not Docker's */
  CreelImageDescriptor *config;
  GPtrArray *layers; /* of CreelImageDescriptor, the lowest first */
  guint64 size;      /* of all of them */
} CreelImageManifest;

/* One image: BadImage for anything else, such as an artifact that is no image. */
CreelImageManifest *creel_image_manifest_parse (GBytes *bytes, GError **error);
void creel_image_manifest_free (CreelImageManifest *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CreelImageManifest, creel_image_manifest_free)

CreelImageDescriptor *creel_image_descriptor_new (const char *digest, guint64 size,
                                                  const char *media_type);
/* NULL with error (BadImage) when the object is no descriptor with a SHA-256 and a sane size. */
CreelImageDescriptor *creel_image_descriptor_load (JsonObject *object, GError **error);
void creel_image_descriptor_free (CreelImageDescriptor *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CreelImageDescriptor, creel_image_descriptor_free)

/* An index's (or manifest list's) entry for this host. *ret_descriptor is NULL when the bytes are
 * no index but, presumably, a manifest; ret_entry, if not NULL, gets a copy of the entry. top: an
 * index.json, which may also name a single image of any platform. */
gboolean creel_image_manifest_choose (GBytes *bytes, gboolean top,
                                      CreelImageDescriptor **ret_descriptor, JsonNode **ret_entry,
                                      GError **error);
