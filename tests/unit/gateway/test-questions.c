/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Requests that wait for a person, through the whole proxy. */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "creel-error.h"
#include "creel-names.h"
#include "proxy-fixture.h"

#define GET "GET http://localhost:PORT/a?secret=1 HTTP/1.1\r\nHost: localhost:PORT\r\n\r\n"
#define OK "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

static GString *journal;

static void
set_policy (Fixture *f, const char *text)
{
  g_autofree char *rules = make_request (f, text);
  g_autoptr (CreelPolicy) policy = creel_policy_new (CREEL_VERDICT_DENY);

  g_assert_true (creel_policy_add_text (policy, rules, "test", NULL));
  creel_proxy_set_policy (f->proxy, policy, NULL);
}

/* All that the journal got since the start; reading it also keeps it from being full, which would refuse everything. */
static const char *
read_journal (Fixture *f)
{
  char entry[4096];
  gssize n;

  while ((n = recv (f->journal_fd, entry, sizeof entry, 0)) > 0)
    g_string_append_len (journal, entry, n);
  return journal->str;
}

static void
set_up_asking (Fixture *f, gconstpointer unused)
{
  set_up (f, NULL);
  set_policy (f, "Ask=localhost:PORT");
  creel_questions_set_attended (f->proxy->questions, TRUE);
  f->origin_says = OK;
  g_string_truncate (journal, 0);
}

static void
send_text (Fixture *f, const char *format)
{
  g_autofree char *text = make_request (f, format);

  g_assert_cmpint (write (f->client_fd, text, strlen (text)), ==, (gssize) strlen (text));
}

/* Runs the loop until so many questions wait; the list. */
static GVariant *
wait_for (Fixture *f, guint n)
{
  gint64 deadline = g_get_monotonic_time () + 10 * G_USEC_PER_SEC;
  GVariant *list = g_variant_ref_sink (creel_questions_list (f->proxy->questions));

  while (g_variant_n_children (list) != n)
    {
      g_assert_cmpint (g_get_monotonic_time (), <, deadline);
      g_variant_unref (list);
      if (!g_main_context_iteration (NULL, FALSE))
        g_usleep (500);
      list = g_variant_ref_sink (creel_questions_list (f->proxy->questions));
    }
  read_journal (f);
  return list;
}

static void
wait_for_none (Fixture *f)
{
  g_variant_unref (wait_for (f, 0));
}

static guint64
get_id (GVariant *list, guint index)
{
  g_autoptr (GVariant) question = g_variant_get_child_value (list, index);
  guint64 id;

  g_assert_true (g_variant_lookup (question, "id", "t", &id));
  return id;
}

static char *
get_text (GVariant *list, guint index, const char *key)
{
  g_autoptr (GVariant) question = g_variant_get_child_value (list, index);
  char *text;

  g_assert_true (g_variant_lookup (question, key, "s", &text));
  return text;
}

static void
assert_text (GVariant *list, const char *key, const char *expected)
{
  g_autofree char *text = get_text (list, 0, key);

  g_assert_cmpstr (text, ==, expected);
}

/* The only question that waits gets this answer. */
static void
answer (Fixture *f, const char *choice)
{
  g_autoptr (GVariant) list = wait_for (f, 1);
  g_autoptr (GError) error = NULL;

  creel_questions_answer (f->proxy->questions, get_id (list, 0), choice, "1000", &error);
  g_assert_no_error (error);
  wait_for_none (f);
}

/* Asks, gets the answer, and gives what the guest gets. */
static char *
ask (Fixture *f, const char *request, const char *choice, const char *wanted)
{
  send_text (f, request);
  answer (f, choice);
  return talk (f, NULL, wanted, NULL);
}

static void
assert_refused (const char *got, const char *status, const char *reason)
{
  g_autofree char *header = g_strdup_printf ("\r\n" CREEL_DENIED_HEADER ": %s\r\n", reason);
  g_autofree char *json = g_strdup_printf ("\"reason\": \"%s\"", reason);

  g_test_message ("%s", got);
  g_assert_true (g_str_has_prefix (got, status));
  g_assert_nonnull (strstr (got, header));
  g_assert_nonnull (strstr (got, json));
}

static void
test_once (Fixture *f, gconstpointer unused)
{
  g_autoptr (GVariant) list = NULL;
  g_autofree char *authority = g_strdup_printf ("localhost:%u", f->port);

  start_client (f, NULL);
  send_text (f, GET);
  list = wait_for (f, 1);
  assert_text (list, "host", "localhost");
  assert_text (list, "scheme", "http");
  assert_text (list, "method", "GET");
  assert_text (list, "path", "/a");
  assert_text (list, "rule", authority);
  assert_text (list, "allows", authority);
  g_assert_cmpuint (f->origin_connections->len, ==, 0);
  answer (f, "once");
  g_autofree char *first = talk (f, NULL, "\r\n\r\nok", NULL);
  g_assert_true (g_str_has_prefix (first, "HTTP/1.1 200 OK\r\n"));
  /* once is once, also on a kept connection */
  g_autofree char *second = ask (f, GET, "once", "\r\n\r\nok");
  g_assert_nonnull (strstr (second, "200 OK"));
  read_journal (f);
  g_assert_nonnull (strstr (journal->str, "CREEL_ANSWER=waits\n"));
  g_assert_nonnull (strstr (journal->str, "CREEL_ANSWER=once\nCREEL_ANSWERED_BY=1000\n"));
  g_assert_null (strstr (journal->str, "secret"));
}

/* After a no nothing that follows on the connection is read, whatever it is. */
static void
test_deny (Fixture *f, gconstpointer unused)
{
  gboolean ended = FALSE;

  start_client (f, NULL);
  g_autofree char *kept = ask (f, GET, "once", "\r\n\r\nok");
  g_assert_cmpuint (f->origin_connections->len, ==, 1);
  g_byte_array_set_size (f->origin_got, 0);
  send_text (f, GET GET);
  answer (f, "deny");
  g_autofree char *got = talk (f, NULL, NULL, &ended);
  assert_refused (got, "HTTP/1.1 403 ", "declined");
  g_assert_true (ended);
  g_assert_null (strstr (got + 1, "HTTP/1.1 "));
  g_assert_nonnull (strstr (got, "Connection: close"));
  g_assert_cmpuint (f->origin_got->len, ==, 0);
  wait_for_none (f);
  /* the next one asks anew */
  start_client (f, NULL);
  g_autofree char *again = ask (f, GET, "once", "\r\n\r\nok");
  g_assert_nonnull (strstr (again, "200 OK"));
}

static void
test_run (Fixture *f, gconstpointer unused)
{
  g_autofree char *request = make_request (f, GET);

  start_client (f, NULL);
  g_autofree char *first = ask (f, GET, "run", "\r\n\r\nok");
  g_assert_nonnull (strstr (first, "200 OK"));
  start_client (f, NULL);
  g_autofree char *second = talk (f, request, "\r\n\r\nok", NULL);
  g_assert_nonnull (strstr (second, "200 OK"));
  /* a denial is above it, whoever wrote it */
  set_policy (f, "Ask=localhost:PORT\nDeny=localhost");
  start_client (f, NULL);
  g_autofree char *denied = talk (f, request, NULL, NULL);
  assert_refused (denied, "HTTP/1.1 403 ", "rule");
  /* another rule that asks is another question */
  set_policy (f, "Ask=localhost:*");
  start_client (f, NULL);
  g_autofree char *never = ask (f, GET, "deny-run", NULL);
  assert_refused (never, "HTTP/1.1 403 ", "declined");
  start_client (f, NULL);
  g_autofree char *at_once = talk (f, request, NULL, NULL);
  assert_refused (at_once, "HTTP/1.1 403 ", "declined");
  wait_for_none (f);
}

/* An answer about a method and a path is none about others, and requests for others do not join. */
static void
test_conditional (Fixture *f, gconstpointer unused)
{
  g_autoptr (GVariant) list = NULL;
  g_autofree char *allows = g_strdup_printf ("localhost:%u POST /up/a", f->port);
  g_autofree char *request = make_request (f, "POST http://localhost:PORT/up/a HTTP/1.1\r\nHost: localhost:PORT\r\n\r\n");
  int other;

  set_policy (f, "Ask=localhost:PORT POST /up/**\nAllow=localhost:PORT GET");
  start_client (f, NULL);
  send_text (f, "POST http://localhost:PORT/up/x/../a?q HTTP/1.1\r\nHost: localhost:PORT\r\n\r\n");
  list = wait_for (f, 1);
  assert_text (list, "path", "/up/a");
  assert_text (list, "allows", allows);
  other = f->client_fd;
  f->client_fd = 0;
  start_client (f, NULL);
  send_text (f, "POST http://localhost:PORT/up/* HTTP/1.1\r\nHost: localhost:PORT\r\n\r\n");
  g_clear_pointer (&list, g_variant_unref);
  list = wait_for (f, 2);
  g_autofree char *none = get_text (list, 1, "allows");
  g_assert_cmpstr (none, ==, "");
  close (f->client_fd);
  f->client_fd = other;
  g_clear_pointer (&list, g_variant_unref);
  list = wait_for (f, 1);
  answer (f, "run");
  g_autofree char *first = talk (f, NULL, "\r\n\r\nok", NULL);
  g_assert_nonnull (strstr (first, "200 OK"));
  g_autofree char *second = talk (f, request, "\r\n\r\nok", NULL);
  g_assert_nonnull (strstr (second, "200 OK"));
  g_autofree char *third = ask (f, "POST http://localhost:PORT/up/b HTTP/1.1\r\nHost: localhost:PORT\r\n\r\n", "deny", NULL);
  assert_refused (third, "HTTP/1.1 403 ", "declined");
}

/* Every method that a server may see is asked about, and denied where one of them is. */
static void
test_methods (Fixture *f, gconstpointer unused)
{
  const char *request = "POST http://localhost:PORT/a?_method=delete HTTP/1.1\r\nHost: localhost:PORT\r\nX-HTTP-Method-Override: PUT\r\n\r\n";
  static const char *const methods[] = { "POST", "PUT", "DELETE" };

  set_policy (f, "Ask=localhost:PORT POST,PUT,DELETE");
  start_client (f, NULL);
  send_text (f, request);
  for (guint i = 0; i < G_N_ELEMENTS (methods); i++)
    {
      g_autoptr (GVariant) list = wait_for (f, 1);
      g_autoptr (GError) error = NULL;

      assert_text (list, "method", methods[i]);
      g_assert_true (creel_questions_answer (f->proxy->questions, get_id (list, 0), "once", "0", &error));
    }
  g_autofree char *got = talk (f, NULL, "\r\n\r\nok", NULL);
  g_assert_nonnull (strstr (got, "200 OK"));
  set_policy (f, "Ask=localhost:PORT POST,DELETE\nAllow=localhost:PORT\nDeny=localhost:PORT PUT");
  start_client (f, NULL);
  send_text (f, request);
  g_autofree char *denied = talk (f, NULL, NULL, NULL);
  assert_refused (denied, "HTTP/1.1 403 ", "rule");
  wait_for_none (f);
  /* a path that can be read in two ways is fine where no rule names one, but no rule can say it either */
  set_policy (f, "Ask=localhost:PORT POST");
  start_client (f, NULL);
  send_text (f, "POST http://localhost:PORT/@a%2fb HTTP/1.1\r\nHost: localhost:PORT\r\n\r\n");
  g_autoptr (GVariant) unclear = wait_for (f, 1);
  assert_text (unclear, "path", "/@a%2fb");
  assert_text (unclear, "allows", "");
  answer (f, "once");
  g_autofree char *passed = talk (f, NULL, "\r\n\r\nok", NULL);
  g_assert_nonnull (strstr (passed, "200 OK"));
}

static void
test_timeout (Fixture *f, gconstpointer unused)
{
  g_autofree char *request = make_request (f, GET);

  creel_questions_set_timeout (f->proxy->questions, 20);
  start_client (f, NULL);
  g_autofree char *got = talk (f, request, NULL, NULL);
  assert_refused (got, "HTTP/1.1 403 ", "unanswered");
  wait_for_none (f);
  g_assert_cmpuint (f->origin_connections->len, ==, 0);
  read_journal (f);
  g_assert_nonnull (strstr (journal->str, "CREEL_ANSWER=timed-out\n"));
  g_assert_nonnull (strstr (journal->str, "CREEL_REASON=unanswered\n"));
}

static void
test_flood (Fixture *f, gconstpointer unused)
{
  int clients[CREEL_QUESTIONS_MAX];

  set_policy (f, "Ask=*");
  for (guint i = 0; i < G_N_ELEMENTS (clients); i++)
    {
      g_autofree char *request = g_strdup_printf ("GET http://h%u.example/ HTTP/1.1\r\nHost: h%u.example\r\n\r\n", i, i);

      f->client_fd = 0;
      start_client (f, NULL);
      clients[i] = f->client_fd;
      send_text (f, request);
      g_variant_unref (wait_for (f, i + 1));
    }
  f->client_fd = 0;
  start_client (f, NULL);
  g_autofree char *got = talk (f, "GET http://more.example/ HTTP/1.1\r\nHost: more.example\r\n\r\n", NULL, NULL);
  assert_refused (got, "HTTP/1.1 429 ", "questions");
  /* one that is there can still be joined, and one that goes makes room */
  start_client (f, NULL);
  send_text (f, "GET http://h0.example/other HTTP/1.1\r\nHost: h0.example\r\n\r\n");
  for (guint i = 0; i < G_N_ELEMENTS (clients); i++)
    close (clients[i]);
  g_variant_unref (wait_for (f, 1));
  close (f->client_fd);
  f->client_fd = 0;
  wait_for_none (f);
}

static void
test_join (Fixture *f, gconstpointer unused)
{
  int clients[3];

  for (guint i = 0; i < G_N_ELEMENTS (clients); i++)
    {
      f->client_fd = 0;
      start_client (f, NULL);
      clients[i] = f->client_fd;
      send_text (f, GET);
      g_variant_unref (wait_for (f, 1));
    }
  /* the one who asked first leaves, the question stays for the others */
  while (g_main_context_iteration (NULL, FALSE))
    ;
  close (clients[0]);
  while (creel_proxy_get_n_connections (f->proxy) > 2)
    g_main_context_iteration (NULL, TRUE);
  answer (f, "once");
  for (guint i = 1; i < G_N_ELEMENTS (clients); i++)
    {
      f->client_fd = clients[i];
      g_autofree char *got = talk (f, NULL, "\r\n\r\nok", NULL);
      g_assert_nonnull (strstr (got, "200 OK"));
    }
  close (clients[1]);
}

/* A yes for a request opens no connection that carries any. */
static void
test_join_tunnel (Fixture *f, gconstpointer unused)
{
  static const char *const choices[] = { "once", "run", "deny-run" };

  for (guint i = 0; i < G_N_ELEMENTS (choices); i++)
    {
      gboolean once = g_str_equal (choices[i], "once"), yes = i < 2;
      g_autoptr (GHashTable) kept = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
      g_autoptr (GVariant) list = NULL;
      g_autoptr (GError) error = NULL;
      int other;

      creel_questions_set_kept (f->proxy->questions, kept);
      f->client_fd = 0;
      start_client (f, NULL);
      other = f->client_fd;
      send_text (f, "CONNECT localhost:PORT HTTP/1.1\r\n\r\n");
      g_variant_unref (wait_for (f, 1));
      f->client_fd = 0;
      start_client (f, NULL);
      send_text (f, GET);
      list = wait_for (f, 2);
      assert_text (list, "method", "CONNECT");
      g_assert_true (creel_questions_answer (f->proxy->questions, get_id (list, 1), choices[i], "0", &error));
      g_autofree char *got = talk (f, NULL, yes ? "\r\n\r\nok" : NULL, NULL);
      g_assert_nonnull (strstr (got, yes ? "200 OK" : "declined"));
      close (f->client_fd);
      f->client_fd = other;
      /* what holds for the run holds for both */
      if (once)
        answer (f, "deny");
      wait_for_none (f);
      g_autofree char *tunnel = talk (f, NULL, "\r\n\r\n", NULL);
      g_assert_true (g_str_has_prefix (tunnel, yes && !once ? "HTTP/1.1 200 " : "HTTP/1.1 403 "));
      close (f->client_fd);
      f->client_fd = 0;
    }
}

static void
test_hang_up (Fixture *f, gconstpointer unused)
{
  static const char *const requests[] = { GET, "CONNECT localhost:PORT HTTP/1.1\r\n\r\n",
                                          "POST http://localhost:PORT/ HTTP/1.1\r\nHost: localhost:PORT\r\nContent-Length: 100\r\n\r\nxy" };

  for (guint i = 0; i < G_N_ELEMENTS (requests); i++)
    {
      start_client (f, NULL);
      send_text (f, requests[i]);
      g_variant_unref (wait_for (f, 1));
      close (f->client_fd);
      f->client_fd = 0;
      wait_for_none (f);
    }
  g_assert_cmpuint (f->origin_connections->len, ==, 0);
  read_journal (f);
  g_assert_nonnull (strstr (journal->str, "CREEL_ANSWER=withdrawn\n"));
}

static void
test_unattended (Fixture *f, gconstpointer unused)
{
  g_autofree char *request = make_request (f, GET);

  start_client (f, NULL);
  send_text (f, GET);
  g_variant_unref (wait_for (f, 1));
  creel_questions_set_attended (f->proxy->questions, FALSE);
  g_autofree char *got = talk (f, NULL, NULL, NULL);
  assert_refused (got, "HTTP/1.1 403 ", "unanswered");
  start_client (f, NULL);
  g_autofree char *at_once = talk (f, request, NULL, NULL);
  assert_refused (at_once, "HTTP/1.1 403 ", "unanswered");
  g_assert_nonnull (strstr (at_once, "creeld"));
}

static void
test_bad_answers (Fixture *f, gconstpointer unused)
{
  g_autoptr (GVariant) list = NULL;
  g_autoptr (GError) error = NULL;
  CreelQuestions *questions = f->proxy->questions;

  g_assert_false (creel_questions_answer (questions, 0, "once", "0", &error));
  g_assert_error (error, CREEL_ERROR, CREEL_ERROR_NO_SUCH_QUESTION);
  g_clear_error (&error);
  start_client (f, NULL);
  send_text (f, GET);
  list = wait_for (f, 1);
  g_assert_false (creel_questions_answer (questions, get_id (list, 0), "yes", "0", &error));
  g_assert_error (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS);
  g_clear_error (&error);
  g_assert_false (creel_questions_answer (questions, get_id (list, 0) + 1, "once", "0", &error));
  g_assert_error (error, CREEL_ERROR, CREEL_ERROR_NO_SUCH_QUESTION);
  g_clear_error (&error);
  answer (f, "once");
  g_assert_false (creel_questions_answer (questions, get_id (list, 0), "once", "0", &error));
  g_assert_error (error, CREEL_ERROR, CREEL_ERROR_NO_SUCH_QUESTION);
}

/* The answers of a run are bounded. */
static void
test_kept_answers (Fixture *f, gconstpointer unused)
{
  g_autoptr (GHashTable) kept = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  g_autoptr (GVariant) list = NULL;
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < CREEL_KEPT_ANSWERS_MAX; i++)
    g_hash_table_insert (kept, g_strdup_printf ("%u", i), g_strdup ("run"));
  creel_questions_set_kept (f->proxy->questions, kept);
  start_client (f, NULL);
  send_text (f, GET);
  list = wait_for (f, 1);
  g_assert_false (creel_questions_answer (f->proxy->questions, get_id (list, 0), "run", "0", &error));
  g_assert_error (error, CREEL_ERROR, CREEL_ERROR_LIMITS_EXCEEDED);
  answer (f, "once");
}

static void
test_connect (Fixture *f, gconstpointer unused)
{
  g_autofree char *inside = make_request (f, "GET /b HTTP/1.1\r\nHost: localhost:PORT\r\n\r\n");
  g_autoptr (GVariant) list = NULL;

  start_client (f, NULL);
  send_text (f, "CONNECT localhost:PORT HTTP/1.1\r\n\r\n");
  list = wait_for (f, 1);
  assert_text (list, "method", "CONNECT");
  assert_text (list, "path", "");
  assert_text (list, "scheme", "");
  answer (f, "once");
  g_autofree char *established = talk (f, NULL, "\r\n\r\n", NULL);
  g_assert_true (g_str_has_prefix (established, "HTTP/1.1 200 "));
  /* the answer was for all that goes through this connection */
  for (guint i = 0; i < 2; i++)
    {
      g_autofree char *got = talk (f, inside, "\r\n\r\nok", NULL);
      g_assert_nonnull (strstr (got, "200 OK"));
    }
  start_client (f, NULL);
  g_autofree char *refused = ask (f, "CONNECT localhost:PORT HTTP/1.1\r\n\r\n", "deny", NULL);
  assert_refused (refused, "HTTP/1.1 403 ", "declined");
  /* what depends on the request is asked about the request */
  set_policy (f, "Ask=localhost:PORT\nDeny=localhost:PORT /never");
  start_client (f, NULL);
  send_text (f, "CONNECT localhost:PORT HTTP/1.1\r\n\r\n");
  g_autofree char *at_once = talk (f, NULL, "\r\n\r\n", NULL);
  g_assert_true (g_str_has_prefix (at_once, "HTTP/1.1 200 "));
  g_autofree char *asked = ask (f, "GET /b HTTP/1.1\r\nHost: localhost:PORT\r\n\r\n", "once", "\r\n\r\nok");
  g_assert_nonnull (strstr (asked, "200 OK"));
}

static void
test_tcp (Fixture *f, gconstpointer unused)
{
  g_autofree char *authority = g_strdup_printf ("localhost:%u", f->port);
  g_autofree char *rule = g_strdup_printf ("tcp://localhost:%u", f->port);
  g_autoptr (GVariant) list = NULL;
  gboolean ended = FALSE;

  set_policy (f, "Ask=tcp://localhost:PORT");
  f->origin_says = "pong";
  start_client (f, authority);
  list = wait_for (f, 1);
  assert_text (list, "scheme", "tcp");
  assert_text (list, "allows", rule);
  send_text (f, "ping");
  g_assert_cmpuint (f->origin_connections->len, ==, 0);
  answer (f, "run");
  g_autofree char *got = talk (f, NULL, "pong", NULL);
  g_assert_cmpstr (got, ==, "pong");
  /* the rule that asked goes, and with it what it let through */
  set_policy (f, "");
  g_assert_cmpuint (creel_proxy_get_n_connections (f->proxy), ==, 0);
  set_policy (f, "Ask=tcp://host.creel.internal:PORT");
  start_client (f, authority);
  answer (f, "deny");
  g_autofree char *nothing = talk (f, NULL, NULL, &ended);
  g_assert_cmpstr (nothing, ==, "");
  g_assert_true (ended);
}

/* A rule that comes while a request waits counts, and the question goes when nobody can say yes any more. */
static void
test_tightened (Fixture *f, gconstpointer unused)
{
  gboolean ended = FALSE;

  start_client (f, NULL);
  send_text (f, GET);
  g_variant_unref (wait_for (f, 1));
  set_policy (f, "Ask=localhost:PORT\nDeny=localhost");
  wait_for_none (f);
  g_autofree char *got = talk (f, NULL, NULL, &ended);
  g_assert_true (ended);
  g_assert_cmpuint (f->origin_connections->len, ==, 0);
  /* a tunnel that waits is asked about until it is over, but a yes does not help it */
  set_policy (f, "Ask=localhost:PORT");
  start_client (f, NULL);
  send_text (f, "CONNECT localhost:PORT HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\nHost: localhost:PORT\r\n\r\n");
  g_variant_unref (wait_for (f, 1));
  set_policy (f, "Deny=localhost");
  answer (f, "run");
  g_autofree char *refused = talk (f, NULL, NULL, NULL);
  g_assert_nonnull (strstr (refused, "Creel-Denied: rule"));
  g_assert_cmpuint (f->origin_connections->len, ==, 0);
}

/* The answer is about the name, not about where it leads. */
static void
test_floor (Fixture *f, gconstpointer unused)
{
  set_policy (f, "Ask=evil.localhost:PORT");
  start_client (f, NULL);
  g_autofree char *got = ask (f, "GET http://evil.localhost:PORT/ HTTP/1.1\r\nHost: evil.localhost:PORT\r\n\r\n", "run", NULL);
  g_test_message ("%s", got);
  g_assert_nonnull (strstr (got, "Creel-Denied: "));
  g_assert_cmpuint (f->origin_connections->len, ==, 0);
}

static void
test_hostile (Fixture *f, gconstpointer unused)
{
  g_autofree char *filler = g_strnfill (4000, 'a');
  g_autofree char *request = g_strdup_printf ("GETGETGETGETGETG http://localhost:PORT/%%1b[31m'$(x)%s HTTP/1.1\r\n"
                                              "Host: localhost:PORT\r\n\r\n", filler);
  g_autoptr (GVariant) list = NULL;
  gsize total = 0;

  start_client (f, NULL);
  send_text (f, request);
  list = wait_for (f, 1);
  g_autofree char *path = get_text (list, 0, "path");
  g_autofree char *method = get_text (list, 0, "method");
  g_assert_true (g_str_has_prefix (path, "/%1b[31m"));
  g_assert_true (g_str_has_suffix (path, "aaa..."));
  g_assert_cmpuint (strlen (path), <=, 260);
  g_assert_cmpuint (strlen (method), <=, 32);
  /* bytes that no terminal should see are no request at all */
  f->client_fd = (close (f->client_fd), 0);
  wait_for_none (f);
  start_client (f, NULL);
  send_text (f, "GET http://localhost:PORT/\x1b[31m HTTP/1.1\r\nHost: localhost:PORT\r\n\r\n");
  g_autofree char *malformed = talk (f, NULL, NULL, NULL);
  g_assert_true (g_str_has_prefix (malformed, "HTTP/1.1 400 "));
  /* what comes behind a request that waits stays with the guest */
  start_client (f, NULL);
  send_text (f, "POST http://localhost:PORT/ HTTP/1.1\r\nHost: localhost:PORT\r\nContent-Length: 100000000\r\n\r\n");
  g_variant_unref (wait_for (f, 1));
  for (guint idle = 0; idle < 50;)
    {
      gssize n = write (f->client_fd, filler, 4000);

      total += n > 0 ? (gsize) n : 0;
      idle = n > 0 || g_main_context_iteration (NULL, FALSE) ? 0 : idle + 1;
      g_assert_cmpuint (total, <, 4 * 1024 * 1024);
    }
  answer (f, "deny");
  g_autofree char *refused = talk (f, NULL, "declined", NULL);
  g_assert_nonnull (strstr (refused, "HTTP/1.1 403 "));
}

int
main (int argc, char **argv)
{
  int status;

  g_test_init (&argc, &argv, NULL);
  journal = g_string_new (NULL);
#define ADD(name, func) g_test_add ("/questions/" name, Fixture, NULL, set_up_asking, func, tear_down)
  ADD ("once", test_once);
  ADD ("deny", test_deny);
  ADD ("run", test_run);
  ADD ("conditional", test_conditional);
  ADD ("methods", test_methods);
  ADD ("timeout", test_timeout);
  ADD ("flood", test_flood);
  ADD ("join", test_join);
  ADD ("join-tunnel", test_join_tunnel);
  ADD ("hang-up", test_hang_up);
  ADD ("unattended", test_unattended);
  ADD ("bad-answers", test_bad_answers);
  ADD ("kept-answers", test_kept_answers);
  ADD ("connect", test_connect);
  ADD ("tcp", test_tcp);
  ADD ("tightened", test_tightened);
  ADD ("floor", test_floor);
  ADD ("hostile", test_hostile);
  status = g_test_run ();
  g_string_free (journal, TRUE);
  return status;
}
