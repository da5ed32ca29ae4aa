/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The first pass: all layers' headers into one tree. */
#pragma once

#include "creel-image-archive.h"
#include "creel-image-tree.h"

/* Reads every layer of the archive, checks limits and digests, and that the result is a root file
 * system for this host (BadImage otherwise). The list is of the tree's nodes. */
CreelImageTree *creel_image_merge (CreelImageArchive *archive, CreelImageList **ret_list,
                                   GError **error);
