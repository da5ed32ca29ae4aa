/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The journal entry of a request or a tunnel. */
#include <syslog.h>

#include "creel-exchange.h"
#include "creel-names.h"

CreelAuditEntry *
creel_exchange_audit_entry (CreelProxy *proxy, const char *message_id, guint64 number, CreelWay way, const char *method,
                            const CreelHost *host, guint16 port, const char *path, const char *reason, const char *rule)
{
  gboolean denied = reason != NULL && reason[0] != '\0';
  CreelAuditEntry *entry = creel_audit_entry_new (message_id, denied ? LOG_NOTICE : LOG_INFO, "request");

  creel_audit_entry_printf (entry, CREEL_FIELD_REQUEST, "%" G_GUINT64_FORMAT, number);
  creel_audit_entry_set (entry, CREEL_FIELD_VERDICT, denied ? "deny" : "allow");
  creel_audit_entry_set (entry, CREEL_FIELD_REASON, denied ? reason : NULL);
  creel_audit_entry_set (entry, CREEL_FIELD_METHOD, method);
  if (host != NULL)
    creel_audit_entry_set (entry, CREEL_FIELD_HOST, creel_host_get_text (host));
  if (port != 0)
    creel_audit_entry_printf (entry, CREEL_FIELD_PORT, "%u", port);
  creel_audit_entry_set (entry, CREEL_FIELD_REQUEST_PATH, path);
  creel_audit_entry_set (entry, CREEL_FIELD_RULE, rule);
  creel_audit_entry_set (entry, CREEL_FIELD_WAY, way == CREEL_WAY_PROXY ? "proxy" : "transparent");
  creel_audit_entry_printf (entry, "MESSAGE", "%s: %s%s%s %s %s:%u%s", proxy->sandbox, denied ? "refused (" : "allowed",
                            denied ? reason : "", denied ? ")" : "", method != NULL ? method : "?",
                            host != NULL ? creel_host_get_text (host) : "?", port, path != NULL ? path : "");
  return entry;
}

void
creel_exchange_audit_amounts (CreelAuditEntry *entry, guint64 out, guint64 in, gint64 started)
{
  creel_audit_entry_printf (entry, CREEL_FIELD_BYTES_OUT, "%" G_GUINT64_FORMAT, out);
  creel_audit_entry_printf (entry, CREEL_FIELD_BYTES_IN, "%" G_GUINT64_FORMAT, in);
  creel_audit_entry_printf (entry, CREEL_FIELD_DURATION, "%" G_GINT64_FORMAT, g_get_monotonic_time () - started);
}
