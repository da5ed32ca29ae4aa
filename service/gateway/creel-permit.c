/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-permit.h"

typedef struct
{
  CreelProxy *proxy;
  const CreelRequestContext *context;
  GHashTable *approved;
} Answers;

static gboolean
is_approved (const CreelQuery *query, gpointer user_data)
{
  const Answers *answers = user_data;
  g_autofree char *key = creel_query_make_key (query);

  return (answers->approved != NULL && g_hash_table_contains (answers->approved, key)) || g_strcmp0 (key, answers->context->approved) == 0 ||
         creel_questions_is_approved (answers->proxy->questions, key);
}

static CreelQuery
make_query (const CreelRequestContext *context, CreelScheme scheme, const CreelDecision *decision)
{
  return (CreelQuery) { context->fixed_host, context->fixed_port, scheme, "CONNECT", NULL, decision };
}

void
creel_permit_decide (CreelProxy *proxy, const CreelRequestContext *context, CreelScheme scheme, CreelDecision *ret_decision)
{
  CreelQuery query = make_query (context, scheme, ret_decision);
  Answers answers = { proxy, context, NULL };

  creel_policy_decide (proxy->policy, scheme, context->fixed_host, context->fixed_port, NULL, NULL, ret_decision);
  if (ret_decision->verdict != CREEL_VERDICT_ASK || !is_approved (&query, &answers))
    return;
  ret_decision->verdict = CREEL_VERDICT_ALLOW;
  ret_decision->asked = TRUE;
}

void
creel_permit_decide_request (CreelProxy *proxy, const CreelRequestContext *context, CreelRequest *request, GHashTable *approved)
{
  Answers answers = { proxy, context, approved };

  creel_request_decide (request, proxy->policy, is_approved, &answers);
}

gboolean
creel_permit_is_open (CreelProxy *proxy, const CreelRequestContext *context)
{
  static const CreelScheme schemes[] = { CREEL_SCHEME_HTTP, CREEL_SCHEME_HTTPS, CREEL_SCHEME_TCP };

  for (guint i = 0; i < G_N_ELEMENTS (schemes); i++)
    {
      g_auto (CreelDecision) decision = { 0 };

      creel_permit_decide (proxy, context, schemes[i], &decision);
      if (decision.verdict == CREEL_VERDICT_ALLOW)
        return TRUE;
    }
  return FALSE;
}

CreelWait *
creel_permit_ask (CreelProxy *proxy, const CreelRequestContext *context, CreelScheme scheme, const CreelDecision *decision,
                  CreelWaitFunc func, gpointer user_data, const char **ret_reason, const char **ret_message)
{
  CreelQuery query = make_query (context, scheme, decision);

  return creel_questions_ask (proxy->questions, &query, func, user_data, ret_reason, ret_message);
}
