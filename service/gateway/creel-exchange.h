/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "creel-endpoint.h"
#include "creel-proxy-private.h"
#include "creel-request.h"

/* One request and its response: decide, fetch the key, announce, connect, carry both bodies at the same time. */
typedef struct _CreelExchange CreelExchange;

typedef enum
{
  CREEL_EXCHANGE_KEEP,  /* the guest's connection is ready for the next request */
  CREEL_EXCHANGE_CLOSE, /* send what is queued, then end it */
  CREEL_EXCHANGE_ABORT, /* cut it: the response is not whole */
} CreelExchangeEnd;
typedef void (*CreelExchangeFunc) (CreelExchangeEnd end, gpointer user_data);

/* Takes the head. func is called once, maybe from inside a step, so it must not free the exchange at once. */
CreelExchange *creel_exchange_new (CreelProxy *proxy, CreelEndpoint *guest, CreelHttpHead *head,
                                   const CreelRequestContext *context, CreelWay way, CreelExchangeFunc func,
                                   gpointer user_data);
/* Stops at once wherever it is. */
void creel_exchange_free (CreelExchange *exchange);
/* FALSE when the policy of now would refuse it. */
gboolean creel_exchange_is_allowed (CreelExchange *exchange);
gint64 creel_exchange_get_activity (CreelExchange *exchange);
/* TRUE when an end of the connection now would be taken for the end of the answer: to HTTP/1.0 there is no other mark. */
gboolean creel_exchange_looks_whole (CreelExchange *exchange);
/* TRUE when nothing can go on but by more of the request's body. */
gboolean creel_exchange_waits_for_body (CreelExchange *exchange);

/* An entry about a request, with verdict, way and number; the fields that are known may be NULL or 0. */
CreelAuditEntry *creel_exchange_audit_entry (CreelProxy *proxy, const char *message_id, guint64 number, CreelWay way,
                                             const char *method, const CreelHost *host, guint16 port, const char *path,
                                             const char *reason, const char *rule);
/* What the end of a request tells: bytes that the guest sent and got, and how long it took since `started` (monotonic). */
void creel_exchange_audit_amounts (CreelAuditEntry *entry, guint64 out, guint64 in, gint64 started);
