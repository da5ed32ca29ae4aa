/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Nodes of a tree as entries of a tar. */
#pragma once

#include "creel-image-tree.h"

/* A writer of a tar whose bytes go to on_write. */
struct archive *creel_image_tar_new (archive_write_callback *on_write, gpointer user_data);

/* The header of a node; hardlink: NULL, or the path of the file whose further name it is. FALSE:
 * on_write failed. */
gboolean creel_image_tar_header (struct archive *tar, const CreelImageNode *node,
                                 const char *hardlink);
