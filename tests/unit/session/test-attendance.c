/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Questions on the gateway's D-Bus face: who is told of them, and who may answer. */
#include <signal.h>
#include <unistd.h>

#include "creel-error.h"
#include "creel-keepsake.h"
#include "creel-names.h"
#include "gateway-fixture.h"

typedef struct
{
  guint n;
  char *key;
  const char *reason;
} Answer;

static void
on_answer (const char *key, const char *reason, const char *message, gpointer user_data)
{
  Answer *answer = user_data;

  answer->n++;
  g_free (answer->key);
  answer->key = g_strdup (key);
  answer->reason = reason;
}

/* NULL when it is refused at once: the reason is in the answer. */
static CreelWait *
ask (GatewayFixture *f, const char *name, Answer *answer)
{
  CreelQuestions *questions = creel_proxy_get_questions (creel_gateway_get_proxy (f->gateway));
  g_autoptr (CreelHost) host = creel_host_parse (name, -1, NULL);
  CreelDecision decision = { .verdict = CREEL_VERDICT_ASK, .rule = (char *) "*.example" };
  CreelQuery query = { host, 443, CREEL_SCHEME_HTTPS, "CONNECT", NULL, &decision };
  const char *message;

  return creel_questions_ask (questions, &query, on_answer, answer, &answer->reason, &message);
}

static guint
count_questions (GatewayFixture *f, guint64 *ret_id)
{
  g_autoptr (GVariant) answer = gateway_call (f->a, "org.freedesktop.DBus.Properties", "Get", g_variant_new ("(ss)", INTERFACE, "Questions"),
                                              NULL, NULL);
  g_autoptr (GVariant) list = NULL;

  g_variant_get (answer, "(v)", &list);
  g_assert_true (g_variant_is_of_type (list, G_VARIANT_TYPE ("aa{sv}")));
  if (g_variant_n_children (list) > 0)
    {
      g_autoptr (GVariant) first = g_variant_get_child_value (list, 0);

      g_assert_true (g_variant_lookup (first, "id", "t", ret_id));
    }
  return g_variant_n_children (list);
}

/* Not with WAIT_UNTIL: what it waits for may come while the question itself is under way. */
static void
wait_for (GatewayFixture *f, guint n, guint64 *ret_id)
{
  gint64 deadline = g_get_monotonic_time () + 30 * G_USEC_PER_SEC;

  while (count_questions (f, ret_id) != n)
    {
      g_assert_cmpint (g_get_monotonic_time (), <, deadline);
      g_usleep (1000);
    }
}

static gboolean
call_answer (GatewayFixture *f, guint64 id, const char *choice, GError **error)
{
  g_autoptr (GVariant) reply = gateway_call (f->a, INTERFACE, "Answer", g_variant_new ("(tss)", id, choice, "1000"), NULL, error);

  return reply != NULL;
}

static void
attend (GDBusConnection *peer)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = gateway_call (peer, INTERFACE, "Attend", NULL, NULL, &error);

  g_assert_no_error (error);
}

static void
test_answer (GatewayFixture *f, gconstpointer unused)
{
  g_autoptr (GError) error = NULL;
  Answer answer = { 0 };
  guint64 id = 0;

  attend (f->a);
  g_assert_nonnull (ask (f, "one.example", &answer));
  wait_for (f, 1, &id);
  g_assert_false (call_answer (f, id + 1, "once", &error));
  g_assert_error (error, CREEL_ERROR, CREEL_ERROR_NO_SUCH_QUESTION);
  g_clear_error (&error);
  g_assert_false (call_answer (f, id, "maybe", &error));
  g_assert_error (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS);
  g_clear_error (&error);
  g_assert_true (call_answer (f, id, "run", &error));
  g_assert_cmpuint (answer.n, ==, 1);
  g_assert_nonnull (answer.key);
  g_assert_true (creel_questions_is_approved (creel_proxy_get_questions (creel_gateway_get_proxy (f->gateway)), answer.key));
  wait_for (f, 0, &id);
  g_assert_false (call_answer (f, id, "once", &error));
  g_assert_error (error, CREEL_ERROR, CREEL_ERROR_NO_SUCH_QUESTION);
  g_free (answer.key);
}

static void
check_url (GatewayFixture *f, const char *url, const char *verdict, const char *answer, const char *reason)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = gateway_call (f->a, INTERFACE, "Check", g_variant_new ("(ss)", url, "GET"), NULL, &error);
  g_autoptr (GVariant) decision = NULL;
  const char *got_verdict = NULL, *got_answer = NULL, *got_reason = NULL;

  g_assert_no_error (error);
  g_variant_get (reply, "(@a{sv})", &decision);
  g_variant_lookup (decision, "verdict", "&s", &got_verdict);
  g_variant_lookup (decision, "answer", "&s", &got_answer);
  g_variant_lookup (decision, "reason", "&s", &got_reason);
  g_assert_cmpstr (got_verdict, ==, verdict);
  g_assert_cmpstr (got_answer, ==, answer);
  if (reason != NULL)
    g_assert_cmpstr (got_reason, ==, reason);
}

/* What was answered for this run is what a check says too, and only for what was asked about. */
static void
test_check (GatewayFixture *f, gconstpointer unused)
{
  static const char *const choices[] = { "run", "deny-run", "once" };
  g_autoptr (GError) error = NULL;

  gateway_write_definition (f, DEFINITION "Ask=*.example\n");
  g_assert_true (creel_gateway_reload (f->gateway, NULL));
  attend (f->a);
  check_url (f, "https://name0.example/x", "ask", NULL, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (choices); i++)
    {
      g_autofree char *name = g_strdup_printf ("name%u.example", i);
      Answer answer = { 0 };
      guint64 id = 0;

      g_assert_nonnull (ask (f, name, &answer));
      wait_for (f, 1, &id);
      g_assert_true (call_answer (f, id, choices[i], &error));
      wait_for (f, 0, &id);
      g_free (answer.key);
    }
  check_url (f, "https://name0.example/x", "allow", "run", NULL);
  check_url (f, "name0.example", "allow", "run", NULL);
  check_url (f, "http://name0.example/x", "ask", NULL, NULL);
  check_url (f, "https://name1.example/x", "deny", "deny-run", CREEL_REASON_DECLINED);
  check_url (f, "https://name2.example/x", "ask", NULL, NULL);
  gateway_write_definition (f, DEFINITION "Ask=*.example\nDeny=name0.example\n");
  g_assert_true (creel_gateway_reload (f->gateway, NULL));
  check_url (f, "https://name0.example/x", "deny", NULL, CREEL_REASON_RULE);
}

/* Nobody there, and then nobody any more. */
static void
test_gone (GatewayFixture *f, gconstpointer unused)
{
  Answer answer = { 0 };
  g_autoptr (GError) error = NULL;

  g_assert_null (ask (f, "one.example", &answer));
  g_assert_cmpstr (answer.reason, ==, CREEL_REASON_UNANSWERED);
  f->b = gateway_connect_peer (f, &error);
  g_assert_no_error (error);
  attend (f->b);
  g_assert_nonnull (ask (f, "one.example", &answer));
  gateway_disconnect_peer (&f->b);
  WAIT_UNTIL (answer.n == 1);
  g_assert_null (answer.key);
  g_assert_cmpstr (answer.reason, ==, CREEL_REASON_UNANSWERED);
  g_assert_null (ask (f, "one.example", &answer));
}

/* The definition says how long. */
static void
test_timeout (GatewayFixture *f, gconstpointer unused)
{
  Answer answer = { 0 };
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = NULL;

  gateway_write_definition (f, DEFINITION "AskTimeoutSec=1\n");
  reply = gateway_call_text (f->a, "Reload", "()", &error);
  g_assert_no_error (error);
  attend (f->a);
  g_assert_nonnull (ask (f, "one.example", &answer));
  WAIT_UNTIL (answer.n == 1);
  g_assert_cmpstr (answer.reason, ==, CREEL_REASON_UNANSWERED);
}

static void
on_changed (GDBusConnection *connection, const char *sender, const char *path, const char *interface, const char *name,
            GVariant *parameters, gpointer user_data)
{
  ++*(guint *) user_data;
}

/* A guest that asks and hangs up makes no storm of signals. */
static void
test_storm (GatewayFixture *f, gconstpointer unused)
{
  Answer answer = { 0 };
  CreelWait *wait = NULL;
  guint n = 0;
  guint64 id;
  gint64 start = g_get_monotonic_time ();
  guint subscription = g_dbus_connection_signal_subscribe (f->a, NULL, "org.freedesktop.DBus.Properties", "PropertiesChanged",
                                                           CREEL_GATEWAY_PATH, NULL, 0, on_changed, &n, NULL);

  attend (f->a);
  for (guint i = 0; i < 1000; i++)
    {
      g_autofree char *name = g_strdup_printf ("h%u.example", i);

      g_clear_pointer (&wait, creel_wait_withdraw);
      wait = ask (f, name, &answer);
      g_assert_nonnull (wait);
      if (i % 10 == 0)
        g_main_context_iteration (NULL, FALSE);
    }
  wait_for (f, 1, &id);
  g_assert_cmpuint (n, <=, 2 + (guint) ((g_get_monotonic_time () - start) / 100000));
  g_dbus_connection_signal_unsubscribe (f->a, subscription);
  creel_wait_withdraw (wait);
}

/* Answers for the run come back with the state of a gateway that died. */
static void
test_keepsake (GatewayFixture *f, gconstpointer unused)
{
  g_autoptr (CreelKeepsake) keepsake = creel_keepsake_new ();
  g_autoptr (CreelKeepsake) again = NULL;
  g_autoptr (GError) error = NULL;
  int fd;

  g_hash_table_insert (keepsake->answers, g_strdup ("0123"), g_strdup ("run"));
  g_hash_table_insert (keepsake->answers, g_strdup ("4567"), g_strdup ("deny-run"));
  fd = creel_keepsake_seal (keepsake, &error);
  g_assert_no_error (error);
  again = creel_keepsake_read (fd, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (g_hash_table_size (again->answers), ==, 2);
  g_assert_cmpstr (g_hash_table_lookup (again->answers, "0123"), ==, "run");
  g_assert_cmpstr (g_hash_table_lookup (again->answers, "4567"), ==, "deny-run");
  close (fd);
}

int
main (int argc, char **argv)
{
  signal (SIGPIPE, SIG_IGN);
  g_log_set_fatal_mask (NULL, G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL);
  g_test_init (&argc, &argv, NULL);
  g_log_set_always_fatal (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL);
  creel_error_quark ();
#define ADD(path, func) g_test_add ("/attendance/" path, GatewayFixture, NULL, gateway_set_up, func, gateway_tear_down)
  ADD ("answer", test_answer);
  ADD ("check", test_check);
  ADD ("gone", test_gone);
  ADD ("timeout", test_timeout);
  ADD ("storm", test_storm);
  ADD ("keepsake", test_keepsake);
  return g_test_run ();
}
