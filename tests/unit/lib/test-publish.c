/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-publish.h"

static void
test_parse (void)
{
  static const struct
  {
    const char *text, *canonical, *socket;
    gboolean plain;
  } good[] = {
    { "8080", "127.0.0.1:8080:8080", "127.0.0.1:8080", TRUE },
    { "8080:80", "127.0.0.1:8080:80", "127.0.0.1:8080", TRUE },
    { "0:8080", "127.0.0.1:8080:8080", "127.0.0.1:8080", TRUE },
    { ":8080", "127.0.0.1:8080:8080", "127.0.0.1:8080", TRUE },
    { "8080:80/tcp", "127.0.0.1:8080:80", "127.0.0.1:8080", TRUE },
    { "127.9.9.9::1024", "127.9.9.9:1024:1024", "127.9.9.9:1024", TRUE },
    { "127.0.0.1:65535:1", "127.0.0.1:65535:1", "127.0.0.1:65535", TRUE },
    { "[::1]:8080:80", "[::1]:8080:80", "[::1]:8080", TRUE },
    { "[0:0:0:0:0:0:0:1]:0:8080", "[::1]:8080:8080", "[::1]:8080", TRUE },
    { "[::ffff:127.0.0.1]:8080:80", "127.0.0.1:8080:80", "127.0.0.1:8080", TRUE },
    { "80", "127.0.0.1:80:80", "127.0.0.1:80", FALSE },
    { "1023:8080", "127.0.0.1:1023:8080", "127.0.0.1:1023", FALSE },
    { "0.0.0.0:8080:80", "0.0.0.0:8080:80", "0.0.0.0:8080", FALSE },
    { "192.168.1.2:8080:80", "192.168.1.2:8080:80", "192.168.1.2:8080", FALSE },
    { "[::]:8080:80", "[::]:8080:80", "[::]:8080", FALSE },
    { "[2001:DB8::5]:8080:80", "[2001:db8::5]:8080:80", "[2001:db8::5]:8080", FALSE },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (good); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (CreelPublish) publish = creel_publish_parse (good[i].text, &error);
      g_autofree char *text = NULL, *socket = NULL;

      g_assert_no_error (error);
      text = creel_publish_format (publish);
      socket = creel_publish_format_socket (publish);
      g_assert_cmpstr (text, ==, good[i].canonical);
      g_assert_cmpstr (socket, ==, good[i].socket);
      g_assert_cmpint (creel_publish_is_plain (publish), ==, good[i].plain);
    }
}

static void
test_bad (void)
{
  static const char *const bad[] = {
    "", ":", "::", "0", "65536", "00080", "+80", "-1", " 80", "80 ", "8 0", "0x50", "http", "80:", "80:0", "80:80:80", "1:2:3:4",
    "127.0.0.1", "127.0.0.1:80", "127.1:80:80", "0177.0.0.1:80:80", "256.0.0.1:80:80", "127.0.0.1:80:80:80", "127.0.0.1:x:80",
    "localhost:80:80", "*:80:80", "::1:80:80", "[::1]", "[::1]:80", "[::1]80:80", "[::1", "[]:80:80", "[127.0.0.1:80:80", "[::1%lo]:80:80",
    "[fe80::1]:80:80", "224.0.0.1:80:80", "255.255.255.255:80:80", "[ff02::1]:80:80", "80/udp", "80/", "80/tcp/tcp", "80\n", "\xff\xfe",
    "127.0.0.1:8080:80\n[Service]",
  };

  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (GError) error = NULL;
      CreelPublish *publish = creel_publish_parse (bad[i], &error);

      if (publish != NULL)
        g_error ("“%s” was taken", bad[i]);
      g_assert_error (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS);
      g_assert_true (g_utf8_validate (error->message, -1, NULL));
    }
}

static void
test_unit (void)
{
  g_autoptr (CreelPublish) v4 = creel_publish_parse ("8080:80", NULL), v6 = creel_publish_parse ("[::1]:8080:80", NULL);
  g_autofree char *unit4 = creel_publish_unit (v4, "box-1"), *unit6 = creel_publish_unit (v6, "box-1");

  g_assert_cmpstr (unit4, ==, "creel-port@box-1:127.0.0.1:8080:80.socket");
  g_assert_cmpstr (unit6, ==, "creel-port@box-1:::1:8080:80.socket");
}

static void
test_overlaps (void)
{
  static const struct
  {
    const char *a, *b;
    gboolean overlaps;
  } pairs[] = {
    { "8080:80", "8080:81", TRUE },           { "8080:80", "8081:80", FALSE },
    { "8080", "127.0.0.2:8080:8080", FALSE }, { "8080", "0.0.0.0:8080:8080", TRUE },
    { "8080", "[::1]:8080:8080", FALSE },     { "[::1]:8080:1", "[::]:8080:1", TRUE },
    { "0.0.0.0:8080:1", "[::]:8080:1", FALSE },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (pairs); i++)
    {
      g_autoptr (CreelPublish) a = creel_publish_parse (pairs[i].a, NULL), b = creel_publish_parse (pairs[i].b, NULL);

      g_assert_cmpint (creel_publish_overlaps (a, b), ==, pairs[i].overlaps);
      g_assert_cmpint (creel_publish_overlaps (b, a), ==, pairs[i].overlaps);
    }
}

static void
test_find (void)
{
  char *list[] = { (char *) "127.0.0.1:8080:80", (char *) "[::1]:8080:80", (char *) "0.0.0.0:9000:90", NULL };
  static const struct
  {
    const char *text, *found;
  } cases[] = {
    { "8080", "127.0.0.1:8080:80,[::1]:8080:80" }, { "8080:80", "127.0.0.1:8080:80,[::1]:8080:80" }, { "8080:81", "" },
    { "127.0.0.1:8080", "127.0.0.1:8080:80" },     { "[::1]:8080:80", "[::1]:8080:80" },            { "80", "" },
    { "9000", "0.0.0.0:9000:90" },                 { "127.0.0.1:9000", "" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GError) error = NULL;
      g_auto (GStrv) found = creel_publish_find (list, cases[i].text, &error);
      g_autofree char *joined = NULL;

      g_assert_no_error (error);
      joined = g_strjoinv (",", found);
      g_assert_cmpstr (joined, ==, cases[i].found);
    }
  for (const char *const *bad = (const char *const[]) { "", "x", "80:", ":80", "0", "localhost:80", "::1:80", "80:80:80", NULL }; *bad != NULL; bad++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_null (creel_publish_find (list, *bad, &error));
      g_assert_error (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS);
    }
}

static void
test_socket (void)
{
  g_autoptr (CreelPublish) publish = creel_publish_parse ("8080:80", NULL);
  g_autoptr (GSocketAddress) same = g_inet_socket_address_new_from_string ("127.0.0.1", 8080);
  g_autoptr (GSocketAddress) port = g_inet_socket_address_new_from_string ("127.0.0.1", 80);
  g_autoptr (GSocketAddress) address = g_inet_socket_address_new_from_string ("0.0.0.0", 8080);

  g_assert_true (creel_publish_is_socket (publish, same));
  g_assert_false (creel_publish_is_socket (publish, port));
  g_assert_false (creel_publish_is_socket (publish, address));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/publish/parse", test_parse);
  g_test_add_func ("/publish/bad", test_bad);
  g_test_add_func ("/publish/unit", test_unit);
  g_test_add_func ("/publish/overlaps", test_overlaps);
  g_test_add_func ("/publish/find", test_find);
  g_test_add_func ("/publish/socket", test_socket);
  return g_test_run ();
}
