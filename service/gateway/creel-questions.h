/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "creel-audit.h"
#include "creel-policy.h"

/* Requests that wait for a person. Where the policy says ask, a question stands in a list until it is answered, until its time
 * is up, or until nobody waits for it any more. Who asks the same joins the question that is there, but a tunnel joins no request.
 * One main context. */
typedef struct _CreelQuestions CreelQuestions;

/* More questions at once are refused: nobody would read them. */
#define CREEL_QUESTIONS_MAX 32
/* Answers for this run, of which each is for one host and port. */
#define CREEL_KEPT_ANSWERS_MAX 256

/* What is asked. decision: the one with verdict ask; method: CONNECT for a tunnel; path: without the query, NULL for a tunnel. */
typedef struct
{
  const CreelHost *host;
  guint16 port;
  CreelScheme scheme;
  const char *method, *path;
  const CreelDecision *decision;
} CreelQuery;

CreelQuestions *creel_questions_new (const char *sandbox, CreelAudit *audit);
/* Nobody may wait any more. */
void creel_questions_free (CreelQuestions *questions);

/* How long a question waits, in milliseconds; 60 s before this is called. */
void creel_questions_set_timeout (CreelQuestions *questions, guint milliseconds);
/* Whether somebody is there who gets answers. When not, which is so at the start, all that wait are refused. */
void creel_questions_set_attended (CreelQuestions *questions, gboolean attended);
/* Where answers for this run are: key -> "run" or "deny-run"; takes a reference. */
void creel_questions_set_kept (CreelQuestions *questions, GHashTable *kept);
/* `changed`: a question came or went. */
void creel_questions_set_changed_func (CreelQuestions *questions, void (*changed) (gpointer user_data), gpointer user_data);
/* Floating aa{sv}, see Questions in org.creel.Creel1.Sandbox.xml. */
GVariant *creel_questions_list (CreelQuestions *questions);
/* choice: "once", "run", "always", "deny", "deny-run"; by: whose answer it is, for the journal. CREEL_ERROR_NO_SUCH_QUESTION when
 * it does not wait any more, CREEL_ERROR_LIMITS_EXCEEDED when no more answers can be kept. */
gboolean creel_questions_answer (CreelQuestions *questions, guint64 id, const char *choice, const char *by, GError **error);

/* What an answer holds for: the host, the port and the rule that asked; with a rule for methods or paths these too. Owned by the caller. */
char *creel_query_make_key (const CreelQuery *query);
/* Whether it was answered with yes for this run. */
gboolean creel_questions_is_approved (CreelQuestions *questions, const char *key);

/* Called once, from the main loop. key: what is approved; NULL: refused, and why, static. */
typedef void (*CreelWaitFunc) (const char *key, const char *reason, const char *message, gpointer user_data);
typedef struct _CreelWait CreelWait;
/* Waits for an answer. The result is valid until func was called. NULL when it is refused at once: the reason and the message, static,
 * say why. */
CreelWait *creel_questions_ask (CreelQuestions *questions, const CreelQuery *query, CreelWaitFunc func, gpointer user_data,
                                const char **ret_reason, const char **ret_message);
/* gone: called once, from the main loop, when the other end of the stream is gone, see creel_hangup_source_new(): it shall withdraw. The stream
 * is not closed before the wait is over. */
void creel_wait_watch (CreelWait *wait, GIOStream *stream, void (*gone) (gpointer user_data));
/* Does not wait any more; func will not be called. */
void creel_wait_withdraw (CreelWait *wait);
