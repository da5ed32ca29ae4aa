/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-models-config.h"

#include <string.h>

#include "creel-conf.h"
#include "creel-error.h"
#include "creel-names.h"
#include "creel-reference.h"
#include "creel-root.h"

typedef struct
{
  CreelModelsConfig *config;
  guint64 total;
} Loading;

void
creel_models_config_clear (CreelModelsConfig *config)
{
  g_clear_pointer (&config->origins, g_strfreev);
  g_clear_pointer (&config->registry, g_free);
}

/* As systemd writes sizes: bytes, K, M, G, T, a percentage, infinity */
static gboolean
parse_size (const char *value, guint64 total, guint64 *ret_size)
{
  static const char units[] = "KMGT";
  gsize digits = strspn (value, "0123456789");
  const char *unit = value + digits, *found;
  guint64 number, factor = 1;

  if (g_str_equal (value, "infinity"))
    {
      *ret_size = G_MAXUINT64;
      return TRUE;
    }
  if (digits == 0 || digits > 15)
    return FALSE;
  number = g_ascii_strtoull (value, NULL, 10);
  if (g_str_equal (unit, "%"))
    {
      *ret_size = total / 100 * number;
      return number <= 100;
    }
  if (*unit != '\0')
    {
      if ((found = strchr (units, *unit)) == NULL || unit[1] != '\0')
        return FALSE;
      factor = G_GUINT64_CONSTANT (1) << (10 * (found - units + 1));
    }
  if (number > G_MAXUINT64 / factor)
    return FALSE;
  *ret_size = number * factor;
  return TRUE;
}

static gboolean
on_assignment (const char *section, const char *key, const char *value, const char *origin, gpointer user_data, GError **error)
{
  Loading *loading = user_data;

  if (!g_str_equal (section, "Models") || key == NULL)
    return TRUE;
  if (g_str_equal (key, "MemoryMax"))
    {
      if (parse_size (value, loading->total, &loading->config->memory_max))
        return TRUE;
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_BAD_DEFINITION, "MemoryMax=%s is no size, such as 12G or 50%%", value);
      return FALSE;
    }
  if (g_str_equal (key, "AllowOrigin"))
    {
      g_auto (GStrv) words = g_strsplit (value, " ", -1);

      if (*value == '\0')
        g_clear_pointer (&loading->config->origins, g_strfreev);
      for (char **word = words; *word != NULL; word++)
        if (**word != '\0')
          creel_conf_strv_add (&loading->config->origins, *word);
    }
  return TRUE;
}

gboolean
creel_models_config_load (guint64 total, CreelModelsConfig *ret_config, GError **error)
{
  g_autofree char *path = creel_root_path (CREEL_CONFIG_DIR "/creel.conf");
  g_auto (CreelModelsConfig) config = { .memory_max = G_MAXUINT64 };
  Loading loading = { &config, total };
  g_autoptr (GError) local = NULL;

  if (!creel_conf_parse_file (path, on_assignment, &loading, &local) && !g_error_matches (local, G_IO_ERROR, G_IO_ERROR_NOT_FOUND))
    {
      g_propagate_error (error, g_steal_pointer (&local));
      return FALSE;
    }
  config.registry = creel_registry_of_models (error);
  if (config.registry == NULL)
    return FALSE;
  *ret_config = config;
  memset (&config, 0, sizeof config);
  return TRUE;
}
