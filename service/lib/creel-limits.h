/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* How much of the proxy a sandbox may use. Each is a key of the definition and has a range: the floor leaves a sandbox usable, the
 * upper bound keeps the gateway's memory bounded whatever a definition says. */
typedef enum
{
  CREEL_LIMIT_CONNECTIONS, /* ConnectionsMax= of the guest to the proxy at a time */
  CREEL_LIMIT_HALF_OPEN,   /* HalfOpenMax= of them without a whole first request yet, TLS handshake included */
  CREEL_LIMIT_REQUESTS,    /* RequestsPerSecMax= in the long run, connections of the transparent path included */
  CREEL_LIMIT_FIELDS,      /* HeaderFieldsMax= of a request and of an answer */
  CREEL_LIMIT_HEADER,      /* HeaderSizeMax= bytes of a request's and of an answer's head */
  CREEL_N_LIMITS,
} CreelLimit;

typedef struct
{
  guint values[CREEL_N_LIMITS];
} CreelLimits;

typedef struct
{
  const char *key;
  const char *name; /* on D-Bus */
  guint normal, least, most;
  gboolean is_size; /* in bytes: takes K and M */
} CreelLimitInfo;
extern const CreelLimitInfo creel_limit_infos[CREEL_N_LIMITS];

/* Sets each to what holds when a definition says nothing. */
void creel_limits_init (CreelLimits *limits);
/* The limit with this key; CREEL_N_LIMITS when there is none. */
CreelLimit creel_limit_find (const char *key);
/* CREEL_ERROR_BAD_DEFINITION when it is no number or, of a size, none with K and M either; its range is for validate. */
gboolean creel_limits_set (CreelLimits *limits, CreelLimit limit, const char *value, GError **error);
/* Whether each is in its range; else CREEL_ERROR_BAD_DEFINITION. */
gboolean creel_limits_validate (const CreelLimits *limits, GError **error);

/* The most that a sandbox may have: section [Limits] of /etc/creel/creel.conf, with the keys of the definition; the end of the range where it
 * says nothing, and without the file. CREEL_ERROR_BAD_DEFINITION with file and line, or an error of reading: then nothing may be allowed. */
gboolean creel_limits_load_ceiling (CreelLimits *ret_ceiling, GError **error);
/* Lowers what is above the ceiling, a default too. */
void creel_limits_lower (CreelLimits *limits, const CreelLimits *ceiling);
/* Whether limits may be written over those of before: what differs must not be above the ceiling, else CREEL_ERROR_BAD_DEFINITION. */
gboolean creel_limits_check (const CreelLimits *limits, const CreelLimits *before, const CreelLimits *ceiling, GError **error);
