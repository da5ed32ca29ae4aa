/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-refusal.h"

#include <string.h>

#include "creel-error.h"
#include "creel-names.h"

static const struct
{
  const char *reason;
  guint status;
} statuses[] = {
  { CREEL_REASON_POLICY, 403 },       { CREEL_REASON_RULE, 403 },         { CREEL_REASON_ADDRESS, 403 },
  { CREEL_REASON_DECLINED, 403 },     { CREEL_REASON_UNANSWERED, 403 },   { CREEL_REASON_QUESTIONS, 429 },
  { CREEL_REASON_IDENTITY, 421 },     { CREEL_REASON_MALFORMED, 400 },    { CREEL_REASON_UNRESOLVABLE, 502 },
  { CREEL_REASON_UNREACHABLE, 502 },  { CREEL_REASON_UPSTREAM_TLS, 502 }, { CREEL_REASON_UPSTREAM, 502 },
  { CREEL_REASON_CREDENTIAL, 503 },   { CREEL_REASON_LEAK, 502 },         { CREEL_REASON_AUDIT, 503 },
  { CREEL_REASON_LIMIT, 503 },        { CREEL_REASON_NOT_READY, 503 },
};

guint
creel_refusal_get_status (const char *reason)
{
  for (gsize i = 0; i < G_N_ELEMENTS (statuses); i++)
    if (g_str_equal (reason, statuses[i].reason))
      return statuses[i].status;
  return 403;
}

static const char *
status_text (guint status)
{
  switch (status)
    {
    case 400: return "Bad Request";
    case 403: return "Forbidden";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 421: return "Misdirected Request";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    default: return "Refused";
    }
}

static void
append_json (GString *json, const char *name, const char *value)
{
  g_autofree char *valid = NULL;

  if (value == NULL)
    return;
  valid = g_utf8_make_valid (value, -1);
  g_string_append_printf (json, ", \"%s\": \"", name);
  for (const char *p = valid; *p != '\0'; p++)
    if (*p == '"' || *p == '\\')
      g_string_append_printf (json, "\\%c", *p);
    else if ((guchar) *p < ' ' || *p == 0x7f)
      g_string_append_printf (json, "\\u%04x", (guchar) *p);
    else
      g_string_append_c (json, *p);
  g_string_append_c (json, '"');
}

GString *
creel_refusal_format (const char *reason, guint status, const char *host, guint16 port, const char *method,
                      const char *message, gboolean without_body)
{
  g_autoptr (GString) json = g_string_new ("{\"error\": \"denied\"");
  GString *text = g_string_new (NULL);
  const char *retry = g_str_equal (reason, CREEL_REASON_LIMIT) ? "Retry-After: 1\r\n" : "";

  append_json (json, "reason", reason);
  append_json (json, "method", method);
  append_json (json, "host", host);
  if (port != 0)
    g_string_append_printf (json, ", \"port\": %u", port);
  append_json (json, "message", message);
  g_string_append (json, "}\n");
  g_string_printf (text,
                   "HTTP/1.1 %u %s\r\n" CREEL_DENIED_HEADER ": %s\r\nContent-Type: application/json\r\n"
                   "Content-Length: %" G_GSIZE_FORMAT "\r\nCache-Control: no-store\r\n%sConnection: close\r\n\r\n%s",
                   status, status_text (status), reason, json->len, retry, without_body ? "" : json->str);
  return text;
}

char *
creel_refusal_explain_decision (const CreelDecision *decision, const char *sandbox, const CreelHost *host, guint16 port)
{
  g_autofree char *authority = creel_host_format_authority (host, port);

  if (g_str_equal (decision->reason, CREEL_REASON_MALFORMED))
    return g_strdup ("The path or the method can be read in two ways and a rule depends on it");
  if (g_str_equal (decision->reason, CREEL_REASON_NOT_READY))
    return g_strdup_printf ("Everything is denied because the rules cannot be read; on the host, creel inspect %s says why", sandbox);
  if (decision->rule != NULL && decision->verdict == CREEL_VERDICT_DENY)
    return g_strdup_printf ("The rule “%s” denies it", decision->rule);
  /* what speaks there is ssh, which a rule for HTTP and TLS would not let through */
  return g_strdup_printf ("No rule allows it; on the host: creel network proxy %s --allow-host %s%s", sandbox, port == 22 ? "tcp://" : "",
                          port == 443 || port == 80 ? creel_host_get_text (host) : authority);
}

char *
creel_refusal_explain_secret (const char *name, const GError *error)
{
  if (g_error_matches (error, CREEL_ERROR, CREEL_ERROR_KEYRING_LOCKED))
    return g_strdup_printf ("The key “%s” is in a locked keyring: unlock it on the host, then try again", name);
  if (g_error_matches (error, CREEL_ERROR, CREEL_ERROR_NO_AGENT))
    return g_strdup_printf ("The key “%s” cannot be fetched: no session of the owner runs creel-agent; log in on the host", name);
  if (g_error_matches (error, CREEL_ERROR, CREEL_ERROR_NO_SUCH_SECRET))
    return g_strdup_printf ("There is no key “%s”; on the host run: creel secret set %s", name, name);
  return g_strdup_printf ("The key “%s” cannot be used (%s); on the host run: creel secret set %s", name, error->message, name);
}
