/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-connection-private.h"

#include <string.h>

#include "creel-client-hello.h"
#include "creel-model-runner.h"
#include "creel-names.h"
#include "creel-permit.h"
#include "creel-refusal.h"
#include "creel-reset.h"

#define LINGER_SECONDS 2

static void step (CreelEndpoint *endpoint, gpointer user_data);

static void
leave_half_open (CreelConnection *connection)
{
  if (connection->half_open.data == NULL)
    return;
  g_queue_unlink (&connection->proxy->half_open, &connection->half_open);
  connection->half_open.data = NULL;
}

static void
set_state (CreelConnection *connection, State state)
{
  if (state != STATE_HEAD && state != STATE_SNIFF && state != STATE_HANDSHAKE)
    leave_half_open (connection);
  connection->state = state;
  connection->fresh = TRUE;
  connection->since = g_get_monotonic_time ();
}

static gboolean
on_remove (gpointer user_data)
{
  CreelConnection *connection = user_data;

  connection->later = 0;
  g_hash_table_remove (connection->proxy->connections, connection);
  return G_SOURCE_REMOVE;
}

void
creel_connection_end (CreelConnection *connection)
{
  g_clear_pointer (&connection->wait, creel_wait_withdraw);
  creel_endpoint_set_func (connection->guest, NULL, NULL);
  if (connection->later == 0)
    connection->later = g_idle_add_full (G_PRIORITY_DEFAULT, on_remove, connection, NULL);
}

void
creel_connection_linger (CreelConnection *connection)
{
  set_state (connection, STATE_LINGER);
  creel_endpoint_set_func (connection->guest, step, connection);
  creel_endpoint_shutdown (connection->guest);
  step (connection->guest, connection);
}

static void
on_tunnel_end (gpointer user_data)
{
  CreelConnection *connection = user_data;

  if (connection->later == 0)
    {
      CreelAuditEntry *entry = creel_exchange_audit_entry (connection->proxy, CREEL_MESSAGE_REQUEST_DONE, connection->number,
                                                           connection->way, "CONNECT", connection->context.fixed_host,
                                                           connection->context.fixed_port, NULL, NULL, NULL);

      creel_exchange_audit_amounts (entry, creel_endpoint_get_bytes_read (connection->guest),
                                    creel_endpoint_get_bytes_written (connection->guest), connection->started);
      creel_audit_write (connection->proxy->audit, entry);
    }
  creel_connection_end (connection);
}

static void
on_tunnel_connected (GObject *source, GAsyncResult *result, gpointer user_data)
{
  CreelConnection *connection = user_data;
  g_autoptr (GError) error = NULL;
  CreelUpstreamResult got = { 0 };
  CreelEndpoint *upstream = creel_upstream_open_finish (result, &got, &error);

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return;
  if (upstream == NULL)
    {
      if (connection->scheme == CREEL_SCHEME_HTTPS)
        creel_connection_refuse_tls (connection, got.reason, NULL);
      else
        creel_connection_refuse_raw (connection, got.reason, NULL);
      return;
    }
  set_state (connection, STATE_TUNNEL);
  connection->tunnel = creel_tunnel_new (connection->guest, upstream, NULL, on_tunnel_end, connection);
  creel_endpoint_unref (upstream);
}

static void
on_tunnel_announced (GObject *source, GAsyncResult *result, gpointer user_data)
{
  CreelConnection *connection = user_data;
  g_autoptr (GError) error = NULL;

  if (!creel_audit_write_finish (NULL, result, &error))
    {
      if (!g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        creel_connection_end (connection);
      return;
    }
  creel_upstream_open_async (connection->proxy->upstream, connection->proxy->policy, connection->context.fixed_host,
                             connection->context.fixed_port, connection->asked, CREEL_UPSTREAM_BYTES, 0, connection->cancellable, on_tunnel_connected, connection);
}

static void
start_tunnel (CreelConnection *connection, CreelScheme scheme, const CreelDecision *decision)
{
  set_state (connection, STATE_WAIT);
  connection->scheme = scheme;
  connection->asked = decision->asked;
  connection->number = ++connection->proxy->next_request;
  connection->started = g_get_monotonic_time ();
  creel_connection_audit (connection, CREEL_MESSAGE_REQUEST, "CONNECT", NULL, decision->rule, on_tunnel_announced);
}

static void
on_handshake (GObject *source, GAsyncResult *result, gpointer user_data)
{
  CreelConnection *connection = user_data;
  g_autoptr (GError) error = NULL;

  if (!creel_tls_stream_handshake_finish (CREEL_TLS_STREAM (source), result, &error))
    {
      if (!g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        creel_connection_end (connection);
      return;
    }
  creel_endpoint_unref (connection->guest);
  connection->guest = creel_endpoint_new (G_IO_STREAM (source));
  connection->tls = CREEL_TLS_STREAM (source);
  connection->context.scheme = CREEL_SCHEME_HTTPS;
  set_state (connection, STATE_HEAD);
  creel_endpoint_set_func (connection->guest, step, connection);
  creel_endpoint_set_reading (connection->guest, TRUE);
}

static void
intercept (CreelConnection *connection)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) unread = NULL;
  g_autoptr (GIOStream) base = NULL;
  CreelLeaf *leaf = creel_ca_get_leaf (connection->proxy->ca, creel_host_get_text (connection->context.fixed_host), &error);
  gsize size;

  if (leaf == NULL)
    {
      g_warning ("No certificate for %s: %s", creel_host_get_text (connection->context.fixed_host), error->message);
      creel_connection_refuse_tls (connection, CREEL_REASON_POLICY, NULL);
      return;
    }
  set_state (connection, STATE_HANDSHAKE);
  base = creel_endpoint_steal_stream (connection->guest, &unread);
  gconstpointer data = g_bytes_get_data (unread, &size);
  g_autoptr (CreelTlsStream) stream = creel_tls_stream_new_server (base, data, size, leaf->credentials, &leaf->ticket_key);
  g_object_set_data_full (G_OBJECT (stream), "creel-leaf", leaf, (GDestroyNotify) creel_leaf_unref);
  creel_tls_stream_handshake_async (stream, connection->proxy->times.head, connection->cancellable, on_handshake, connection);
}

static void start_sniffing (CreelConnection *connection);
static void accept_connect (CreelConnection *connection);

static void
on_answer (const char *key, const char *reason, const char *message, gpointer user_data)
{
  CreelConnection *connection = user_data;

  connection->wait = NULL;
  connection->context.approved = (g_free (connection->context.approved), g_strdup (key));
  connection->context.refused = reason;
  connection->context.why = message;
  if (connection->scheme != CREEL_SCHEME_UNKNOWN)
    start_sniffing (connection); /* what came is still unread; the policy may be another by now */
  else if (key != NULL)
    accept_connect (connection);
  else
    creel_connection_refuse_http (connection, reason, "CONNECT", message);
}

static void
on_gone (gpointer user_data)
{
  creel_connection_end (user_data);
}

/* What follows in this connection waits for a person; the answer holds for all of it. */
static void
ask (CreelConnection *connection, CreelScheme scheme, const CreelDecision *decision)
{
  const char *reason, *why;

  set_state (connection, STATE_ASK);
  connection->scheme = scheme;
  creel_endpoint_set_func (connection->guest, step, connection);
  creel_endpoint_set_reading (connection->guest, TRUE);
  connection->wait = creel_permit_ask (connection->proxy, &connection->context, scheme, decision, on_answer, connection, &reason, &why);
  if (connection->wait == NULL)
    on_answer (NULL, reason, why, connection);
  else
    {
      creel_wait_watch (connection->wait, creel_endpoint_get_stream (connection->guest), on_gone);
      step (connection->guest, connection); /* it may have hung up already */
    }
}

/* TRUE when a plain tcp:// rule takes these bytes whatever they are */
static gboolean
try_tcp (CreelConnection *connection)
{
  g_auto (CreelDecision) decision = { 0 };

  /* each request to it is looked at, whatever rule there is */
  if (creel_model_runner_is (connection->context.fixed_host, connection->context.fixed_port))
    return FALSE;
  creel_permit_decide (connection->proxy, &connection->context, CREEL_SCHEME_TCP, &decision);
  if (decision.verdict == CREEL_VERDICT_ALLOW)
    start_tunnel (connection, CREEL_SCHEME_TCP, &decision);
  else if (decision.verdict == CREEL_VERDICT_ASK && connection->context.refused != NULL)
    creel_connection_refuse_raw (connection, connection->context.refused, decision.rule);
  else if (decision.verdict == CREEL_VERDICT_ASK)
    ask (connection, CREEL_SCHEME_TCP, &decision);
  else
    return FALSE;
  return TRUE;
}

static void
on_client_hello (CreelConnection *connection, const CreelClientHello *hello)
{
  CreelRequestContext *context = &connection->context;
  g_auto (CreelDecision) decision = { 0 };
  gboolean is_address = creel_host_get_address (context->fixed_host) != NULL;
  g_autoptr (CreelHost) name = hello->server_name != NULL ? creel_host_parse (hello->server_name, -1, NULL) : NULL;
  gboolean bypass = creel_proxy_is_bypassed (connection->proxy, context->fixed_host, context->fixed_port);

  creel_permit_decide (connection->proxy, &connection->context, CREEL_SCHEME_HTTPS, &decision);
  if (decision.verdict == CREEL_VERDICT_DENY && !decision.needs_request && try_tcp (connection))
    return;

  /* it has no TLS, and nobody looks into a tunnel */
  if (creel_model_runner_is (context->fixed_host, context->fixed_port))
    {
      creel_connection_refuse_tls (connection, CREEL_REASON_POLICY, NULL);
      return;
    }

  /* A name must be the one of the connection. To an address the policy answers for the address; a name inside must not be
   * a denied one, and must be one that could be looked at. An SNI never makes up for an address that no rule allows. */
  if (is_address ? hello->server_name != NULL && name == NULL : name == NULL || !creel_host_equal (name, context->fixed_host))
    {
      creel_connection_refuse_tls (connection, CREEL_REASON_IDENTITY, NULL);
      return;
    }
  if (is_address && name != NULL)
    {
      g_auto (CreelDecision) inner = { 0 };

      creel_policy_decide (connection->proxy->policy, CREEL_SCHEME_HTTPS, name, context->fixed_port, NULL, NULL, &inner);
      if (inner.verdict != CREEL_VERDICT_ALLOW && inner.rule != NULL)
        {
          creel_connection_refuse_tls (connection, CREEL_REASON_IDENTITY, inner.rule);
          return;
        }
    }
  if (decision.verdict != CREEL_VERDICT_ALLOW && !decision.needs_request)
    {
      if (decision.verdict == CREEL_VERDICT_ASK && context->refused == NULL)
        ask (connection, CREEL_SCHEME_HTTPS, &decision);
      /* answered inside TLS, so that the program shows why; the exchange makes the refusal */
      else if (hello->http1 && !bypass && !is_address)
        intercept (connection);
      else
        creel_connection_refuse_tls (connection, context->refused != NULL ? context->refused : decision.reason, decision.rule);
      return;
    }
  /* an encrypted inner hello could name anybody: only we may read on */
  if (bypass && (decision.needs_request || hello->has_ech))
    creel_connection_refuse_tls (connection, CREEL_REASON_IDENTITY, decision.rule);
  else if (!bypass && (decision.needs_request || hello->has_ech ||
                       creel_proxy_find_credential (connection->proxy, context->fixed_host, context->fixed_port, NULL) != NULL))
    intercept (connection);
  else
    start_tunnel (connection, CREEL_SCHEME_HTTPS, &decision);
}

static void
sniff (CreelConnection *connection)
{
  gsize size;
  const guint8 *data = creel_endpoint_peek (connection->guest, &size);
  g_auto (CreelClientHello) hello = { 0 };

  if (size == 0)
    {
      if (creel_endpoint_at_eof (connection->guest))
        creel_connection_end (connection);
      return;
    }
  if (data[0] == 22)
    {
      switch (creel_client_hello_parse (data, size, &hello))
        {
        case CREEL_HELLO_DONE:
          on_client_hello (connection, &hello);
          return;
        case CREEL_HELLO_MORE:
          creel_endpoint_want_more (connection->guest);
          if (creel_endpoint_at_eof (connection->guest))
            creel_connection_end (connection);
          return;
        case CREEL_HELLO_BAD:
        default:
          if (!try_tcp (connection))
            creel_connection_refuse_tls (connection, CREEL_REASON_MALFORMED, NULL);
          return;
        }
    }
  if (g_ascii_isupper (data[0]))
    {
      /* long enough to be sure that it is a method and not another protocol's greeting */
      gsize word = 0;

      while (word < size && word < 32 && (g_ascii_isupper (data[word]) || data[word] == '-'))
        word++;
      if (word == size && word < 32 && !creel_endpoint_at_eof (connection->guest))
        return;
      if (word < size && data[word] == ' ')
        {
          g_auto (CreelDecision) decision = { 0 };

          creel_permit_decide (connection->proxy, &connection->context, CREEL_SCHEME_HTTP, &decision);
          if (decision.verdict == CREEL_VERDICT_DENY && !decision.needs_request && try_tcp (connection))
            return;
          connection->context.scheme = CREEL_SCHEME_HTTP;
          set_state (connection, STATE_HEAD);
          step (connection->guest, connection);
          return;
        }
    }
  if (!try_tcp (connection))
    creel_connection_refuse_raw (connection, CREEL_REASON_POLICY, NULL);
}

/* The connection is for this host from now on; what follows is told apart by its first bytes. */
static void
start_sniffing (CreelConnection *connection)
{
  g_auto (CreelDecision) http = { 0 };
  g_auto (CreelDecision) https = { 0 };

  set_state (connection, STATE_SNIFF);
  /* where only bytes are allowed the server may speak first: do not wait for the guest */
  creel_permit_decide (connection->proxy, &connection->context, CREEL_SCHEME_HTTP, &http);
  creel_permit_decide (connection->proxy, &connection->context, CREEL_SCHEME_HTTPS, &https);
  if (http.verdict == CREEL_VERDICT_DENY && https.verdict == CREEL_VERDICT_DENY && !http.needs_request &&
      !https.needs_request && try_tcp (connection))
    return;
  creel_endpoint_set_func (connection->guest, step, connection);
  creel_endpoint_set_reading (connection->guest, TRUE);
  sniff (connection);
}

static void
accept_connect (CreelConnection *connection)
{
  creel_endpoint_write (connection->guest, "HTTP/1.1 200 Connection established\r\n\r\n", 39);
  creel_endpoint_flush (connection->guest);
  start_sniffing (connection);
}

static void
on_connect (CreelConnection *connection, CreelHttpHead *head)
{
  CreelRequestContext *context = &connection->context;
  const char *host_header = soup_message_headers_get_list (head->headers, "Host");
  guint16 port = 0, header_port = 0;
  g_autoptr (CreelHost) host = creel_host_parse_authority (head->target, -1, 0, &port, NULL);
  g_auto (CreelDecision) decision = { 0 };
  CreelBodyKind kind = CREEL_BODY_NONE;
  guint64 length;

  if (host == NULL || creel_http_head_get_framing (head, NULL, &kind, &length) != NULL || kind != CREEL_BODY_NONE)
    {
      creel_connection_refuse_http (connection, CREEL_REASON_MALFORMED, "CONNECT", "CONNECT takes host:port and no body");
      return;
    }
  context->fixed_host = g_steal_pointer (&host);
  context->fixed_port = port;
  if (host_header != NULL)
    {
      /* curl and others send the port, some only the name */
      g_autoptr (CreelHost) named = creel_host_parse_authority (host_header, -1, port, &header_port, NULL);

      if (named == NULL || header_port != port || !creel_host_equal (named, context->fixed_host))
        {
          creel_connection_refuse_http (connection, CREEL_REASON_IDENTITY, "CONNECT", "CONNECT and the Host header name different hosts");
          return;
        }
    }
  creel_permit_decide (connection->proxy, &connection->context, CREEL_SCHEME_UNKNOWN, &decision);
  if (decision.verdict == CREEL_VERDICT_DENY && !decision.needs_request)
    {
      g_autofree char *message = creel_refusal_explain_decision (&decision, connection->proxy->sandbox, context->fixed_host, port);

      creel_connection_refuse_http (connection, decision.reason, "CONNECT", message);
      return;
    }
  /* now, while a refusal can still be said in HTTP; but not when it depends on what comes whether there is anything to ask */
  if (decision.verdict == CREEL_VERDICT_ASK && !decision.needs_request && !creel_permit_is_open (connection->proxy, context))
    ask (connection, CREEL_SCHEME_UNKNOWN, &decision);
  else
    accept_connect (connection);
}

static gboolean
on_exchange_end_later (gpointer user_data)
{
  CreelConnection *connection = user_data;

  connection->later = 0;
  connection->cut = connection->end == CREEL_EXCHANGE_ABORT && creel_exchange_looks_whole (connection->exchange);
  g_clear_pointer (&connection->exchange, creel_exchange_free);
  switch (connection->end)
    {
    case CREEL_EXCHANGE_KEEP:
      set_state (connection, STATE_HEAD);
      creel_endpoint_set_func (connection->guest, step, connection);
      step (connection->guest, connection);
      break;
    case CREEL_EXCHANGE_CLOSE:
      creel_connection_linger (connection);
      break;
    case CREEL_EXCHANGE_ABORT:
    default:
      if (connection->tls != NULL)
        creel_tls_stream_cut (connection->tls);
      creel_connection_end (connection);
      break;
    }
  return G_SOURCE_REMOVE;
}

static void
on_exchange_end (CreelExchangeEnd end, gpointer user_data)
{
  CreelConnection *connection = user_data;

  connection->end = end;
  if (connection->later == 0)
    connection->later = g_idle_add_full (G_PRIORITY_DEFAULT, on_exchange_end_later, connection, NULL);
}

static void
read_head (CreelConnection *connection)
{
  g_autoptr (CreelHttpHead) head = NULL;
  gsize size, used;
  const guint8 *data = creel_endpoint_peek (connection->guest, &size);
  const CreelHttpHeadMax max = creel_limiter_get_head_max (&connection->proxy->limiter);
  const char *why = NULL;

  if (size == 0)
    {
      if (creel_endpoint_at_eof (connection->guest))
        creel_connection_end (connection);
      return;
    }
  if (connection->fresh)
    {
      /* the clock of the header starts with its first byte */
      connection->fresh = FALSE;
      connection->since = g_get_monotonic_time ();
    }
  CreelHeadResult result = creel_http_head_parse_within (data, size, TRUE, &max, &head, &used, &why);
  if (result != CREEL_HEAD_MORE && !creel_limiter_take_request (&connection->proxy->limiter, g_get_monotonic_time ()))
    {
      creel_connection_refuse_limit (connection, CREEL_LIMIT_REQUESTS, head != NULL ? head->method : NULL);
      return;
    }
  switch (result)
    {
    case CREEL_HEAD_MORE:
      creel_endpoint_want_more (connection->guest);
      if (creel_endpoint_at_eof (connection->guest))
        creel_connection_end (connection);
      return;
    case CREEL_HEAD_BAD:
      creel_connection_refuse_http (connection, CREEL_REASON_MALFORMED, NULL, why);
      return;
    case CREEL_HEAD_DONE:
    default:
      break;
    }
  creel_endpoint_consume (connection->guest, used);
  if (connection->context.fixed_host == NULL && g_str_equal (head->method, "CONNECT"))
    {
      on_connect (connection, head);
      return;
    }
  set_state (connection, STATE_EXCHANGE);
  connection->exchange = creel_exchange_new (connection->proxy, connection->guest, g_steal_pointer (&head), &connection->context,
                                             connection->way, on_exchange_end, connection);
}

static void
step (CreelEndpoint *endpoint, gpointer user_data)
{
  CreelConnection *connection = user_data;
  gsize size;

  if (connection->later != 0)
    return;
  if (creel_endpoint_has_failed (connection->guest))
    {
      creel_connection_end (connection);
      return;
    }
  switch (connection->state)
    {
    case STATE_HEAD:
      read_head (connection);
      break;
    case STATE_SNIFF:
      sniff (connection);
      break;
    case STATE_LINGER:
      creel_endpoint_peek (connection->guest, &size);
      creel_endpoint_consume (connection->guest, size);
      if (creel_endpoint_at_eof (connection->guest) && creel_endpoint_get_pending (connection->guest) == 0)
        creel_connection_end (connection);
      break;
    case STATE_ASK:
      /* who hung up does not wait for a person any more */
      if (creel_endpoint_at_eof (connection->guest))
        creel_connection_end (connection);
      break;
    default:
      break;
    }
}

static CreelConnection *
make (CreelProxy *proxy, GIOStream *stream, CreelWay way)
{
  CreelConnection *connection = g_new0 (CreelConnection, 1);

  connection->proxy = proxy;
  connection->stream = stream;
  connection->guest = creel_endpoint_new (stream);
  connection->way = way;
  connection->cancellable = g_cancellable_new ();
  g_hash_table_add (proxy->connections, connection);
  return connection;
}

void
creel_connection_turn_away (CreelProxy *proxy, GIOStream *stream, CreelLimit limit)
{
  CreelConnection *connection = make (proxy, stream, CREEL_WAY_PROXY);

  connection->turned_away = TRUE;
  proxy->n_turned_away++;
  creel_endpoint_set_reading (connection->guest, TRUE);
  creel_connection_refuse_limit (connection, limit, NULL);
}

CreelConnection *
creel_connection_new (CreelProxy *proxy, GIOStream *stream, CreelHost *target, guint16 port, CreelWay way)
{
  CreelConnection *connection = make (proxy, stream, way);

  connection->half_open.data = connection;
  g_queue_push_tail_link (&proxy->half_open, &connection->half_open);
  if (target != NULL)
    {
      connection->context.fixed_host = creel_host_ref (target);
      connection->context.fixed_port = port;
      start_sniffing (connection);
      return connection;
    }
  set_state (connection, STATE_HEAD);
  creel_endpoint_set_func (connection->guest, step, connection);
  creel_endpoint_set_reading (connection->guest, TRUE);
  return connection;
}

/* Whatever is sent now is no end for anybody. */
static void
cut (CreelConnection *connection)
{
  if (connection->tls != NULL)
    creel_tls_stream_cut (connection->tls);
  creel_endpoint_flush (connection->guest);
  creel_reset (connection->stream);
}

void
creel_connection_free (CreelConnection *connection)
{
  if (connection->cut || (connection->exchange != NULL && creel_exchange_looks_whole (connection->exchange)))
    cut (connection);
  g_cancellable_cancel (connection->cancellable);
  leave_half_open (connection);
  if (connection->turned_away)
    connection->proxy->n_turned_away--;
  g_clear_handle_id (&connection->later, g_source_remove);
  g_clear_pointer (&connection->wait, creel_wait_withdraw);
  g_clear_pointer (&connection->exchange, creel_exchange_free);
  g_clear_pointer (&connection->tunnel, creel_tunnel_free);
  creel_endpoint_set_func (connection->guest, NULL, NULL);
  creel_endpoint_close (connection->guest);
  creel_endpoint_unref (connection->guest);
  creel_host_unref (connection->context.fixed_host);
  g_free (connection->context.approved);
  g_object_unref (connection->cancellable);
  g_free (connection);
}

gboolean
creel_connection_is_allowed (CreelConnection *connection)
{
  g_auto (CreelDecision) decision = { 0 };

  if (connection->exchange != NULL)
    return creel_exchange_is_allowed (connection->exchange);
  if (connection->state != STATE_TUNNEL && connection->state != STATE_WAIT)
    return TRUE; /* nothing went out yet: it will be asked for */
  creel_permit_decide (connection->proxy, &connection->context, connection->scheme, &decision);
  /* what must be looked into now cannot stay a tunnel */
  return decision.verdict == CREEL_VERDICT_ALLOW && !decision.needs_request;
}

gint64
creel_connection_get_since (CreelConnection *connection)
{
  return connection->since;
}

gboolean
creel_connection_is_in_time (CreelConnection *connection, gint64 now)
{
  const CreelTimes *times = &connection->proxy->times;
  gint64 since = connection->since;
  guint limit = times->head;

  switch (connection->state)
    {
    case STATE_HEAD:
      limit = connection->fresh ? times->idle : times->head;
      break;
    case STATE_EXCHANGE:
      since = connection->exchange != NULL ? creel_exchange_get_activity (connection->exchange) : since;
      limit = connection->exchange != NULL && creel_exchange_waits_for_body (connection->exchange) ? times->body : times->quiet;
      break;
    case STATE_TUNNEL:
      since = creel_tunnel_get_activity (connection->tunnel);
      limit = times->quiet;
      break;
    case STATE_LINGER:
      /* a slow reader of a last response that was long has the time of any other */
      limit = creel_endpoint_get_pending (connection->guest) > 0 ? times->idle : LINGER_SECONDS;
      break;
    case STATE_ASK:
      return TRUE; /* a question has a clock of its own */
    default:
      break;
    }
  return now - since < limit * G_USEC_PER_SEC;
}
