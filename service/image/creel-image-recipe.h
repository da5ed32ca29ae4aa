/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A recipe: DIRECTORY/image.conf, DIRECTORY/files/ (copied over the root), DIRECTORY/setup (a shell
 * script that runs in the root at the end). */
#pragma once

#include "creel-image-config.h"

typedef struct
{
  char *directory;
  char *suite;
  char *mirrors; /* one-line sources; NULL: those of the host */
  GPtrArray *packages;
  CreelImageConfig *config;
} CreelImageRecipe;

/* Errors are FAILED and name the file and the key. */
CreelImageRecipe *creel_image_recipe_load (const char *name, GError **error);
void creel_image_recipe_free (CreelImageRecipe *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CreelImageRecipe, creel_image_recipe_free)
