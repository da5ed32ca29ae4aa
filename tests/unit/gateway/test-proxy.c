/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "creel-connection.h"
#include "creel-error.h"
#include "creel-model-runner.h"
#include "proxy-fixture.h"

#define GET "GET http://localhost:PORT/a?secret=1 HTTP/1.1\r\nHost: localhost:PORT\r\n\r\n"
#define OK "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

static void
test_request (Fixture *f, gconstpointer unused)
{
  g_autofree char *request = make_request (f, GET);
  char entry[4096] = "";

  f->origin_says = OK;
  start_client (f, NULL);
  g_autofree char *first = talk (f, request, "\r\n\r\nok", NULL);
  g_assert_true (g_str_has_prefix (first, "HTTP/1.1 200 OK\r\n"));
  /* the second one on both kept connections */
  g_autofree char *second = talk (f, request, "\r\n\r\nok", NULL);
  g_assert_nonnull (strstr (second, "200 OK"));
  g_assert_cmpuint (f->origin_connections->len, ==, 1);
  g_assert_cmpint (recv (f->journal_fd, entry, sizeof entry - 1, 0), >, 0);
  g_assert_nonnull (strstr (entry, "CREEL_VERDICT=allow\n"));
  g_assert_nonnull (strstr (entry, "CREEL_PATH=/a\n"));
  g_assert_null (strstr (entry, "secret"));
}

static void
test_no_policy (Fixture *f, gconstpointer unused)
{
  g_autofree char *request = make_request (f, GET);

  creel_proxy_set_policy (f->proxy, NULL, NULL);
  start_client (f, NULL);
  g_autofree char *answer = talk (f, request, NULL, NULL);
  g_assert_nonnull (strstr (answer, "Creel-Denied: not-ready"));
  g_assert_nonnull (strstr (answer, "creel inspect"));
  g_assert_cmpuint (f->origin_connections->len, ==, 0);
}

/* the journal is gone, or full: nothing goes out */
static void
test_audit_down (Fixture *f, gconstpointer unused)
{
  g_autofree char *request = make_request (f, GET);
  int fd = socket (AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
  struct sockaddr_un address = { .sun_family = AF_UNIX };

  g_strlcpy (address.sun_path, f->journal, sizeof address.sun_path);
  g_assert_cmpint (connect (fd, (struct sockaddr *) &address, sizeof address), ==, 0);
  while (send (fd, "X=y\n", 4, 0) == 4)
    ;
  f->origin_says = OK;
  start_client (f, NULL);
  g_autofree char *answer = talk (f, request, NULL, NULL);
  g_assert_nonnull (strstr (answer, "503 "));
  g_assert_nonnull (strstr (answer, "Creel-Denied: audit"));
  g_assert_cmpuint (f->origin_connections->len, ==, 0);
  close (fd);
}

/* Half of something must not look whole to a server. */
static gboolean
breaks_for_origin (Fixture *f)
{
  for (gint64 deadline = g_get_monotonic_time () + 6 * G_USEC_PER_SEC; !f->origin_broke && g_get_monotonic_time () < deadline;)
    if (!g_main_context_iteration (NULL, FALSE))
      g_usleep (500);
  return f->origin_broke;
}

static void
test_tightened (Fixture *f, gconstpointer unused)
{
  g_autofree char *authority = g_strdup_printf ("localhost:%u", f->port);
  gboolean ended = FALSE;

  set_rules (f, "tcp://localhost");
  f->origin_says = "pong";
  start_client (f, authority);
  g_autofree char *first = talk (f, "ping", "pong", NULL);
  g_assert_cmpstr (first, ==, "pong");
  g_assert_cmpuint (creel_proxy_get_n_connections (f->proxy), ==, 1);
  set_rules (f, NULL);
  g_assert_cmpuint (creel_proxy_get_n_connections (f->proxy), ==, 0);
  g_autofree char *rest = talk (f, NULL, NULL, &ended);
  g_assert_true (ended);
  g_assert_true (breaks_for_origin (f));
}

static void
test_guest_breaks (Fixture *f, gconstpointer unused)
{
  g_autofree char *authority = g_strdup_printf ("localhost:%u", f->port);

  set_rules (f, "tcp://localhost");
  f->origin_says = "pong";
  start_client (f, authority);
  g_autofree char *first = talk (f, "ping", "pong", NULL);
  /* a guest that closes with something unread resets its connection */
  g_assert_cmpint (write (f->client_fd, "ping", 4), ==, 4);
  while (f->origin_got->len < 8 || recv (f->client_fd, &(char){ 0 }, 1, MSG_PEEK) < 1)
    g_main_context_iteration (NULL, FALSE);
  close (f->client_fd);
  f->client_fd = 0;
  g_assert_true (breaks_for_origin (f));
  g_assert_cmpuint (creel_proxy_get_n_connections (f->proxy), ==, 0);
}

static void
test_half_close (Fixture *f, gconstpointer unused)
{
  g_autofree char *authority = g_strdup_printf ("localhost:%u", f->port);
  gboolean ended = FALSE;

  set_rules (f, "tcp://localhost");
  f->origin_says = "all of it";
  f->origin_closes = TRUE;
  start_client (f, authority);
  g_assert_cmpint (write (f->client_fd, "x", 1), ==, 1);
  shutdown (f->client_fd, SHUT_WR);
  g_autofree char *answer = talk (f, NULL, NULL, &ended);
  g_assert_cmpstr (answer, ==, "all of it");
  g_assert_true (ended);
  g_assert_false (f->origin_broke);
}

/* Who stops in the middle is not waited for without end. */
static void
test_clock (Fixture *f, gconstpointer unused)
{
  static const struct
  {
    const char *say;
    guint seconds;
    gboolean goes_out;
  } stops[] = {
    { "", 5 * 60 }, { "G", 30 }, { "GET http://localhost/ HTTP/1.1\r\nX: ", 30 }, { "GET http://localhost/ HTTP/1.1\r\nHost: localhost\r\n\r", 30 },
    { "CONNECT localhost:PORT HTTP/1.1\r\n\r\n", 30 }, { "CONNECT localhost:PORT HTTP/1.1\r\n\r\nGE", 30 },
    { "CONNECT localhost:PORT HTTP/1.1\r\n\r\n\x16\x03\x01\x02", 30 }, { "CONNECT localhost:PORT HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n", 30 },
    /* the body, and the answer */
    { "POST http://localhost:PORT/ HTTP/1.1\r\nHost: localhost:PORT\r\nContent-Length: 5\r\n\r\nhel", 5 * 60, TRUE }, { GET, 60 * 60, TRUE },
    { "POST http://localhost:PORT/ HTTP/1.1\r\nHost: localhost:PORT\r\nContent-Length: 5\r\n\r\nhello", 60 * 60, TRUE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (stops); i++)
    {
      g_autofree char *say = make_request (f, stops[i].say);
      gint64 now, deadline = g_get_monotonic_time () + 6 * G_USEC_PER_SEC;
      GHashTableIter iter;
      gpointer connection;

      g_test_message ("%s", say);
      creel_proxy_abort_all (f->proxy);
      g_byte_array_set_size (f->origin_got, 0);
      start_client (f, NULL);
      g_assert_cmpint (write (f->client_fd, say, strlen (say)), ==, (gssize) strlen (say));
      do
        while (g_main_context_iteration (NULL, FALSE))
          ;
      while (stops[i].goes_out && f->origin_got->len == 0 && g_get_monotonic_time () < deadline);
      g_assert_cmpuint (g_hash_table_size (f->proxy->connections), ==, 1);
      g_hash_table_iter_init (&iter, f->proxy->connections);
      g_assert_true (g_hash_table_iter_next (&iter, &connection, NULL));
      now = g_get_monotonic_time ();
      g_assert_true (creel_connection_is_in_time (connection, now + (stops[i].seconds - 20) * G_USEC_PER_SEC));
      g_assert_false (creel_connection_is_in_time (connection, now + (stops[i].seconds + 20) * G_USEC_PER_SEC));
    }
}

/* The end may come between any two steps of a request, and then nothing of it may be touched (which ASan sees). */
static void
test_stopped (Fixture *f, gconstpointer unused)
{
  static const char *const says[] = { GET, "CONNECT localhost:PORT HTTP/1.1\r\n\r\nSSH-2.0", "POST http://localhost:PORT/ HTTP/1.1\r\nHost: localhost:PORT\r\nContent-Length: 5\r\n\r\nhel" };

  f->origin_says = OK;
  for (guint steps = 0; steps < 3 * 30; steps++)
    {
      g_autofree char *request = make_request (f, says[steps % 3]);

      set_rules (f, steps % 3 == 1 ? "tcp://localhost" : "localhost");
      /* else the connection of the last one is there at once */
      creel_upstream_drop_kept (f->proxy->upstream);
      start_client (f, NULL);
      g_assert_cmpint (write (f->client_fd, request, strlen (request)), ==, (gssize) strlen (request));
      for (guint i = 0; i < steps / 3; i++)
        g_main_context_iteration (NULL, FALSE);
      creel_proxy_abort_all (f->proxy);
      while (g_main_context_iteration (NULL, FALSE))
        ;
      g_assert_cmpuint (g_hash_table_size (f->proxy->connections), ==, 0);
    }
}

static const struct
{
  const char *says;
  const char *wanted, *unwanted;
} answers[] = {
  { "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", "Content-Length: 10", NULL },
  { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", "half", "\r\n0\r\n" },
  { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nwhole\r\n0\r\n\r\n", "whol", "0\r\n\r\n" },
  { "HTTP/1.1 200 OK\r\n\r\nto the end", "a\r\nto the end\r\n0\r\n\r\n", NULL },
  { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\nX-Trailer: 1\r\n\r\n", "4\r\nbody\r\n0\r\n\r\n", "X-Trailer" },
  { "HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 204 None\r\n\r\n", "HTTP/1.1 204 None", "103" },
  { "HTTP/1.1 101 Switch\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n", "Creel-Denied: upstream", "101" },
  { "nonsense\r\n\r\n", "Creel-Denied: upstream", "nonsense" }, { "", "Creel-Denied: upstream", NULL },
  { "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "Creel-Denied: upstream", "200 OK" },
  { "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nCreel-Denied: policy\r\nConnection: x-private\r\nX-Private: 1\r\n\r\nok", "ok", "Creel-Denied" },
};

static void
test_answers (Fixture *f, gconstpointer unused)
{
  g_autofree char *request = make_request (f, GET);

  f->origin_closes = TRUE;
  for (gsize i = 0; i < G_N_ELEMENTS (answers); i++)
    {
      char entry[4096];

      /* a full journal refuses everything */
      while (recv (f->journal_fd, entry, sizeof entry, 0) > 0)
        ;
      f->origin_says = answers[i].says[0] != '\0' ? answers[i].says : NULL;
      start_client (f, NULL);
      g_assert_cmpint (write (f->client_fd, request, strlen (request)), >, 0);
      g_test_message ("%s", answers[i].says);
      g_autofree char *answer = talk (f, NULL, answers[i].wanted, NULL);
      g_test_message ("-> %s", answer);
      g_assert_nonnull (strstr (answer, answers[i].wanted));
      g_autofree char *rest = g_strconcat (answer, "", NULL);
      if (answers[i].unwanted != NULL)
        g_assert_null (strstr (rest, answers[i].unwanted));
    }
}

static guint
count (Fixture *f, const char *text)
{
  g_autofree char *got = g_strndup ((const char *) f->origin_got->data, f->origin_got->len);
  guint n = 0;

  for (const char *p = strstr (got, text); p != NULL; p = strstr (p + 1, text))
    n++;
  return n;
}

/* A kept connection that was dead is no answer, and another is tried; one that ends after a first word was not dead, and what changes
 * something is not said twice. */
static void
test_kept_ends (Fixture *f, gconstpointer unused)
{
  static const struct
  {
    const char *method, *says;
    guint times;
  } cases[] = { { "GET", NULL, 3 }, { "GET", "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n", 2 }, { "POST", NULL, 2 } };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *request = g_strdup_printf ("%s http://localhost:%u/buy HTTP/1.1\r\nHost: localhost:%u\r\n\r\n", cases[i].method, f->port, f->port);

      g_byte_array_set_size (f->origin_got, 0);
      f->origin_says = OK;
      f->origin_closes = FALSE;
      start_client (f, NULL);
      g_autofree char *first = talk (f, request, "\r\n\r\nok", NULL);
      g_assert_nonnull (strstr (first, "200 OK"));
      f->origin_says = cases[i].says;
      f->origin_closes = TRUE;
      g_autofree char *second = talk (f, request, "Creel-Denied", NULL);
      g_assert_nonnull (strstr (second, "Creel-Denied: upstream"));
      g_assert_cmpuint (count (f, " /buy "), ==, cases[i].times);
    }
}

static void
test_many (Fixture *f, gconstpointer unused)
{
  g_autofree char *request = make_request (f, "POST http://localhost:PORT/ HTTP/1.1\r\nHost: localhost:PORT\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n");

  f->origin_says = NULL;
  start_client (f, NULL);
  g_autofree char *go = talk (f, request, "100 Continue", NULL);
  g_assert_nonnull (strstr (go, "HTTP/1.1 100 Continue\r\n\r\n"));
  f->origin_says = OK;
  g_autofree char *answer = talk (f, "3;x=y\r\nabc\r\n0\r\nTrailer: no\r\n\r\n", "\r\n\r\nok", NULL);
  g_assert_nonnull (strstr (answer, "200 OK"));
  g_byte_array_append (f->origin_got, (const guint8 *) "", 1);
  g_assert_nonnull (strstr ((char *) f->origin_got->data, "\r\n3\r\nabc\r\n0\r\n\r\n"));
  g_assert_null (strstr ((char *) f->origin_got->data, "Expect"));
  g_assert_null (strstr ((char *) f->origin_got->data, "Trailer"));
}

/* Whatever the policy says, a guest gets no further at the model runner than to its models, and no name but its own. */
static void
test_model_runner (Fixture *f, gconstpointer unused)
{
  static const char *const refused[] = {
    "POST http://localhost:12434/models/create HTTP/1.1\r\nHost: localhost:12434\r\nContent-Length: 2\r\n\r\n{}",
    "DELETE http://model.creel.internal:12434/v1/models/x HTTP/1.1\r\nHost: model.creel.internal:12434\r\n\r\n",
    "GET http://localhost:12434/v1/models/..%2f..%2fmetrics HTTP/1.1\r\nHost: localhost:12434\r\n\r\n",
  };
  const char *good = "POST /v1//chat/completions?x=1 HTTP/1.1\r\nHost: model.creel.internal:12434\r\nCreel-Sandbox: another\r\n"
                     "creel-sandbox: third\r\nConnection: Creel-Sandbox\r\nContent-Length: 2\r\n\r\n{}";
  g_autoptr (CreelPolicy) policy = creel_policy_new (CREEL_VERDICT_DENY);
  char entry[4096] = "";

  creel_policy_take_rule (policy, creel_rule_parse (CREEL_VERDICT_ALLOW, "localhost:12434", "test", NULL));
  creel_policy_take_rule (policy, creel_rule_parse (CREEL_VERDICT_ALLOW, "tcp://localhost:12434", "test", NULL));
  creel_proxy_set_policy (f->proxy, policy, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (refused); i++)
    {
      start_client (f, NULL);
      g_autofree char *answer = talk (f, refused[i], NULL, NULL);
      g_test_message ("%s", answer);
      g_assert_true (g_str_has_prefix (answer, "HTTP/1.1 403 "));
      g_assert_nonnull (strstr (answer, "Creel-Denied: policy"));
      g_assert_cmpint (recv (f->journal_fd, entry, sizeof entry - 1, 0), >, 0);
      g_assert_nonnull (strstr (entry, "CREEL_VERDICT=deny\n"));
    }
  /* bytes that are no HTTP get to nobody */
  start_client (f, "localhost:12434");
  g_autofree char *raw = talk (f, "\x01\x02\x03", NULL, NULL);
  g_assert_cmpstr (raw, ==, "");
  if (!g_socket_listener_add_inet_port (G_SOCKET_LISTENER (f->origin), 12434, NULL, NULL))
    {
      g_test_skip ("Port 12434 is in use");
      return;
    }
  f->origin_says = OK;
  start_client (f, "localhost:12434");
  g_autofree char *answer = talk (f, good, "\r\n\r\nok", NULL);
  g_assert_nonnull (strstr (answer, "200 OK"));
  g_byte_array_append (f->origin_got, (const guint8 *) "", 1);
  g_test_message ("%s", (char *) f->origin_got->data);
  g_assert_true (g_str_has_prefix ((char *) f->origin_got->data, "POST /v1/chat/completions?x=1 HTTP/1.1\r\nHost: localhost:12434\r\n"));
  g_assert_nonnull (strstr ((char *) f->origin_got->data, "\r\nCreel-Sandbox: test\r\n"));
  g_assert_null (strstr ((char *) f->origin_got->data, "another"));
  g_assert_null (strstr ((char *) f->origin_got->data, "third"));
}

/* One guest does not take all places of what the whole machine shares. */
static void
test_model_runner_places (Fixture *f, gconstpointer unused)
{
  const char *ask = "POST http://localhost:12434/v1/completions HTTP/1.1\r\nHost: localhost:12434\r\nContent-Length: 2\r\n\r\n{}";
  g_autoptr (CreelPolicy) policy = creel_policy_new (CREEL_VERDICT_DENY);
  int clients[CREEL_MODEL_RUNNER_REQUESTS_MAX];

  creel_policy_take_rule (policy, creel_rule_parse (CREEL_VERDICT_ALLOW, "localhost:12434", "test", NULL));
  creel_proxy_set_policy (f->proxy, policy, NULL);
  if (!g_socket_listener_add_inet_port (G_SOCKET_LISTENER (f->origin), 12434, NULL, NULL))
    {
      g_test_skip ("Port 12434 is in use");
      return;
    }
  for (guint i = 0; i < G_N_ELEMENTS (clients); i++)
    {
      f->client_fd = 0;
      start_client (f, NULL);
      clients[i] = f->client_fd;
      g_assert_cmpint (write (f->client_fd, ask, strlen (ask)), ==, (gssize) strlen (ask));
      while (f->origin_connections->len <= i)
        {
          char entry[4096];

          g_main_context_iteration (NULL, TRUE);
          while (recv (f->journal_fd, entry, sizeof entry, 0) > 0)
            ;
        }
    }
  f->client_fd = 0;
  start_client (f, NULL);
  g_autofree char *answer = talk (f, ask, NULL, NULL);
  g_assert_true (g_str_has_prefix (answer, "HTTP/1.1 503 "));
  g_assert_nonnull (strstr (answer, "Creel-Denied: limit"));
  /* one that has its answer makes room */
  g_socket_send (g_socket_connection_get_socket (f->origin_connections->pdata[0]), OK, strlen (OK), NULL, NULL);
  while (f->proxy->n_asking == G_N_ELEMENTS (clients))
    g_main_context_iteration (NULL, TRUE);
  f->origin_says = OK;
  start_client (f, NULL);
  g_autofree char *next = talk (f, ask, "\r\n\r\nok", NULL);
  g_assert_true (g_str_has_prefix (next, "HTTP/1.1 200 "));
  for (guint i = 0; i < G_N_ELEMENTS (clients); i++)
    close (clients[i]);
}

/* A name or an address that leads to this machine opens nothing at the model runner that its own names do not, whatever rules there are. */
static void
test_model_runner_aliases (Fixture *f, gconstpointer unused)
{
  static const char *const allow[] = { "evil.localhost:12434", "127.0.0.1/32:12434", "0.0.0.0/32:12434", "tcp://evil.localhost:12434" };
  static const char *const requests[] = {
    "POST http://evil.localhost:12434/models/create HTTP/1.1\r\nHost: evil.localhost:12434\r\nContent-Length: 2\r\n\r\n{}",
    "POST http://0.0.0.0:12434/models/create HTTP/1.1\r\nHost: 0.0.0.0:12434\r\nContent-Length: 2\r\n\r\n{}",
  };
  g_autoptr (CreelPolicy) policy = creel_policy_new (CREEL_VERDICT_DENY);

  for (guint i = 0; i < G_N_ELEMENTS (allow); i++)
    {
      CreelRule *rule = creel_rule_parse (CREEL_VERDICT_ALLOW, allow[i], "test", NULL);

      g_assert_nonnull (rule);
      creel_policy_take_rule (policy, rule);
    }
  creel_proxy_set_policy (f->proxy, policy, NULL);
  if (!g_socket_listener_add_inet_port (G_SOCKET_LISTENER (f->origin), 12434, NULL, NULL))
    {
      g_test_skip ("Port 12434 is in use");
      return;
    }
  f->origin_says = OK;
  for (guint i = 0; i < G_N_ELEMENTS (requests); i++)
    {
      start_client (f, NULL);
      g_autofree char *answer = talk (f, requests[i], "\r\n\r\nok", NULL);
      g_test_message ("%s", answer);
      g_assert_true (g_str_has_prefix (answer, "HTTP/1.1 403 "));
      g_assert_nonnull (strstr (answer, "Creel-Denied: "));
    }
  start_client (f, "evil.localhost:12434");
  g_autofree char *raw = talk (f, "\x01\x02\x03", "ok", NULL);
  g_assert_null (strstr (raw, "ok"));
  g_assert_cmpuint (f->origin_got->len, ==, 0);
}

/* What a rule decides on is the path that the model runner gets. */
static void
test_model_runner_rules (Fixture *f, gconstpointer unused)
{
  g_autoptr (CreelPolicy) policy = creel_policy_new (CREEL_VERDICT_DENY);

  creel_policy_take_rule (policy, creel_rule_parse (CREEL_VERDICT_ALLOW, "localhost:12434", "test", NULL));
  creel_policy_take_rule (policy, creel_rule_parse (CREEL_VERDICT_DENY, "localhost:12434 GET /v1/models/ai/secret:1", "test", NULL));
  creel_proxy_set_policy (f->proxy, policy, NULL);
  start_client (f, NULL);
  g_autofree char *answer =
      talk (f, "GET http://localhost:12434/v1/models/ai%2Fsecret%3a1 HTTP/1.1\r\nHost: localhost:12434\r\n\r\n", NULL, NULL);
  g_test_message ("%s", answer);
  g_assert_true (g_str_has_prefix (answer, "HTTP/1.1 403 "));
  g_assert_nonnull (strstr (answer, "Creel-Denied: rule"));
  start_client (f, NULL);
  g_autofree char *other =
      talk (f, "GET http://localhost:12434/v1/models/ai/secret%3a1 HTTP/1.1\r\nHost: localhost:12434\r\n\r\n", NULL, NULL);
  g_assert_true (g_str_has_prefix (other, "HTTP/1.1 403 "));
}

static void
test_ca (void)
{
  g_autoptr (CreelCa) ca = creel_ca_new ("a-name-that-is-longer-than-what-fits-into-a-common-name-of-a-cert", NULL);
  g_autoptr (GBytes) state = creel_ca_export (ca);
  g_autoptr (CreelCa) again = creel_ca_import (state, NULL);
  g_autoptr (GBytes) rubbish = g_bytes_new_static ("rubbish", 7);
  CreelLeaf *leaf = creel_ca_get_leaf (again, "example.com", NULL);

  g_assert_cmpstr (creel_ca_get_certificate (ca), ==, creel_ca_get_certificate (again));
  g_assert_nonnull (leaf);
  for (guint i = 0; i < 300; i++)
    {
      g_autofree char *host = g_strdup_printf ("h%u.example", i);

      creel_leaf_unref (creel_ca_get_leaf (again, host, NULL));
    }
  creel_leaf_unref (leaf);
  creel_leaf_unref (creel_ca_get_leaf (again, "::1", NULL));
  g_assert_null (creel_ca_get_leaf (again, "not a host", NULL));
  g_assert_null (creel_ca_import (rubbish, NULL));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, func) g_test_add (name, Fixture, NULL, set_up, func, tear_down)
  ADD ("/proxy/request", test_request);
  ADD ("/proxy/no-policy", test_no_policy);
  ADD ("/proxy/audit-down", test_audit_down);
  ADD ("/proxy/tightened", test_tightened);
  ADD ("/proxy/guest-breaks", test_guest_breaks);
  ADD ("/proxy/half-close", test_half_close);
  ADD ("/proxy/answers", test_answers);
  ADD ("/proxy/clock", test_clock);
  ADD ("/proxy/stopped", test_stopped);
  ADD ("/proxy/body", test_many);
  ADD ("/proxy/kept-ends", test_kept_ends);
  ADD ("/proxy/model-runner", test_model_runner);
  ADD ("/proxy/model-runner-places", test_model_runner_places);
  ADD ("/proxy/model-runner-aliases", test_model_runner_aliases);
  ADD ("/proxy/model-runner-rules", test_model_runner_rules);
  g_test_add_func ("/proxy/ca", test_ca);
  return g_test_run ();
}
