/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-parent-proxy.h"

#include "creel-conf.h"
#include "creel-definition.h"
#include "creel-error.h"
#include "creel-names.h"
#include "creel-root.h"
#include "creel-rule.h"

static void
clear (gpointer data)
{
  CreelParentProxy *parent = data;

  g_clear_pointer (&parent->host, creel_host_unref);
  creel_policy_unref (parent->direct);
  g_free (parent->credential);
}

CreelParentProxy *
creel_parent_proxy_ref (CreelParentProxy *parent)
{
  return g_rc_box_acquire (parent);
}

void
creel_parent_proxy_unref (CreelParentProxy *parent)
{
  g_rc_box_release_full (parent, clear);
}

static gboolean
bad (GError **error, const char *text)
{
  g_set_error_literal (error, CREEL_ERROR, CREEL_ERROR_BAD_DEFINITION, text);
  return FALSE;
}

static gboolean
take_url (CreelParentProxy *parent, const char *value, GError **error)
{
  static const char *const kinds[] = { [CREEL_PARENT_HTTP] = "http", [CREEL_PARENT_HTTPS] = "https", [CREEL_PARENT_SOCKS5] = "socks5" };
  g_autoptr (GUri) uri = g_uri_parse (value, G_URI_FLAGS_HAS_PASSWORD, NULL);
  CreelHost *host = uri != NULL && g_uri_get_host (uri) != NULL ? creel_host_parse (g_uri_get_host (uri), -1, NULL) : NULL;
  guint kind = 0;

  while (uri != NULL && kind < G_N_ELEMENTS (kinds) && !g_str_equal (g_uri_get_scheme (uri), kinds[kind]))
    kind++;
  g_clear_pointer (&parent->host, creel_host_unref);
  parent->host = host;
  if (host == NULL || kind == G_N_ELEMENTS (kinds) || g_uri_get_port (uri) <= 0 || g_uri_get_query (uri) != NULL ||
      g_uri_get_fragment (uri) != NULL || (g_uri_get_path (uri)[0] != '\0' && !g_str_equal (g_uri_get_path (uri), "/")))
    return bad (error, "Proxy= is http://HOST:PORT, https://HOST:PORT or socks5://HOST:PORT");
  if (g_uri_get_userinfo (uri) != NULL)
    return bad (error, "Proxy= has no user and password; ProxyCredential= names a secret of the keyring, \"USER:PASSWORD\"");
  parent->kind = kind;
  parent->port = (guint16) g_uri_get_port (uri);
  return TRUE;
}

static gboolean
take_direct (CreelParentProxy *parent, const char *value, const char *origin, GError **error)
{
  const char *bracket = strrchr (value, ']'), *first = strchr (value, ':'), *last = strrchr (value, ':');
  gboolean bare_v6 = bracket == NULL && first != last, has_port = !bare_v6 && last > (bracket != NULL ? bracket : value);
  g_autofree char *text = has_port ? g_strdup (value) : g_strdup_printf (bare_v6 ? "[%s]:*" : "%s:*", value);
  CreelRule *rule = strchr (value, ' ') == NULL ? creel_rule_parse (CREEL_VERDICT_ALLOW, text, origin, NULL) : NULL;

  if (rule == NULL)
    return bad (error, "NoProxy= is a host, *.DOMAIN, **.DOMAIN or a range of addresses, and a port");
  creel_policy_take_rule (parent->direct, rule);
  return TRUE;
}

static gboolean
take (const char *section, const char *key, const char *value, const char *origin, gpointer user_data, GError **error)
{
  CreelParentProxy *parent = user_data;

  if (!g_str_equal (section, "Network") || key == NULL)
    return TRUE;
  if (g_str_equal (key, "Proxy"))
    {
      if (value[0] != '\0')
        return take_url (parent, value, error);
      g_clear_pointer (&parent->host, creel_host_unref);
    }
  else if (g_str_equal (key, "ProxyCredential"))
    {
      if (value[0] != '\0' && !creel_credential_name_is_valid (value))
        return bad (error, "ProxyCredential= is the name of a secret");
      g_free (parent->credential);
      parent->credential = value[0] != '\0' ? g_strdup (value) : NULL;
    }
  else if (g_str_equal (key, "ProxyResolves"))
    {
      parent->resolves = g_str_equal (value, "yes");
      if (!parent->resolves && !g_str_equal (value, "no"))
        return bad (error, "ProxyResolves= is yes or no");
    }
  else if (g_str_equal (key, "NoProxy"))
    {
      if (value[0] != '\0')
        return take_direct (parent, value, origin, error);
      creel_policy_unref (parent->direct);
      parent->direct = creel_policy_new (CREEL_VERDICT_DENY);
    }
  else
    {
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_BAD_DEFINITION, "%s= is no key of section [Network]", key);
      return FALSE;
    }
  return TRUE;
}

gboolean
creel_parent_proxy_load (const char *path, CreelParentProxy **ret_parent, GError **error)
{
  g_autoptr (CreelParentProxy) parent = g_rc_box_new0 (CreelParentProxy);
  g_autofree char *usual = creel_root_path (CREEL_CONFIG_DIR "/creel.conf");
  g_autoptr (GError) local_error = NULL;

  *ret_parent = NULL;
  parent->direct = creel_policy_new (CREEL_VERDICT_DENY);
  if (!creel_conf_parse_file (path != NULL ? path : usual, take, parent, &local_error))
    {
      if (g_error_matches (local_error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND))
        return TRUE;
      g_propagate_error (error, g_steal_pointer (&local_error));
      return FALSE;
    }
  if (parent->host != NULL)
    *ret_parent = g_steal_pointer (&parent);
  return TRUE;
}

gboolean
creel_parent_proxy_is_for (const CreelParentProxy *parent, const CreelHost *host, guint16 port)
{
  g_auto (CreelDecision) decision = { 0 };

  creel_policy_decide (parent->direct, CREEL_SCHEME_HTTPS, host, port, NULL, NULL, &decision);
  return decision.verdict != CREEL_VERDICT_ALLOW;
}
