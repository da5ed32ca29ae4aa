/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-models-connection.h"

#include <string.h>

#include "creel-endpoint.h"
#include "creel-http-body.h"
#include "creel-models-gate.h"
#include "creel-models-order.h"
#include "creel-models-request.h"
#include "creel-names.h"

#define HEAD_SECONDS 30
#define IDLE_SECONDS (5 * 60)
/* since the last byte of a body; of a whole body */
#define STALLED_SECONDS 60
#define BODY_SECONDS (5 * 60)
/* that the client does not take all there is of an answer: however slowly it reads, its model is not for others meanwhile */
#define UNREAD_SECONDS (10 * 60)
/* of an engine: a model may think long before it says its first word; and of what creeld does */
#define QUIET_SECONDS (60 * 60)
#define LINGER_SECONDS 2
#define CONTINUE "HTTP/1.1 100 Continue\r\n\r\n"

typedef enum
{
  HEAD,
  BODY,
  ANSWER,
  LINGER, /* the last bytes are on their way; what still comes is thrown away */
  ENDED,  /* the owner hears of it from the loop */
} State;

struct _CreelModelsConnection
{
  CreelModelsFront *front;
  GSocketConnection *stream;
  CreelEndpoint *client;
  void (*ended) (CreelModelsConnection *connection, gpointer user_data);
  gpointer user_data;
  guint later;
  State state;
  gint64 since; /* of the state, or of the last progress in it */
  gint64 unread_since; /* 0: the client has all there is */
  guint64 progress;
  guint64 unread; /* that is counted in the sum of answers */
  gboolean started; /* a head has begun */
  gboolean draining;
  /* of the request under way */
  CreelHttpHead *head;
  CreelModelsRoute route;
  CreelModelsReply reply;
  char *fields;
  CreelHttpBody framing;
  GByteArray *body;
  CreelModelsRequest *request;
  gint64 began;
  guint64 bytes_in, bytes_out; /* of the connection, when it began */
  char *sandbox;               /* that the client says it is */
  uid_t uid;                   /* of the connection's other end */
  gboolean uid_asked, uid_known;
  uid_t user; /* who changes something with this request; -1: nobody */
};

static void step (CreelEndpoint *endpoint, gpointer user_data);

static void
set_state (CreelModelsConnection *connection, State state)
{
  connection->state = state;
  connection->since = g_get_monotonic_time ();
}

static gboolean
on_end (gpointer user_data)
{
  CreelModelsConnection *connection = user_data;

  connection->later = 0;
  connection->ended (connection, connection->user_data);
  return G_SOURCE_REMOVE;
}

static void
end (CreelModelsConnection *connection)
{
  connection->state = ENDED;
  creel_endpoint_set_func (connection->client, NULL, NULL);
  g_clear_handle_id (&connection->later, g_source_remove);
  connection->later = g_idle_add_full (G_PRIORITY_DEFAULT, on_end, connection, NULL);
}

/* An entry whose sandbox is still to be believed */
typedef struct
{
  CreelModelsAudit *audit;
  CreelModelsAuditEntry entry;
  char *method, *path, *model, *sandbox;
} Entry;

static void
write_entry (gboolean is_gateway, gpointer user_data)
{
  Entry *entry = user_data;

  entry->entry.method = entry->method;
  entry->entry.path = entry->path;
  entry->entry.model = entry->model;
  entry->entry.sandbox = is_gateway ? entry->sandbox : NULL;
  creel_models_audit_write (entry->audit, &entry->entry);
  g_free (entry->method);
  g_free (entry->path);
  g_free (entry->model);
  g_free (entry->sandbox);
  g_free (entry);
}

static void
audit (CreelModelsConnection *connection, guint status, gboolean cut, const char *model)
{
  CreelModelsMetrics *metrics = &connection->front->metrics;
  Entry *entry = g_new0 (Entry, 1);
  guint64 in = creel_endpoint_get_bytes_read (connection->client);
  guint64 out = creel_endpoint_get_bytes_written (connection->client) + creel_endpoint_get_pending (connection->client);

  entry->audit = connection->front->audit;
  entry->method = g_strdup (connection->head != NULL ? connection->head->method : "?");
  entry->path = g_strdup (connection->head != NULL ? connection->head->target : "?");
  entry->path[strcspn (entry->path, "?")] = '\0';
  entry->model = g_strdup (model);
  entry->entry.status = status;
  entry->entry.cut = cut;
  entry->entry.user = connection->user;
  entry->entry.usec = g_get_monotonic_time () - connection->began;
  entry->entry.bytes_in = in - connection->bytes_in;
  entry->entry.bytes_out = out - connection->bytes_out;
  connection->bytes_in = in;
  connection->bytes_out = out;
  metrics->bytes_in += entry->entry.bytes_in;
  metrics->bytes_out += entry->entry.bytes_out;
  metrics->requests[status / 100 < G_N_ELEMENTS (metrics->requests) ? status / 100 : 5]++;
  entry->sandbox = g_steal_pointer (&connection->sandbox);
  if (entry->sandbox != NULL && connection->front->peers != NULL)
    creel_models_peers_check (connection->front->peers, connection->uid, write_entry, entry);
  else
    write_entry (FALSE, entry);
}

static void
drop_body (CreelModelsConnection *connection)
{
  if (connection->body == NULL)
    return;
  connection->front->held -= creel_models_front_count (connection->body->len);
  g_clear_pointer (&connection->body, g_byte_array_unref);
}

static void
clear_request (CreelModelsConnection *connection)
{
  g_clear_pointer (&connection->request, creel_models_request_free);
  g_clear_pointer (&connection->head, creel_http_head_free);
  g_clear_pointer (&connection->fields, g_free);
  g_clear_pointer (&connection->sandbox, g_free);
  creel_models_route_clear (&connection->route);
  drop_body (connection);
  connection->reply = (CreelModelsReply){ 0 };
  connection->user = (uid_t) -1;
  connection->started = FALSE;
}

/* Of an answer that is made: it may stay long in the buffer of one who does not read. */
static void
count_unread (CreelModelsConnection *connection)
{
  guint64 pending = creel_endpoint_get_pending (connection->client);

  connection->front->answers -= connection->unread;
  connection->unread = connection->state != ANSWER && pending > CREEL_ENDPOINT_HIGH_WATER ? pending : 0;
  connection->front->answers += connection->unread;
}

static void
linger (CreelModelsConnection *connection)
{
  set_state (connection, LINGER);
  count_unread (connection);
  creel_endpoint_shutdown (connection->client);
  step (connection->client, connection);
}

/* Without a request under way */
static void
leave (CreelModelsConnection *connection)
{
  if (creel_endpoint_get_pending (connection->client) > 0 && !creel_endpoint_has_failed (connection->client))
    linger (connection);
  else
    end (connection);
}

/* An answer that ends the connection, as what follows of the request is not read. */
static void
refuse (CreelModelsConnection *connection, CreelModelsForm form, guint status, const char *message)
{
  connection->reply.keep = FALSE;
  creel_models_reply_write_error (&connection->reply, connection->client, form, status, message);
  audit (connection, status, FALSE, NULL);
  clear_request (connection);
  linger (connection);
}

static gboolean
on_next (gpointer user_data)
{
  CreelModelsConnection *connection = user_data;

  connection->later = 0;
  step (connection->client, connection);
  return G_SOURCE_REMOVE;
}

static void
on_answered (gpointer user_data)
{
  CreelModelsConnection *connection = user_data;
  CreelModelsRequest *request = connection->request;
  gboolean cut = creel_models_request_is_cut (request), keep = creel_models_request_keeps (request);

  audit (connection, creel_models_request_get_status (request), cut, creel_models_request_get_model (request));
  clear_request (connection);
  if (cut)
    /* a reset would be clearer; to whom counts chunks or bytes the end is clear enough */
    end (connection);
  else if (!keep || connection->draining)
    linger (connection);
  else
    {
      set_state (connection, HEAD);
      connection->progress = 0;
      count_unread (connection);
      /* what came meanwhile */
      if (connection->later == 0)
        connection->later = g_idle_add_full (G_PRIORITY_DEFAULT, on_next, connection, NULL);
    }
}

/* What is said before the body is read; TRUE: it was refused. */
static gboolean
check (CreelModelsConnection *connection)
{
  CreelHttpHead *head = connection->head;
  const char *host = soup_message_headers_get_one (head->headers, "Host");
  const char *origin = soup_message_headers_get_one (head->headers, "Origin");
  const char *method = g_str_equal (head->method, "HEAD") || g_str_equal (head->method, "OPTIONS") ? "GET" : head->method;
  guint status = creel_models_api_route (method, head->target, &connection->route);
  CreelModelsForm form = connection->route.form;
  g_autofree char *text = NULL;

  if (host != NULL ? !creel_models_api_host_is_ours (host) : head->minor_version > 0)
    refuse (connection, form, 403, "This is not the host that was asked for; the model runner is localhost:12434");
  else if (origin != NULL && !creel_models_api_origin_is_allowed (origin, (const char *const *) connection->front->config->origins))
    refuse (connection, form, 403, "Pages of this origin may not ask; AllowOrigin= of section [Models] in /etc/creel/creel.conf allows it");
  else if (g_str_equal (head->method, "OPTIONS") && origin != NULL)
    return FALSE;
  else if (status == 404)
    refuse (connection, form, 404, "The model runner has no such path");
  else if (status == 405)
    refuse (connection, form, 405, "The model runner has this path, but not for this method");
  else if (status != 0)
    refuse (connection, form, status, "The path can be read in two ways");
  else if (creel_models_operation_manages (connection->route.operation) &&
           (text = creel_models_gate_check (&connection->route, head, connection->stream, &connection->user)) != NULL)
    refuse (connection, form, 403, text);
  else
    return FALSE;
  return TRUE;
}

/* To a page that may ask, and for an answer to its browser's question whether */
static char *
format_cors (const CreelHttpHead *head)
{
  const char *origin = soup_message_headers_get_one (head->headers, "Origin");

  if (origin == NULL)
    return NULL;
  if (!g_str_equal (head->method, "OPTIONS"))
    return g_strdup_printf ("Access-Control-Allow-Origin: %s\r\nVary: Origin\r\n", origin);
  return g_strdup_printf ("Access-Control-Allow-Origin: %s\r\nVary: Origin\r\nAccess-Control-Allow-Methods: GET, POST\r\n"
                          "Access-Control-Allow-Headers: Authorization, Content-Type, X-Api-Key, Anthropic-Version, Anthropic-Beta\r\n"
                          "Access-Control-Max-Age: 600\r\n",
                          origin);
}

static void
take_sandbox (CreelModelsConnection *connection)
{
  const char *sandbox = soup_message_headers_get_one (connection->head->headers, CREEL_SANDBOX_HEADER);
  gboolean open;

  if (sandbox == NULL)
    return;
  /* once: it is a line in a table of all connections of the machine, and stays as it is */
  if (!connection->uid_asked)
    connection->uid_known = creel_models_peer_get_uid (connection->stream, &connection->uid, &open);
  connection->uid_asked = TRUE;
  if (connection->uid_known)
    connection->sandbox = g_strdup (sandbox);
}

static guint64
get_body_max (CreelModelsConnection *connection)
{
  return creel_models_operation_manages (connection->route.operation) ? CREEL_MODELS_ORDER_MAX : CREEL_MODELS_BODY_MAX;
}

static void
refuse_size (CreelModelsConnection *connection)
{
  gboolean small = creel_models_operation_manages (connection->route.operation);

  refuse (connection, connection->route.form, 413, small ? "The body is larger than 64 KiB" : "The body is larger than 64 MiB");
}

/* TRUE: go on */
static gboolean
take_head (CreelModelsConnection *connection)
{
  const char *why = NULL;
  gsize size, used;
  guint64 length;
  CreelBodyKind kind;
  const guint8 *data = creel_endpoint_peek (connection->client, &size);
  CreelHeadResult result;

  /* one who does not read gets no more to read */
  if (!creel_endpoint_has_room (connection->client))
    {
      if (creel_endpoint_has_failed (connection->client))
        end (connection);
      return FALSE;
    }
  /* as servers must: an empty line or two between requests */
  while (!connection->started && size >= 2 && data[0] == '\r' && data[1] == '\n')
    {
      creel_endpoint_consume (connection->client, 2);
      data = creel_endpoint_peek (connection->client, &size);
    }
  if (size > 0 && !connection->started)
    {
      connection->started = TRUE;
      connection->since = connection->began = g_get_monotonic_time ();
    }
  result = size > 0 ? creel_http_head_parse (data, size, TRUE, &connection->head, &used, &why) : CREEL_HEAD_MORE;
  if (result == CREEL_HEAD_MORE)
    {
      if (creel_endpoint_at_eof (connection->client))
        leave (connection);
      return FALSE;
    }
  if (result == CREEL_HEAD_DONE)
    {
      creel_endpoint_consume (connection->client, used);
      why = creel_http_head_get_framing (connection->head, NULL, &kind, &length);
    }
  if (why != NULL)
    {
      g_autofree char *text = g_strdup_printf ("The request is not understood: %s", why);

      refuse (connection, CREEL_MODELS_FORM_DOCKER, 400, text);
      return FALSE;
    }
  take_sandbox (connection);
  connection->fields = format_cors (connection->head);
  connection->reply = (CreelModelsReply){ connection->head->minor_version == 0, g_str_equal (connection->head->method, "HEAD"), FALSE, NULL };
  connection->reply.keep = connection->reply.http10 ? creel_http_head_has_token (connection->head, "Connection", "keep-alive")
                                                    : !creel_http_head_has_token (connection->head, "Connection", "close");
  if (check (connection))
    return FALSE;
  connection->reply.fields = connection->fields;
  if (length > get_body_max (connection))
    {
      refuse_size (connection);
      return FALSE;
    }
  creel_http_body_init (&connection->framing, kind, length);
  connection->body = g_byte_array_new ();
  if (kind != CREEL_BODY_NONE && soup_message_headers_get_expectations (connection->head->headers) & SOUP_EXPECTATION_CONTINUE)
    {
      creel_endpoint_write (connection->client, CONTINUE, strlen (CONTINUE));
      creel_endpoint_flush (connection->client);
    }
  set_state (connection, BODY);
  return TRUE;
}

static void
take_body (CreelModelsConnection *connection)
{
  while (!connection->framing.done)
    {
      const guint8 *payload, *data;
      gsize size, payload_size;
      gssize used;
      guint64 more;

      data = creel_endpoint_peek (connection->client, &size);
      if (size == 0)
        break;
      used = creel_http_body_feed (&connection->framing, data, size, &payload, &payload_size);
      if (used < 0)
        {
          refuse (connection, connection->route.form, 400, "The body is not framed as it must be");
          return;
        }
      if (connection->body->len + payload_size > get_body_max (connection))
        {
          refuse_size (connection);
          return;
        }
      more = creel_models_front_count (connection->body->len + payload_size) - creel_models_front_count (connection->body->len);
      if (more > 0 && connection->front->held + more > CREEL_MODELS_BODIES_MAX)
        {
          refuse (connection, connection->route.form, 503, "Too many large requests at once; try again later");
          return;
        }
      if (payload_size > 0)
        g_byte_array_append (connection->body, payload, (guint) payload_size);
      connection->front->held += more;
      creel_endpoint_consume (connection->client, (gsize) used);
    }
  if (!connection->framing.done)
    {
      if (!creel_endpoint_at_eof (connection->client))
        return;
      audit (connection, 0, FALSE, NULL);
      clear_request (connection);
      end (connection);
      return;
    }
  set_state (connection, ANSWER);
  if (g_str_equal (connection->head->method, "OPTIONS"))
    {
      gboolean keep = connection->reply.keep;

      creel_models_reply_write (&connection->reply, connection->client, 204, NULL, NULL);
      audit (connection, 204, FALSE, NULL);
      clear_request (connection);
      if (keep)
        set_state (connection, HEAD);
      else
        linger (connection);
      return;
    }
  connection->request = creel_models_request_new (connection->front, connection->client, &connection->route, &connection->reply, connection->user,
                                                  soup_message_headers_get_list (connection->head->headers, "Accept"),
                                                  g_steal_pointer (&connection->body), on_answered, connection);
}

/* The client is gone: what was computed for it ends at once. */
static void
hang_up (CreelModelsConnection *connection)
{
  CreelModelsRequest *request = connection->request;

  audit (connection, creel_models_request_get_status (request), TRUE, creel_models_request_get_model (request));
  clear_request (connection);
  end (connection);
}

static void
step (CreelEndpoint *endpoint, gpointer user_data)
{
  CreelModelsConnection *connection = user_data;
  gsize size;

  if (connection->unread > 0)
    count_unread (connection);
  if (connection->state == HEAD)
    while (connection->state == HEAD && take_head (connection) && connection->state == BODY)
      take_body (connection);
  else if (connection->state == BODY)
    take_body (connection);
  if (connection->state == ANSWER)
    {
      if (creel_endpoint_at_eof (endpoint))
        {
          /* one that answers itself has nothing to lose */
          if (creel_models_request_get_status (connection->request) == 0 || creel_endpoint_has_failed (endpoint) ||
              creel_models_request_is_relaying (connection->request))
            hang_up (connection);
          return;
        }
      creel_models_request_step (connection->request);
    }
  if (connection->state == LINGER)
    {
      creel_endpoint_peek (endpoint, &size);
      creel_endpoint_consume (endpoint, size);
      if (creel_endpoint_has_failed (endpoint) || (creel_endpoint_at_eof (endpoint) && creel_endpoint_get_pending (endpoint) == 0))
        end (connection);
    }
}

CreelModelsConnection *
creel_models_connection_new (CreelModelsFront *front, GSocketConnection *stream, void (*ended) (CreelModelsConnection *connection, gpointer user_data),
                             gpointer user_data)
{
  CreelModelsConnection *connection = g_new0 (CreelModelsConnection, 1);

  connection->front = front;
  connection->stream = g_object_ref (stream);
  connection->client = creel_endpoint_new (G_IO_STREAM (stream));
  connection->ended = ended;
  connection->user_data = user_data;
  connection->user = (uid_t) -1;
  set_state (connection, HEAD);
  connection->began = connection->since;
  creel_endpoint_set_func (connection->client, step, connection);
  creel_endpoint_set_reading (connection->client, TRUE);
  return connection;
}

void
creel_models_connection_free (CreelModelsConnection *connection)
{
  g_clear_handle_id (&connection->later, g_source_remove);
  /* the service ends, and nobody waits for this answer any longer */
  if (connection->request != NULL)
    audit (connection, creel_models_request_get_status (connection->request), TRUE, creel_models_request_get_model (connection->request));
  clear_request (connection);
  connection->front->answers -= connection->unread;
  creel_endpoint_close (connection->client);
  creel_endpoint_unref (connection->client);
  g_object_unref (connection->stream);
  g_free (connection);
}

void
creel_models_connection_tick (CreelModelsConnection *connection, gint64 now)
{
  guint64 read = creel_endpoint_get_bytes_read (connection->client), written = creel_endpoint_get_bytes_written (connection->client);
  /* what still comes from one who has his answer is no progress */
  guint64 progress = connection->state == LINGER ? written : read + written;
  gint64 seconds;

  if (connection->request != NULL)
    progress += creel_models_request_get_progress (connection->request);
  /* a head has its time, whatever comes of it; all else has it since the last byte */
  if (progress != connection->progress && !(connection->state == HEAD && connection->started))
    connection->since = now;
  connection->progress = progress;
  if (creel_endpoint_get_pending (connection->client) == 0)
    connection->unread_since = 0;
  else if (connection->unread_since == 0)
    connection->unread_since = now;
  seconds = (now - connection->since) / G_USEC_PER_SEC;
  switch (connection->state)
    {
    case HEAD:
      if (seconds >= (connection->started ? HEAD_SECONDS : IDLE_SECONDS))
        end (connection);
      break;
    case BODY:
      if (seconds >= STALLED_SECONDS || now - connection->began >= BODY_SECONDS * G_USEC_PER_SEC)
        refuse (connection, connection->route.form, 408, "The body did not come");
      break;
    case ANSWER:
      if (seconds >= QUIET_SECONDS || (connection->unread_since != 0 && now - connection->unread_since >= UNREAD_SECONDS * G_USEC_PER_SEC))
        hang_up (connection);
      break;
    case ENDED:
      break;
    case LINGER:
    default:
      if (seconds >= LINGER_SECONDS && (creel_endpoint_get_pending (connection->client) == 0 || seconds >= STALLED_SECONDS))
        end (connection);
    }
}

void
creel_models_connection_drain (CreelModelsConnection *connection)
{
  connection->draining = TRUE;
  if (connection->state == HEAD && !connection->started)
    leave (connection);
}
