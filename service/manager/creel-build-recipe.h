/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

/* What `creel image build` can be asked for: a recipe of the package or of the administrator, or a folder of the caller's. */
typedef struct
{
  char *name;        /* of the recipe; NULL for a folder */
  char *folder;      /* with the Containerfile; NULL for a recipe that is made of packages (image.conf) */
  char *preset;      /* from build.conf: what the sandbox of the build gets; NULL, 0: not said */
  char **allow;
  guint64 memory, disk;
  guint cpus;
} CreelBuildRecipe;

/* text: an absolute path, or a name. A build.conf counts only for a recipe: a folder may come from anybody, and must not decide what its
 * build may reach. NO_SUCH_IMAGE with the names that there are; BAD_DEFINITION for a build.conf that is broken. */
CreelBuildRecipe *creel_build_recipe_find (const char *text, GError **error);
void creel_build_recipe_free (CreelBuildRecipe *recipe);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CreelBuildRecipe, creel_build_recipe_free)
/* Is there a recipe of that name? */
gboolean creel_build_recipe_exists (const char *name);
