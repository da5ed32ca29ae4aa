/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-questions.h"

#include <string.h>
#include <syslog.h>

#include "creel-error.h"
#include "creel-hangup.h"
#include "creel-names.h"
#include "creel-records.h"

#define TIMEOUT_MS (60 * 1000)
#define PATH_SHOWN 256
#define RULE_SHOWN 512
#define RULE_MAX 1024

#define UNATTENDED "A rule asks about this and nobody can be asked: creeld is not connected to this sandbox's gateway"
#define UNANSWERED "A rule asks about this and nobody answered in time; on the host, while it waits: creel approve"
#define DECLINED "A rule asks about this and the answer was no"
#define TOO_MANY "A rule asks about this, but " G_STRINGIFY (CREEL_QUESTIONS_MAX) " questions wait already; on the host: creel approve"

struct _CreelQuestions
{
  char *sandbox;
  CreelAudit *audit;
  GPtrArray *list; /* Question, oldest first */
  GHashTable *kept;
  guint timeout;
  gboolean attended;
  guint64 last_id;
  void (*changed) (gpointer user_data);
  gpointer changed_data;
};

typedef struct
{
  CreelQuestions *questions;
  guint64 id;
  char *key;
  char *host, *method, *path, *rule, *allows;
  guint16 port;
  const char *scheme;
  gint64 asked, expires; /* wall clock */
  guint timeout;
  GPtrArray *waits; /* CreelWait */
} Question;

struct _CreelWait
{
  Question *question;
  CreelWaitFunc func;
  gpointer user_data;
  GSource *hangup; /* NULL: nobody watches */
  void (*gone) (gpointer user_data);
};

static void
wait_free (CreelWait *wait)
{
  if (wait->hangup != NULL)
    g_source_destroy (wait->hangup);
  g_clear_pointer (&wait->hangup, g_source_unref);
  g_free (wait);
}

static void
question_free (gpointer data)
{
  Question *question = data;

  g_clear_handle_id (&question->timeout, g_source_remove);
  g_ptr_array_unref (question->waits);
  g_free (question->key);
  g_free (question->host);
  g_free (question->method);
  g_free (question->path);
  g_free (question->rule);
  g_free (question->allows);
  g_free (question);
}

CreelQuestions *
creel_questions_new (const char *sandbox, CreelAudit *audit)
{
  CreelQuestions *questions = g_new0 (CreelQuestions, 1);

  questions->sandbox = g_strdup (sandbox);
  questions->audit = creel_audit_ref (audit);
  questions->list = g_ptr_array_new_with_free_func (question_free);
  questions->kept = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  questions->timeout = TIMEOUT_MS;
  /* an answer that was meant for a gateway that died does not meet another question of this one */
  questions->last_id = (guint64) g_random_int_range (1, 100000);
  return questions;
}

void
creel_questions_free (CreelQuestions *questions)
{
  if (questions == NULL)
    return;
  g_ptr_array_unref (questions->list);
  g_hash_table_unref (questions->kept);
  creel_audit_unref (questions->audit);
  g_free (questions->sandbox);
  g_free (questions);
}

void
creel_questions_set_timeout (CreelQuestions *questions, guint milliseconds)
{
  questions->timeout = milliseconds;
}

void
creel_questions_set_kept (CreelQuestions *questions, GHashTable *kept)
{
  g_hash_table_ref (kept);
  g_hash_table_unref (questions->kept);
  questions->kept = kept;
}

void
creel_questions_set_changed_func (CreelQuestions *questions, void (*changed) (gpointer user_data), gpointer user_data)
{
  questions->changed = changed;
  questions->changed_data = user_data;
}

static void
notify (CreelQuestions *questions)
{
  if (questions->changed != NULL)
    questions->changed (questions->changed_data);
}

char *
creel_query_make_key (const CreelQuery *query)
{
  g_autofree char *authority = creel_host_format_authority (query->host, query->port);
  const char *rule = query->decision->rule != NULL ? query->decision->rule : "";
  g_autofree char *text = query->decision->conditional
                              ? g_strjoin ("\n", authority, rule, query->method, query->path != NULL ? query->path : "", NULL)
                              : g_strjoin ("\n", authority, rule, NULL);

  return g_compute_checksum_for_string (G_CHECKSUM_SHA256, text, -1);
}

static gboolean
is_tcp (const CreelQuery *query)
{
  return query->scheme == CREEL_SCHEME_TCP || (query->decision->rule != NULL && g_str_has_prefix (query->decision->rule, "tcp://"));
}

/* The rule that allows what is asked, no more; "" when none can say that. */
static char *
make_rule (const CreelQuery *query)
{
  g_autofree char *authority = creel_host_format_authority (query->host, query->port);
  g_autoptr (GString) text = g_string_new (is_tcp (query) ? "tcp://" : "");
  g_autoptr (CreelRule) rule = NULL;

  g_string_append (text, authority);
  if (query->decision->conditional)
    {
      g_autofree char *path = query->path != NULL ? creel_path_canonicalize (query->path, NULL) : NULL;

      /* what rules compare with, and nothing that they read as a pattern */
      if (path == NULL || !g_str_equal (path, query->path) || strchr (path, '*') != NULL)
        return g_strdup ("");
      g_string_append_printf (text, " %s %s", query->method, query->path);
    }
  rule = creel_rule_parse (CREEL_VERDICT_ALLOW, text->str, NULL, NULL);
  return g_strdup (rule != NULL && text->len <= RULE_MAX && creel_rule_is_only_for (rule, query->host, query->port) ? text->str : "");
}

static char *
show (const char *text, gsize max)
{
  g_autofree char *line = creel_text_clean_line (text != NULL ? text : "", -1, max);

  return g_strconcat (line, text != NULL && strlen (text) > max ? "..." : "", NULL);
}

static void
audit (const Question *question, const char *answer, const char *by)
{
  const CreelQuestions *questions = question->questions;
  CreelAuditEntry *entry = creel_audit_entry_new (CREEL_MESSAGE_QUESTION, LOG_NOTICE, "question");

  creel_audit_entry_printf (entry, CREEL_FIELD_QUESTION, "%" G_GUINT64_FORMAT, question->id);
  creel_audit_entry_set (entry, CREEL_FIELD_ANSWER, answer);
  creel_audit_entry_set (entry, CREEL_FIELD_ANSWERED_BY, by);
  creel_audit_entry_set (entry, CREEL_FIELD_METHOD, question->method);
  creel_audit_entry_set (entry, CREEL_FIELD_HOST, question->host);
  creel_audit_entry_printf (entry, CREEL_FIELD_PORT, "%u", question->port);
  creel_audit_entry_set (entry, CREEL_FIELD_REQUEST_PATH, question->path[0] != '\0' ? question->path : NULL);
  creel_audit_entry_set (entry, CREEL_FIELD_RULE, question->rule[0] != '\0' ? question->rule : NULL);
  creel_audit_entry_printf (entry, "MESSAGE", "%s: question about %s %s:%u%s: %s", questions->sandbox, question->method, question->host,
                            question->port, question->path, answer);
  creel_audit_write (questions->audit, entry);
}

/* The question goes; then all who wait hear of it. Each may do anything, also stop the waiting of others. */
static void
finish (Question *question, const char *answer, const char *by, gboolean approved, const char *reason, const char *message)
{
  CreelQuestions *questions = question->questions;
  guint index;

  if (g_ptr_array_find (questions->list, question, &index))
    g_ptr_array_steal_index (questions->list, index);
  audit (question, answer, by);
  notify (questions);
  while (question->waits->len > 0)
    {
      CreelWait *wait = g_ptr_array_steal_index (question->waits, 0);
      CreelWaitFunc func = wait->func;
      gpointer user_data = wait->user_data;

      wait_free (wait); /* first: who hears of it may close the stream */
      func (approved ? question->key : NULL, reason, message, user_data);
    }
  question_free (question);
}

static gboolean
on_timeout (gpointer user_data)
{
  Question *question = user_data;

  question->timeout = 0;
  finish (question, "timed-out", NULL, FALSE, CREEL_REASON_UNANSWERED, UNANSWERED);
  return G_SOURCE_REMOVE;
}

void
creel_questions_set_attended (CreelQuestions *questions, gboolean attended)
{
  questions->attended = attended;
  while (!attended && questions->list->len > 0)
    finish (questions->list->pdata[0], "unattended", NULL, FALSE, CREEL_REASON_UNANSWERED, UNATTENDED);
}

GVariant *
creel_questions_list (CreelQuestions *questions)
{
  GVariantBuilder list;

  g_variant_builder_init (&list, G_VARIANT_TYPE ("aa{sv}"));
  for (guint i = 0; i < questions->list->len; i++)
    {
      const Question *question = questions->list->pdata[i];

      g_variant_builder_open (&list, G_VARIANT_TYPE ("a{sv}"));
      g_variant_builder_add (&list, "{sv}", "id", g_variant_new_uint64 (question->id));
      g_variant_builder_add (&list, "{sv}", "host", g_variant_new_string (question->host));
      g_variant_builder_add (&list, "{sv}", "port", g_variant_new_uint16 (question->port));
      g_variant_builder_add (&list, "{sv}", "scheme", g_variant_new_string (question->scheme));
      g_variant_builder_add (&list, "{sv}", "method", g_variant_new_string (question->method));
      g_variant_builder_add (&list, "{sv}", "path", g_variant_new_string (question->path));
      g_variant_builder_add (&list, "{sv}", "rule", g_variant_new_string (question->rule));
      g_variant_builder_add (&list, "{sv}", "allows", g_variant_new_string (question->allows));
      g_variant_builder_add (&list, "{sv}", "asked", g_variant_new_uint64 ((guint64) question->asked));
      g_variant_builder_add (&list, "{sv}", "expires", g_variant_new_uint64 ((guint64) question->expires));
      g_variant_builder_close (&list);
    }
  return g_variant_builder_end (&list);
}

/* The one about this. An answer for once to a request is none for a connection that carries any: they have a question each. */
static Question *
find (CreelQuestions *questions, const char *key, gboolean tunnel)
{
  for (guint i = 0; i < questions->list->len; i++)
    {
      Question *question = questions->list->pdata[i];

      if (g_str_equal (question->key, key) && (question->path[0] == '\0') == tunnel)
        return question;
    }
  return NULL;
}

gboolean
creel_questions_answer (CreelQuestions *questions, guint64 id, const char *choice, const char *by, GError **error)
{
  static const char *const choices[] = { "once", "run", "always", "deny", "deny-run", NULL };
  gboolean keeps = g_str_equal (choice, "run") || g_str_equal (choice, "deny-run");
  gboolean approved = !g_str_has_prefix (choice, "deny");
  g_autofree char *key = NULL;
  Question *question = NULL, *other;
  gboolean tunnel;

  if (!g_strv_contains (choices, choice))
    {
      g_set_error (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS, "The answer must be once, run, always, deny or deny-run");
      return FALSE;
    }
  for (guint i = 0; question == NULL && i < questions->list->len; i++)
    if (((Question *) questions->list->pdata[i])->id == id)
      question = questions->list->pdata[i];
  if (question == NULL)
    {
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_NO_SUCH_QUESTION, "No question %" G_GUINT64_FORMAT " waits any more", id);
      return FALSE;
    }
  if (keeps && g_hash_table_size (questions->kept) >= CREEL_KEPT_ANSWERS_MAX)
    {
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_LIMITS_EXCEEDED, "%d answers are kept for this run already; answer for once or always",
                   CREEL_KEPT_ANSWERS_MAX);
      return FALSE;
    }
  if (keeps)
    g_hash_table_insert (questions->kept, g_strdup (question->key), g_strdup (choice));
  key = g_strdup (question->key);
  tunnel = question->path[0] == '\0';
  finish (question, choice, by, approved, approved ? NULL : CREEL_REASON_DECLINED, approved ? NULL : DECLINED);
  /* what is kept is for both */
  other = keeps || g_str_equal (choice, "always") ? find (questions, key, !tunnel) : NULL;
  if (other != NULL)
    finish (other, choice, by, approved, approved ? NULL : CREEL_REASON_DECLINED, approved ? NULL : DECLINED);
  return TRUE;
}

gboolean
creel_questions_is_approved (CreelQuestions *questions, const char *key)
{
  return g_strcmp0 (g_hash_table_lookup (questions->kept, key), "run") == 0;
}

static Question *
question_new (CreelQuestions *questions, const CreelQuery *query, char *key)
{
  static const char *const schemes[] = { [CREEL_SCHEME_UNKNOWN] = "", [CREEL_SCHEME_HTTP] = "http", [CREEL_SCHEME_HTTPS] = "https" };
  Question *question = g_new0 (Question, 1);

  question->questions = questions;
  question->id = ++questions->last_id;
  question->key = key;
  question->host = g_strdup (creel_host_get_text (query->host));
  question->port = query->port;
  question->scheme = is_tcp (query) ? "tcp" : schemes[query->scheme];
  question->method = creel_text_clean_line (query->method, -1, 32);
  question->path = show (query->path, PATH_SHOWN);
  question->rule = show (query->decision->rule, RULE_SHOWN);
  question->allows = make_rule (query);
  question->asked = g_get_real_time ();
  question->expires = question->asked + questions->timeout * G_GINT64_CONSTANT (1000);
  question->timeout = g_timeout_add (questions->timeout, on_timeout, question);
  question->waits = g_ptr_array_new ();
  g_ptr_array_add (questions->list, question);
  audit (question, "waits", NULL);
  notify (questions);
  return question;
}

CreelWait *
creel_questions_ask (CreelQuestions *questions, const CreelQuery *query, CreelWaitFunc func, gpointer user_data,
                     const char **ret_reason, const char **ret_message)
{
  g_autofree char *key = creel_query_make_key (query);
  Question *question;
  CreelWait *wait;

  *ret_reason = CREEL_REASON_UNANSWERED;
  *ret_message = UNATTENDED;
  if (g_strcmp0 (g_hash_table_lookup (questions->kept, key), "deny-run") == 0)
    {
      *ret_reason = CREEL_REASON_DECLINED;
      *ret_message = DECLINED;
      return NULL;
    }
  if (!questions->attended)
    return NULL;
  question = find (questions, key, query->path == NULL);
  if (question == NULL && questions->list->len >= CREEL_QUESTIONS_MAX)
    {
      *ret_reason = CREEL_REASON_QUESTIONS;
      *ret_message = TOO_MANY;
      return NULL;
    }
  if (question == NULL)
    question = question_new (questions, query, g_steal_pointer (&key));
  wait = g_new0 (CreelWait, 1);
  *wait = (CreelWait) { question, func, user_data, NULL, NULL };
  g_ptr_array_add (question->waits, wait);
  return wait;
}

static gboolean
on_hangup (GObject *stream, gpointer user_data)
{
  CreelWait *wait = user_data;

  wait->gone (wait->user_data);
  return G_SOURCE_REMOVE;
}

void
creel_wait_watch (CreelWait *wait, GIOStream *stream, void (*gone) (gpointer user_data))
{
  wait->gone = gone;
  wait->hangup = creel_hangup_source_new (stream);
  if (wait->hangup == NULL)
    return;
  g_source_set_callback (wait->hangup, G_SOURCE_FUNC (on_hangup), wait, NULL);
  g_source_attach (wait->hangup, NULL);
}

void
creel_wait_withdraw (CreelWait *wait)
{
  Question *question = wait->question;
  guint index;

  if (g_ptr_array_find (question->waits, wait, &index))
    g_ptr_array_steal_index (question->waits, index);
  wait_free (wait);
  /* not when the last one hears the answer at this moment: the question is off the list then */
  if (question->waits->len == 0 && g_ptr_array_find (question->questions->list, question, NULL))
    finish (question, "withdrawn", NULL, FALSE, CREEL_REASON_UNANSWERED, UNANSWERED);
}
