/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A key that a server got once does not come back later, in an answer to a request that carried another one or none. */
#include <string.h>

#include "creel-guard.h"
#include "proxy-fixture.h"

#define A "sk-live-0123456789abcdef"
#define B "ghp_ABCDEFGHIJKLMNOPQRST"
#define ELSEWHERE "key-of-another-host-12345"
#define ALL A " " B " " ELSEWHERE

static const struct
{
  const char *name, *host, *key;
} keys[] = { { "a", "api.example", A }, { "b", "api.example:8443", B }, { "elsewhere", "elsewhere.example", ELSEWHERE } };

static void
provide (const char *credential, GTask *reply, gpointer unused)
{
  for (guint i = 0; i < G_N_ELEMENTS (keys); i++)
    if (g_str_equal (keys[i].name, credential))
      g_task_return_pointer (reply, g_bytes_new_static (keys[i].key, strlen (keys[i].key)), (GDestroyNotify) g_bytes_unref);
}

/* host: of the first two instead, or NULL */
static void
set_credentials (Fixture *f, const char *host)
{
  g_autoptr (GPtrArray) credentials = g_ptr_array_new_with_free_func ((GDestroyNotify) creel_credential_free);

  for (guint i = 0; i < G_N_ELEMENTS (keys); i++)
    {
      CreelCredential *credential = g_new0 (CreelCredential, 1);

      credential->name = g_strdup (keys[i].name);
      credential->hosts = g_strdupv ((char *[]){ (char *) (host != NULL && i < 2 ? host : keys[i].host), NULL });
      credential->header = g_strdup ("Authorization");
      g_ptr_array_add (credentials, credential);
    }
  creel_proxy_set_credentials (f->proxy, credentials, NULL);
  creel_proxy_set_secret_func (f->proxy, provide, NULL);
}

static void
on_key (GObject *source, GAsyncResult *result, gpointer user_data)
{
  *(CreelSecret **) user_data = creel_credential_store_lookup_finish (result, NULL);
}

/* as a request with it does */
static CreelSecret *
use_key (Fixture *f, const char *name)
{
  CreelSecret *secret = NULL;

  creel_credential_store_lookup_async (f->proxy->store, name, NULL, on_key, &secret);
  while (secret == NULL)
    g_main_context_iteration (NULL, TRUE);
  return secret;
}

static char *
ask (Fixture *f, const char *fields)
{
  g_autofree char *format = g_strdup_printf ("GET http://localhost:PORT/ HTTP/1.1\r\nHost: localhost:PORT\r\n%s\r\n", fields);
  g_autofree char *request = make_request (f, format);

  g_byte_array_set_size (f->origin_got, 0);
  start_client (f, NULL);
  return talk (f, request, "end", NULL);
}

static gboolean
origin_got (Fixture *f, const char *text)
{
  return memmem (f->origin_got->data, f->origin_got->len, text, strlen (text)) != NULL;
}

static void
test_other_way (Fixture *f, gconstpointer unused)
{
  const char *hidden = "************************ ************************ " ELSEWHERE;
  const char *const few[] = { "b", NULL };
  g_autofree char *authority = g_strdup_printf ("localhost:%u", f->port);

  set_credentials (f, authority);
  f->origin_closes = TRUE;
  f->origin_says = "HTTP/1.1 200 OK\r\nX-Seen: " ALL "\r\n\r\n" ALL " end";
  /* nobody sent them yet, so nobody can have them */
  g_autofree char *before = ask (f, "");
  g_assert_nonnull (strstr (before, ALL " end"));
  for (guint i = 0; i < G_N_ELEMENTS (keys); i++)
    creel_secret_unref (use_key (f, keys[i].name));

  g_autofree char *after = ask (f, "Range: bytes=0-9\r\nAccept-Encoding: gzip\r\nSec-WebSocket-Extensions: x\r\n");
  g_assert_null (strstr (after, A));
  g_assert_null (strstr (after, B));
  g_autofree char *header = g_strconcat ("X-Seen: ", hidden, "\r\n", NULL);
  g_assert_nonnull (strstr (after, header));
  g_assert_nonnull (strstr (after, hidden));
  g_assert_true (origin_got (f, "Accept-Encoding: identity\r\n"));
  g_assert_false (origin_got (f, "Range:"));
  g_assert_false (origin_got (f, "Sec-WebSocket-Extensions:"));

  /* what is taken away is wiped, and cannot be looked for */
  creel_proxy_forget (f->proxy, few);
  g_autofree char *without = ask (f, "");
  g_assert_null (strstr (without, A));
  g_assert_nonnull (strstr (without, B));

  creel_proxy_set_credentials (f->proxy, NULL, NULL);
  g_autofree char *plain = ask (f, "Range: bytes=0-9\r\n");
  g_assert_nonnull (strstr (plain, ALL " end"));
  g_assert_true (origin_got (f, "Range: bytes=0-9\r\n"));
}

static void
test_other_key (Fixture *f, gconstpointer unused)
{
  g_autoptr (CreelHost) host = creel_host_parse ("api.example", -1, NULL);
  g_autoptr (CreelHost) other = creel_host_parse ("other.example", -1, NULL);
  g_autoptr (CreelHost) local = creel_host_parse ("localhost", -1, NULL);

  set_credentials (f, NULL);
  g_assert_true (creel_guard_is_for (f->proxy, host, 80));
  g_assert_false (creel_guard_is_for (f->proxy, other, 443));
  g_assert_null (creel_guard_make_scrub (f->proxy, host, 443, NULL, NULL, NULL));
  g_autoptr (CreelSecret) a = use_key (f, "a");
  g_autoptr (CreelSecret) b = use_key (f, "b");
  g_assert_null (creel_guard_make_scrub (f->proxy, other, 443, NULL, NULL, NULL));
  for (guint i = 0; i < 3; i++)
    {
      g_autoptr (CreelScrub) scrub = creel_guard_make_scrub (f->proxy, host, i < 2 ? 443 : 80, i < 2 ? f->proxy->credentials->pdata[i] : NULL,
                                                             i == 0 ? a : i == 1 ? b : NULL, NULL);
      g_autofree char *clean = creel_scrub_text (scrub, ALL);

      g_assert_cmpstr (clean, ==, "************************ ************************ " ELSEWHERE);
      g_assert_cmpuint (creel_scrub_get_hits (scrub), ==, 2);
    }
  /* of this machine each port is another server */
  set_credentials (f, "localhost:8443");
  g_assert_true (creel_guard_is_for (f->proxy, local, 8443));
  g_assert_false (creel_guard_is_for (f->proxy, local, 8080));
  g_assert_null (creel_guard_make_scrub (f->proxy, local, 8080, NULL, NULL, NULL));
}

#define ADD(name, func) g_test_add (name, Fixture, NULL, set_up, func, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("/guard/other-way", test_other_way);
  ADD ("/guard/other-key", test_other_key);
  return g_test_run ();
}
