/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "creel-connection.h"
#include "creel-exchange.h"
#include "creel-tls-stream.h"
#include "creel-tunnel.h"

/* What the parts of a connection share. */

typedef enum
{
  STATE_HEAD,      /* waits for a request */
  STATE_SNIFF,     /* waits for what tells the protocol */
  STATE_HANDSHAKE, /* TLS with the guest */
  STATE_ASK,       /* waits for a person */
  STATE_WAIT,      /* for the journal or the internet, before a tunnel */
  STATE_EXCHANGE,
  STATE_TUNNEL,
  STATE_LINGER, /* the last bytes are on their way; what still comes is thrown away */
} State;

struct _CreelConnection
{
  CreelProxy *proxy;
  GIOStream *stream; /* as it came, without TLS; borrowed */
  CreelEndpoint *guest;
  CreelTlsStream *tls; /* of the guest's end, when there is one */
  CreelWay way;
  State state;
  gint64 since; /* of the state */
  CreelRequestContext context; /* owns its host and key; fixed_host NULL: the explicit proxy */
  CreelScheme scheme;          /* of a tunnel, or of what waits for a person: unknown is a CONNECT without an answer yet */
  gboolean asked;              /* about the tunnel, and the answer was yes */
  CreelExchange *exchange;
  CreelExchangeEnd end;
  CreelTunnel *tunnel;
  CreelWait *wait;
  GCancellable *cancellable;
  guint later;
  guint64 number;
  gint64 started;
  gboolean fresh; /* nothing was read in this state yet */
  gboolean turned_away;
  gboolean cut; /* it must not end in order, because an answer would look whole, or a refusal like one */
  GList half_open; /* its place in the proxy's queue; data NULL: it is not there */
};

/* Ends it from the main loop; never from inside a step of something that it owns. */
void creel_connection_end (CreelConnection *connection);
/* Sends what is queued, then ends it. */
void creel_connection_linger (CreelConnection *connection);
/* Writes an entry about what is asked for; callback NULL: nobody waits for it. */
void creel_connection_audit (CreelConnection *connection, const char *message_id, const char *method, const char *reason,
                             const char *rule, GAsyncReadyCallback callback);
/* Refusals outside of an exchange, each with its entry and the end: as HTTP (of CONNECT, of what is no request, and of what is too
 * much, which the limiter tells the journal of), as an alert, or with the end alone. method and rule may be NULL. */
void creel_connection_refuse_http (CreelConnection *connection, const char *reason, const char *method, const char *message);
void creel_connection_refuse_tls (CreelConnection *connection, const char *reason, const char *rule);
void creel_connection_refuse_limit (CreelConnection *connection, CreelLimit limit, const char *method);
void creel_connection_refuse_raw (CreelConnection *connection, const char *reason, const char *rule);
