/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "creel-definition.h"
#include "creel-http-head.h"
#include "creel-policy.h"

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
} CreelRequest;
void creel_request_free (CreelRequest *request);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CreelRequest, creel_request_free)

/* Where a request came in: fixed_host NULL is the explicit proxy, which takes absolute-form only. */
typedef struct
{
  CreelHost *fixed_host;
  guint16 fixed_port;
  CreelScheme scheme;
} CreelRequestContext;

/* Takes the head. NULL when the request is well formed, else the reason of the refusal with ret_message (static). */
const char *creel_request_resolve (CreelHttpHead *head, const CreelRequestContext *context, CreelRequest **ret_request,
                                   const char **ret_message);
/* Asks the policy; the answer is in request->decision. */
void creel_request_decide (CreelRequest *request, const CreelPolicy *policy);
/* The head as it is sent upstream, up to and without the line of a key and the last empty line. */
GString *creel_request_format (CreelRequest *request);
