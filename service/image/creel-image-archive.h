/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An archive that holds an image: which kind it is, its configuration and its layers. */
#pragma once

#include "creel-image-config.h"
#include "creel-image-source.h"

typedef struct
{
  char *member; /* name in the archive or the store; NULL: the file itself */
  char *digest; /* SHA-256 (hex) of the member's bytes, or NULL when nobody promises one */
} CreelImageLayer;

typedef struct
{
  CreelImageSource *source;
  CreelImageConfig *config;
  GPtrArray *layers; /* of CreelImageLayer, the lowest first */
  gboolean layered;  /* names that start with .wh. are whiteouts */
  char *id;          /* SHA-256 (hex) of the config; NULL: the content will tell */
} CreelImageArchive;

/* fd as for creel_image_source_new; report may be NULL. */
CreelImageArchive *creel_image_archive_open (int fd, CreelImageReport *report, GError **error);
/* The image of that manifest in the store, which stays the caller's. */
CreelImageArchive *creel_image_archive_open_blobs (CreelImageBlobs *blobs, const char *manifest,
                                                   CreelImageReport *report, GError **error);
void creel_image_archive_free (CreelImageArchive *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CreelImageArchive, creel_image_archive_free)

void creel_image_archive_add_layer (CreelImageArchive *self, const char *member,
                                    const char *digest);

/* Parses the config file's bytes into config and sets the id to their digest. */
gboolean creel_image_archive_load_config (CreelImageArchive *self, GBytes *bytes, GError **error);

/* Manifests, in creel-image-oci.c and creel-image-docker.c. */
gboolean creel_image_archive_load_oci (CreelImageArchive *self, GError **error);
gboolean creel_image_archive_load_docker (CreelImageArchive *self, GError **error);
/* From an OCI manifest, blobs being members blobs/sha256/HEX of the source. */
gboolean creel_image_archive_load_manifest (CreelImageArchive *self, GBytes *bytes, GError **error);
