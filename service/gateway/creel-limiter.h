/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "creel-audit.h"
#include "creel-http-head.h"
#include "creel-limits.h"

/* What is left of a sandbox's limits. Who is refused hears it at once; the journal hears it in one entry a second for each limit,
 * so that a flood of connections is none of entries. */
typedef struct
{
  CreelLimits limits;
  gint64 paid;                     /* nanoseconds of the monotonic clock: each request moves it on by its share of a second */
  guint64 refused[CREEL_N_LIMITS]; /* that no entry tells of yet */
} CreelLimiter;

/* Until others are set, the limits are those of a definition that says nothing. */
void creel_limiter_init (CreelLimiter *limiter);
/* FALSE when there were too many: five seconds' worth may come at once, and then so many a second. now: monotonic, in microseconds. */
gboolean creel_limiter_take_request (CreelLimiter *limiter, gint64 now);
CreelHttpHeadMax creel_limiter_get_head_max (const CreelLimiter *limiter);
/* Counts a refusal and makes its text, which says that it is worth trying again soon. host, method: NULL when unknown; owned by the caller. */
GString *creel_limiter_refuse (CreelLimiter *limiter, CreelLimit limit, const char *host, guint16 port, const char *method);
/* Writes the entries that are due; to be called once a second. */
void creel_limiter_report (CreelLimiter *limiter, CreelAudit *audit, const char *sandbox);
