/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a sandbox may have of its proxy: who asks for more hears so at once, and the journal is not flooded with it. */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "creel-connection-private.h"
#include "proxy-fixture.h"

#define GET "GET http://localhost:PORT/ HTTP/1.1\r\nHost: localhost:PORT\r\n\r\n"
#define OK "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

static void
set_limit (Fixture *f, CreelLimit limit, guint value)
{
  CreelLimits limits;

  creel_limits_init (&limits);
  limits.values[limit] = value;
  creel_proxy_set_limits (f->proxy, &limits);
}

/* a client of its own, which says this and waits */
static int
open_client (Fixture *f, const char *say)
{
  int fd;

  f->client_fd = 0;
  start_client (f, NULL);
  fd = f->client_fd;
  f->client_fd = 0;
  if (*say != '\0')
    g_assert_cmpint (write (fd, say, strlen (say)), ==, (gssize) strlen (say));
  while (g_main_context_iteration (NULL, FALSE))
    ;
  return fd;
}

static void
close_clients (GArray *fds)
{
  for (guint i = 0; i < fds->len; i++)
    close (g_array_index (fds, int, i));
  g_array_set_size (fds, 0);
  for (guint i = 0; i < 20; i++)
    while (g_main_context_iteration (NULL, FALSE))
      ;
}

/* a full journal refuses everything */
static void
drain_journal (Fixture *f)
{
  char entry[4096];

  while (recv (f->journal_fd, entry, sizeof entry, 0) > 0)
    ;
}

/* Entries of the limit in the journal until they tell of so many refusals. */
static guint
count_entries (Fixture *f, const char *rule, guint wanted)
{
  gint64 end = g_get_monotonic_time () + 20 * G_USEC_PER_SEC;
  guint n = 0, refused = 0;

  while (refused < wanted && g_get_monotonic_time () < end)
    {
      char entry[4096] = "";
      const char *count;

      g_main_context_iteration (NULL, FALSE);
      if (recv (f->journal_fd, entry, sizeof entry - 1, 0) <= 0)
        {
          g_usleep (1000);
          continue;
        }
      if (strstr (entry, "CREEL_REASON=limit\n") == NULL)
        continue;
      g_assert_nonnull (strstr (entry, "CREEL_VERDICT=deny\n"));
      g_assert_nonnull (strstr (entry, rule));
      count = strstr (entry, "CREEL_COUNT=");
      g_assert_nonnull (count);
      refused += (guint) g_ascii_strtoull (count + strlen ("CREEL_COUNT="), NULL, 10);
      n++;
    }
  g_assert_cmpuint (refused, ==, wanted);
  return n;
}

static void
check_refusal (const char *answer, const char *status, const char *limit)
{
  g_test_message ("%s", answer);
  g_assert_true (g_str_has_prefix (answer, status));
  g_assert_nonnull (strstr (answer, "\r\nCreel-Denied: limit\r\n"));
  g_assert_nonnull (strstr (answer, "\r\nRetry-After: 1\r\n"));
  g_assert_nonnull (strstr (answer, limit));
}

static void
test_connections (Fixture *f, gconstpointer unused)
{
  g_autoptr (GArray) fds = g_array_new (FALSE, FALSE, sizeof (int));
  g_autofree char *request = make_request (f, GET);
  guint n;

  set_limit (f, CREEL_LIMIT_CONNECTIONS, 16);
  f->origin_says = OK;
  for (guint i = 0; i < 16; i++)
    {
      int fd = open_client (f, "");

      g_array_append_val (fds, fd);
    }
  start_client (f, NULL);
  g_autofree char *answer = talk (f, request, NULL, NULL);
  check_refusal (answer, "HTTP/1.1 503 ", "ConnectionsMax=16");
  /* a flood hears less and less, and is one entry a second */
  for (guint i = 0; i < 300; i++)
    {
      int fd = open_client (f, "");

      g_array_append_val (fds, fd);
      g_assert_cmpuint (creel_proxy_get_n_connections (f->proxy), <=, 16 + 64);
    }
  n = count_entries (f, "CREEL_RULE=ConnectionsMax=16\n", 301);
  g_assert_cmpuint (n, <=, 10);
  /* it counts at once, and who is there stays */
  close_clients (fds);
  start_client (f, NULL);
  g_autofree char *good = talk (f, request, "\r\n\r\nok", NULL);
  g_assert_nonnull (strstr (good, "200 OK"));
}

/* Who does not say what it wants makes room for others when it waits longer than any program needs, but not before. */
static void
test_half_open (Fixture *f, gconstpointer unused)
{
  g_autoptr (GArray) fds = g_array_new (FALSE, FALSE, sizeof (int));
  g_autofree char *request = make_request (f, GET);
  g_autofree char *tls = make_request (f, "CONNECT localhost:PORT HTTP/1.1\r\n\r\n\x16\x03\x01");
  const char *says[] = { "", "GET http://", "GET http://localhost/ HTTP/1.1\r\nX: y\r\n", tls };

  set_limit (f, CREEL_LIMIT_HALF_OPEN, 8);
  f->origin_says = OK;
  /* those that had a request do not count, however many */
  for (guint i = 0; i < 20; i++)
    {
      start_client (f, NULL);
      g_autofree char *answer = talk (f, request, "\r\n\r\nok", NULL);
      g_assert_nonnull (strstr (answer, "200 OK"));
      g_array_append_val (fds, f->client_fd);
      drain_journal (f);
      f->client_fd = 0;
    }
  for (guint i = 0; i < 8; i++)
    {
      int fd = open_client (f, says[i % G_N_ELEMENTS (says)]);

      g_array_append_val (fds, fd);
    }
  g_assert_cmpuint (f->proxy->half_open.length, ==, 8);
  CreelConnection *first = g_queue_peek_head (&f->proxy->half_open);
  first->since = G_MAXINT64; /* just now, however slow we are */
  start_client (f, NULL);
  g_autofree char *answer = talk (f, request, NULL, NULL);
  check_refusal (answer, "HTTP/1.1 503 ", "HalfOpenMax=8");
  first->since = g_get_monotonic_time () - 2 * G_USEC_PER_SEC;
  start_client (f, NULL);
  g_autofree char *good = talk (f, request, "\r\n\r\nok", NULL);
  g_assert_nonnull (strstr (good, "200 OK"));
  g_assert_cmpuint (f->proxy->half_open.length, ==, 7);
  count_entries (f, "CREEL_RULE=HalfOpenMax=8\n", 2);
  close_clients (fds);
  g_assert_cmpuint (f->proxy->half_open.length, ==, 0);
}

static void
test_requests (Fixture *f, gconstpointer unused)
{
  g_autofree char *request = make_request (f, GET);
  g_autofree char *authority = g_strdup_printf ("localhost:%u", f->port);
  guint n = 0, passed = 0;
  gboolean ended = FALSE;

  set_limit (f, CREEL_LIMIT_REQUESTS, 10);
  f->origin_says = OK;
  start_client (f, NULL);
  for (guint i = 0; i < 2000 && n == 0; i++)
    {
      g_autofree char *answer = talk (f, request, "ok", NULL);

      drain_journal (f);
      if (strstr (answer, "200 OK") != NULL)
        {
          passed++;
          continue;
        }
      check_refusal (answer, "HTTP/1.1 429 ", "RequestsPerSecMax=10");
      n++;
    }
  g_assert_cmpuint (n, ==, 1);
  g_assert_cmpuint (passed, >=, 50);
  /* whatever else is asked for counts too, and what nobody understands */
  f->proxy->limiter.paid += 60 * 1000 * (gint64) G_USEC_PER_SEC;
  const char *others[] = { "CONNECT localhost:1 HTTP/1.1\r\n\r\n", "nonsense\r\n\r\n", request };
  for (guint i = 0; i < 100; i++)
    {
      start_client (f, NULL);
      g_autofree char *answer = talk (f, others[i % 3], NULL, NULL);
      check_refusal (answer, "HTTP/1.1 429 ", "RequestsPerSecMax=10");
    }
  start_client (f, authority);
  g_autofree char *nothing = talk (f, NULL, NULL, &ended);
  g_assert_true (ended);
  n = count_entries (f, "CREEL_RULE=RequestsPerSecMax=10\n", 102);
  g_assert_cmpuint (n, <=, 20);
  /* a change counts for the next, and what was spent stays spent */
  f->proxy->limiter.paid = g_get_monotonic_time () * 1000 + 5 * 1000 * (gint64) G_USEC_PER_SEC;
  g_usleep (300 * 1000);
  start_client (f, NULL);
  g_autofree char *good = talk (f, request, "\r\n\r\nok", NULL);
  g_assert_nonnull (strstr (good, "200 OK"));
}

/* the pure arithmetic, without a clock */
static void
test_bucket (void)
{
  CreelLimiter limiter;
  const gint64 start = G_USEC_PER_SEC;
  guint n = 0;

  creel_limiter_init (&limiter);
  g_assert_cmpuint (limiter.limits.values[CREEL_LIMIT_REQUESTS], ==, 1000);
  for (guint i = 0; i < CREEL_N_LIMITS; i++)
    {
      g_assert_cmpuint (creel_limit_infos[i].least, <=, creel_limit_infos[i].normal);
      g_assert_cmpuint (creel_limit_infos[i].normal, <=, creel_limit_infos[i].most);
    }
  while (creel_limiter_take_request (&limiter, start))
    n++;
  g_assert_cmpuint (n, ==, 5000);
  /* then as many a second, whatever the pace of who asks */
  for (gint64 now = start; now <= start + 10 * G_USEC_PER_SEC; now += 100)
    n += creel_limiter_take_request (&limiter, now);
  g_assert_cmpuint (n, ==, 5000 + 10000);
  /* and no more than the burst after a long rest */
  n = 0;
  while (creel_limiter_take_request (&limiter, start + 60 * 10 * G_USEC_PER_SEC))
    n++;
  g_assert_cmpuint (n, ==, 5000);
}

/* Of requests and of answers: what is above is refused, and a definition can lift it. */
static void
test_heads (Fixture *f, gconstpointer unused)
{
  static const struct
  {
    CreelLimit limit;
    guint value, fields, size;
    gboolean passes;
  } cases[] = {
    { CREEL_LIMIT_FIELDS, 32, 20, 1, TRUE }, { CREEL_LIMIT_FIELDS, 32, 40, 1, FALSE }, { CREEL_LIMIT_FIELDS, 1000, 900, 1, TRUE },
    { CREEL_LIMIT_FIELDS, 100, 110, 1, FALSE }, { CREEL_LIMIT_HEADER, 8192, 1, 8000, TRUE }, { CREEL_LIMIT_HEADER, 8192, 1, 8300, FALSE },
    { CREEL_LIMIT_HEADER, 65536, 1, 64000, TRUE }, { CREEL_LIMIT_HEADER, 65536, 1, 66000, FALSE }, { CREEL_LIMIT_HEADER, 32768, 1, 33000, FALSE },
  };

  for (guint i = 0; i < 2 * G_N_ELEMENTS (cases); i++)
    {
      gboolean of_answer = i >= G_N_ELEMENTS (cases);
      guint which = i % G_N_ELEMENTS (cases);
      g_autoptr (GString) fields = g_string_new (NULL);
      g_autofree char *value = g_strnfill (cases[which].size, 'x');

      for (guint j = 0; j < cases[which].fields; j++)
        g_string_append_printf (fields, "X: %s\r\n", value);
      g_autofree char *format = g_strdup_printf ("GET http://localhost:PORT/ HTTP/1.1\r\nHost: localhost:PORT\r\n%s\r\n", of_answer ? "" : fields->str);
      g_autofree char *request = make_request (f, format);
      g_autofree char *says = g_strdup_printf ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n%s\r\nok", of_answer ? fields->str : "");

      g_test_message ("%s %u: %u fields of %u bytes, %s", creel_limit_infos[cases[which].limit].key, cases[which].value, cases[which].fields, cases[which].size,
                      of_answer ? "answer" : "request");
      set_limit (f, cases[which].limit, cases[which].value);
      f->origin_says = says;
      creel_upstream_drop_kept (f->proxy->upstream);
      drain_journal (f);
      start_client (f, NULL);
      g_autofree char *answer = talk (f, request, cases[which].passes ? "\r\n\r\nok" : NULL, NULL);
      g_assert_true (g_str_has_prefix (answer, cases[which].passes ? "HTTP/1.1 200 " : of_answer ? "HTTP/1.1 502 " : "HTTP/1.1 400 "));
      g_assert_cmpint (strstr (answer, "Creel-Denied: malformed") != NULL, ==, !cases[which].passes && !of_answer);
    }
}

#define ADD(name, func) g_test_add (name, Fixture, NULL, set_up, func, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("/limits/connections", test_connections);
  ADD ("/limits/half-open", test_half_open);
  ADD ("/limits/requests", test_requests);
  g_test_add_func ("/limits/bucket", test_bucket);
  ADD ("/limits/heads", test_heads);
  return g_test_run ();
}
