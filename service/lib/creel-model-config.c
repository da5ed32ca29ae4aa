/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-model-config.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>

#include "creel-error.h"
#include "creel-names.h"
#include "creel-root.h"

#define ID_PREFIX "sha256-"
#define GROUP "Model"
#define FILE_GROUP "File "
#define MAX_TEXT 256
#define MAX_NAME 200 /* a file of the store may get a suffix */
#define MAX_SIZE (G_GUINT64_CONSTANT (1) << 44)
#define MAX_CONTEXT (G_GUINT64_CONSTANT (1) << 32)
#define MAX_LAYERS 65536
#define MAX_KV (G_GUINT64_CONSTANT (1) << 36)

static void
file_free (gpointer data)
{
  CreelModelFile *file = data;

  g_free (file->kind);
  g_free (file->blob);
  g_free (file->name);
  g_free (file);
}

CreelModelConfig *
creel_model_config_new (void)
{
  CreelModelConfig *config = g_new0 (CreelModelConfig, 1);

  config->id = g_strdup ("");
  config->manifest = g_strdup ("");
  config->blobs = g_new0 (char *, 1);
  config->format = g_strdup (CREEL_MODEL_FORMAT_GGUF);
  config->architecture = g_strdup ("");
  config->parameters = g_strdup ("");
  config->quantization = g_strdup ("");
  config->source = g_strdup ("");
  config->files = g_ptr_array_new_with_free_func (file_free);
  return config;
}

void
creel_model_config_free (CreelModelConfig *config)
{
  g_free (config->id);
  g_free (config->manifest);
  g_strfreev (config->blobs);
  g_free (config->format);
  g_free (config->architecture);
  g_free (config->parameters);
  g_free (config->quantization);
  g_free (config->source);
  g_ptr_array_unref (config->files);
  g_free (config);
}

/* ---- single values ---- */

static gboolean
is_printable (const char *text, gsize max)
{
  if (strlen (text) > max || !g_utf8_validate (text, -1, NULL))
    return FALSE;
  for (const char *p = text; *p != '\0'; p = g_utf8_next_char (p))
    if (!g_unichar_isprint (g_utf8_get_char (p)))
      return FALSE;
  return TRUE;
}

gboolean
creel_model_file_name_is_valid (const char *name)
{
  /* the engine and people see these names: nothing hidden, no option, no way to another folder */
  return name[0] != '\0' && name[0] != '.' && name[0] != '-' && strchr (name, '/') == NULL && is_printable (name, MAX_NAME);
}

gboolean
creel_model_file_kind_is_valid (const char *kind)
{
  static const char *const kinds[] = { "gguf", "mmproj", "chat-template", "license", "config", "other", NULL };

  return g_strv_contains (kinds, kind);
}

static gboolean
is_weight (const CreelModelFile *file)
{
  return g_str_equal (file->kind, "gguf") || g_str_equal (file->kind, "mmproj");
}

static gboolean
is_digest (const char *text)
{
  return strlen (text) == 64 && strspn (text, "0123456789abcdef") == 64;
}

/* As creel_image_id_is_valid () and creel_image_blob_is_valid (), whose file the worker has a namesake of and cannot link. */
static gboolean
is_id (const char *text)
{
  return g_str_has_prefix (text, ID_PREFIX) && is_digest (text + strlen (ID_PREFIX));
}

static gboolean
is_blob (const char *text)
{
  g_autofree char *hex = g_strndup (text, 64);
  guint64 size;

  return is_digest (hex) && text[64] == ' ' && g_ascii_string_to_unsigned (text + 65, 10, 0, G_MAXINT64, &size, NULL);
}

gboolean
creel_model_config_add_file (CreelModelConfig *config, const char *kind, const char *blob, guint64 size, const char *name)
{
  CreelModelFile *file;

  if (config->files->len >= CREEL_MODEL_MAX_FILES || !creel_model_file_kind_is_valid (kind) || !is_digest (blob) ||
      size > MAX_SIZE || !creel_model_file_name_is_valid (name))
    return FALSE;
  for (guint i = 0; i < config->files->len; i++)
    if (g_str_equal (((CreelModelFile *) config->files->pdata[i])->name, name))
      return FALSE;
  file = g_new0 (CreelModelFile, 1);
  file->kind = g_strdup (kind);
  file->blob = g_strdup (blob);
  file->size = size;
  file->name = g_strdup (name);
  g_ptr_array_add (config->files, file);
  return TRUE;
}

const CreelModelFile *
creel_model_config_find_file (const CreelModelConfig *config, const char *kind)
{
  for (guint i = 0; i < config->files->len; i++)
    if (g_str_equal (((CreelModelFile *) config->files->pdata[i])->kind, kind))
      return config->files->pdata[i];
  return NULL;
}

static gboolean
set_number (guint64 *ret, const char *value, guint64 max)
{
  return g_ascii_string_to_unsigned (value, 10, 0, max, ret, NULL);
}

static gboolean
set_text (char **text, const char *value)
{
  if (!is_printable (value, MAX_TEXT))
    return FALSE;
  g_free (*text);
  *text = g_strdup (value);
  return TRUE;
}

static gboolean
set_flag (gboolean *ret, const char *value)
{
  if (!g_str_equal (value, "yes") && !g_str_equal (value, "no"))
    return FALSE;
  *ret = g_str_equal (value, "yes");
  return TRUE;
}

gboolean
creel_model_config_set (CreelModelConfig *config, const char *key, const char *value)
{
  if (g_str_equal (key, "architecture"))
    return set_text (&config->architecture, value);
  if (g_str_equal (key, "parameters"))
    return set_text (&config->parameters, value);
  if (g_str_equal (key, "quantization"))
    return set_text (&config->quantization, value);
  if (g_str_equal (key, "size"))
    return set_number (&config->size, value, MAX_SIZE);
  if (g_str_equal (key, "context-length"))
    return set_number (&config->context_length, value, MAX_CONTEXT);
  if (g_str_equal (key, "layers"))
    return set_number (&config->layers, value, MAX_LAYERS);
  if (g_str_equal (key, "kv-bytes-per-token"))
    return set_number (&config->kv_bytes_per_token, value, MAX_KV);
  if (g_str_equal (key, "chat-template"))
    return set_flag (&config->has_chat_template, value);
  if (g_str_equal (key, "embedding"))
    return set_flag (&config->embedding, value);
  return FALSE;
}

/* ---- all of it ---- */

static gboolean
fail (GError **error, const char *text)
{
  g_set_error_literal (error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE, text);
  return FALSE;
}

static gboolean
has_blob (const CreelModelConfig *config, const char *hex, guint64 size)
{
  g_autofree char *wanted = g_strdup_printf ("%s %" G_GUINT64_FORMAT, hex, size);

  return g_strv_contains ((const char *const *) config->blobs, wanted);
}

/* The engine finds the parts of a split model by the name of the first: NAME-00001-of-0000N.gguf. */
static gboolean
parts_are_whole (const CreelModelConfig *config)
{
  const CreelModelFile *first = creel_model_config_find_file (config, "gguf");
  gsize stem = strlen (first->name) > strlen ("-00001-of-00002.gguf") ? strlen (first->name) - strlen ("-00001-of-00002.gguf") : 0;
  guint n = 0, part = 0;

  for (guint i = 0; i < config->files->len; i++)
    n += g_str_equal (((CreelModelFile *) config->files->pdata[i])->kind, "gguf");
  for (guint i = 0; n > 1 && i < config->files->len; i++)
    {
      const CreelModelFile *file = config->files->pdata[i];
      g_autofree char *wanted = NULL;

      if (!g_str_equal (file->kind, "gguf"))
        continue;
      wanted = g_strdup_printf ("%.*s-%05u-of-%05u.gguf", (int) stem, first->name, ++part, n);
      if (stem == 0 || !g_str_equal (file->name, wanted))
        return FALSE;
    }
  return TRUE;
}

gboolean
creel_model_config_validate (const CreelModelConfig *config, GError **error)
{
  guint64 size = 0;

  if (!is_id (config->id) || !g_str_equal (config->id + strlen (ID_PREFIX), config->manifest))
    return fail (error, "The id of the model is not the digest of its manifest");
  if (!g_str_equal (config->format, CREEL_MODEL_FORMAT_GGUF) || creel_model_config_find_file (config, "gguf") == NULL)
    return fail (error, "The model has no file in the GGUF format, which is what the engine reads");
  for (char **blob = config->blobs; *blob != NULL; blob++)
    if (!is_blob (*blob))
      return fail (error, "The list of the model's blobs is damaged");
  for (char **blob = config->blobs;; blob++)
    if (*blob == NULL)
      return fail (error, "The list of the model's blobs does not have its manifest");
    else if (g_str_has_prefix (*blob, config->manifest))
      break;
  for (guint i = 0; i < config->files->len; i++)
    {
      const CreelModelFile *file = config->files->pdata[i];

      if (!has_blob (config, file->blob, file->size))
        return fail (error, "The list of the model's blobs does not have all of its files");
      if (is_weight (file))
        size += file->size;
    }
  if (size != config->size)
    return fail (error, "The size of the model is not that of its files");
  if (!parts_are_whole (config))
    return fail (error, "The parts of the model are not complete, or not in order");
  return TRUE;
}

char *
creel_model_config_format (const CreelModelConfig *config)
{
  g_autoptr (GKeyFile) file = g_key_file_new ();

  g_key_file_set_string (file, GROUP, "Id", config->id);
  g_key_file_set_string (file, GROUP, "Manifest", config->manifest);
  g_key_file_set_string_list (file, GROUP, "Blobs", (const char *const *) config->blobs, g_strv_length (config->blobs));
  g_key_file_set_string (file, GROUP, "Format", config->format);
  g_key_file_set_string (file, GROUP, "Architecture", config->architecture);
  g_key_file_set_string (file, GROUP, "Parameters", config->parameters);
  g_key_file_set_string (file, GROUP, "Quantization", config->quantization);
  g_key_file_set_uint64 (file, GROUP, "Size", config->size);
  g_key_file_set_uint64 (file, GROUP, "ContextLength", config->context_length);
  g_key_file_set_uint64 (file, GROUP, "Layers", config->layers);
  g_key_file_set_uint64 (file, GROUP, "KvBytesPerToken", config->kv_bytes_per_token);
  g_key_file_set_boolean (file, GROUP, "HasChatTemplate", config->has_chat_template);
  g_key_file_set_boolean (file, GROUP, "Embedding", config->embedding);
  g_key_file_set_int64 (file, GROUP, "Created", config->created);
  g_key_file_set_string (file, GROUP, "Source", config->source);
  for (guint i = 0; i < config->files->len; i++)
    {
      const CreelModelFile *entry = config->files->pdata[i];
      g_autofree char *group = g_strdup_printf (FILE_GROUP "%u", i + 1);

      g_key_file_set_string (file, group, "Kind", entry->kind);
      g_key_file_set_string (file, group, "Blob", entry->blob);
      g_key_file_set_uint64 (file, group, "Size", entry->size);
      g_key_file_set_string (file, group, "Name", entry->name);
    }
  return g_key_file_to_data (file, NULL, NULL);
}

static gboolean
take_text (GKeyFile *file, const char *key, char **inout)
{
  g_autofree char *value = g_key_file_get_string (file, GROUP, key, NULL);

  return value == NULL || set_text (inout, value);
}

static gboolean
take_number (GKeyFile *file, const char *key, guint64 max, guint64 *ret)
{
  *ret = g_key_file_get_uint64 (file, GROUP, key, NULL);
  return *ret <= max;
}

static gboolean
take_files (CreelModelConfig *config, GKeyFile *file)
{
  for (guint i = 1; i <= CREEL_MODEL_MAX_FILES; i++)
    {
      g_autofree char *group = g_strdup_printf (FILE_GROUP "%u", i);
      g_autofree char *kind = g_key_file_get_string (file, group, "Kind", NULL);
      g_autofree char *blob = g_key_file_get_string (file, group, "Blob", NULL);
      g_autofree char *name = g_key_file_get_string (file, group, "Name", NULL);

      if (!g_key_file_has_group (file, group))
        return TRUE;
      if (kind == NULL || blob == NULL || name == NULL ||
          !creel_model_config_add_file (config, kind, blob, g_key_file_get_uint64 (file, group, "Size", NULL), name))
        return FALSE;
    }
  return TRUE;
}

CreelModelConfig *
creel_model_config_parse (const char *text, gssize length, GError **error)
{
  g_autoptr (CreelModelConfig) config = creel_model_config_new ();
  g_autoptr (GKeyFile) file = g_key_file_new ();
  g_autoptr (GError) local_error = NULL;
  char **blobs;

  if (!g_key_file_load_from_data (file, text, length < 0 ? strlen (text) : (gsize) length, G_KEY_FILE_NONE, &local_error))
    {
      fail (error, local_error->message);
      return NULL;
    }
  blobs = g_key_file_get_string_list (file, GROUP, "Blobs", NULL, NULL);
  if (blobs != NULL)
    {
      g_strfreev (config->blobs);
      config->blobs = blobs;
    }
  config->has_chat_template = g_key_file_get_boolean (file, GROUP, "HasChatTemplate", NULL);
  config->embedding = g_key_file_get_boolean (file, GROUP, "Embedding", NULL);
  config->created = g_key_file_get_int64 (file, GROUP, "Created", NULL);
  if (!take_text (file, "Id", &config->id) || !take_text (file, "Manifest", &config->manifest) ||
      !take_text (file, "Format", &config->format) || !take_text (file, "Architecture", &config->architecture) ||
      !take_text (file, "Parameters", &config->parameters) || !take_text (file, "Quantization", &config->quantization) ||
      !take_text (file, "Source", &config->source) || !take_number (file, "Size", G_MAXUINT64, &config->size) ||
      !take_number (file, "ContextLength", MAX_CONTEXT, &config->context_length) ||
      !take_number (file, "Layers", MAX_LAYERS, &config->layers) ||
      !take_number (file, "KvBytesPerToken", MAX_KV, &config->kv_bytes_per_token) || !take_files (config, file))
    {
      fail (error, "The description of the model has a value that is not valid");
      return NULL;
    }
  return creel_model_config_validate (config, error) ? g_steal_pointer (&config) : NULL;
}

/* ---- the file ---- */

static char *
path_of (const char *id)
{
  g_autofree char *directory = creel_root_path (CREEL_MODEL_DIR);

  return g_build_filename (directory, id, "model.conf", NULL);
}

CreelModelConfig *
creel_model_config_load (const char *id, GError **error)
{
  g_autoptr (CreelModelConfig) config = NULL;
  g_autoptr (GError) local_error = NULL;
  g_autofree char *path = NULL;
  g_autofree char *text = NULL;
  gsize length;

  if (!is_id (id))
    {
      g_set_error_literal (error, CREEL_ERROR, CREEL_ERROR_NO_SUCH_IMAGE, "Not the id of a model");
      return NULL;
    }
  path = path_of (id);
  if (!g_file_get_contents (path, &text, &length, &local_error))
    {
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_NO_SUCH_IMAGE, "Cannot read model %.19s: %s", id, local_error->message);
      return NULL;
    }
  config = creel_model_config_parse (text, length, error);
  if (config == NULL)
    g_prefix_error (error, "%s: ", path);
  else if (!g_str_equal (config->id, id))
    {
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE, "%s describes another model", path);
      return NULL;
    }
  return g_steal_pointer (&config);
}

gboolean
creel_model_config_save (const CreelModelConfig *config, GError **error)
{
  g_autofree char *path = NULL;
  g_autofree char *directory = NULL;
  g_autofree char *text = NULL;
  g_autoptr (GError) local_error = NULL;

  if (!creel_model_config_validate (config, error))
    return FALSE;
  path = path_of (config->id);
  directory = g_path_get_dirname (path);
  text = creel_model_config_format (config);
  if (g_mkdir_with_parents (directory, 0755) == 0 &&
      g_file_set_contents_full (path, text, -1, G_FILE_SET_CONTENTS_CONSISTENT | G_FILE_SET_CONTENTS_DURABLE, 0644, &local_error))
    return TRUE;
  g_set_error (error, CREEL_ERROR,
               errno == ENOSPC || g_error_matches (local_error, G_FILE_ERROR, G_FILE_ERROR_NOSPC) ? CREEL_ERROR_NO_SPACE
                                                                                                 : CREEL_ERROR_FAILED,
               "Cannot write %s: %s", path, local_error != NULL ? local_error->message : g_strerror (errno));
  return FALSE;
}
