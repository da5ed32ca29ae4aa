/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An image's squashfs as tar again. */
#pragma once

#include "creel-image-gzip.h"
#include "creel-image-report.h"

/* The squashfs is opened again through /proc/self/fd. sink takes the tar; phase: of the progress.
 */
gboolean creel_image_unsquash (int squashfs, CreelImageSink sink, gpointer user_data,
                               const char *phase, CreelImageReport *report, GError **error);

/* The image of a squashfs gets a manifest with one layer in the store; words: KEY=VALUE. */
gboolean creel_image_layer (int squashfs, char **words, CreelImageReport *report, GError **error);
