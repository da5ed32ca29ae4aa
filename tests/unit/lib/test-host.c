/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-host.h"

#include <string.h>

static const struct
{
  const char *in, *out; /* NULL: refused */
} hosts[] = {
  { "example.com", "example.com" }, { "EXAMPLE.Com", "example.com" }, { "example.com.", "example.com" },
  { "example.com..", NULL }, { ".example.com", NULL }, { "a..b", NULL }, { "", NULL }, { ".", NULL },
  { "bücher.example", "xn--bcher-kva.example" }, { "BÜCHER.example", "xn--bcher-kva.example" },
  { "１２７.0.0.1", NULL }, { "１２７。０。０。１", NULL }, { "127.0.0.1", "127.0.0.1" }, { "127.0.0.1.", NULL }, { "127.1", NULL },
  { "0x7f000001", NULL }, { "0X7F000001", NULL }, { "2130706433", NULL }, { "0177.0.0.1", NULL }, { "017700000001", NULL },
  { "127.0.0.01", NULL }, { "0x7f.0.0.1", NULL }, { "127.0.0.0x1", NULL }, { "1.2.3.4.5", NULL }, { "1.2.3", NULL },
  { "256.1.1.1", NULL }, { "foo.1", NULL }, { "foo.0x1", NULL }, { "foo.0x", NULL }, { "1foo.com", "1foo.com" },
  { "::1", "::1" }, { "[::1]", "::1" }, { "[::1", NULL }, { "::1]", NULL }, { "0:0:0:0:0:0:0:1", "::1" },
  { "::ffff:7f00:1", "127.0.0.1" }, { "::ffff:127.0.0.1", "127.0.0.1" }, { "[::FFFF:127.0.0.1]", "127.0.0.1" },
  { "fe80::1%eth0", NULL }, { "[fe80::1%25eth0]", NULL }, { "::g", NULL }, { ":", NULL }, { "[]", NULL },
  { "2001:DB8::A", "2001:db8::a" }, { "64:ff9b::7f00:1", "64:ff9b::7f00:1" },
  { "user@example.com", NULL }, { "example.com/", NULL }, { "example.com\\x", NULL }, { "exa mple.com", NULL },
  { "example.com#a", NULL }, { "example.com?a", NULL }, { "example%2ecom", NULL }, { "ex\tample.com", NULL },
  { "-a.com", NULL }, { "a-.com", NULL }, { "_dmarc.example.com", NULL }, { "a_b.example.com", "a_b.example.com" },
  { "*.example.com", NULL }, { "exa\x80mple.com", NULL }, { "localhost.", "localhost" }, { "example.com\r\n", NULL },
  { "example.com\n", NULL }, { "xn--bcher-kva.example", "xn--bcher-kva.example" }, { "a,b.com", NULL }, { "a;b.com", NULL },
  { "$(id).com", NULL }, { "example.com:80", NULL }, { "//example.com", NULL }, { "exa\x7fmple.com", NULL },
};

static void
test_parse (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (hosts); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (CreelHost) host = creel_host_parse (hosts[i].in, -1, &error);

      g_test_message ("%s", hosts[i].in);
      g_assert_cmpstr (host != NULL ? creel_host_get_text (host) : NULL, ==, hosts[i].out);
      if (host == NULL)
        g_assert_error (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS);
      else
        {
          /* what is canonical stays as it is */
          g_autoptr (CreelHost) again = creel_host_parse (creel_host_get_text (host), -1, NULL);

          g_assert_true (creel_host_equal (host, again));
        }
    }
  g_assert_null (creel_host_parse ("good.com\0.evil.tld", 18, NULL));
}

static void
test_lengths (void)
{
  g_autofree char *label = g_strnfill (64, 'a');
  g_autoptr (GString) name = g_string_new (NULL);

  g_assert_null (creel_host_parse (label, -1, NULL));
  label[63] = '\0';
  g_autoptr (CreelHost) host = creel_host_parse (label, -1, NULL);
  g_assert_nonnull (host);
  for (guint i = 0; i < 126; i++)
    g_string_append (name, "a.");
  g_string_append_c (name, 'a'); /* 253 */
  g_autoptr (CreelHost) longest = creel_host_parse (name->str, -1, NULL);
  g_assert_nonnull (longest);
  g_string_append_c (name, 'a');
  g_assert_null (creel_host_parse (name->str, -1, NULL));
}

static const struct
{
  const char *in, *out;
  guint16 default_port;
} authorities[] = {
  { "example.com:443", "example.com:443", 0 }, { "example.com", NULL, 0 }, { "example.com", "example.com:80", 80 },
  { "example.com:", NULL, 80 }, { "example.com:0", NULL, 80 }, { "example.com:0443", NULL, 0 }, { "example.com:+443", NULL, 0 },
  { "example.com:65535", "example.com:65535", 0 }, { "example.com:65536", NULL, 0 }, { "example.com:443x", NULL, 0 },
  { "[::1]:80", "[::1]:80", 0 }, { "[::1]", "[::1]:443", 443 }, { "::1", NULL, 443 }, { "[::1]x:80", NULL, 0 },
  { "::1:80", NULL, 0 }, { "a:80:80", NULL, 0 }, { "a@b:80", NULL, 0 }, { ":80", NULL, 0 }, { "[::ffff:1.2.3.4]:80", "1.2.3.4:80", 0 },
  { "example.com :80", NULL, 0 }, { "example.com: 80", NULL, 0 }, { "EXAMPLE.com.:80", "example.com:80", 0 },
};

static void
test_authority (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (authorities); i++)
    {
      guint16 port = 0;
      g_autoptr (CreelHost) host =
          creel_host_parse_authority (authorities[i].in, -1, authorities[i].default_port, &port, NULL);
      g_autofree char *text = host != NULL ? creel_host_format_authority (host, port) : NULL;

      g_test_message ("%s", authorities[i].in);
      g_assert_cmpstr (text, ==, authorities[i].out);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/host/parse", test_parse);
  g_test_add_func ("/host/lengths", test_lengths);
  g_test_add_func ("/host/authority", test_authority);
  return g_test_run ();
}
