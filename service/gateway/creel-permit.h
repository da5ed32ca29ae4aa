/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "creel-proxy-private.h"
#include "creel-request.h"

/* The policy's decision, and a person's where it says ask: an answer that holds for this makes the verdict allow, with `asked`. Answers
 * are for one request, for a connection (then its key is in the context) or for this run. */

/* About what comes over a connection and is not looked into. */
void creel_permit_decide (CreelProxy *proxy, const CreelRequestContext *context, CreelScheme scheme, CreelDecision *ret_decision);
/* About a request; into request->decision. approved: set of the keys of the answers for it, or NULL. */
void creel_permit_decide_request (CreelProxy *proxy, const CreelRequestContext *context, CreelRequest *request, GHashTable *approved);
/* TRUE when the connection may carry some protocol. */
gboolean creel_permit_is_open (CreelProxy *proxy, const CreelRequestContext *context);
/* As creel_questions_ask(), about what comes over the connection. */
CreelWait *creel_permit_ask (CreelProxy *proxy, const CreelRequestContext *context, CreelScheme scheme, const CreelDecision *decision,
                             CreelWaitFunc func, gpointer user_data, const char **ret_reason, const char **ret_message);
