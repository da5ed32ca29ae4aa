/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-image-recipe.h"
#include "creel-config.h"
#include "creel-error.h"
#include "creel-names.h"
#include <string.h>

#define GROUP "Image"

void
creel_image_recipe_free (CreelImageRecipe *self)
{
  g_free (self->directory);
  g_free (self->suite);
  g_free (self->mirrors);
  g_clear_pointer (&self->packages, g_ptr_array_unref);
  g_clear_pointer (&self->config, creel_image_config_free);
  g_free (self);
}

/* The words come to stand in command lines of mmdebstrap, some of which a shell reads. */
static gboolean
is_plain (const char *text, const char *extra)
{
  for (const char *p = text; *p != '\0'; p++)
    if (!g_ascii_isalnum (*p) && strchr (extra, *p) == NULL)
      return FALSE;
  return *text != '\0' && *text != '-';
}

static char *
find_directory (const char *name, GError **error)
{
  const char *const places[] = { CREEL_CONFIG_DIR "/images.d", CREEL_DATADIR "/images" };

  if (g_path_is_absolute (name) && is_plain (name, "/._-+"))
    return g_strdup (name);
  if (strlen (name) <= 64 && is_plain (name, "._-") && *name != '.')
    for (guint i = 0; i < G_N_ELEMENTS (places); i++)
      {
        g_autofree char *directory = g_build_filename (places[i], name, NULL);
        g_autofree char *file = g_build_filename (directory, "image.conf", NULL);

        if (g_file_test (file, G_FILE_TEST_IS_REGULAR))
          return g_steal_pointer (&directory);
      }
  g_set_error (error, CREEL_ERROR, CREEL_ERROR_NO_SUCH_IMAGE,
               "There is no recipe “%.64s” in " CREEL_CONFIG_DIR "/images.d or " CREEL_DATADIR
               "/images",
               name);
  return NULL;
}

static void
take_words (GPtrArray *words, GKeyFile *file, const char *key)
{
  g_autofree char *value = g_key_file_get_string (file, GROUP, key, NULL);
  g_auto (GStrv) argv = NULL;

  /* Quoted as in a unit's ExecStart=. */
  if (value != NULL && g_shell_parse_argv (value, NULL, &argv, NULL))
    for (guint i = 0; argv[i] != NULL; i++)
      g_ptr_array_add (words, g_strdup (argv[i]));
}

CreelImageRecipe *
creel_image_recipe_load (const char *name, GError **error)
{
  static const char *const known[] = { "Suite",       "Mirrors",    "Packages",
                                       "Environment", "Entrypoint", "Command",
                                       "User",        "WorkingDir", NULL };
  g_autoptr (CreelImageRecipe) self = g_new0 (CreelImageRecipe, 1);
  g_autoptr (GKeyFile) file = g_key_file_new ();
  g_autoptr (GError) parse_error = NULL;
  g_autofree char *path = NULL;
  g_autofree char *base = NULL;
  g_auto (GStrv) keys = NULL;

  self->packages = g_ptr_array_new_with_free_func (g_free);
  self->config = creel_image_config_new ();
  self->directory = find_directory (name, error);
  if (self->directory == NULL)
    return NULL;
  path = g_build_filename (self->directory, "image.conf", NULL);
  if (!g_key_file_load_from_file (file, path, G_KEY_FILE_NONE, &parse_error) ||
      (keys = g_key_file_get_keys (file, GROUP, NULL, &parse_error)) == NULL)
    {
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_FAILED, "%s: %s", path, parse_error->message);
      return NULL;
    }
  for (guint i = 0; keys[i] != NULL; i++)
    if (!g_strv_contains (known, keys[i]))
      {
        g_set_error (error, CREEL_ERROR, CREEL_ERROR_FAILED, "%s: unknown key %s=", path, keys[i]);
        return NULL;
      }

  self->suite = g_key_file_get_string (file, GROUP, "Suite", NULL);
  self->mirrors = g_key_file_get_string (file, GROUP, "Mirrors", NULL);
  take_words (self->packages, file, "Packages");
  take_words (self->config->environment, file, "Environment");
  take_words (self->config->entrypoint, file, "Entrypoint");
  take_words (self->config->command, file, "Command");
  self->config->user = g_key_file_get_string (file, GROUP, "User", NULL);
  self->config->working_dir = g_key_file_get_string (file, GROUP, "WorkingDir", NULL);
  base = g_path_get_basename (self->directory);
  self->config->source = g_strconcat ("recipe ", base, NULL);
  g_ptr_array_add (self->config->references, g_strdup (base));

  if (self->suite == NULL || !is_plain (self->suite, "-"))
    {
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_FAILED,
                   "%s: Suite= must be the name of a Debian suite", path);
      return NULL;
    }
  for (guint i = 0; i < self->packages->len; i++)
    if (!is_plain (self->packages->pdata[i], "+.-:"))
      {
        g_set_error (error, CREEL_ERROR, CREEL_ERROR_FAILED,
                     "%s: Packages= must be names of Debian packages", path);
        return NULL;
      }
  return g_steal_pointer (&self);
}
