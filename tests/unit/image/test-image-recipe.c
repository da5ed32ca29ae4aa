/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-error.h"
#include "creel-containerfile.h"
#include "creel-image-recipe.h"
#include <glib/gstdio.h>

static CreelImageRecipe *
load_text (const char *text, GError **error)
{
  g_autofree char *directory = g_dir_make_tmp ("creel-recipe-XXXXXX", NULL);
  g_autofree char *file = g_build_filename (directory, "image.conf", NULL);
  CreelImageRecipe *recipe;

  g_assert_true (g_file_set_contents (file, text, -1, NULL));
  recipe = creel_image_recipe_load (directory, error);
  g_unlink (file);
  g_rmdir (directory);
  return recipe;
}

static void
test_good (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (CreelImageRecipe) recipe =
      load_text ("[Image]\nSuite=bookworm\nPackages=bash  g++ lib32z1-dev\nEnvironment=\"A=b c\" "
                 "D=e\nUser=agent\nCommand=/bin/bash -l\n",
                 &error);

  g_assert_no_error (error);
  g_assert_cmpuint (recipe->packages->len, ==, 3);
  g_assert_cmpstr (recipe->config->environment->pdata[0], ==, "A=b c");
  g_assert_cmpstr (recipe->config->command->pdata[1], ==, "-l");
  g_assert_cmpstr (recipe->config->user, ==, "agent");
}

static void
test_shipped (void)
{
  g_autoptr (GDir) directory = g_dir_open (g_getenv ("RECIPES"), 0, NULL);
  const char *name;

  for (guint n = 0; (name = g_dir_read_name (directory)) != NULL; n++)
    {
      g_autofree char *path = g_build_filename (g_getenv ("RECIPES"), name, NULL);
      g_autoptr (GError) error = NULL;
      g_autoptr (CreelImageRecipe) recipe = NULL;
      g_autoptr (CreelContainerfileBase) base = creel_containerfile_base_new ();
      g_autoptr (CreelContainerfile) steps = NULL;
      g_autofree char *file = g_build_filename (path, "Containerfile", NULL);
      g_autofree char *text = NULL;
      gsize length;

      if (!g_file_test (path, G_FILE_TEST_IS_DIR))
        continue;
      if (g_file_get_contents (file, &text, &length, NULL))
        steps = creel_containerfile_parse (text, length, file, base, &error);
      else
        recipe = creel_image_recipe_load (path, &error);
      g_assert_no_error (error);
    }
}

static void
test_bad (void)
{
  static const char *const texts[] = { "",
                                       "[Image]\n",
                                       "[Image]\nSuite=a b\n",
                                       "[Image]\nSuite=bookworm\nPackages=a;b\n",
                                       "[Image]\nSuite=bookworm\nPackages=--hook\n",
                                       "[Image]\nSuite=bookworm\nPackage=a\n",
                                       "[Other]\n" };
  static const char *const names[] = { "../shell", "",          ".",  "a/b",
                                       "/tmp/a b", "/tmp/$(x)", "-x", "no-such-recipe" };

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_null (load_text (texts[i], &error));
      g_assert_error (error, CREEL_ERROR, CREEL_ERROR_FAILED);
    }
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_null (creel_image_recipe_load (names[i], &error));
      g_assert_error (error, CREEL_ERROR, CREEL_ERROR_NO_SUCH_IMAGE);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/image/recipe/good", test_good);
  g_test_add_func ("/image/recipe/shipped", test_shipped);
  g_test_add_func ("/image/recipe/bad", test_bad);
  return g_test_run ();
}
