/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-build-recipe.h"

#include <string.h>

#include "creel-conf.h"
#include "creel-config.h"
#include "creel-definition.h"
#include "creel-error.h"
#include "creel-names.h"
#include "creel-root.h"

static const char *const places[] = { CREEL_CONFIG_DIR "/images.d", CREEL_DATADIR "/images" };

void
creel_build_recipe_free (CreelBuildRecipe *recipe)
{
  g_free (recipe->name);
  g_free (recipe->folder);
  g_free (recipe->preset);
  g_strfreev (recipe->allow);
  g_free (recipe);
}

static gboolean
has_file (const char *folder, const char *name)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);

  return g_file_test (path, G_FILE_TEST_IS_REGULAR);
}

typedef enum
{
  NONE,
  PACKAGES,
  STEPS
} Kind;

static Kind
kind_of (const char *folder)
{
  if (has_file (folder, "Containerfile"))
    return STEPS;
  return has_file (folder, "image.conf") ? PACKAGES : NONE;
}

static char *
find_folder (const char *name, Kind *ret_kind)
{
  for (guint i = 0; creel_credential_name_is_valid (name) && i < G_N_ELEMENTS (places); i++)
    {
      g_autofree char *place = creel_root_path (places[i]);
      g_autofree char *folder = g_build_filename (place, name, NULL);

      *ret_kind = kind_of (folder);
      if (*ret_kind != NONE)
        return g_steal_pointer (&folder);
    }
  return NULL;
}

gboolean
creel_build_recipe_exists (const char *name)
{
  Kind kind;
  g_autofree char *folder = find_folder (name, &kind);

  return folder != NULL;
}

static int
compare_names (gconstpointer a, gconstpointer b)
{
  return strcmp (*(char *const *) a, *(char *const *) b);
}

/* "claude, shell": for people. */
static char *
list_names (void)
{
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);

  for (guint i = 0; i < G_N_ELEMENTS (places); i++)
    {
      g_autofree char *place = creel_root_path (places[i]);
      g_autoptr (GDir) dir = g_dir_open (place, 0, NULL);
      const char *entry;

      while (dir != NULL && (entry = g_dir_read_name (dir)) != NULL)
        {
          g_autofree char *folder = g_build_filename (place, entry, NULL);

          if (creel_credential_name_is_valid (entry) && kind_of (folder) != NONE &&
              !g_ptr_array_find_with_equal_func (names, entry, g_str_equal, NULL))
            g_ptr_array_add (names, g_strdup (entry));
        }
    }
  g_ptr_array_sort (names, compare_names);
  g_ptr_array_add (names, NULL);
  return g_strjoinv (", ", (char **) names->pdata);
}

static gboolean
take (const char *section, const char *key, const char *value, const char *origin, gpointer user_data, GError **error)
{
  CreelBuildRecipe *recipe = user_data;
  guint64 number;

  if (!g_str_equal (section, "Build"))
    g_set_error (error, CREEL_ERROR, CREEL_ERROR_BAD_DEFINITION, "Unknown section [%s]", section);
  else if (key == NULL)
    return TRUE;
  else if (value[0] != '\0' && !creel_conf_value_is_safe (value))
    g_set_error (error, CREEL_ERROR, CREEL_ERROR_BAD_DEFINITION, "Bad value of %s=", key);
  else if (g_str_equal (key, "Preset"))
    {
      g_free (recipe->preset);
      recipe->preset = value[0] != '\0' ? g_strdup (value) : NULL;
      return TRUE;
    }
  else if (g_str_equal (key, "Allow"))
    {
      creel_conf_strv_add (&recipe->allow, value);
      return TRUE;
    }
  else if (g_str_equal (key, "Memory"))
    return creel_size_parse (value, &recipe->memory, error);
  else if (g_str_equal (key, "Disk"))
    return creel_size_parse (value, &recipe->disk, error);
  else if (g_str_equal (key, "CPUs"))
    {
      if (g_ascii_string_to_unsigned (value, 10, 1, 4096, &number, NULL))
        {
          recipe->cpus = (guint) number;
          return TRUE;
        }
      g_set_error_literal (error, CREEL_ERROR, CREEL_ERROR_BAD_DEFINITION, "CPUs= must be a number");
    }
  else
    g_set_error (error, CREEL_ERROR, CREEL_ERROR_BAD_DEFINITION, "Unknown key \"%.64s\" of a build", key);
  return FALSE;
}

CreelBuildRecipe *
creel_build_recipe_find (const char *text, GError **error)
{
  g_autoptr (CreelBuildRecipe) recipe = g_new0 (CreelBuildRecipe, 1);
  g_autoptr (GError) local_error = NULL;
  g_autofree char *path = NULL;
  Kind kind;

  recipe->allow = g_new0 (char *, 1);
  if (text[0] == '/')
    {
      recipe->folder = g_canonicalize_filename (text, "/");
      return g_steal_pointer (&recipe);
    }
  recipe->folder = find_folder (text, &kind);
  if (recipe->folder == NULL)
    {
      g_autofree char *names = list_names ();
      g_autofree char *shown = g_strndup (text, 64);

      g_strcanon (shown, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._/:", '?');
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_NO_SUCH_IMAGE, "There is no recipe \"%s\"; there are: %s. A folder is written with a slash: ./%s",
                   shown, names, shown);
      return NULL;
    }
  recipe->name = g_strdup (text);
  if (kind == PACKAGES)
    {
      g_clear_pointer (&recipe->folder, g_free);
      return g_steal_pointer (&recipe);
    }
  path = g_build_filename (recipe->folder, "build.conf", NULL);
  if (creel_conf_parse_file (path, take, recipe, &local_error) || g_error_matches (local_error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND))
    return g_steal_pointer (&recipe);
  g_set_error_literal (error, CREEL_ERROR, CREEL_ERROR_BAD_DEFINITION, local_error->message);
  return NULL;
}
