/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "chat-answer.h"

#include <string.h>

#include "chat-sse.h"
#include "creel-error.h"
#include "creel-http-body.h"
#include "creel-models-json.h"

#define HEAD_MAX (32 * 1024)
#define REFUSAL_MAX (64 * 1024)
#define TEXT_MAX (16 * 1024 * 1024)

struct _ChatAnswer
{
  ChatAnswerFunc func;
  gpointer user_data;
  GString *head;
  guint status; /* 0: the head is not there yet */
  CreelHttpBody body;
  ChatSse *sse;
  GString *refusal; /* the body of an answer that is none */
  GString *content, *thinking;
  char *finish_reason;
  gboolean done;
  GError *error; /* that an event told */
};

static gboolean on_event (const char *data, gsize size, gpointer user_data);

ChatAnswer *
chat_answer_new (ChatAnswerFunc func, gpointer user_data)
{
  ChatAnswer *answer = g_new0 (ChatAnswer, 1);

  answer->func = func;
  answer->user_data = user_data;
  answer->head = g_string_new (NULL);
  answer->refusal = g_string_new (NULL);
  answer->content = g_string_new (NULL);
  answer->thinking = g_string_new (NULL);
  answer->sse = chat_sse_new (on_event, answer);
  return answer;
}

void
chat_answer_free (ChatAnswer *answer)
{
  g_string_free (answer->head, TRUE);
  g_string_free (answer->refusal, TRUE);
  g_string_free (answer->content, TRUE);
  g_string_free (answer->thinking, TRUE);
  chat_sse_free (answer->sse);
  g_free (answer->finish_reason);
  g_clear_error (&answer->error);
  g_free (answer);
}

/* {"error": {"message": ...}}, {"error": "..."} or {"message": ...}; NULL when it is none of them. */
static const char *
get_message (JsonObject *object)
{
  const char *text = creel_models_json_get_string (creel_models_json_get_object (object, "error"), "message");

  if (text == NULL)
    text = creel_models_json_get_string (object, "error");
  return text != NULL ? text : creel_models_json_get_string (object, "message");
}

static void
take_text (ChatAnswer *answer, ChatPart part, const char *text)
{
  GString *whole = part == CHAT_CONTENT ? answer->content : answer->thinking;

  if (text == NULL || *text == '\0')
    return;
  g_string_append (whole, text);
  if (whole->len > TEXT_MAX)
    g_set_error_literal (&answer->error, CREEL_ERROR, CREEL_ERROR_FAILED, "The answer does not end; it was stopped");
  else
    answer->func (part, text, answer->user_data);
}

static gboolean
on_event (const char *data, gsize size, gpointer user_data)
{
  ChatAnswer *answer = user_data;
  g_autoptr (JsonNode) root = NULL;
  JsonObject *object, *choice, *delta;
  const char *message, *reason;

  if (size == strlen ("[DONE]") && memcmp (data, "[DONE]", size) == 0)
    {
      answer->done = TRUE;
      return FALSE;
    }
  root = creel_models_json_parse (data, size, NULL);
  if (root == NULL)
    {
      g_set_error_literal (&answer->error, CREEL_ERROR, CREEL_ERROR_FAILED, "The model runner answered what is not understood");
      return FALSE;
    }
  object = json_node_get_object (root);
  if (json_object_has_member (object, "error"))
    {
      message = get_message (object);
      g_set_error (&answer->error, CREEL_ERROR, CREEL_ERROR_FAILED, "%s", message != NULL ? message : "The model failed and does not say why");
      return FALSE;
    }
  choice = creel_models_json_get_element (creel_models_json_get_array (object, "choices"), 0);
  delta = creel_models_json_get_object (choice, "delta");
  take_text (answer, CHAT_THINKING, creel_models_json_get_string (delta, "reasoning_content"));
  if (answer->error == NULL)
    take_text (answer, CHAT_CONTENT, creel_models_json_get_string (delta, "content"));
  reason = creel_models_json_get_string (choice, "finish_reason");
  if (reason != NULL)
    {
      g_free (answer->finish_reason);
      answer->finish_reason = g_strdup (reason);
    }
  return answer->error == NULL;
}

/* Only what is needed of it: the status and how long the body is. */
static gboolean
parse_head (ChatAnswer *answer)
{
  g_auto (GStrv) lines = g_strsplit (answer->head->str, "\r\n", -1);
  CreelBodyKind kind = CREEL_BODY_EOF;
  guint64 length = 0;
  const char *code = lines[0] != NULL ? lines[0] + strlen ("HTTP/1.1 ") : NULL;

  if (lines[0] == NULL || !(g_str_has_prefix (lines[0], "HTTP/1.1 ") || g_str_has_prefix (lines[0], "HTTP/1.0 ")) || strspn (code, "0123456789") != 3)
    return FALSE;
  for (char **line = lines + 1; *line != NULL; line++)
    {
      char *value = strchr (*line, ':');

      if (value == NULL)
        continue;
      *value++ = '\0';
      g_strstrip (value);
      if (g_ascii_strcasecmp (*line, "Transfer-Encoding") == 0 && g_ascii_strcasecmp (value, "chunked") == 0)
        kind = CREEL_BODY_CHUNKED;
      else if (g_ascii_strcasecmp (*line, "Content-Length") == 0 && kind != CREEL_BODY_CHUNKED)
        {
          if (!g_ascii_string_to_unsigned (value, 10, 0, G_MAXINT64, &length, NULL))
            return FALSE;
          kind = CREEL_BODY_LENGTH;
        }
    }
  answer->status = g_ascii_strtoull (code, NULL, 10);
  creel_http_body_init (&answer->body, kind, length);
  return answer->status >= 200;
}

/* Takes what belongs to the head; sets how many bytes that were. */
static gboolean
feed_head (ChatAnswer *answer, const char *bytes, gsize size, gsize *ret_used, GError **error)
{
  gsize before = answer->head->len, searched = before > 3 ? before - 3 : 0;
  const char *end;

  g_string_append_len (answer->head, bytes, MIN (size, HEAD_MAX - before));
  end = memmem (answer->head->str + searched, answer->head->len - searched, "\r\n\r\n", 4);
  if (end == NULL && answer->head->len < HEAD_MAX)
    {
      *ret_used = size;
      return TRUE;
    }
  if (end != NULL)
    {
      *ret_used = (gsize) (end + 4 - answer->head->str) - before;
      g_string_truncate (answer->head, (gsize) (end - answer->head->str));
      if (strlen (answer->head->str) == answer->head->len && parse_head (answer))
        return TRUE;
    }
  g_set_error_literal (error, CREEL_ERROR, CREEL_ERROR_FAILED, "What listens there is not the model runner; run: creel doctor");
  return FALSE;
}

static gboolean
take_refusal (ChatAnswer *answer, GError **error)
{
  g_autoptr (JsonNode) root = creel_models_json_parse (answer->refusal->str, answer->refusal->len, NULL);
  const char *message = root != NULL ? get_message (json_node_get_object (root)) : NULL;

  if (message != NULL)
    g_set_error_literal (error, CREEL_ERROR, answer->status == 404 ? CREEL_ERROR_NO_SUCH_MODEL : CREEL_ERROR_FAILED, message);
  else
    g_set_error (error, CREEL_ERROR, CREEL_ERROR_FAILED, "The model runner refused with status %u", answer->status);
  return FALSE;
}

static gboolean
feed_payload (ChatAnswer *answer, const char *payload, gsize size, GError **error)
{
  if (answer->status != 200)
    g_string_append_len (answer->refusal, payload, MIN (size, REFUSAL_MAX - answer->refusal->len));
  else if (!answer->done && !chat_sse_feed (answer->sse, payload, size) && !answer->done)
    {
      if (answer->error != NULL)
        g_propagate_error (error, g_steal_pointer (&answer->error));
      else
        g_set_error_literal (error, CREEL_ERROR, CREEL_ERROR_FAILED, "The model runner answered what is not understood");
      return FALSE;
    }
  return TRUE;
}

gboolean
chat_answer_feed (ChatAnswer *answer, const char *bytes, gsize size, GError **error)
{
  gsize used = 0;

  if (answer->status == 0 && !feed_head (answer, bytes, size, &used, error))
    return FALSE;
  while (used < size && answer->status != 0 && !answer->done && !answer->body.done)
    {
      const guint8 *payload;
      gsize length;
      gssize n = creel_http_body_feed (&answer->body, (const guint8 *) bytes + used, size - used, &payload, &length);

      if (n < 0)
        {
          g_set_error_literal (error, CREEL_ERROR, CREEL_ERROR_FAILED, "The model runner answered what is not understood");
          return FALSE;
        }
      used += (gsize) n;
      if (length > 0 && !feed_payload (answer, (const char *) payload, length, error))
        return FALSE;
    }
  return !answer->body.done || answer->done || chat_answer_end (answer, error);
}

gboolean
chat_answer_end (ChatAnswer *answer, GError **error)
{
  if (answer->done)
    return TRUE;
  if (answer->status != 0 && answer->status != 200)
    return take_refusal (answer, error);
  /* a server that says why it stopped and then nothing has said enough */
  if (answer->status == 0 || answer->finish_reason == NULL)
    {
      g_set_error_literal (error, CREEL_ERROR, CREEL_ERROR_FAILED, "The answer was cut off; see: creel model logs");
      return FALSE;
    }
  answer->done = TRUE;
  return TRUE;
}

gboolean
chat_answer_is_done (const ChatAnswer *answer)
{
  return answer->done;
}

const char *
chat_answer_get_content (const ChatAnswer *answer)
{
  return answer->content->str;
}

const char *
chat_answer_get_thinking (const ChatAnswer *answer)
{
  return answer->thinking->str;
}

const char *
chat_answer_get_finish_reason (const ChatAnswer *answer)
{
  return answer->finish_reason;
}
