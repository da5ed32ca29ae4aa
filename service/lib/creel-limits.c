/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-limits.h"

#include <string.h>

#include "creel-conf.h"
#include "creel-definition.h"
#include "creel-error.h"
#include "creel-names.h"
#include "creel-root.h"

#define CONF CREEL_CONFIG_DIR "/creel.conf"

/* A head must fit what is read of a connection before somebody looks at it: 64 KiB. */
const CreelLimitInfo creel_limit_infos[CREEL_N_LIMITS] = {
  [CREEL_LIMIT_CONNECTIONS] = { "ConnectionsMax", "connections", 1024, 16, 1024, FALSE },
  [CREEL_LIMIT_HALF_OPEN] = { "HalfOpenMax", "half-open", 512, 8, 1024, FALSE },
  [CREEL_LIMIT_REQUESTS] = { "RequestsPerSecMax", "requests-per-second", 1000, 10, 100000, FALSE },
  [CREEL_LIMIT_FIELDS] = { "HeaderFieldsMax", "header-fields", 100, 32, 1000, FALSE },
  [CREEL_LIMIT_HEADER] = { "HeaderSizeMax", "header-size", 32 * 1024, 8 * 1024, 64 * 1024, TRUE },
};

void
creel_limits_init (CreelLimits *limits)
{
  for (guint i = 0; i < CREEL_N_LIMITS; i++)
    limits->values[i] = creel_limit_infos[i].normal;
}

CreelLimit
creel_limit_find (const char *key)
{
  CreelLimit limit = 0;

  while (limit < CREEL_N_LIMITS && strcmp (creel_limit_infos[limit].key, key) != 0)
    limit++;
  return limit;
}

gboolean
creel_limits_set (CreelLimits *limits, CreelLimit limit, const char *value, GError **error)
{
  guint64 number;

  if (!(creel_limit_infos[limit].is_size ? creel_size_parse (value, &number, error) : creel_number_parse (value, G_MAXUINT, &number, error)))
    return FALSE;
  limits->values[limit] = MIN (number, G_MAXUINT); /* which is out of range as well */
  return TRUE;
}

gboolean
creel_limits_validate (const CreelLimits *limits, GError **error)
{
  for (guint i = 0; i < CREEL_N_LIMITS; i++)
    {
      const CreelLimitInfo *info = &creel_limit_infos[i];

      if (limits->values[i] >= info->least && limits->values[i] <= info->most)
        continue;
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_BAD_DEFINITION, "%s=%u is out of range: %u to %u", info->key, limits->values[i], info->least,
                   info->most);
      return FALSE;
    }
  return TRUE;
}

static gboolean
take_ceiling (const char *section, const char *key, const char *value, const char *origin, gpointer user_data, GError **error)
{
  CreelLimit limit;

  if (!g_str_equal (section, "Limits") || key == NULL)
    return TRUE;
  limit = creel_limit_find (key);
  if (limit != CREEL_N_LIMITS)
    return creel_limits_set (user_data, limit, value, error) && creel_limits_validate (user_data, error);
  g_set_error (error, CREEL_ERROR, CREEL_ERROR_BAD_DEFINITION, "%.64s= is no key of section [Limits]", key);
  return FALSE;
}

gboolean
creel_limits_load_ceiling (CreelLimits *ret_ceiling, GError **error)
{
  g_autofree char *path = creel_root_path (CONF);
  g_autoptr (GError) local_error = NULL;
  CreelLimits ceiling;

  for (guint i = 0; i < CREEL_N_LIMITS; i++)
    ceiling.values[i] = creel_limit_infos[i].most;
  if (!creel_conf_parse_file (path, take_ceiling, &ceiling, &local_error) && !g_error_matches (local_error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND))
    {
      g_propagate_error (error, g_steal_pointer (&local_error));
      return FALSE;
    }
  *ret_ceiling = ceiling;
  return TRUE;
}

void
creel_limits_lower (CreelLimits *limits, const CreelLimits *ceiling)
{
  for (guint i = 0; i < CREEL_N_LIMITS; i++)
    limits->values[i] = MIN (limits->values[i], ceiling->values[i]);
}

gboolean
creel_limits_check (const CreelLimits *limits, const CreelLimits *before, const CreelLimits *ceiling, GError **error)
{
  for (guint i = 0; i < CREEL_N_LIMITS; i++)
    if (limits->values[i] != before->values[i] && limits->values[i] > ceiling->values[i])
      {
        g_set_error (error, CREEL_ERROR, CREEL_ERROR_BAD_DEFINITION, "%s=%u is above the %u that section [Limits] of " CONF " allows",
                     creel_limit_infos[i].key, limits->values[i], ceiling->values[i]);
        return FALSE;
      }
  return TRUE;
}
