/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-exchange.h"

#include <string.h>

#include "creel-answer.h"
#include "creel-guard.h"
#include "creel-http-body.h"
#include "creel-inject.h"
#include "creel-model-runner.h"
#include "creel-names.h"
#include "creel-parent.h"
#include "creel-permit.h"
#include "creel-refusal.h"
#include "creel-response.h"
#include "creel-send.h"
#include "creel-tunnel.h"

/* kept connections older than this may be dead already; requests that cannot be repeated get a new one */
#define REUSE_SECONDS 55
#define REUSE_UNSAFE_SECONDS 2

struct _CreelExchange
{
  CreelProxy *proxy;
  CreelEndpoint *guest, *upstream;
  CreelRequest *request;
  CreelWay way;
  CreelExchangeFunc func;
  gpointer user_data;
  GCancellable *cancellable;
  guint64 number;
  gint64 started, activity;
  guint64 guest_read, guest_written; /* of the connection, before us */

  GPtrArray *credentials; /* holds the credential */
  const CreelCredential *credential;
  CreelSecret *secret;
  gboolean absolute;          /* the request went to the parent proxy itself */
  CreelSecret *parent_secret; /* with this, or NULL */

  CreelHttpBody request_body, response_body;
  gboolean request_ended, request_started, reused, announced;
  guint status;
  gsize interim; /* bytes of answers before the final one */
  CreelResponse response;
  CreelAnswer *answer;
  gboolean response_started, response_ended;
  GString *refusal; /* to be sent when it is in the journal */
  CreelTunnel *tunnel;
  CreelWebSocket *messages; /* when a key went out with the request */
  gboolean finished;
  gboolean asks_models; /* is counted */
  gboolean barred;      /* by the model runner's own rules */
  const CreelRequestContext *context; /* the connection's, which outlives us */
  GHashTable *approved; /* set of keys: the questions about this request that were answered with yes; NULL: none */
  CreelWait *wait; /* for a person */
};

/* A WebSocket is no request for long */
static CreelUpstreamUse
get_use (const CreelRequest *request)
{
  return request->scheme == CREEL_SCHEME_HTTPS ? CREEL_UPSTREAM_TLS : request->wants_websocket ? CREEL_UPSTREAM_BYTES : CREEL_UPSTREAM_HTTP;
}

static void open_upstream (CreelExchange *exchange, gboolean fresh);
static void refuse (CreelExchange *exchange, const char *reason, const char *message);
static void step (CreelEndpoint *endpoint, gpointer user_data);

static CreelAuditEntry *
make_entry (CreelExchange *exchange, const char *message_id, const char *reason)
{
  CreelRequest *request = exchange->request;
  CreelAuditEntry *entry =
      request == NULL
          ? creel_exchange_audit_entry (exchange->proxy, message_id, exchange->number, exchange->way, NULL, NULL, 0, NULL, reason, NULL)
          : creel_exchange_audit_entry (exchange->proxy, message_id, exchange->number, exchange->way, request->head->method,
                                        request->host, request->port, request->path, reason, request->decision.rule);

  if (exchange->credential != NULL)
    creel_audit_entry_set (entry, CREEL_FIELD_CREDENTIAL, exchange->credential->name);
  return entry;
}

/* the end of an announced request; nobody waits for it */
static void
announce_end (CreelExchange *exchange)
{
  CreelAuditEntry *entry;
  guint64 hits = exchange->answer != NULL ? creel_answer_get_hits (exchange->answer) : 0;
  gboolean cut = exchange->answer != NULL &&
                 (creel_answer_is_broken (exchange->answer) || (exchange->messages != NULL && creel_websocket_is_broken (exchange->messages)));

  if (!exchange->announced)
    return;
  exchange->announced = FALSE;
  entry = make_entry (exchange, CREEL_MESSAGE_REQUEST_DONE, cut ? CREEL_REASON_LEAK : NULL);
  if (hits > 0 && !cut)
    creel_audit_entry_set (entry, CREEL_FIELD_REASON, CREEL_REASON_LEAK);
  if (hits > 0)
    creel_audit_entry_printf (entry, CREEL_FIELD_SCRUBBED, "%" G_GUINT64_FORMAT, hits);
  if (exchange->status != 0)
    creel_audit_entry_printf (entry, CREEL_FIELD_STATUS, "%u", exchange->status);
  creel_exchange_audit_amounts (entry, creel_endpoint_get_bytes_read (exchange->guest) - exchange->guest_read,
                                creel_endpoint_get_bytes_written (exchange->guest) + creel_endpoint_get_pending (exchange->guest) -
                                    exchange->guest_written,
                                exchange->started);
  creel_audit_write (exchange->proxy->audit, entry);
}

static void
finish (CreelExchange *exchange, CreelExchangeEnd end)
{
  if (exchange->finished)
    return;
  exchange->finished = TRUE;
  g_clear_pointer (&exchange->wait, creel_wait_withdraw);
  creel_endpoint_set_func (exchange->guest, NULL, NULL);
  announce_end (exchange);
  exchange->func (end, exchange->user_data);
}

static void
drop_upstream (CreelExchange *exchange)
{
  if (exchange->upstream == NULL)
    return;
  creel_endpoint_set_func (exchange->upstream, NULL, NULL);
  creel_endpoint_close (exchange->upstream);
  g_clear_pointer (&exchange->upstream, creel_endpoint_unref);
}

static void
on_refusal_written (GObject *source, GAsyncResult *result, gpointer user_data)
{
  CreelExchange *exchange = user_data;
  g_autoptr (GError) error = NULL;

  if (!creel_audit_write_finish (NULL, result, &error) && g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return;
  creel_endpoint_write (exchange->guest, exchange->refusal->str, exchange->refusal->len);
  creel_endpoint_flush (exchange->guest);
  finish (exchange, CREEL_EXCHANGE_CLOSE);
}

static void
refuse (CreelExchange *exchange, const char *reason, const char *message)
{
  CreelRequest *request = exchange->request;
  CreelAuditEntry *entry;

  drop_upstream (exchange);
  if (exchange->refusal != NULL)
    return;
  if (exchange->response_started)
    {
      finish (exchange, CREEL_EXCHANGE_ABORT);
      return;
    }
  exchange->status = creel_refusal_get_status (reason);
  exchange->refusal = creel_refusal_format (reason, exchange->status,
                                            request != NULL ? creel_host_get_text (request->host) : NULL,
                                            request != NULL ? request->port : 0, request != NULL ? request->head->method : NULL,
                                            message, request != NULL && g_str_equal (request->head->method, "HEAD"));
  entry = make_entry (exchange, exchange->announced ? CREEL_MESSAGE_REQUEST_DONE : CREEL_MESSAGE_REQUEST, reason);
  creel_audit_entry_printf (entry, CREEL_FIELD_STATUS, "%u", exchange->status);
  exchange->announced = FALSE;
  creel_audit_write_async (exchange->proxy->audit, entry, exchange->cancellable, on_refusal_written, exchange);
}

static void
move_request_body (CreelExchange *exchange)
{
  CreelHttpBody *body = &exchange->request_body;

  if (!creel_send_body (body, exchange->guest, exchange->upstream, &exchange->activity))
    {
      refuse (exchange, CREEL_REASON_MALFORMED, "The body of the request is framed wrongly");
      return;
    }
  if (body->done && !exchange->request_ended)
    {
      exchange->request_ended = TRUE;
      if (body->kind == CREEL_BODY_CHUNKED)
        creel_endpoint_write (exchange->upstream, "0\r\n\r\n", 5);
    }
}

static void
on_guest_over (gpointer user_data)
{
  finish (user_data, CREEL_EXCHANGE_ABORT);
}

static void
on_answer (gpointer user_data)
{
  CreelExchange *exchange = user_data;

  if (exchange->finished)
    return;
  exchange->activity = g_get_monotonic_time ();
  step (exchange->guest, exchange);
}

/* the head of the final response; FALSE when the exchange ended here */
static gboolean
start_response (CreelExchange *exchange, CreelHttpHead *head)
{
  CreelResponse *response = &exchange->response;
  const char *message = NULL;
  const char *reason = creel_response_resolve (head, exchange->request, response, &message);

  if (exchange->absolute && head->status == 407)
    {
      refuse (exchange, CREEL_REASON_UNREACHABLE, CREEL_PARENT_WANTS_PASSWORD);
      return FALSE;
    }
  /* a proxy's error page may show what the proxy was asked */
  exchange->answer = creel_answer_new (exchange->guest,
                                       creel_guard_make_scrub (exchange->proxy, exchange->request->host, exchange->request->port,
                                                               exchange->credential, exchange->secret,
                                                               head->status >= 400 ? exchange->parent_secret : NULL),
                                       &exchange->proxy->decoding, on_answer, exchange);
  if (reason == NULL)
    reason = creel_answer_prepare (exchange->answer, head, response, exchange->request->head->minor_version == 1, &message);
  if (reason != NULL)
    {
      refuse (exchange, reason, message);
      return FALSE;
    }
  exchange->status = response->status;
  exchange->response_started = TRUE;
  creel_answer_start (exchange->answer, creel_response_format (response, head, creel_answer_get_scrub (exchange->answer)));
  creel_http_body_init (&exchange->response_body, response->body_kind, response->body_length);
  if (response->upgrade)
    {
      creel_endpoint_flush (exchange->guest);
      if (creel_answer_get_scrub (exchange->answer) != NULL)
        exchange->messages = creel_websocket_new (creel_answer_get_scrub (exchange->answer));
      exchange->tunnel = creel_tunnel_new (exchange->guest, exchange->upstream, exchange->messages, on_guest_over, exchange);
      return FALSE;
    }
  return TRUE;
}

/* FALSE when there is nothing more to do in this step */
static gboolean
read_response_head (CreelExchange *exchange)
{
  for (;;)
    {
      gsize size, used;
      const guint8 *data = creel_endpoint_peek (exchange->upstream, &size);
      g_autoptr (CreelHttpHead) head = NULL;
      const char *why = NULL;
      const CreelHttpHeadMax max = creel_limiter_get_head_max (&exchange->proxy->limiter);
      CreelHeadResult result = creel_http_head_parse_within (data, size, FALSE, &max, &head, &used, &why);

      if (result == CREEL_HEAD_BAD)
        {
          refuse (exchange, CREEL_REASON_UPSTREAM, why);
          return FALSE;
        }
      if (result == CREEL_HEAD_MORE)
        {
          creel_endpoint_want_more (exchange->upstream);
          if (!creel_endpoint_at_eof (exchange->upstream))
            return FALSE;
          if (exchange->reused && size == 0 && exchange->interim == 0 && creel_request_is_repeatable (exchange->request))
            {
              drop_upstream (exchange);
              open_upstream (exchange, TRUE);
            }
          else
            refuse (exchange, CREEL_REASON_UPSTREAM, "The server closed the connection without an answer");
          return FALSE;
        }
      creel_endpoint_consume (exchange->upstream, used);
      if (head->status >= 200 || head->status == 101)
        return start_response (exchange, head);
      exchange->interim += used;
      if (exchange->interim > CREEL_HTTP_HEAD_MAX)
        {
          refuse (exchange, CREEL_REASON_UPSTREAM, "The server does not come to its answer");
          return FALSE;
        }
    }
}

/* FALSE when the response is cut */
static gboolean
move_response_body (CreelExchange *exchange)
{
  CreelHttpBody *body = &exchange->response_body;
  gssize used = 0;

  while (creel_answer_has_room (exchange->answer) && !body->done)
    {
      gsize size, payload_size, room = creel_endpoint_get_room (exchange->guest);
      const guint8 *payload;
      const guint8 *data = creel_endpoint_peek (exchange->upstream, &size);

      used = size > 0 ? creel_http_body_feed (body, data, MIN (size, room), &payload, &payload_size) : 0;
      if (used <= 0)
        break;
      exchange->activity = g_get_monotonic_time ();
      creel_answer_write (exchange->answer, payload, payload_size);
      creel_endpoint_consume (exchange->upstream, (gsize) used);
    }
  creel_answer_flush (exchange->answer);
  if (used < 0)
    return FALSE;
  gsize left;
  creel_endpoint_peek (exchange->upstream, &left);
  if (!body->done && left == 0 && creel_endpoint_at_eof (exchange->upstream) &&
      (creel_endpoint_has_failed (exchange->upstream) || !creel_http_body_end (body)))
    return FALSE;
  if (body->done && !exchange->response_ended)
    exchange->response_ended = creel_answer_end (exchange->answer);
  return !creel_answer_is_broken (exchange->answer);
}

static void
complete (CreelExchange *exchange)
{
  gsize left;

  creel_endpoint_peek (exchange->upstream, &left);
  if (exchange->response.upstream_keeps && exchange->request_ended && left == 0 &&
      creel_endpoint_get_pending (exchange->upstream) == 0 && !creel_endpoint_at_eof (exchange->upstream))
    {
      creel_endpoint_set_func (exchange->upstream, NULL, NULL);
      creel_upstream_keep (exchange->proxy->upstream, exchange->upstream, exchange->request->host, exchange->request->port,
                           get_use (exchange->request));
      g_clear_pointer (&exchange->upstream, creel_endpoint_unref);
    }
  else
    drop_upstream (exchange);
  creel_endpoint_flush (exchange->guest);
  finish (exchange, exchange->response.guest_keeps && exchange->request_ended ? CREEL_EXCHANGE_KEEP : CREEL_EXCHANGE_CLOSE);
}

/* nothing of the body is left and nothing will come */
static gboolean
has_no_end (CreelExchange *exchange)
{
  gsize left;

  creel_endpoint_peek (exchange->guest, &left);
  return creel_endpoint_has_failed (exchange->guest) ||
         (left == 0 && creel_endpoint_at_eof (exchange->guest) && !exchange->request_body.done);
}

static void
step (CreelEndpoint *endpoint, gpointer user_data)
{
  CreelExchange *exchange = user_data;

  if (exchange->upstream != NULL && !exchange->response_ended && !has_no_end (exchange))
    move_request_body (exchange);
  /* who hung up does not wait for a person any more either */
  if (has_no_end (exchange) || (exchange->wait != NULL && creel_endpoint_at_eof (exchange->guest)))
    {
      finish (exchange, CREEL_EXCHANGE_ABORT);
      return;
    }
  if (exchange->upstream == NULL)
    return;
  creel_endpoint_flush (exchange->upstream);
  if (!exchange->response_started && !read_response_head (exchange))
    return;
  if (!move_response_body (exchange))
    {
      if (!creel_answer_has_started (exchange->answer))
        {
          exchange->response_started = FALSE;
          refuse (exchange, CREEL_REASON_LEAK, "The answer is not coded as it says, or not whole, and the key could hide in it");
          return;
        }
      /* the guest gets what there is, and no end */
      creel_endpoint_flush (exchange->guest);
      finish (exchange, CREEL_EXCHANGE_ABORT);
      return;
    }
  creel_endpoint_flush (exchange->guest);
  if (exchange->response_ended)
    complete (exchange);
}

/* takes the connection */
static void
send_request (CreelExchange *exchange, CreelEndpoint *upstream, gboolean reused, gboolean absolute, CreelSecret *parent_secret)
{
  CreelRequest *request = exchange->request;

  exchange->upstream = upstream;
  exchange->reused = reused;
  exchange->activity = g_get_monotonic_time ();
  exchange->absolute = absolute;
  g_clear_pointer (&exchange->parent_secret, creel_secret_unref);
  exchange->parent_secret = parent_secret;
  creel_send_head (request, upstream, exchange->credential, exchange->secret, absolute, parent_secret);
  if (request->expects_continue && !exchange->request_started && request->body_kind != CREEL_BODY_NONE)
    {
      creel_endpoint_write (exchange->guest, "HTTP/1.1 100 Continue\r\n\r\n", 25);
      creel_endpoint_flush (exchange->guest);
    }
  exchange->request_started = TRUE;
  creel_endpoint_set_reading (upstream, TRUE);
  creel_endpoint_set_func (upstream, step, exchange);
  step (upstream, exchange);
}

static void
on_upstream (GObject *source, GAsyncResult *result, gpointer user_data)
{
  CreelExchange *exchange = user_data; /* gone when it was cancelled */
  g_autoptr (GError) error = NULL;
  CreelUpstreamResult got = { 0 };
  CreelEndpoint *upstream = creel_upstream_open_finish (result, &got, &error);
  g_autofree char *message = NULL;

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return;
  CreelRequest *request = exchange->request;
  if (upstream == NULL)
    {
      message = g_str_equal (got.reason, CREEL_REASON_UPSTREAM_TLS)
                    ? g_strdup_printf ("The certificate of %s cannot be verified: %s", creel_host_get_text (request->host), error->message)
                    : g_strdup_printf ("Cannot reach %s: %s", creel_host_get_text (request->host), error->message);
      refuse (exchange, got.reason, message);
      return;
    }
  send_request (exchange, upstream, got.reused, got.absolute, got.secret);
}

static void
open_upstream (CreelExchange *exchange, gboolean fresh)
{
  CreelRequest *request = exchange->request;
  guint idle = fresh || request->wants_websocket ? 0 : creel_request_is_repeatable (request) ? REUSE_SECONDS : REUSE_UNSAFE_SECONDS;
  CreelEndpoint *kept = creel_upstream_take (exchange->proxy->upstream, request->host, request->port, get_use (request), idle);

  if (kept != NULL)
    send_request (exchange, kept, TRUE, FALSE, NULL);
  else
    creel_upstream_open_async (exchange->proxy->upstream, exchange->proxy->policy, request->host, request->port, request->decision.asked,
                               get_use (request), idle, exchange->cancellable, on_upstream, exchange);
}

static void
on_announced (GObject *source, GAsyncResult *result, gpointer user_data)
{
  CreelExchange *exchange = user_data;
  g_autoptr (GError) error = NULL;

  if (!creel_audit_write_finish (NULL, result, &error))
    {
      if (!g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        refuse (exchange, CREEL_REASON_AUDIT, "The journal cannot take the entry, so nothing is let out; see systemctl status systemd-journald");
      return;
    }
  exchange->announced = TRUE;
  open_upstream (exchange, FALSE);
}

static void
announce (CreelExchange *exchange)
{
  CreelAuditEntry *entry = make_entry (exchange, CREEL_MESSAGE_REQUEST, NULL);

  exchange->announced = creel_audit_write_now (exchange->proxy->audit, entry);
  if (exchange->announced)
    open_upstream (exchange, FALSE);
  else
    creel_audit_write_async (exchange->proxy->audit, entry, exchange->cancellable, on_announced, exchange);
}

static void
on_secret (GObject *source, GAsyncResult *result, gpointer user_data)
{
  CreelExchange *exchange = user_data;
  g_autoptr (GError) error = NULL;
  CreelSecret *secret = creel_credential_store_lookup_finish (result, &error);

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return;
  if (secret == NULL)
    {
      g_autofree char *message = creel_refusal_explain_secret (exchange->credential->name, error);

      refuse (exchange, CREEL_REASON_CREDENTIAL, message);
      return;
    }
  exchange->secret = secret;
  announce (exchange);
}

/* allowed: maybe after a question */
static void
proceed (CreelExchange *exchange)
{
  CreelRequest *request = exchange->request;
  gboolean for_runner = creel_model_runner_is (request->host, request->port);

  if (for_runner && !creel_model_runner_take_place (&exchange->proxy->n_asking))
    {
      refuse (exchange, CREEL_REASON_LIMIT, CREEL_MODEL_RUNNER_FULL);
      return;
    }
  exchange->asks_models = for_runner;
  if (request->scheme == CREEL_SCHEME_HTTPS)
    {
      exchange->credentials = exchange->proxy->credentials != NULL ? g_ptr_array_ref (exchange->proxy->credentials) : NULL;
      exchange->credential = creel_proxy_find_credential (exchange->proxy, request->host, request->port, request->head);
    }
  if (exchange->credential == NULL)
    {
      if (creel_guard_is_for (exchange->proxy, request->host, request->port))
        creel_inject_ask_plainly (request->head);
      announce (exchange);
      return;
    }
  /* the strip works on the target that will be sent */
  g_free (request->head->target);
  request->head->target = g_steal_pointer (&request->target);
  creel_inject_strip (exchange->credential, request->head);
  request->target = g_strdup (request->head->target);
  exchange->secret = creel_credential_store_get (exchange->proxy->store, exchange->credential->name);
  if (exchange->secret != NULL)
    announce (exchange);
  else
    creel_credential_store_lookup_async (exchange->proxy->store, exchange->credential->name, exchange->cancellable, on_secret, exchange);
}

static void authorize (CreelExchange *exchange);

static void
on_person (const char *key, const char *reason, const char *message, gpointer user_data)
{
  CreelExchange *exchange = user_data;

  exchange->wait = NULL;
  exchange->activity = g_get_monotonic_time ();
  if (key == NULL)
    {
      refuse (exchange, reason, message);
      return;
    }
  if (exchange->approved == NULL)
    exchange->approved = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_hash_table_add (exchange->approved, g_strdup (key));
  authorize (exchange); /* again: the policy may be another by now */
}

static void
authorize (CreelExchange *exchange)
{
  CreelRequest *request = exchange->request;
  CreelDecision *decision = &request->decision;
  const char *reason, *why;

  creel_permit_decide_request (exchange->proxy, exchange->context, request, exchange->approved);
  if (exchange->barred && decision->verdict != CREEL_VERDICT_DENY)
    refuse (exchange, CREEL_REASON_POLICY,
            "From a sandbox the model runner only answers models and lists them; what else there is, creel model does on the host");
  else if (decision->verdict == CREEL_VERDICT_ALLOW)
    proceed (exchange);
  else if (decision->verdict == CREEL_VERDICT_ASK)
    {
      CreelQuery query = creel_request_get_query (request);

      exchange->wait = creel_questions_ask (exchange->proxy->questions, &query, on_person, exchange, &reason, &why);
      if (exchange->wait == NULL)
        refuse (exchange, reason, why);
      else
        {
          creel_wait_watch (exchange->wait, creel_endpoint_get_stream (exchange->guest), on_guest_over);
          step (exchange->guest, exchange); /* it may have hung up already */
        }
    }
  else
    {
      g_autofree char *message = creel_refusal_explain_decision (decision, exchange->proxy->sandbox, request->host, request->port);

      refuse (exchange, decision->reason, message);
    }
}

static void
begin (CreelExchange *exchange)
{
  CreelRequest *request = exchange->request;

  /* first: rules decide on the path that is sent */
  exchange->barred = creel_model_runner_is (request->host, request->port) && !creel_model_runner_prepare (request, exchange->proxy->sandbox);
  if (exchange->context->refused != NULL)
    refuse (exchange, exchange->context->refused, exchange->context->why);
  else
    authorize (exchange);
}

CreelExchange *
creel_exchange_new (CreelProxy *proxy, CreelEndpoint *guest, CreelHttpHead *head, const CreelRequestContext *context,
                    CreelWay way, CreelExchangeFunc func, gpointer user_data)
{
  CreelExchange *exchange = g_new0 (CreelExchange, 1);
  const char *message = NULL;
  const char *reason;

  exchange->proxy = proxy;
  exchange->guest = creel_endpoint_ref (guest);
  exchange->way = way;
  exchange->context = context;
  exchange->func = func;
  exchange->user_data = user_data;
  exchange->cancellable = g_cancellable_new ();
  exchange->number = ++proxy->next_request;
  exchange->started = exchange->activity = g_get_monotonic_time ();
  exchange->guest_read = creel_endpoint_get_bytes_read (guest);
  exchange->guest_written = creel_endpoint_get_bytes_written (guest);
  creel_endpoint_set_func (guest, step, exchange);
  reason = creel_request_resolve (head, context, &exchange->request, &message);
  if (reason != NULL)
    {
      creel_http_body_init (&exchange->request_body, CREEL_BODY_NONE, 0);
      refuse (exchange, reason, message);
      return exchange;
    }
  creel_http_body_init (&exchange->request_body, exchange->request->body_kind, exchange->request->body_length);
  begin (exchange);
  return exchange;
}

void
creel_exchange_free (CreelExchange *exchange)
{
  if (exchange == NULL)
    return;
  g_cancellable_cancel (exchange->cancellable);
  if (exchange->asks_models)
    exchange->proxy->n_asking--;
  announce_end (exchange);
  g_clear_pointer (&exchange->wait, creel_wait_withdraw);
  g_clear_pointer (&exchange->approved, g_hash_table_unref);
  creel_endpoint_set_func (exchange->guest, NULL, NULL);
  g_clear_pointer (&exchange->tunnel, creel_tunnel_free);
  g_clear_pointer (&exchange->messages, creel_websocket_free);
  g_clear_pointer (&exchange->answer, creel_answer_free);
  drop_upstream (exchange);
  creel_endpoint_unref (exchange->guest);
  creel_request_free (exchange->request);
  g_clear_pointer (&exchange->credentials, g_ptr_array_unref);
  g_clear_pointer (&exchange->secret, creel_secret_unref);
  g_clear_pointer (&exchange->parent_secret, creel_secret_unref);
  if (exchange->refusal != NULL)
    g_string_free (exchange->refusal, TRUE);
  g_object_unref (exchange->cancellable);
  g_free (exchange);
}

gboolean
creel_exchange_is_allowed (CreelExchange *exchange)
{
  CreelVerdict verdict;

  if (exchange->request == NULL || exchange->refusal != NULL)
    return TRUE; /* it is being refused already */
  creel_permit_decide_request (exchange->proxy, exchange->context, exchange->request, exchange->approved);
  verdict = exchange->request->decision.verdict;
  return verdict == CREEL_VERDICT_ALLOW || (verdict == CREEL_VERDICT_ASK && exchange->wait != NULL);
}

gint64
creel_exchange_get_activity (CreelExchange *exchange)
{
  return exchange->tunnel != NULL ? creel_tunnel_get_activity (exchange->tunnel) : exchange->activity;
}

gboolean
creel_exchange_waits_for_body (CreelExchange *exchange)
{
  gsize unread;

  creel_endpoint_peek (exchange->guest, &unread);
  return exchange->upstream != NULL && creel_endpoint_get_pending (exchange->upstream) == 0 && !exchange->request_body.done &&
         !exchange->response_started && unread == 0;
}

gboolean
creel_exchange_looks_whole (CreelExchange *exchange)
{
  return exchange->response_started && !exchange->response_ended && exchange->request->head->minor_version == 0;
}
