/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-model-store.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "creel-definition.h"
#include "creel-error.h"
#include "creel-names.h"
#include "creel-reference.h"
#include "creel-root.h"
#include "creel-sandbox-store.h"

#define ID_PREFIX "sha256-"
#define HEX "0123456789abcdef"
#define MIN_PREFIX 6

static int
compare_texts (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

char **
creel_model_store_list (void)
{
  g_autofree char *store = creel_root_path (CREEL_MODEL_DIR);
  g_autoptr (GDir) dir = g_dir_open (store, 0, NULL);
  g_autoptr (GPtrArray) ids = g_ptr_array_new ();
  const char *entry;

  while (dir != NULL && (entry = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *conf = g_build_filename (store, entry, "model.conf", NULL);

      /* a folder alone is what a death between it and its file left */
      if (creel_image_id_is_valid (entry) && (faccessat (AT_FDCWD, conf, F_OK, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT))
        g_ptr_array_add (ids, g_strdup (entry));
    }
  g_ptr_array_sort (ids, compare_texts);
  g_ptr_array_add (ids, NULL);
  return (char **) g_ptr_array_free (g_steal_pointer (&ids), FALSE);
}

GHashTable *
creel_model_store_load_names (GError **error)
{
  g_autoptr (GHashTable) names = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  g_autofree char *path = creel_root_path (CREEL_MODEL_DIR "/references.conf");
  g_autofree char *text = NULL;
  g_auto (GStrv) lines = NULL;
  g_autoptr (GError) local_error = NULL;

  if (!g_file_get_contents (path, &text, NULL, &local_error))
    {
      if (g_error_matches (local_error, G_FILE_ERROR, G_FILE_ERROR_NOENT))
        return g_steal_pointer (&names);
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_FAILED, "Cannot read the list of models: %s", local_error->message);
      return NULL;
    }
  lines = g_strsplit (text, "\n", -1);
  for (char **line = lines; *line != NULL; line++)
    {
      char *equals = strchr (*line, '=');

      if (**line == '#' || equals == NULL)
        continue;
      *equals = '\0';
      if (creel_image_id_is_valid (equals + 1))
        g_hash_table_insert (names, g_strdup (*line), g_strdup (equals + 1));
    }
  return g_steal_pointer (&names);
}

static gboolean
write_names (GHashTable *names, GError **error)
{
  g_autofree char *path = creel_root_path (CREEL_MODEL_DIR "/references.conf");
  g_autoptr (GString) text = g_string_new ("# Names of models, written by creeld\n");
  g_autoptr (GList) keys = g_list_sort (g_hash_table_get_keys (names), (GCompareFunc) strcmp);

  for (GList *l = keys; l != NULL; l = l->next)
    g_string_append_printf (text, "%s=%s\n", (char *) l->data, (char *) g_hash_table_lookup (names, l->data));
  return creel_store_replace_file (path, text->str, text->len, 0644, error);
}

char **
creel_model_store_names_of (GHashTable *names, const char *id)
{
  g_autoptr (GPtrArray) own = g_ptr_array_new ();
  GHashTableIter iter;
  gpointer name, value;

  g_hash_table_iter_init (&iter, names);
  while (g_hash_table_iter_next (&iter, &name, &value))
    if (g_str_equal (value, id))
      g_ptr_array_add (own, g_strdup (name));
  g_ptr_array_sort (own, compare_texts);
  g_ptr_array_add (own, NULL);
  return (char **) g_ptr_array_free (g_steal_pointer (&own), FALSE);
}

char *
creel_model_store_shorten (const char *name, const char *registry)
{
  g_autoptr (CreelReference) reference = creel_reference_parse (name, NULL);
  g_autofree char *text = NULL;

  if (reference == NULL)
    return g_strdup (name);
  if (registry != NULL && g_strcmp0 (reference->host, registry) == 0)
    creel_reference_unqualify (reference);
  text = creel_reference_format (reference);
  if (g_str_has_suffix (text, ":latest"))
    text[strlen (text) - strlen (":latest")] = '\0';
  return g_steal_pointer (&text);
}

char *
creel_model_store_name_of (const char *id)
{
  g_autofree char *registry = creel_registry_of_models (NULL);
  g_autoptr (GHashTable) names = creel_model_store_load_names (NULL);
  g_auto (GStrv) own = names != NULL ? creel_model_store_names_of (names, id) : NULL;

  return own != NULL && own[0] != NULL ? creel_model_store_shorten (own[0], registry) : g_strdup (id);
}

/* As people paste ids: "sha256-", "sha256:" or nothing in front. NULL without an error: none begins so. */
static char *
resolve_prefix (const char *text, GError **error)
{
  g_auto (GStrv) ids = creel_model_store_list ();
  const char *digits = g_str_has_prefix (text, ID_PREFIX) || g_str_has_prefix (text, "sha256:") ? text + strlen (ID_PREFIX) : text;
  const char *found = NULL;

  if (strlen (digits) < MIN_PREFIX || strspn (digits, HEX) != strlen (digits))
    return NULL;
  for (char **id = ids; *id != NULL; id++)
    if (g_str_has_prefix (*id + strlen (ID_PREFIX), digits))
      {
        if (found != NULL)
          {
            g_set_error (error, CREEL_ERROR, CREEL_ERROR_NO_SUCH_MODEL, "More than one model begins with %s", text);
            return NULL;
          }
        found = *id;
      }
  return g_strdup (found);
}

/* ret_name: what it was called by, NULL for an id. */
static char *
resolve (GHashTable *names, const char *text, char **ret_name, GError **error)
{
  g_autofree char *registry = creel_registry_of_models (error);
  g_autofree char *name = registry != NULL ? creel_reference_find (names, text, registry) : NULL;
  g_autoptr (CreelReference) reference = NULL;
  g_autoptr (GError) local_error = NULL;
  char *id;

  if (registry == NULL)
    return NULL;
  if (name != NULL)
    {
      id = g_strdup (g_hash_table_lookup (names, name));
      *ret_name = g_steal_pointer (&name);
      return id;
    }
  id = resolve_prefix (text, &local_error);
  if (id != NULL)
    return id;
  if (local_error != NULL)
    {
      g_propagate_error (error, g_steal_pointer (&local_error));
      return NULL;
    }
  if (!creel_image_id_is_valid (text) && (reference = creel_reference_parse (text, error)) == NULL)
    return NULL;
  g_set_error (error, CREEL_ERROR, CREEL_ERROR_NO_SUCH_MODEL, "There is no model \"%.255s\" on this machine; pull it first", text);
  return NULL;
}

char *
creel_model_store_resolve (const char *text, GError **error)
{
  g_autoptr (GHashTable) names = creel_model_store_load_names (error);
  g_autofree char *name = NULL;

  return names != NULL ? resolve (names, text, &name, error) : NULL;
}

gboolean
creel_model_store_add (const CreelModelConfig *config, const char *reference, GError **error)
{
  return creel_model_config_save (config, error) && creel_model_store_add_name (config->id, reference, error);
}

gboolean
creel_model_store_add_name (const char *id, const char *reference, GError **error)
{
  g_autoptr (GHashTable) names = creel_model_store_load_names (error);

  if (names == NULL)
    return FALSE;
  if (g_strcmp0 (g_hash_table_lookup (names, reference), id) == 0)
    return TRUE;
  g_hash_table_insert (names, g_strdup (reference), g_strdup (id));
  return write_names (names, error);
}

static void
delete_directory (const char *id)
{
  g_autofree char *store = creel_root_path (CREEL_MODEL_DIR);
  g_autofree char *directory = g_build_filename (store, id, NULL);
  g_autofree char *conf = g_build_filename (directory, "model.conf", NULL);

  unlink (conf);
  if (rmdir (directory) < 0 && errno != ENOENT)
    g_warning ("Cannot delete %s: %s", directory, g_strerror (errno));
}

gboolean
creel_model_store_remove (const char *text, gboolean force, gboolean (*in_use) (const char *id, gpointer user_data), gpointer user_data,
                          char ***ret_blobs, GError **error)
{
  g_autoptr (GHashTable) names = creel_model_store_load_names (error);
  g_autofree char *name = NULL;
  g_autofree char *id = names != NULL ? resolve (names, text, &name, error) : NULL;
  g_auto (GStrv) own = id != NULL ? creel_model_store_names_of (names, id) : NULL;
  g_autoptr (CreelModelConfig) config = NULL;
  gboolean last;

  if (id == NULL)
    return FALSE;
  if (name == NULL && !force && g_strv_length (own) > 1)
    {
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_MODEL_IN_USE, "Model %.19s has more than one name; remove the names, or force it", id);
      return FALSE;
    }
  last = name == NULL || g_strv_length (own) <= 1;
  if (last && in_use (id, user_data))
    {
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_MODEL_IN_USE, "Model %s is loaded; unload it first", text);
      return FALSE;
    }
  for (char **each = own; *each != NULL; each++)
    if (name == NULL || g_str_equal (*each, name))
      g_hash_table_remove (names, *each);
  if (!write_names (names, error))
    return FALSE;
  if (!last)
    return TRUE;
  config = creel_model_config_load (id, NULL);
  delete_directory (id);
  if (config != NULL)
    *ret_blobs = g_strdupv (config->blobs);
  return TRUE;
}

gboolean
creel_model_store_add_owned (GHashTable *digests, GError **error)
{
  g_auto (GStrv) ids = creel_model_store_list ();

  for (char **id = ids; *id != NULL; id++)
    {
      g_autoptr (CreelModelConfig) config = creel_model_config_load (*id, error);

      if (config == NULL)
        return FALSE;
      for (char **blob = config->blobs; *blob != NULL; blob++)
        g_hash_table_add (digests, g_strndup (*blob, 64));
    }
  return TRUE;
}
