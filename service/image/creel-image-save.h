/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a guest sends of its upper directory, as the new top layer of an image. */
#pragma once

#include "creel-image-pack.h"
#include "creel-image-report.h"

/* base: digest of a manifest in the store, or "scratch"; changes: KEY=VALUE words. Reports blobs,
 * manifest and done. */
gboolean creel_image_save (const char *base, char **changes, int in, CreelImageReport *report,
                           GError **error);

/* The stream's entries, checked and written anew into pack. from_scratch: there is nothing that
 * whiteouts could hide. *ret_entries: how many there are. */
gboolean creel_image_save_stream (int in, gboolean from_scratch, CreelImagePack *pack,
                                  CreelImageReport *report, guint *ret_entries, GError **error);
