/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "creel-call.h"
#include "creel-engine-flags.h"
#include "creel-engine-search.h"
#include "creel-engine-version.h"
#include "creel-engines.h"
#include "creel-error.h"
#include "creel-image-collect.h"
#include "creel-model-settings.h"
#include "creel-model-store.h"
#include "creel-names.h"
#include "creel-root.h"

/* Of the interface Models what is about running them: settings, what is loaded, what there is room for. */

static void
add (GVariantBuilder *b, const char *key, GVariant *value)
{
  g_variant_builder_add (b, "{sv}", key, value);
}

static gboolean
prepare_only_options (CreelCall *call, GStrvBuilder *actions, GError **error)
{
  static const char *const known[] = { NULL };
  g_autoptr (GVariant) options = g_variant_get_child_value (call->parameters, g_variant_n_children (call->parameters) - 1);

  return creel_options_check (options, known, error);
}

static gboolean
prepare_configure (CreelCall *call, GStrvBuilder *actions, GError **error)
{
  static const char *const known[] = { "context-size:t", "keep-alive:t", "engine-flags:as", "reset:b", NULL };
  g_autoptr (GVariant) options = g_variant_get_child_value (call->parameters, 1);
  g_autoptr (GVariant) value = g_variant_lookup_value (options, "engine-flags", G_VARIANT_TYPE ("as"));
  g_autofree const char **flags = value != NULL ? g_variant_get_strv (value, NULL) : NULL;
  guint64 context_size = 0;

  if (!creel_options_check (options, known, error) || (flags != NULL && !creel_engine_flags_check (flags, error)))
    return FALSE;
  g_variant_lookup (options, "context-size", "t", &context_size);
  if (context_size <= CREEL_ENGINE_MAX_CONTEXT)
    return TRUE;
  g_set_error (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS, "A context has at most %" G_GUINT64_FORMAT " tokens", CREEL_ENGINE_MAX_CONTEXT);
  return FALSE;
}

static void
handle_configure (CreelCall *call)
{
  g_autoptr (GVariant) options = g_variant_get_child_value (call->parameters, 1);
  g_autoptr (GHashTable) names = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *id = NULL;
  g_auto (GStrv) own = NULL;
  const char *model;

  g_variant_get_child (call->parameters, 0, "&s", &model);
  id = creel_model_store_resolve (model, &error);
  names = id != NULL ? creel_model_store_load_names (&error) : NULL;
  own = names != NULL ? creel_model_store_names_of (names, id) : NULL;
  if (own == NULL || !creel_model_settings_configure (own, id, options, &error))
    {
      creel_call_fail (call, error);
      return;
    }
  creel_engines_models_changed (call->daemon->engines);
  creel_call_return (call, NULL);
}

static void
unloaded (gpointer user_data, const GError *error)
{
  CreelCall *call = user_data;

  if (error != NULL)
    creel_call_fail (call, error);
  else
    creel_call_return (call, NULL);
}

static void
unload (gpointer user_data)
{
  CreelCall *call = user_data;
  CreelEngines *engines = call->daemon->engines;
  g_autoptr (GError) error = NULL;
  g_autofree char *id = NULL;
  const char *model;

  g_variant_get_child (call->parameters, 0, "&s", &model);
  if (model[0] == '\0')
    {
      creel_engines_stop_all (engines, unloaded, call);
      return;
    }
  id = creel_model_store_resolve (model, &error);
  if (id == NULL)
    creel_call_fail (call, error);
  else if (!creel_engines_is_loaded (engines, id))
    creel_call_fail_new (call, CREEL_ERROR, CREEL_ERROR_NOT_RUNNING, "Model %s is not loaded", model);
  else
    creel_engines_stop (engines, id, unloaded, call);
}

static void
handle_unload (CreelCall *call)
{
  creel_engines_when_ready (call->daemon->engines, unload, call);
}

static void
listed (GPtrArray *engines, gpointer user_data)
{
  CreelCall *call = user_data;
  GVariantBuilder b;

  g_variant_builder_init (&b, G_VARIANT_TYPE ("aa{sv}"));
  for (guint i = 0; i < engines->len; i++)
    {
      const CreelEngine *engine = engines->pdata[i];
      g_autofree char *name = creel_model_store_name_of (engine->id);

      g_variant_builder_open (&b, G_VARIANT_TYPE ("a{sv}"));
      add (&b, "id", g_variant_new_string (engine->id));
      add (&b, "name", g_variant_new_string (name));
      add (&b, "unit", g_variant_new_string (engine->unit));
      add (&b, "state", g_variant_new_string (engine->state));
      add (&b, "since", g_variant_new_uint64 (engine->since));
      add (&b, "memory", g_variant_new_uint64 (engine->memory));
      add (&b, "memory-max", g_variant_new_uint64 (engine->memory_max));
      add (&b, "context-size", g_variant_new_uint64 (engine->context_size));
      add (&b, "busy", g_variant_new_uint32 (engine->busy));
      add (&b, "expires", g_variant_new_uint64 (engine->expires));
      g_variant_builder_close (&b);
    }
  creel_call_return (call, g_variant_new ("(aa{sv})", &b));
}

static void
list_loaded (gpointer user_data)
{
  CreelCall *call = user_data;

  creel_engines_list (call->daemon->engines, listed, call);
}

static void
handle_list_loaded (CreelCall *call)
{
  creel_engines_when_ready (call->daemon->engines, list_loaded, call);
}

/* Bytes that the files of a folder take. */
static guint64
measure_folder (const char *directory)
{
  g_autofree char *path = creel_root_path (directory);
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const char *entry;
  guint64 sum = 0;

  while (dir != NULL && (entry = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *file = g_build_filename (path, entry, NULL);
      struct stat st;

      if (lstat (file, &st) == 0 && S_ISREG (st.st_mode))
        sum += (guint64) st.st_blocks * 512;
    }
  return sum;
}

static void
measure_models (guint64 *ret_all, guint64 *ret_shared)
{
  g_autoptr (GHashTable) seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL); /* "HEX SIZE" -> how many have it */
  g_auto (GStrv) ids = creel_model_store_list ();
  GHashTableIter iter;
  gpointer blob, users;

  for (char **id = ids; *id != NULL; id++)
    {
      g_autoptr (CreelModelConfig) config = creel_model_config_load (*id, NULL);

      for (char **each = config != NULL ? config->blobs : NULL; each != NULL && *each != NULL; each++)
        g_hash_table_insert (seen, g_strdup (*each), GUINT_TO_POINTER (GPOINTER_TO_UINT (g_hash_table_lookup (seen, *each)) + 1));
    }
  g_hash_table_iter_init (&iter, seen);
  while (g_hash_table_iter_next (&iter, &blob, &users))
    {
      guint64 size = g_ascii_strtoull ((char *) blob + 65, NULL, 10);

      *ret_all += size;
      *ret_shared += GPOINTER_TO_UINT (users) > 1 ? size : 0;
    }
}

static void
handle_disk_usage (CreelCall *call)
{
  g_autofree char *path = creel_root_path (CREEL_OCI_DIR);
  guint64 all = 0, shared = 0, available = 0;
  GVariantBuilder b;
  struct statvfs st;

  measure_models (&all, &shared);
  if (statvfs (path, &st) == 0)
    available = (guint64) st.f_bavail * st.f_frsize;
  g_variant_builder_init (&b, G_VARIANT_TYPE ("a{sv}"));
  add (&b, "models", g_variant_new_uint64 (all));
  add (&b, "shared", g_variant_new_uint64 (shared));
  add (&b, "partial", g_variant_new_uint64 (measure_folder (CREEL_OCI_DIR "/partial")));
  add (&b, "free", g_variant_new_uint64 (available));
  creel_call_return (call, g_variant_new ("(a{sv})", &b));
}

typedef struct
{
  CreelCall *call;
  char *engine;
  GError *error; /* why there is none */
  gboolean listening;
} Status;

static void
status_free (Status *status)
{
  g_free (status->engine);
  g_clear_error (&status->error);
  g_free (status);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Status, status_free)

static void
with_version (const char *version, gpointer user_data)
{
  g_autoptr (Status) status = user_data;
  g_auto (GStrv) ids = creel_model_store_list ();
  g_autofree char *place = g_strdup_printf ("127.0.0.1:%d", CREEL_MODEL_RUNNER_PORT);
  GVariantBuilder b;

  g_variant_builder_init (&b, G_VARIANT_TYPE ("a{sv}"));
  add (&b, "engine", g_variant_new_string (status->engine != NULL ? status->engine : ""));
  add (&b, "engine-version", g_variant_new_string (version));
  add (&b, "advice", g_variant_new_string (creel_engine_advice (status->error)));
  add (&b, "listening", g_variant_new_string (status->listening ? place : ""));
  add (&b, "models", g_variant_new_uint32 (g_strv_length (ids)));
  add (&b, "loaded", g_variant_new_uint32 (creel_engines_count (status->call->daemon->engines)));
  creel_call_return (status->call, g_variant_new ("(a{sv})", &b));
}

static void
with_socket (GHashTable *units, gpointer user_data, GError *error)
{
  Status *status = user_data;
  CreelCall *call = status->call;

  status->listening = g_strcmp0 (g_hash_table_lookup (units, CREEL_MODELS_SOCKET), "active") == 0;
  status->engine = creel_engine_find (&status->error);
  if (status->engine != NULL)
    creel_engine_version_get (call->daemon->engine_version, status->engine, with_version, status);
  else
    with_version ("", status);
}

static void
get_status (gpointer user_data)
{
  CreelCall *call = user_data;
  Status *status = g_new0 (Status, 1);

  status->call = call;
  creel_units_list (call->daemon->units, CREEL_MODELS_SOCKET, with_socket, status);
}

static void
handle_status (CreelCall *call)
{
  creel_engines_when_ready (call->daemon->engines, get_status, call);
}

static void
handle_prune (CreelCall *call)
{
  g_autoptr (GError) error = NULL;
  guint64 bytes;

  if (creel_image_collect_all (call->daemon, &bytes, &error))
    creel_call_return (call, g_variant_new ("(t)", bytes));
  else
    creel_call_fail (call, error);
}

const CreelMethod creel_model_runner_methods[] = {
  { "Models", "ConfigureModel", prepare_configure, handle_configure },
  { "Models", "UnloadModel", prepare_only_options, handle_unload },
  { "Models", "ListLoaded", prepare_only_options, handle_list_loaded },
  { "Models", "DiskUsage", prepare_only_options, handle_disk_usage },
  { "Models", "Status", prepare_only_options, handle_status },
  { "Models", "PruneModels", prepare_only_options, handle_prune },
  { NULL }
};
