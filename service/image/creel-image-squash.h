/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The second pass: the merged tree and the layers' data, as one tar, into tar2sqfs. */
#pragma once

#include "creel-image-merge.h"

/* Writes the squashfs into the regular file out, which is opened again through /proc/self/fd. */
gboolean creel_image_squash (CreelImageArchive *archive, CreelImageTree *tree, CreelImageList *list,
                             int out, CreelImageReport *report, GError **error);

/* SHA-256 (hex) of the whole file. */
char *creel_image_squash_digest (int fd, GError **error);
