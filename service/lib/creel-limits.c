/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-limits.h"

#include <string.h>

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
