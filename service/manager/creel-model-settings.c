/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-model-settings.h"

#include <string.h>

#include "creel-conf.h"
#include "creel-engine-flags.h"
#include "creel-error.h"
#include "creel-names.h"
#include "creel-root.h"
#include "creel-sandbox-store.h"

#define FILE_NAME CREEL_MODEL_DIR "/settings.conf"

void
creel_model_settings_free (CreelModelSettings *settings)
{
  g_strfreev (settings->engine_flags);
  g_free (settings);
}

static CreelModelSettings *
settings_copy (const CreelModelSettings *settings)
{
  CreelModelSettings *copy = g_memdup2 (settings, sizeof *settings);

  copy->engine_flags = g_strdupv (settings->engine_flags);
  return copy;
}

static gboolean
is_empty (const CreelModelSettings *settings)
{
  return settings->context_size == 0 && !settings->has_keep_alive && settings->engine_flags == NULL;
}

static gboolean
take (const char *section, const char *key, const char *value, const char *origin, gpointer user_data, GError **error)
{
  GHashTable *all = user_data;
  CreelModelSettings *settings = g_hash_table_lookup (all, section);
  g_autoptr (GError) local_error = NULL;
  g_auto (GStrv) words = NULL;
  guint64 number = 0;

  if (settings == NULL)
    {
      settings = g_new0 (CreelModelSettings, 1);
      g_hash_table_insert (all, g_strdup (section), settings);
    }
  if (key == NULL)
    return TRUE;
  if (g_str_equal (key, "ContextSize") && g_ascii_string_to_unsigned (value, 10, 1, CREEL_ENGINE_MAX_CONTEXT, &number, &local_error))
    settings->context_size = number;
  else if (g_str_equal (key, "KeepAlive") && g_ascii_string_to_unsigned (value, 10, 0, G_MAXUINT64, &number, &local_error))
    {
      settings->has_keep_alive = TRUE;
      settings->keep_alive = number;
    }
  else if (g_str_equal (key, "EngineFlags"))
    {
      words = g_strsplit (value, " ", -1);
      if (creel_engine_flags_check ((const char *const *) words, &local_error))
        {
          g_strfreev (settings->engine_flags);
          settings->engine_flags = g_steal_pointer (&words);
        }
    }
  /* a file that somebody wrote into, or a list of flags that became shorter, is no reason to have no models */
  if (local_error != NULL)
    g_warning ("%s: %s", origin, local_error->message);
  return TRUE;
}

GHashTable *
creel_model_settings_load (GError **error)
{
  g_autoptr (GHashTable) all = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify) creel_model_settings_free);
  g_autofree char *path = creel_root_path (FILE_NAME);
  g_autoptr (GError) local_error = NULL;

  if (creel_conf_parse_file (path, take, all, &local_error) || g_error_matches (local_error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND))
    return g_steal_pointer (&all);
  g_set_error (error, CREEL_ERROR, CREEL_ERROR_FAILED, "Cannot read the settings of models: %s", local_error->message);
  return NULL;
}

static gboolean
save (GHashTable *all, GError **error)
{
  g_autofree char *path = creel_root_path (FILE_NAME);
  g_autoptr (GString) text = g_string_new ("# Settings of models, written by creeld: creel model configure\n");
  g_autoptr (GList) names = g_list_sort (g_hash_table_get_keys (all), (GCompareFunc) strcmp);

  for (GList *l = names; l != NULL; l = l->next)
    {
      const CreelModelSettings *settings = g_hash_table_lookup (all, l->data);
      g_autofree char *flags = settings->engine_flags != NULL ? g_strjoinv (" ", settings->engine_flags) : NULL;

      if (is_empty (settings))
        continue;
      g_string_append_printf (text, "\n[%s]\n", (char *) l->data);
      if (settings->context_size != 0)
        g_string_append_printf (text, "ContextSize=%" G_GUINT64_FORMAT "\n", settings->context_size);
      if (settings->has_keep_alive)
        g_string_append_printf (text, "KeepAlive=%" G_GUINT64_FORMAT "\n", settings->keep_alive);
      if (flags != NULL)
        g_string_append_printf (text, "EngineFlags=%s\n", flags);
    }
  /* one that is too large to be read would be the end of all models */
  if (text->len > CREEL_CONF_MAX_SIZE)
    {
      g_set_error (error, G_DBUS_ERROR, G_DBUS_ERROR_LIMITS_EXCEEDED,
                   "The settings of all models together are too large; give this one fewer names or flags, or reset others: creel model configure --reset NAME");
      return FALSE;
    }
  return creel_store_replace_file (path, text->str, text->len, 0644, error);
}

const CreelModelSettings *
creel_model_settings_find (GHashTable *all, char **names, const char *id)
{
  const CreelModelSettings *settings;

  for (; *names != NULL; names++)
    if ((settings = g_hash_table_lookup (all, *names)) != NULL && !is_empty (settings))
      return settings;
  settings = g_hash_table_lookup (all, id);
  return settings != NULL && !is_empty (settings) ? settings : NULL;
}

static void
change (CreelModelSettings *settings, GVariant *options)
{
  g_autofree const char **flags = NULL;
  g_autoptr (GVariant) value = g_variant_lookup_value (options, "engine-flags", G_VARIANT_TYPE ("as"));

  g_variant_lookup (options, "context-size", "t", &settings->context_size);
  if (g_variant_lookup (options, "keep-alive", "t", &settings->keep_alive))
    settings->has_keep_alive = TRUE;
  if (value == NULL)
    return;
  flags = g_variant_get_strv (value, NULL);
  g_clear_pointer (&settings->engine_flags, g_strfreev);
  if (flags[0] != NULL)
    settings->engine_flags = g_strdupv ((char **) flags);
}

gboolean
creel_model_settings_configure (char **names, const char *id, GVariant *options, GError **error)
{
  g_autoptr (GHashTable) all = creel_model_settings_load (error);
  const CreelModelSettings *now;
  g_autoptr (CreelModelSettings) settings = NULL;
  gboolean reset = FALSE;

  if (all == NULL)
    return FALSE;
  g_variant_lookup (options, "reset", "b", &reset);
  now = reset ? NULL : creel_model_settings_find (all, names, id);
  settings = now != NULL ? settings_copy (now) : g_new0 (CreelModelSettings, 1);
  change (settings, options);
  /* an id that has a name now lends nothing to it */
  g_hash_table_remove (all, id);
  if (names[0] == NULL)
    g_hash_table_insert (all, g_strdup (id), settings_copy (settings));
  for (; *names != NULL; names++)
    g_hash_table_insert (all, g_strdup (*names), settings_copy (settings));
  return save (all, error);
}

gboolean
creel_model_settings_copy (char **names, const char *id, const char *name, GError **error)
{
  g_autoptr (GHashTable) all = creel_model_settings_load (error);
  const CreelModelSettings *now = all != NULL ? creel_model_settings_find (all, names, id) : NULL;

  if (all == NULL)
    return FALSE;
  if (now == NULL && !g_hash_table_contains (all, name))
    return TRUE;
  if (now != NULL)
    g_hash_table_insert (all, g_strdup (name), settings_copy (now));
  else
    g_hash_table_remove (all, name);
  return save (all, error);
}

gboolean
creel_model_settings_forget (char **names, GError **error)
{
  g_autoptr (GHashTable) all = creel_model_settings_load (error);
  gboolean changed = FALSE;

  if (all == NULL)
    return FALSE;
  for (; *names != NULL; names++)
    changed |= g_hash_table_remove (all, *names);
  return !changed || save (all, error);
}
