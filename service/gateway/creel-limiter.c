/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-limiter.h"

#include <syslog.h>

#include "creel-names.h"
#include "creel-policy.h"
#include "creel-refusal.h"

#define NSEC_PER_USEC G_GINT64_CONSTANT (1000)
#define NSEC_PER_SEC (NSEC_PER_USEC * G_USEC_PER_SEC)
#define BURST_SECONDS 5

void
creel_limiter_init (CreelLimiter *limiter)
{
  *limiter = (CreelLimiter){ 0 };
  creel_limits_init (&limiter->limits);
}

gboolean
creel_limiter_take_request (CreelLimiter *limiter, gint64 now)
{
  gint64 paid = MAX (limiter->paid, now * NSEC_PER_USEC);

  if (paid - now * NSEC_PER_USEC >= BURST_SECONDS * NSEC_PER_SEC)
    return FALSE;
  limiter->paid = paid + NSEC_PER_SEC / limiter->limits.values[CREEL_LIMIT_REQUESTS];
  return TRUE;
}

CreelHttpHeadMax
creel_limiter_get_head_max (const CreelLimiter *limiter)
{
  return (CreelHttpHeadMax){ limiter->limits.values[CREEL_LIMIT_HEADER], limiter->limits.values[CREEL_LIMIT_FIELDS] };
}

GString *
creel_limiter_refuse (CreelLimiter *limiter, CreelLimit limit, const char *host, guint16 port, const char *method)
{
  g_autofree char *message = g_strdup_printf ("The limit %s=%u of this sandbox is reached: try again in a second",
                                              creel_limit_infos[limit].key, limiter->limits.values[limit]);

  limiter->refused[limit]++;
  return creel_refusal_format (CREEL_REASON_LIMIT, limit == CREEL_LIMIT_REQUESTS ? 429 : creel_refusal_get_status (CREEL_REASON_LIMIT), host,
                               port, method, message, FALSE);
}

void
creel_limiter_report (CreelLimiter *limiter, CreelAudit *audit, const char *sandbox)
{
  for (guint i = 0; i < CREEL_N_LIMITS; i++)
    {
      CreelAuditEntry *entry;

      if (limiter->refused[i] == 0)
        continue;
      entry = creel_audit_entry_new (CREEL_MESSAGE_REQUEST, LOG_NOTICE, "request");
      creel_audit_entry_set (entry, CREEL_FIELD_VERDICT, "deny");
      creel_audit_entry_set (entry, CREEL_FIELD_REASON, CREEL_REASON_LIMIT);
      creel_audit_entry_printf (entry, CREEL_FIELD_RULE, "%s=%u", creel_limit_infos[i].key, limiter->limits.values[i]);
      creel_audit_entry_printf (entry, CREEL_FIELD_COUNT, "%" G_GUINT64_FORMAT, limiter->refused[i]);
      creel_audit_entry_printf (entry, "MESSAGE", "%s: refused (" CREEL_REASON_LIMIT ") %" G_GUINT64_FORMAT " times: %s=%u", sandbox, limiter->refused[i],
                                creel_limit_infos[i].key, limiter->limits.values[i]);
      creel_audit_write_async (audit, entry, NULL, NULL, NULL);
      limiter->refused[i] = 0;
    }
}
