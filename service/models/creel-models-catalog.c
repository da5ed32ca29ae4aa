/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-models-catalog.h"

#include <string.h>

#include "creel-reference.h"

#define ID_PREFIX "sha256-"
#define ID_DIGITS 64
#define ID_DIGITS_MIN 6
#define NAMES_SHOWN 12
#define KEEP_ALIVE_DEFAULT (5 * 60 * G_USEC_PER_SEC)
/* What agents need at least; what is taken when nobody knows what a token costs */
#define CONTEXT_MIN 4096
#define CONTEXT_UNKNOWN_MAX 32768

struct _CreelModelsCatalog
{
  grefcount ref_count;
  GPtrArray *models;
  GHashTable *names; /* reference -> CreelModelsModel */
  char *registry;
};

static void
model_free (gpointer data)
{
  CreelModelsModel *model = data;

  g_free (model->id);
  g_free (model->name);
  g_strfreev (model->references);
  g_free (model->format);
  g_free (model->architecture);
  g_free (model->parameters);
  g_free (model->quantization);
  g_strfreev (model->engine_flags);
  g_free (model);
}

static gboolean
id_is_valid (const char *id)
{
  return g_str_has_prefix (id, ID_PREFIX) && strlen (id) == strlen (ID_PREFIX) + ID_DIGITS &&
         strspn (id + strlen (ID_PREFIX), "0123456789abcdef") == ID_DIGITS;
}

static char *
lookup_string (GVariant *dict, const char *key)
{
  const char *text = "";

  g_variant_lookup (dict, key, "&s", &text);
  return g_strdup (text);
}

static CreelModelsModel *
model_new (GVariant *dict)
{
  CreelModelsModel *model = g_new0 (CreelModelsModel, 1);
  guint64 keep_alive = KEEP_ALIVE_DEFAULT;

  model->id = lookup_string (dict, "id");
  model->name = lookup_string (dict, "name");
  model->format = lookup_string (dict, "format");
  model->architecture = lookup_string (dict, "architecture");
  model->parameters = lookup_string (dict, "parameters");
  model->quantization = lookup_string (dict, "quantization");
  if (!g_variant_lookup (dict, "references", "^as", &model->references))
    model->references = g_new0 (char *, 1);
  if (!g_variant_lookup (dict, "engine-flags", "^as", &model->engine_flags))
    model->engine_flags = g_new0 (char *, 1);
  g_variant_lookup (dict, "size", "t", &model->size);
  g_variant_lookup (dict, "context-length", "t", &model->context_length);
  g_variant_lookup (dict, "kv-bytes-per-token", "t", &model->kv_bytes_per_token);
  g_variant_lookup (dict, "embedding", "b", &model->embedding);
  g_variant_lookup (dict, "chat-template", "b", &model->chat_template);
  g_variant_lookup (dict, "created", "x", &model->created);
  g_variant_lookup (dict, "context-size", "t", &model->context_size);
  g_variant_lookup (dict, "keep-alive", "t", &keep_alive);
  model->keep_alive = keep_alive > G_MAXINT64 ? CREEL_MODELS_KEEP_FOR_EVER : (gint64) keep_alive;
  if (*model->name == '\0')
    {
      g_free (model->name);
      model->name = g_strdup (model->id);
    }
  return model;
}

CreelModelsCatalog *
creel_models_catalog_new (GVariant *models, const char *registry)
{
  CreelModelsCatalog *catalog = g_new0 (CreelModelsCatalog, 1);
  GVariantIter iter;
  GVariant *dict;

  g_ref_count_init (&catalog->ref_count);
  catalog->registry = g_strdup (registry);
  catalog->models = g_ptr_array_new_with_free_func (model_free);
  catalog->names = g_hash_table_new (g_str_hash, g_str_equal);
  g_variant_iter_init (&iter, models);
  while ((dict = g_variant_iter_next_value (&iter)) != NULL)
    {
      CreelModelsModel *model = model_new (dict);

      g_variant_unref (dict);
      if (!id_is_valid (model->id))
        {
          model_free (model);
          continue;
        }
      g_ptr_array_add (catalog->models, model);
      for (char **name = model->references; *name != NULL; name++)
        g_hash_table_insert (catalog->names, *name, model);
    }
  return catalog;
}

CreelModelsCatalog *
creel_models_catalog_ref (CreelModelsCatalog *catalog)
{
  g_ref_count_inc (&catalog->ref_count);
  return catalog;
}

void
creel_models_catalog_unref (CreelModelsCatalog *catalog)
{
  if (catalog == NULL || !g_ref_count_dec (&catalog->ref_count))
    return;
  g_hash_table_unref (catalog->names);
  g_ptr_array_unref (catalog->models);
  g_free (catalog->registry);
  g_free (catalog);
}

const GPtrArray *
creel_models_catalog_get_models (CreelModelsCatalog *catalog)
{
  return catalog->models;
}

/* "sha256-...", "sha256:...", or the first digits; NULL also when several begin so */
static const CreelModelsModel *
find_by_id (CreelModelsCatalog *catalog, const char *text)
{
  const CreelModelsModel *found = NULL;
  gsize length;

  if (g_str_has_prefix (text, ID_PREFIX) || g_str_has_prefix (text, "sha256:"))
    text += strlen (ID_PREFIX);
  length = strlen (text);
  if (length < ID_DIGITS_MIN || length > ID_DIGITS || strspn (text, "0123456789abcdef") != length)
    return NULL;
  for (guint i = 0; i < catalog->models->len; i++)
    {
      const CreelModelsModel *model = catalog->models->pdata[i];

      if (!g_str_has_prefix (model->id + strlen (ID_PREFIX), text))
        continue;
      if (found != NULL)
        return NULL;
      found = model;
    }
  return found;
}

const CreelModelsModel *
creel_models_catalog_find (CreelModelsCatalog *catalog, const char *text)
{
  g_autofree char *name = NULL;
  const CreelModelsModel *model = find_by_id (catalog, text);

  if (model == NULL && (name = creel_reference_find (catalog->names, text, catalog->registry)) != NULL)
    model = g_hash_table_lookup (catalog->names, name);
  /* what lists show is understood whatever it looks like */
  for (guint i = 0; model == NULL && i < catalog->models->len; i++)
    if (g_str_equal (((CreelModelsModel *) catalog->models->pdata[i])->name, text))
      model = catalog->models->pdata[i];
  return model;
}

char *
creel_models_catalog_format_names (CreelModelsCatalog *catalog)
{
  GString *text = g_string_new (NULL);
  guint n = catalog->models->len, shown = MIN (n, NAMES_SHOWN);

  for (guint i = 0; i < shown; i++)
    g_string_append_printf (text, "%s%s", i == 0 ? "" : i + 1 == n ? " and " : ", ", ((CreelModelsModel *) catalog->models->pdata[i])->name);
  if (n > shown)
    g_string_append_printf (text, " and %u more", n - shown);
  return g_string_free (text, FALSE);
}

CreelModelsNeed
creel_models_model_get_need_of (const CreelModelsModel *model, guint64 context)
{
  return (CreelModelsNeed){ model->id, model->size, model->kv_bytes_per_token, context, model->keep_alive };
}

CreelModelsNeed
creel_models_model_get_need (const CreelModelsModel *model, guint64 capacity)
{
  CreelModelsNeed need = creel_models_model_get_need_of (model, model->context_size);
  /* what is available goes up and down a little until the model is loaded */
  guint64 room = capacity / 10 * 9, fixed;

  if (model->context_size > 0)
    return need;
  if (model->kv_bytes_per_token == 0)
    {
      need.context = MIN (model->context_length, CONTEXT_UNKNOWN_MAX);
      return need;
    }
  need.context = model->context_length > 0 ? model->context_length : CONTEXT_UNKNOWN_MAX;
  if (creel_models_need_estimate (&need) > room)
    {
      CreelModelsNeed without = creel_models_model_get_need_of (model, 0);

      fixed = creel_models_need_estimate (&without);
      need.context = MIN (need.context, MAX (room > fixed ? (room - fixed) / model->kv_bytes_per_token / 1024 * 1024 : 0, CONTEXT_MIN));
    }
  return need;
}
