/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Section [Network] of /etc/creel/creel.conf. */
#include <glib/gstdio.h>

#include "creel-error.h"
#include "creel-parent-proxy.h"

static gboolean
load (const char *text, CreelParentProxy **ret, GError **error)
{
  g_autofree char *path = g_build_filename (g_get_tmp_dir (), "creel-test-parent-XXXXXX", NULL);
  int fd = g_mkstemp (path);
  gboolean good;

  g_assert_cmpint (fd, >=, 0);
  g_close (fd, NULL);
  g_assert_true (g_file_set_contents (path, text, -1, NULL));
  good = creel_parent_proxy_load (path, ret, error);
  g_unlink (path);
  return good;
}

static void
test_none (void)
{
  g_autoptr (CreelParentProxy) parent = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_true (creel_parent_proxy_load ("/nonexistent/creel.conf", &parent, &error));
  g_assert_null (parent);
  g_assert_true (load ("[Models]\nProxy=nonsense\n[Network]\nProxy=http://a:1\nProxy=\n", &parent, &error));
  g_assert_null (parent);
}

static void
test_all (void)
{
  g_autoptr (CreelParentProxy) parent = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_true (load ("[Network]\nProxy=https://Proxy.Example:3128/\nProxyCredential=office\nProxyResolves=yes\n"
                       "NoProxy=**.corp.example\nNoProxy=direct.example:8080\nNoProxy=10.0.0.0/8\nNoProxy=fd00::/8\n", &parent, &error));
  g_assert_no_error (error);
  g_assert_cmpint (parent->kind, ==, CREEL_PARENT_HTTPS);
  g_assert_cmpstr (creel_host_get_text (parent->host), ==, "proxy.example");
  g_assert_cmpuint (parent->port, ==, 3128);
  g_assert_cmpstr (parent->credential, ==, "office");
  g_assert_true (parent->resolves);
  static const struct
  {
    const char *host;
    guint16 port;
    gboolean is_for;
  } cases[] = {
    { "example.com", 443, TRUE },       { "a.b.corp.example", 22, FALSE }, { "corp.example", 443, TRUE },  { "direct.example", 8080, FALSE },
    { "direct.example", 443, TRUE },    { "10.1.2.3", 5000, FALSE },       { "11.1.2.3", 5000, TRUE },     { "fd00::1", 80, FALSE },
  };
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (CreelHost) host = creel_host_parse (cases[i].host, -1, NULL);

      g_test_message ("%s", cases[i].host);
      g_assert_cmpint (creel_parent_proxy_is_for (parent, host, cases[i].port), ==, cases[i].is_for);
    }
}

static void
test_bad (void)
{
  static const char *const lines[] = {
    "Proxy=proxy.example:3128", "Proxy=ftp://proxy.example:21", "Proxy=http://proxy.example", "Proxy=http://:3128", "Proxy=http://proxy.example:99999",
    "Proxy=http://user:secret@proxy.example:3128", "Proxy=http://proxy.example:3128/path", "Proxy=http://proxy.example:3128?query", "ProxyCredential=a b",
    "ProxyResolves=perhaps", "NoProxy=a b", "NoProxy=*.*.example", "NoProxy=host:port", "Proxi=http://a:1",
  };

  for (guint i = 0; i < G_N_ELEMENTS (lines); i++)
    {
      g_autofree char *text = g_strdup_printf ("[Network]\n%s\n", lines[i]);
      g_autoptr (CreelParentProxy) parent = NULL;
      g_autoptr (GError) error = NULL;

      g_test_message ("%s", lines[i]);
      g_assert_false (load (text, &parent, &error));
      g_assert_error (error, CREEL_ERROR, CREEL_ERROR_BAD_DEFINITION);
      g_assert_nonnull (strstr (error->message, ":2: "));
      g_assert_null (strstr (error->message, "secret@"));
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/parent-proxy/none", test_none);
  g_test_add_func ("/parent-proxy/all", test_all);
  g_test_add_func ("/parent-proxy/bad", test_bad);
  return g_test_run ();
}
