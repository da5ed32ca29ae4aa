/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-network-check.h"

#include <string.h>

static CreelScheme
take_scheme (const char **url, guint16 *ret_port)
{
  static const struct
  {
    const char *prefix;
    CreelScheme scheme;
    guint16 port;
  } schemes[] = {
    { "https://", CREEL_SCHEME_HTTPS, 443 }, { "wss://", CREEL_SCHEME_HTTPS, 443 }, { "http://", CREEL_SCHEME_HTTP, 80 },
    { "ws://", CREEL_SCHEME_HTTP, 80 },      { "tcp://", CREEL_SCHEME_TCP, 0 },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (schemes); i++)
    if (g_ascii_strncasecmp (*url, schemes[i].prefix, strlen (schemes[i].prefix)) == 0)
      {
        *url += strlen (schemes[i].prefix);
        *ret_port = schemes[i].port;
        return schemes[i].scheme;
      }
  *ret_port = 443;
  return CREEL_SCHEME_UNKNOWN;
}

static gboolean
fail (GError **error, const char *what)
{
  g_set_error (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS, "%s: write https://HOST/PATH, http://HOST/PATH, tcp://HOST:PORT, HOST:PORT or HOST", what);
  return FALSE;
}

/* For what the parser of hosts would say something about hosts that is beside the point. A password is not repeated. */
static gboolean
check_form (const char *rest, gsize authority, CreelScheme scheme, GError **error)
{
  if (scheme == CREEL_SCHEME_UNKNOWN && g_str_has_prefix (rest + authority, "//"))
    return fail (error, "This is not a scheme that can be checked");
  if (authority == 0)
    return fail (error, "There is no host in this");
  if (memchr (rest, '@', authority) != NULL)
    return fail (error, "A name or password before the host is not looked at");
  return TRUE;
}

GVariant *
creel_network_check (const CreelPolicy *policy, const char *url, const char *method, GError **error)
{
  return creel_network_check_answered (policy, url, method, NULL, NULL, error);
}

GVariant *
creel_network_check_answered (const CreelPolicy *policy, const char *url, const char *method, CreelAnsweredFunc answered,
                              gpointer user_data, GError **error)
{
  g_auto (CreelDecision) decision = { 0 };
  g_autoptr (CreelHost) host = NULL;
  g_autofree char *path = NULL, *pattern = NULL;
  const char *answer = NULL;
  GVariantBuilder builder;
  guint16 port;
  CreelScheme scheme = take_scheme (&url, &port);
  gsize authority = strcspn (url, "/?#");

  if (!check_form (url, authority, scheme, error))
    return NULL;
  if (method[strspn (method, G_CSET_A_2_Z G_CSET_DIGITS "-_")] != '\0')
    {
      g_set_error_literal (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS, "A method is one word in capitals, for example POST");
      return NULL;
    }
  host = creel_host_parse_authority (url, authority, port, &port, error);
  if (host == NULL)
    return NULL;
  /* what speaks at 22 is ssh */
  if (scheme == CREEL_SCHEME_UNKNOWN)
    scheme = port == 80 ? CREEL_SCHEME_HTTP : port == 22 ? CREEL_SCHEME_TCP : CREEL_SCHEME_HTTPS;
  if (scheme != CREEL_SCHEME_TCP)
    {
      g_autofree char *raw = g_strndup (url + authority, strcspn (url + authority, "?#"));

      path = creel_path_canonicalize (raw[0] == '\0' ? "/" : raw, error);
      if (path == NULL)
        return NULL;
    }
  if (method[0] == '\0')
    method = "GET";
  creel_policy_decide (policy, scheme, host, port, method, path, &decision);
  if (decision.verdict == CREEL_VERDICT_ASK && answered != NULL)
    answer = answered (host, port, scheme, method, path, &decision, user_data);
  if (answer != NULL)
    decision.verdict = g_str_equal (answer, "run") ? CREEL_VERDICT_ALLOW : CREEL_VERDICT_DENY;

  g_variant_builder_init (&builder, G_VARIANT_TYPE_VARDICT);
  g_variant_builder_add (&builder, "{sv}", "verdict", g_variant_new_string (creel_verdict_get_name (decision.verdict)));
  g_variant_builder_add (&builder, "{sv}", "rule", g_variant_new_string (decision.rule != NULL ? decision.rule : ""));
  g_variant_builder_add (&builder, "{sv}", "origin", g_variant_new_string (decision.origin != NULL ? decision.origin : ""));
  g_variant_builder_add (&builder, "{sv}", "reason",
                         g_variant_new_string (answer != NULL && decision.verdict == CREEL_VERDICT_DENY ? CREEL_REASON_DECLINED
                                               : decision.reason != NULL                                ? decision.reason
                                                                                                        : ""));
  if (answer != NULL)
    g_variant_builder_add (&builder, "{sv}", "answer", g_variant_new_string (answer));
  pattern = creel_host_format_authority (host, port);
  g_variant_builder_add (&builder, "{sv}", "pattern", g_variant_new_take_string (g_strconcat (scheme == CREEL_SCHEME_TCP ? "tcp://" : "", pattern, NULL)));
  return g_variant_builder_end (&builder);
}
