/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "creel-call.h"
#include "creel-engines.h"
#include "creel-error.h"
#include "creel-image-collect.h"
#include "creel-model-settings.h"
#include "creel-model-store.h"
#include "creel-reference.h"

/* Models that are here: what needs no worker. */

static gboolean
prepare_options (CreelCall *call, guint index, const char *const *known, GError **error)
{
  g_autoptr (GVariant) options = g_variant_get_child_value (call->parameters, index);

  return creel_options_check (options, known, error);
}

static gboolean
prepare_list (CreelCall *call, GStrvBuilder *actions, GError **error)
{
  static const char *const known[] = { NULL };

  return prepare_options (call, 0, known, error);
}

static gboolean
prepare_inspect (CreelCall *call, GStrvBuilder *actions, GError **error)
{
  static const char *const known[] = { NULL };

  return prepare_options (call, 1, known, error);
}

static void
add (GVariantBuilder *b, const char *key, GVariant *value)
{
  g_variant_builder_add (b, "{sv}", key, value);
}

static void
add_settings (GVariantBuilder *b, const CreelModelSettings *settings)
{
  if (settings->context_size != 0)
    add (b, "context-size", g_variant_new_uint64 (settings->context_size));
  if (settings->has_keep_alive)
    add (b, "keep-alive", g_variant_new_uint64 (settings->keep_alive));
  if (settings->engine_flags != NULL)
    add (b, "engine-flags", g_variant_new_strv ((const char *const *) settings->engine_flags, -1));
}

static void
add_model (GVariantBuilder *b, const CreelModelConfig *config, GHashTable *names, GHashTable *all_settings, const char *registry)
{
  const CreelModelSettings *settings;
  g_auto (GStrv) own = creel_model_store_names_of (names, config->id);

  add (b, "id", g_variant_new_string (config->id));
  add (b, "name", own[0] != NULL ? g_variant_new_take_string (creel_model_store_shorten (own[0], registry)) : g_variant_new_string (config->id));
  add (b, "references", g_variant_new_strv ((const char *const *) own, -1));
  add (b, "format", g_variant_new_string (config->format));
  add (b, "architecture", g_variant_new_string (config->architecture));
  add (b, "parameters", g_variant_new_string (config->parameters));
  add (b, "quantization", g_variant_new_string (config->quantization));
  add (b, "size", g_variant_new_uint64 (config->size));
  add (b, "context-length", g_variant_new_uint64 (config->context_length));
  add (b, "layers", g_variant_new_uint64 (config->layers));
  add (b, "kv-bytes-per-token", g_variant_new_uint64 (config->kv_bytes_per_token));
  add (b, "chat-template", g_variant_new_boolean (config->has_chat_template));
  add (b, "embedding", g_variant_new_boolean (config->embedding));
  add (b, "created", g_variant_new_int64 (config->created));
  add (b, "source", g_variant_new_string (config->source));
  settings = creel_model_settings_find (all_settings, own, config->id);
  if (settings != NULL)
    add_settings (b, settings);
}

static void
handle_list (CreelCall *call)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *registry = creel_registry_of_models (NULL);
  g_autoptr (GHashTable) names = creel_model_store_load_names (&error);
  g_autoptr (GHashTable) settings = names != NULL ? creel_model_settings_load (&error) : NULL;
  g_auto (GStrv) ids = creel_model_store_list ();
  GVariantBuilder b;

  if (settings == NULL)
    {
      creel_call_fail (call, error);
      return;
    }
  g_variant_builder_init (&b, G_VARIANT_TYPE ("aa{sv}"));
  for (char **id = ids; *id != NULL; id++)
    {
      g_autoptr (CreelModelConfig) config = creel_model_config_load (*id, NULL);

      if (config == NULL)
        continue;
      g_variant_builder_open (&b, G_VARIANT_TYPE ("a{sv}"));
      add_model (&b, config, names, settings, registry);
      g_variant_builder_close (&b);
    }
  creel_call_return (call, g_variant_new ("(aa{sv})", &b));
}

static void
handle_inspect (CreelCall *call)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *registry = creel_registry_of_models (NULL);
  g_autoptr (GHashTable) names = creel_model_store_load_names (&error);
  g_autoptr (GHashTable) settings = names != NULL ? creel_model_settings_load (&error) : NULL;
  g_autofree char *id = NULL;
  g_autoptr (CreelModelConfig) config = NULL;
  GVariantBuilder b, files;
  const char *model;
  guint64 sum = 0;

  g_variant_get_child (call->parameters, 0, "&s", &model);
  id = settings != NULL ? creel_model_store_resolve (model, &error) : NULL;
  config = id != NULL ? creel_model_config_load (id, &error) : NULL;
  if (config == NULL)
    {
      creel_call_fail (call, error);
      return;
    }
  g_variant_builder_init (&b, G_VARIANT_TYPE ("a{sv}"));
  add_model (&b, config, names, settings, registry);
  for (char **blob = config->blobs; *blob != NULL; blob++)
    sum += g_ascii_strtoull (*blob + 65, NULL, 10);
  add (&b, "manifest", g_variant_new_take_string (g_strconcat ("sha256:", config->manifest, NULL)));
  add (&b, "blobs-size", g_variant_new_uint64 (sum));
  g_variant_builder_init (&files, G_VARIANT_TYPE ("a(ssts)"));
  for (guint i = 0; i < config->files->len; i++)
    {
      const CreelModelFile *file = config->files->pdata[i];

      g_variant_builder_add (&files, "(ssts)", file->kind, file->blob, file->size, file->name);
    }
  add (&b, "files", g_variant_builder_end (&files));
  creel_call_return (call, g_variant_new ("(a{sv})", &b));
}

static gboolean
prepare_tag (CreelCall *call, GStrvBuilder *actions, GError **error)
{
  static const char *const known[] = { NULL };
  g_autoptr (CreelReference) reference = NULL;
  const char *text;

  g_variant_get_child (call->parameters, 1, "&s", &text);
  reference = creel_reference_parse (text, error);
  if (reference != NULL && reference->digest != NULL)
    {
      g_set_error_literal (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS, "A digest cannot be given to a model: write NAME:TAG");
      return FALSE;
    }
  return reference != NULL && prepare_options (call, 2, known, error);
}

static void
handle_tag (CreelCall *call)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *id = NULL;
  g_autofree char *name = NULL;
  g_autoptr (GHashTable) names = NULL;
  g_auto (GStrv) own = NULL;
  const char *model, *text;

  g_variant_get (call->parameters, "(&s&s@a{sv})", &model, &text, NULL);
  id = creel_model_store_resolve (model, &error);
  name = id != NULL ? creel_image_reference_normalize (text, &error) : NULL;
  names = name != NULL ? creel_model_store_load_names (&error) : NULL;
  own = names != NULL ? creel_model_store_names_of (names, id) : NULL;
  if (own == NULL || !creel_model_settings_copy (own, id, name, &error) || !creel_model_store_add_name (id, name, &error))
    {
      creel_call_fail (call, error);
      return;
    }
  creel_engines_models_changed (call->daemon->engines);
  creel_call_return (call, NULL);
}

static gboolean
prepare_remove (CreelCall *call, GStrvBuilder *actions, GError **error)
{
  static const char *const known[] = { "force:b", NULL };

  return prepare_options (call, 1, known, error);
}

static gboolean
is_loaded (const char *id, gpointer user_data)
{
  return creel_engines_is_loaded (user_data, id);
}

/* What was set for a name that is gone is forgotten; a model that goes takes that of its id. */
static void
forget_settings (GHashTable *before, const char *id)
{
  g_autoptr (GHashTable) after = creel_model_store_load_names (NULL);
  g_autoptr (GPtrArray) gone = g_ptr_array_new ();
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) own = creel_model_store_names_of (before, id);

  for (char **name = own; after != NULL && *name != NULL; name++)
    if (!g_hash_table_contains (after, *name))
      g_ptr_array_add (gone, *name);
  if (gone->len == g_strv_length (own))
    g_ptr_array_add (gone, (char *) id);
  g_ptr_array_add (gone, NULL);
  if (!creel_model_settings_forget ((char **) gone->pdata, &error))
    g_warning ("%s", error->message);
}

static void
remove_it (CreelCall *call)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) options = NULL;
  g_autoptr (GHashTable) names = creel_model_store_load_names (&error);
  g_autofree char *id = NULL;
  g_auto (GStrv) blobs = NULL;
  gboolean force = FALSE;
  const char *model;

  g_variant_get (call->parameters, "(&s@a{sv})", &model, &options);
  g_variant_lookup (options, "force", "b", &force);
  id = names != NULL ? creel_model_store_resolve (model, &error) : NULL;
  if (id == NULL || !creel_model_store_remove (model, force, is_loaded, call->daemon->engines, &blobs, &error))
    {
      creel_call_fail (call, error);
      return;
    }
  forget_settings (names, id);
  creel_image_collect_blobs (call->daemon, blobs);
  creel_engines_models_changed (call->daemon->engines);
  creel_call_return (call, NULL);
}

static void
unloaded (gpointer user_data, const GError *error)
{
  CreelCall *call = user_data;

  if (error != NULL && !g_error_matches (error, CREEL_ERROR, CREEL_ERROR_NOT_RUNNING))
    creel_call_fail (call, error);
  else
    remove_it (call);
}

/* Whether a removal would take the model away, and not only one of its names. */
static gboolean
is_last (const char *model, const char *id)
{
  g_autoptr (GHashTable) names = creel_model_store_load_names (NULL);
  g_autofree char *registry = creel_registry_of_models (NULL);
  g_autofree char *name = names != NULL ? creel_reference_find (names, model, registry) : NULL;
  g_auto (GStrv) own = names != NULL ? creel_model_store_names_of (names, id) : NULL;

  return name == NULL || (own != NULL && g_strv_length (own) <= 1);
}

static void
unload_and_remove (gpointer user_data)
{
  CreelCall *call = user_data;
  g_autoptr (GVariant) options = g_variant_get_child_value (call->parameters, 1);
  g_autofree char *id = NULL;
  gboolean force = FALSE;
  const char *model;

  g_variant_get_child (call->parameters, 0, "&s", &model);
  g_variant_lookup (options, "force", "b", &force);
  id = force ? creel_model_store_resolve (model, NULL) : NULL;
  if (id != NULL && creel_engines_is_loaded (call->daemon->engines, id) && is_last (model, id))
    creel_engines_stop (call->daemon->engines, id, unloaded, call);
  else
    remove_it (call);
}

static void
handle_remove (CreelCall *call)
{
  creel_engines_when_ready (call->daemon->engines, unload_and_remove, call);
}

const CreelMethod creel_model_methods[] = {
  { "Models", "ListModels", prepare_list, handle_list },
  { "Models", "InspectModel", prepare_inspect, handle_inspect },
  { "Models", "TagModel", prepare_tag, handle_tag },
  { "Models", "RemoveModel", prepare_remove, handle_remove },
  { NULL }
};
