/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-models-relay.h"

#include <string.h>

#include "creel-http-body.h"
#include "creel-models-front.h"
#include "creel-models-probe.h"
#include "creel-models-reply.h"

/* An engine accepts in the turn of its loop */
#define CONNECT_RETRY_MS 5
#define CONNECT_RETRIES 400
#define PIECE (64 * 1024)
/* of an answer that is translated as a whole */
#define WHOLE_MAX (32 * 1024 * 1024)

typedef enum
{
  CONNECT,
  HEAD,
  BODY,
  DONE,
} State;

struct _CreelModelsRelay
{
  CreelEndpoint *client, *engine;
  void (*sent_func) (gpointer user_data);
  void (*done) (CreelModelsRelayEnd end, gpointer user_data);
  gpointer user_data;
  char *path, *fields;
  GBytes *head, *body; /* of the request */
  gsize sent;          /* of the body */
  State state;
  guint retry, later, retries;
  CreelModelsRelayEnd end;
  gboolean http10, keep, stream, full;
  CreelModelsOllamaAnswer *answer;
  GString *whole; /* an answer that is to be translated at its end */
  guint64 *answers;
  CreelHttpBody framing;
  gboolean chunked; /* to the client */
  guint status;
};

static GBytes *
format_head (const CreelModelsRelayRequest *request)
{
  GString *text = g_string_new (NULL);

  /* nothing of what the client said of itself is for the engine */
  g_string_append_printf (text,
                          "POST %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n"
                          "Content-Length: %" G_GSIZE_FORMAT "\r\n",
                          request->engine_path, g_bytes_get_size (request->body));
  if (request->accept != NULL)
    g_string_append_printf (text, "Accept: %s\r\n", request->accept);
  g_string_append (text, "\r\n");
  return g_string_free_to_bytes (text);
}

static gboolean
on_done (gpointer user_data)
{
  CreelModelsRelay *relay = user_data;

  relay->later = 0;
  relay->done (relay->end, relay->user_data);
  return G_SOURCE_REMOVE;
}

/* The owner frees the relay from its function: not from inside a step of the engine's endpoint. */
static void
finish (CreelModelsRelay *relay, CreelModelsRelayEnd end)
{
  if (relay->state == DONE)
    return;
  relay->state = DONE;
  relay->end = end;
  if (relay->engine != NULL)
    creel_endpoint_close (relay->engine);
  relay->later = g_idle_add_full (G_PRIORITY_HIGH, on_done, relay, NULL);
}

static void
write_head (CreelModelsRelay *relay, const char *reason, const char *fields, CreelBodyKind kind, guint64 length)
{
  g_autoptr (GString) text = g_string_new (NULL);

  relay->chunked = kind == CREEL_BODY_CHUNKED && !relay->http10;
  if ((kind == CREEL_BODY_CHUNKED && relay->http10) || kind == CREEL_BODY_EOF)
    relay->keep = FALSE;
  g_string_append_printf (text, "HTTP/1.1 %u %s\r\n%s%s", relay->status, reason, fields, relay->fields);
  if (relay->chunked)
    g_string_append (text, "Transfer-Encoding: chunked\r\n");
  else if (kind == CREEL_BODY_LENGTH || kind == CREEL_BODY_NONE)
    g_string_append_printf (text, "Content-Length: %" G_GUINT64_FORMAT "\r\n", length);
  if (!relay->keep)
    g_string_append (text, "Connection: close\r\n");
  else if (relay->http10)
    g_string_append (text, "Connection: keep-alive\r\n");
  g_string_append (text, "\r\n");
  creel_endpoint_write (relay->client, text->str, text->len);
}

/* What a client may hear of an engine's head: an engine reads the files of strangers. */
static char *
format_fields (const CreelHttpHead *head)
{
  static const char *const names[] = { "Content-Type", "Cache-Control", "Retry-After", "X-Accel-Buffering" };
  GString *text = g_string_new (NULL);

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    {
      const char *value = soup_message_headers_get_one (head->headers, names[i]);

      if (value != NULL)
        g_string_append_printf (text, "%s: %s\r\n", names[i], value);
    }
  return g_string_free (text, FALSE);
}

/* TRUE: go on */
static gboolean
take_head (CreelModelsRelay *relay)
{
  g_autoptr (CreelHttpHead) head = NULL;
  g_autofree char *fields = NULL;
  CreelBodyKind kind;
  guint64 length;
  const char *why = NULL, *type;
  gsize size, used;
  const guint8 *data = creel_endpoint_peek (relay->engine, &size);
  CreelHeadResult result = creel_http_head_parse (data, size, FALSE, &head, &used, &why);

  if (result == CREEL_HEAD_MORE)
    {
      if (creel_endpoint_at_eof (relay->engine))
        finish (relay, CREEL_MODELS_RELAY_LOST);
      return FALSE;
    }
  if (result == CREEL_HEAD_BAD || head->status == 101 || creel_http_head_get_framing (head, "POST", &kind, &length) != NULL)
    {
      finish (relay, CREEL_MODELS_RELAY_LOST);
      return FALSE;
    }
  creel_endpoint_consume (relay->engine, used);
  if (head->status < 200)
    return TRUE;
  relay->status = head->status;
  relay->state = BODY;
  creel_http_body_init (&relay->framing, kind, length);
  type = soup_message_headers_get_content_type (head->headers, NULL);
  if (relay->answer == NULL)
    {
      fields = format_fields (head);
      write_head (relay, head->reason, fields, kind, length);
    }
  else if (relay->status == 200 && relay->stream && g_strcmp0 (type, "text/event-stream") == 0)
    write_head (relay, "OK", "Content-Type: application/x-ndjson\r\n", CREEL_BODY_CHUNKED, 0);
  else
    relay->whole = g_string_new (NULL);
  return TRUE;
}

static void
write_translated (CreelModelsRelay *relay)
{
  g_autofree char *text = NULL;
  g_autoptr (JsonNode) root = NULL;

  if (relay->status == 200)
    text = creel_models_ollama_answer_translate (relay->answer, relay->whole->str, relay->whole->len);
  else
    {
      const char *message;

      root = creel_models_json_parse (relay->whole->str, relay->whole->len, NULL);
      message = root != NULL ? creel_models_json_get_string (creel_models_json_get_object (json_node_get_object (root), "error"), "message") : NULL;
      text = creel_models_api_format_error (CREEL_MODELS_FORM_OLLAMA, relay->status, message != NULL ? message : "The engine refused the request");
    }
  if (text == NULL)
    {
      relay->status = 0;
      finish (relay, CREEL_MODELS_RELAY_LOST);
      return;
    }
  write_head (relay, relay->status == 200 ? "OK" : "Error", "Content-Type: application/json; charset=utf-8\r\n", CREEL_BODY_LENGTH, strlen (text));
  creel_endpoint_write (relay->client, text, strlen (text));
  finish (relay, CREEL_MODELS_RELAY_WHOLE);
}

static void
end_body (CreelModelsRelay *relay)
{
  g_autoptr (GString) lines = g_string_new (NULL);

  if (relay->whole != NULL)
    {
      write_translated (relay);
      return;
    }
  if (relay->answer != NULL)
    {
      if (!creel_models_ollama_answer_finish (relay->answer, lines))
        {
          finish (relay, CREEL_MODELS_RELAY_CUT);
          return;
        }
      creel_models_reply_write_piece (relay->client, relay->chunked, lines->str, lines->len);
      if (relay->chunked)
        creel_endpoint_write (relay->client, "0\r\n\r\n", 5);
    }
  finish (relay, CREEL_MODELS_RELAY_WHOLE);
}

/* FALSE: it is no answer */
static gboolean
take_payload (CreelModelsRelay *relay, const guint8 *payload, gsize size, const guint8 *data, gsize used)
{
  g_autoptr (GString) lines = NULL;

  if (relay->whole != NULL)
    {
      /* the answer that is made of it is as large again */
      relay->full = *relay->answers + 2 * size > CREEL_MODELS_ANSWERS_MAX;
      if (relay->full || relay->whole->len + size > WHOLE_MAX)
        return FALSE;
      if (size > 0)
        g_string_append_len (relay->whole, (const char *) payload, (gssize) size);
      *relay->answers += 2 * size;
      return TRUE;
    }
  if (relay->answer != NULL)
    {
      lines = g_string_new (NULL);
      if (size > 0 && !creel_models_ollama_answer_feed (relay->answer, (const char *) payload, size, lines))
        return FALSE;
      creel_models_reply_write_piece (relay->client, relay->chunked, lines->str, lines->len);
    }
  else if (relay->chunked)
    creel_endpoint_write (relay->client, data, used); /* the frame as it came: it was read strictly */
  else if (size > 0)
    creel_endpoint_write (relay->client, payload, size);
  return TRUE;
}

static void
take_body (CreelModelsRelay *relay)
{
  CreelModelsRelayEnd broken = relay->whole != NULL ? CREEL_MODELS_RELAY_LOST : CREEL_MODELS_RELAY_CUT;

  while (!relay->framing.done && creel_endpoint_has_room (relay->client))
    {
      const guint8 *payload, *data;
      gsize size, payload_size;
      gssize used;

      data = creel_endpoint_peek (relay->engine, &size);
      if (size == 0)
        break;
      used = creel_http_body_feed (&relay->framing, data, size, &payload, &payload_size);
      if (used < 0 || !take_payload (relay, payload, payload_size, data, (gsize) used))
        {
          finish (relay, relay->full ? CREEL_MODELS_RELAY_FULL : broken);
          return;
        }
      creel_endpoint_consume (relay->engine, (gsize) used);
    }
  if (!relay->framing.done && creel_endpoint_at_eof (relay->engine))
    {
      gsize size;

      creel_endpoint_peek (relay->engine, &size);
      if (size > 0)
        return; /* until the client takes more */
      if (creel_endpoint_has_failed (relay->engine) || !creel_http_body_end (&relay->framing))
        {
          finish (relay, broken);
          return;
        }
    }
  if (relay->framing.done)
    end_body (relay);
}

static void
send_body (CreelModelsRelay *relay)
{
  while (relay->body != NULL && creel_endpoint_has_room (relay->engine))
    {
      gsize size;
      const guint8 *data = g_bytes_get_data (relay->body, &size);
      gsize piece = MIN (size - relay->sent, PIECE);

      creel_endpoint_write (relay->engine, data + relay->sent, piece);
      relay->sent += piece;
      if (relay->sent == size)
        {
          g_clear_pointer (&relay->body, g_bytes_unref);
          relay->sent_func (relay->user_data);
        }
    }
  creel_endpoint_flush (relay->engine);
}

void
creel_models_relay_step (CreelModelsRelay *relay)
{
  if (relay->state == CONNECT || relay->state == DONE)
    return;
  /* an engine that refuses early does not read to the end */
  if (!creel_endpoint_has_failed (relay->engine))
    send_body (relay);
  while (relay->state == HEAD && take_head (relay))
    ;
  if (relay->state == BODY)
    take_body (relay);
  creel_endpoint_flush (relay->client);
}

static void
on_engine (CreelEndpoint *engine, gpointer user_data)
{
  creel_models_relay_step (user_data);
}

static gboolean
on_connect (gpointer user_data)
{
  CreelModelsRelay *relay = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GIOStream) stream = creel_models_probe_connect (relay->path, &error);
  gsize size;
  const void *data;

  relay->retry = 0;
  if (stream == NULL)
    {
      if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK) && relay->retries++ < CONNECT_RETRIES)
        relay->retry = g_timeout_add (CONNECT_RETRY_MS, on_connect, relay);
      else
        finish (relay, g_error_matches (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK) ? CREEL_MODELS_RELAY_BUSY : CREEL_MODELS_RELAY_UNREACHABLE);
      return G_SOURCE_REMOVE;
    }
  relay->state = HEAD;
  relay->engine = creel_endpoint_new (stream);
  creel_endpoint_set_func (relay->engine, on_engine, relay);
  creel_endpoint_set_reading (relay->engine, TRUE);
  data = g_bytes_get_data (relay->head, &size);
  creel_endpoint_write (relay->engine, data, size);
  send_body (relay);
  return G_SOURCE_REMOVE;
}

CreelModelsRelay *
creel_models_relay_new (const CreelModelsRelayRequest *request, CreelEndpoint *client, void (*done) (CreelModelsRelayEnd end, gpointer user_data),
                        gpointer user_data)
{
  CreelModelsRelay *relay = g_new0 (CreelModelsRelay, 1);

  relay->client = creel_endpoint_ref (client);
  relay->sent_func = request->sent;
  relay->done = done;
  relay->user_data = user_data;
  relay->path = g_strdup (request->socket_path);
  relay->fields = g_strdup (request->fields != NULL ? request->fields : "");
  relay->head = format_head (request);
  relay->body = g_bytes_ref (request->body);
  relay->http10 = request->http10;
  relay->keep = request->keep;
  relay->answer = request->answer;
  relay->stream = request->stream;
  relay->answers = request->answers;
  on_connect (relay);
  return relay;
}

void
creel_models_relay_free (CreelModelsRelay *relay)
{
  if (relay == NULL)
    return;
  g_clear_handle_id (&relay->retry, g_source_remove);
  g_clear_handle_id (&relay->later, g_source_remove);
  if (relay->engine != NULL)
    creel_endpoint_close (relay->engine);
  creel_endpoint_unref (relay->engine);
  creel_endpoint_unref (relay->client);
  creel_models_ollama_answer_free (relay->answer);
  if (relay->whole != NULL)
    {
      *relay->answers -= 2 * relay->whole->len;
      g_string_free (relay->whole, TRUE);
    }
  g_clear_pointer (&relay->body, g_bytes_unref);
  g_bytes_unref (relay->head);
  g_free (relay->path);
  g_free (relay->fields);
  g_free (relay);
}

guint
creel_models_relay_get_status (CreelModelsRelay *relay)
{
  return relay->status;
}

gboolean
creel_models_relay_keeps (CreelModelsRelay *relay)
{
  return relay->keep && relay->end == CREEL_MODELS_RELAY_WHOLE;
}
