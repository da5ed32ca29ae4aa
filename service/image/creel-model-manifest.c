/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-model-manifest.h"
#include "creel-error.h"
#include "creel-image-json.h"
#include "creel-model-config.h"
#include "creel-model-summary.h"
#include <string.h>

#define BY_NAME "" /* the media type does not say what it is */
#define MAX_NAME 150

static const struct
{
  const char *type, *kind;
} types[] = {
  /* The first of a kind is what we write. */
  { "application/vnd.docker.ai.gguf.v3", "gguf" },
  { "application/vnd.docker.ai.mmproj", "mmproj" },
  { "application/vnd.docker.ai.chat.template.jinja", "chat-template" },
  { "application/vnd.docker.ai.license", "license" },
  { "application/vnd.docker.ai.model.file", BY_NAME },
  { "application/vnd.docker.ai.gguf.v3.mmproj", "mmproj" },
  { "application/vnd.docker.ai.gguf.v3.lora", "other" },
  { "application/vnd.cncf.model.weight.v1.gguf", "gguf" },
  { "application/vnd.cncf.model.weight.v1.raw", BY_NAME },
  { "application/vnd.cncf.model.weight.config.v1.raw", BY_NAME },
  { "application/vnd.cncf.model.doc.v1.raw", BY_NAME },
  { "application/vnd.cncf.model.code.v1.raw", BY_NAME },
};

static void
layer_free (gpointer data)
{
  CreelModelLayer *layer = data;

  g_clear_pointer (&layer->blob, creel_image_descriptor_free);
  g_free (layer->name);
  g_free (layer);
}

void
creel_model_manifest_free (CreelModelManifest *self)
{
  g_clear_pointer (&self->config, creel_image_descriptor_free);
  g_ptr_array_unref (self->layers);
  g_free (self);
}

const char *
creel_model_manifest_type (const char *kind)
{
  for (guint i = 0; i < G_N_ELEMENTS (types); i++)
    if (g_str_equal (types[i].kind, kind))
      return types[i].type;
  return g_str_equal (kind, "config") || g_str_equal (kind, "other")
             ? "application/vnd.docker.ai.model.file"
             : NULL;
}

/* ---- names ---- */

static const char *
kind_by_name (const char *name)
{
  g_autofree char *lower = g_ascii_strdown (name, -1);

  if (g_str_has_suffix (lower, ".gguf"))
    return strstr (lower, "mmproj") != NULL ? "mmproj" : "gguf";
  if (g_str_has_suffix (lower, ".jinja"))
    return "chat-template";
  if (g_str_has_prefix (lower, "license") || g_str_has_prefix (lower, "licence"))
    return "license";
  return g_str_has_suffix (lower, ".json") ? "config" : "other";
}

/* The name that the packager gave the file, without its folder; NULL when it is not good. */
static char *
name_of (JsonObject *layer)
{
  JsonObject *notes = creel_image_json_object (layer, "annotations");
  const char *path = creel_image_json_string (notes, "org.cncf.model.filepath");
  g_autofree char *name = NULL;

  if (path == NULL)
    path = creel_image_json_string (notes, "org.opencontainers.image.title");
  if (path == NULL)
    return NULL;
  name = g_path_get_basename (path);
  return strlen (name) <= MAX_NAME && creel_model_file_name_is_valid (name)
             ? g_steal_pointer (&name)
             : NULL;
}

static const char *
default_name (const char *kind)
{
  if (g_str_equal (kind, "gguf"))
    return "model.gguf";
  if (g_str_equal (kind, "mmproj"))
    return "mmproj.gguf";
  if (g_str_equal (kind, "chat-template"))
    return "template.jinja";
  return g_str_equal (kind, "license") ? "LICENSE" : "file";
}

/* The engine finds the parts of a split model by their names. */
static void
name_parts (CreelModelManifest *self)
{
  g_autofree char *stem = NULL;
  guint n = 0, part = 0;

  for (guint i = 0; i < self->layers->len; i++)
    n += g_str_equal (((CreelModelLayer *)self->layers->pdata[i])->kind, "gguf");
  for (guint i = 0; n > 1 && i < self->layers->len; i++)
    {
      CreelModelLayer *layer = self->layers->pdata[i];

      if (!g_str_equal (layer->kind, "gguf"))
        continue;
      if (stem == NULL)
        {
          gsize length = strlen (layer->name), tail = strlen ("-00001-of-00002.gguf");

          stem = length > tail && g_str_has_prefix (layer->name + length - tail, "-00001-of-")
                     ? g_strndup (layer->name, length - tail)
                     : g_strdup ("model");
        }
      g_free (layer->name);
      layer->name = g_strdup_printf ("%s-%05u-of-%05u.gguf", stem, ++part, n);
    }
}

static void
make_names_unique (CreelModelManifest *self)
{
  g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);

  /* Parts have their names for good. */
  for (guint pass = 0; pass < 2; pass++)
    for (guint i = 0; i < self->layers->len; i++)
      {
        CreelModelLayer *layer = self->layers->pdata[i];

        if (g_str_equal (layer->kind, "gguf") != (pass == 0))
          continue;
        for (guint n = 2; g_hash_table_contains (seen, layer->name); n++)
          {
            g_autofree char *old = layer->name;

            layer->name = g_strdup_printf ("%u-%s", n, old);
          }
        g_hash_table_add (seen, layer->name);
      }
}

/* ---- reading ---- */

/* text: the manifest's, quoted at the end. */
static gboolean
fail (GError **error, const char *message, const char *text)
{
  g_autofree char *quoted = creel_image_quote (text != NULL && *text != '\0' ? text : "unknown");

  g_set_error (error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE, "%s: %s", message, quoted);
  return FALSE;
}

static gboolean
take_layer (CreelModelManifest *self, JsonObject *object, GError **error)
{
  CreelModelLayer *layer = g_new0 (CreelModelLayer, 1);
  const char *type;

  g_ptr_array_add (self->layers, layer);
  layer->blob = creel_image_descriptor_load (object, error);
  if (layer->blob == NULL)
    return FALSE;
  type = layer->blob->media_type;
  layer->name = name_of (object);
  layer->kind = NULL;
  for (guint i = 0; i < G_N_ELEMENTS (types); i++)
    if (g_str_equal (type, types[i].type))
      layer->kind = types[i].kind;
  if (layer->kind == NULL && g_str_has_prefix (type, "application/vnd.cncf.model.weight.v1.tar"))
    return fail (error,
                 "The weights of this model are packed in a way that cannot be served; package its "
                 "GGUF file with creel model package --gguf FILE NAME",
                 type);
  if (layer->kind == NULL)
    layer->kind = "other";
  else if (*layer->kind == '\0')
    layer->kind = kind_by_name (layer->name != NULL ? layer->name : "");
  if (layer->name == NULL)
    layer->name = g_strdup (default_name (layer->kind));
  return g_uint64_checked_add (&self->size, self->size, layer->blob->size) ||
         fail (error, "The size of the model is not valid", type);
}

static gboolean
load (CreelModelManifest *self, JsonObject *object, GError **error)
{
  JsonArray *layers = creel_image_json_array (object, "layers");
  guint n = layers != NULL ? json_array_get_length (layers) : 0;
  gboolean has_weights = FALSE;

  self->config = creel_image_descriptor_load (creel_image_json_object (object, "config"), error);
  if (self->config == NULL)
    return FALSE;
  if (!g_str_has_prefix (self->config->media_type, "application/vnd.docker.ai.model.config.") &&
      !g_str_has_prefix (self->config->media_type, "application/vnd.cncf.model.config."))
    return fail (error, "This is not a model (images are for creel image pull), it is of the type",
                 self->config->media_type);
  if (self->config->size > CREEL_IMAGE_JSON_MAX)
    return fail (error, "The configuration of the model is too large", self->config->media_type);
  self->size = self->config->size;
  if (n == 0 || n > CREEL_MODEL_MAX_FILES)
    return fail (error, "The model has no files, or too many", self->config->media_type);
  for (guint i = 0; i < n; i++)
    if (!take_layer (self, creel_image_json_element_object (layers, i), error))
      return FALSE;
  for (guint i = 0; i < n; i++)
    has_weights |= g_str_equal (((CreelModelLayer *)self->layers->pdata[i])->kind, "gguf");
  if (!has_weights)
    return fail (error, "The model is not in the GGUF format, which is what the engine reads, but",
                 ((CreelModelLayer *)self->layers->pdata[0])->blob->media_type);
  name_parts (self);
  make_names_unique (self);
  return TRUE;
}

CreelModelManifest *
creel_model_manifest_parse (GBytes *bytes, GError **error)
{
  g_autoptr (JsonNode) node = creel_image_json_parse (bytes, "The manifest", error);
  g_autoptr (CreelModelManifest) self = NULL;

  if (node == NULL)
    return NULL;
  if (!JSON_NODE_HOLDS_OBJECT (node))
    {
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE, "The manifest is not an object");
      return NULL;
    }
  self = g_new0 (CreelModelManifest, 1);
  self->layers = g_ptr_array_new_with_free_func (layer_free);
  return load (self, json_node_get_object (node), error) ? g_steal_pointer (&self) : NULL;
}

/* ---- lines ---- */

static void
report_blob (CreelImageReport *report, GHashTable *seen, const char *hex, guint64 size)
{
  g_autofree char *number = g_strdup_printf ("%" G_GUINT64_FORMAT, size);
  const char *const words[] = { hex, number, NULL };

  if (g_hash_table_add (seen, (gpointer)hex))
    creel_image_report_words (report, "blob", words);
}

gboolean
creel_model_manifest_report (const CreelModelManifest *self, CreelImageBlobs *blobs,
                             const char *hex, guint64 size, CreelImageReport *report,
                             GError **error)
{
  g_autoptr (CreelModelSummary) summary = creel_model_summary_new ();
  g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);

  for (guint i = 0; i < self->layers->len; i++)
    {
      const CreelModelLayer *layer = self->layers->pdata[i];

      if (!creel_model_summary_add (summary, blobs, layer->kind, layer->blob->digest, error))
        return FALSE;
    }
  if (!creel_model_summary_check (summary, error))
    return FALSE;
  report_blob (report, seen, hex, size);
  report_blob (report, seen, self->config->digest, self->config->size);
  for (guint i = 0; i < self->layers->len; i++)
    {
      const CreelModelLayer *layer = self->layers->pdata[i];
      g_autofree char *number = g_strdup_printf ("%" G_GUINT64_FORMAT, layer->blob->size);
      const char *const words[] = { layer->kind, layer->blob->digest, number, layer->name, NULL };

      report_blob (report, seen, layer->blob->digest, layer->blob->size);
      creel_image_report_words (report, "file", words);
    }
  creel_model_summary_report (summary, report);
  creel_image_report_hex (report, "manifest", hex);
  return TRUE;
}
