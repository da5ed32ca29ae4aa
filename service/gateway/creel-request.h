/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "creel-definition.h"
#include "creel-http-head.h"
#include "creel-policy.h"
#include "creel-questions.h"

/* What the guest asks for: its head, whom it is for, and what the policy says. */
typedef struct
{
  CreelHttpHead *head;
  CreelHost *host;
  guint16 port;
  CreelScheme scheme;
  char *target;  /* origin-form, as it will be sent */
  char *path;    /* for the log: without the query */
  CreelBodyKind body_kind;
  guint64 body_length;
  gboolean keep_alive, expects_continue, wants_websocket;
  CreelDecision decision;
  char *asked_method; /* that the decision asks about, of those that a server may see; NULL: the one of the head */
} CreelRequest;
void creel_request_free (CreelRequest *request);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CreelRequest, creel_request_free)

/* Where a request came in: fixed_host NULL is the explicit proxy, which takes absolute-form only. */
typedef struct
{
  CreelHost *fixed_host;
  guint16 fixed_port;
  CreelScheme scheme;
  char *approved;              /* the key of the question about this connection that was answered with yes, or NULL */
  const char *refused, *why;   /* the reason and the message when it was not, static */
} CreelRequestContext;

/* Takes the head. NULL when the request is well formed, else the reason of the refusal with ret_message (static). */
const char *creel_request_resolve (CreelHttpHead *head, const CreelRequestContext *context, CreelRequest **ret_request,
                                   const char **ret_message);
/* Whether it may be said twice: RFC 9112 section 9.3.1, a proxy does not repeat what changes something. */
gboolean creel_request_is_repeatable (const CreelRequest *request);
/* What is asked of a person when the policy says so; borrows from the request. */
CreelQuery creel_request_get_query (const CreelRequest *request);
/* Whether a question of the policy was answered with yes. */
typedef gboolean (*CreelApprovedFunc) (const CreelQuery *query, gpointer user_data);
/* Asks the policy; the answer is in request->decision: the strictest one of all methods that a server may see. approved may be NULL. */
void creel_request_decide (CreelRequest *request, const CreelPolicy *policy, CreelApprovedFunc approved, gpointer user_data);
/* The head as it is sent upstream, up to and without the line of a key and the last empty line. */
GString *creel_request_format (CreelRequest *request);
