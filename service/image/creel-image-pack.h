/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A tar that becomes a layer in the store. */
#pragma once

#include "creel-image-blobs.h"
#include "creel-image-manifest.h"

typedef struct _CreelImagePack CreelImagePack;

/* blobs: open to write, and the caller's. One at a time. */
CreelImagePack *creel_image_pack_new (CreelImageBlobs *blobs, GError **error);
void creel_image_pack_free (CreelImagePack *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CreelImagePack, creel_image_pack_free)

/* The next bytes of the tar. */
gboolean creel_image_pack_write (CreelImagePack *self, gconstpointer bytes, gsize length,
                                 GError **error);
/* Bytes so far, as tar and compressed. */
guint64 creel_image_pack_get_raw (CreelImagePack *self);
guint64 creel_image_pack_get_packed (CreelImagePack *self);
/* The layer, now in the store; ret_diff_id: SHA-256 (hex) of the tar. */
CreelImageDescriptor *creel_image_pack_finish (CreelImagePack *self, char **ret_diff_id,
                                               GError **error);
