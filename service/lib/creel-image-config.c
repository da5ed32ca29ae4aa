/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-definition.h"

#include <string.h>

#include "creel-error.h"
#include "creel-names.h"
#include "creel-reference.h"
#include "creel-root.h"

#define GROUP "Image"
#define ID_PREFIX "sha256-"
#define HEX "0123456789abcdef"

void
creel_image_config_free (CreelImageConfig *config)
{
  g_free (config->id);
  g_strfreev (config->references);
  g_strfreev (config->environment);
  g_strfreev (config->entrypoint);
  g_strfreev (config->command);
  g_free (config->user);
  g_free (config->working_dir);
  g_free (config->architecture);
  g_free (config->source);
  g_free (config->manifest);
  g_strfreev (config->blobs);
  g_free (config);
}

gboolean
creel_image_id_is_valid (const char *id)
{
  return id != NULL && g_str_has_prefix (id, ID_PREFIX) && strlen (id) == strlen (ID_PREFIX) + 64 &&
         strspn (id + strlen (ID_PREFIX), HEX) == 64;
}

static gboolean
is_hex_digest (const char *text, gsize length)
{
  return length == 64 && strspn (text, HEX) >= 64;
}

gboolean
creel_image_blob_is_valid (const char *blob)
{
  guint64 size;

  return is_hex_digest (blob, strcspn (blob, " ")) && blob[64] == ' ' &&
         g_ascii_string_to_unsigned (blob + 65, 10, 0, G_MAXINT64, &size, NULL);
}

char *
creel_image_reference_normalize (const char *text, GError **error)
{
  g_autoptr (CreelReference) reference = creel_reference_parse (text, error);

  return reference != NULL ? creel_reference_format (reference) : NULL;
}

GHashTable *
creel_image_references_load (GError **error)
{
  g_autoptr (GHashTable) table = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  g_autofree char *path = creel_root_path (CREEL_IMAGE_DIR "/references.conf");
  g_autofree char *text = NULL;
  g_auto (GStrv) lines = NULL;
  g_autoptr (GError) local_error = NULL;

  if (!g_file_get_contents (path, &text, NULL, &local_error))
    {
      if (g_error_matches (local_error, G_FILE_ERROR, G_FILE_ERROR_NOENT))
        return g_steal_pointer (&table);
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_FAILED, "Cannot read the list of images: %s", local_error->message);
      return NULL;
    }
  lines = g_strsplit (text, "\n", -1);
  for (char **line = lines; *line != NULL; line++)
    {
      char *equals = strchr (*line, '=');

      if (*line[0] == '#' || equals == NULL)
        continue;
      *equals = '\0';
      if (creel_image_id_is_valid (equals + 1))
        g_hash_table_insert (table, g_strdup (*line), g_strdup (equals + 1));
    }
  return g_steal_pointer (&table);
}

/* An id by its first digits, as people paste them: "sha256-", "sha256:" or nothing in front, at least six digits. */
static char *
resolve_prefix (const char *text, gboolean *ret_ambiguous)
{
  g_autofree char *path = creel_root_path (CREEL_IMAGE_DIR);
  g_autoptr (GDir) dir = NULL;
  const char *entry;
  char *found = NULL;

  if (g_str_has_prefix (text, ID_PREFIX) || g_str_has_prefix (text, "sha256:"))
    text += strlen (ID_PREFIX);
  if (strlen (text) < 6 || strspn (text, HEX) != strlen (text))
    return NULL;
  dir = g_dir_open (path, 0, NULL);
  while (dir != NULL && (entry = g_dir_read_name (dir)) != NULL)
    if (creel_image_id_is_valid (entry) && g_str_has_prefix (entry + strlen (ID_PREFIX), text))
      {
        *ret_ambiguous = found != NULL;
        if (found != NULL)
          {
            g_free (found);
            return NULL;
          }
        found = g_strdup (entry);
      }
  return found;
}

char *
creel_image_find_name (GHashTable *references, const char *text)
{
  g_autofree char *registry = creel_registry_default (NULL);

  return creel_reference_find (references, text, registry);
}

char *
creel_image_resolve (const char *text, GError **error)
{
  g_autoptr (GHashTable) references = creel_image_references_load (error);
  g_autofree char *name = references != NULL ? creel_image_find_name (references, text) : NULL;
  g_autofree char *normal = NULL;
  gboolean ambiguous = FALSE;
  char *found;

  if (references == NULL)
    return NULL;
  if (name != NULL)
    return g_strdup (g_hash_table_lookup (references, name));
  found = resolve_prefix (text, &ambiguous);
  if (found != NULL)
    return found;
  if (ambiguous)
    {
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_NO_SUCH_IMAGE, "More than one image begins with %s", text);
      return NULL;
    }
  if (!creel_image_id_is_valid (text) && (normal = creel_image_reference_normalize (text, error)) == NULL)
    return NULL;
  g_set_error (error, CREEL_ERROR, CREEL_ERROR_NO_SUCH_IMAGE,
               "There is no image \"%.255s\": \"creel image ls\" shows those that are here, \"creel image pull %.255s\" fetches it, "
               "\"creel image build shell\" and \"creel image import FILE\" make one",
               text, text);
  return NULL;
}

static char **
get_list (GKeyFile *file, const char *key)
{
  char **list = g_key_file_get_string_list (file, GROUP, key, NULL, NULL);

  return list != NULL ? list : g_new0 (char *, 1);
}

static char *
get_text (GKeyFile *file, const char *key)
{
  char *text = g_key_file_get_string (file, GROUP, key, NULL);

  return text != NULL ? text : g_strdup ("");
}

CreelImageConfig *
creel_image_config_load (const char *id, GError **error)
{
  g_autoptr (CreelImageConfig) config = NULL;
  g_autoptr (GKeyFile) file = g_key_file_new ();
  g_autoptr (GHashTable) references = NULL;
  g_autoptr (GPtrArray) names = g_ptr_array_new ();
  g_autoptr (GError) local_error = NULL;
  g_autofree char *directory = NULL;
  g_autofree char *path = NULL;
  GHashTableIter iter;
  gpointer name, value;

  if (!creel_image_id_is_valid (id))
    {
      g_set_error_literal (error, CREEL_ERROR, CREEL_ERROR_NO_SUCH_IMAGE, "Not the id of an image");
      return NULL;
    }
  directory = creel_root_path (CREEL_IMAGE_DIR);
  path = g_build_filename (directory, id, "image.conf", NULL);
  if (!g_key_file_load_from_file (file, path, G_KEY_FILE_NONE, &local_error))
    {
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_NO_SUCH_IMAGE, "Cannot read image %.19s: %s", id, local_error->message);
      return NULL;
    }
  /* the names are the store's, not the image's: unreadable or absent (in another's view of the disk) means none */
  references = creel_image_references_load (NULL);
  if (references != NULL)
    {
      g_hash_table_iter_init (&iter, references);
      while (g_hash_table_iter_next (&iter, &name, &value))
        if (g_str_equal (value, id))
          g_ptr_array_add (names, g_strdup (name));
    }
  g_ptr_array_add (names, NULL);

  config = g_new0 (CreelImageConfig, 1);
  config->id = g_strdup (id);
  config->references = (char **) g_ptr_array_free (g_steal_pointer (&names), FALSE);
  config->environment = get_list (file, "Environment");
  config->entrypoint = get_list (file, "Entrypoint");
  config->command = get_list (file, "Command");
  config->user = get_text (file, "User");
  config->working_dir = get_text (file, "WorkingDir");
  config->architecture = get_text (file, "Architecture");
  config->source = get_text (file, "Source");
  config->manifest = g_key_file_get_string (file, GROUP, "Manifest", NULL);
  config->blobs = get_list (file, "Blob");
  if (config->manifest != NULL && !is_hex_digest (config->manifest, strlen (config->manifest)))
    g_clear_pointer (&config->manifest, g_free);
  for (char **blob = config->blobs; *blob != NULL; blob++)
    if (!creel_image_blob_is_valid (*blob))
      {
        /* half a list would let the collector delete the other half: none of it counts, and the blobs are fetched again */
        g_clear_pointer (&config->blobs, g_strfreev);
        config->blobs = g_new0 (char *, 1);
        g_clear_pointer (&config->manifest, g_free);
        break;
      }
  config->size = g_key_file_get_uint64 (file, GROUP, "Size", NULL);
  config->created = g_key_file_get_int64 (file, GROUP, "Created", NULL);
  return g_steal_pointer (&config);
}

static gboolean
set_list (GKeyFile *file, const char *key, char **list)
{
  for (char **entry = list; entry != NULL && *entry != NULL; entry++)
    if (!g_utf8_validate (*entry, -1, NULL))
      return FALSE;
  if (list != NULL && list[0] != NULL)
    g_key_file_set_string_list (file, GROUP, key, (const char *const *) list, g_strv_length (list));
  return TRUE;
}

static gboolean
set_text (GKeyFile *file, const char *key, const char *text)
{
  if (text == NULL || text[0] == '\0')
    return TRUE;
  if (!g_utf8_validate (text, -1, NULL))
    return FALSE;
  g_key_file_set_string (file, GROUP, key, text);
  return TRUE;
}

char *
creel_image_config_format (const CreelImageConfig *config, GError **error)
{
  g_autoptr (GKeyFile) file = g_key_file_new ();

  if (!set_list (file, "Environment", config->environment) || !set_list (file, "Entrypoint", config->entrypoint) ||
      !set_list (file, "Command", config->command) || !set_text (file, "User", config->user) ||
      !set_text (file, "WorkingDir", config->working_dir) || !set_text (file, "Architecture", config->architecture) ||
      !set_text (file, "Source", config->source) || !set_text (file, "Manifest", config->manifest) ||
      !set_list (file, "Blob", config->blobs))
    {
      g_set_error_literal (error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE, "The image's configuration is not UTF-8");
      return NULL;
    }
  g_key_file_set_uint64 (file, GROUP, "Size", config->size);
  g_key_file_set_int64 (file, GROUP, "Created", config->created);
  return g_key_file_to_data (file, NULL, NULL);
}
