/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-models-ollama.h"

#include <string.h>

/* of one event */
#define LINE_MAX_SIZE (1024 * 1024)
#define CALLS_MAX 64

typedef struct
{
  char *name;
  GString *arguments;
} Call;

struct _CreelModelsOllamaAnswer
{
  CreelModelsOperation operation;
  char *model;
  GString *line;    /* of the event stream, so far */
  GPtrArray *calls; /* of Call: their arguments come in pieces */
  gsize arguments;  /* bytes of them, of all calls */
  gint64 started;
  gint64 prompt_tokens, tokens;
  char *reason;
  gboolean done, failed;
};

static void
call_free (gpointer data)
{
  Call *call = data;

  g_free (call->name);
  g_string_free (call->arguments, TRUE);
  g_free (call);
}

CreelModelsOllamaAnswer *
creel_models_ollama_answer_new (CreelModelsOperation operation, const char *model)
{
  CreelModelsOllamaAnswer *answer = g_new0 (CreelModelsOllamaAnswer, 1);

  answer->operation = operation;
  answer->model = g_strdup (model);
  answer->line = g_string_new (NULL);
  answer->calls = g_ptr_array_new_with_free_func (call_free);
  answer->started = g_get_monotonic_time ();
  return answer;
}

void
creel_models_ollama_answer_free (CreelModelsOllamaAnswer *answer)
{
  if (answer == NULL)
    return;
  g_free (answer->model);
  g_string_free (answer->line, TRUE);
  g_ptr_array_unref (answer->calls);
  g_free (answer->reason);
  g_free (answer);
}

static JsonObject *
make_object (CreelModelsOllamaAnswer *answer)
{
  JsonObject *object = json_object_new ();
  g_autoptr (GDateTime) now = g_date_time_new_now_utc ();
  g_autofree char *time = g_date_time_format (now, "%Y-%m-%dT%H:%M:%S.%fZ");

  json_object_set_string_member (object, "model", answer->model);
  json_object_set_string_member (object, "created_at", time);
  return object;
}

/* Calls with their arguments as an object; what is no object becomes an empty one. */
static JsonArray *
format_calls (CreelModelsOllamaAnswer *answer)
{
  JsonArray *list = json_array_new ();

  for (guint i = 0; i < answer->calls->len; i++)
    {
      Call *call = answer->calls->pdata[i];
      g_autoptr (JsonNode) arguments = creel_models_json_parse (call->arguments->str, call->arguments->len, NULL);
      JsonObject *object = json_object_new (), *function = json_object_new ();

      json_object_set_string_member (function, "name", call->name != NULL ? call->name : "");
      json_object_set_object_member (function, "arguments", arguments != NULL ? json_object_ref (json_node_get_object (arguments)) : json_object_new ());
      json_object_set_object_member (object, "function", function);
      json_array_add_object_element (list, object);
    }
  return list;
}

/* text and thinking in the member that the operation has for them */
static void
set_text (CreelModelsOllamaAnswer *answer, JsonObject *object, const char *text, const char *thinking, gboolean with_calls)
{
  JsonObject *message;

  if (answer->operation == CREEL_MODELS_GENERATE)
    {
      json_object_set_string_member (object, "response", text != NULL ? text : "");
      if (thinking != NULL)
        json_object_set_string_member (object, "thinking", thinking);
      return;
    }
  message = json_object_new ();
  json_object_set_string_member (message, "role", "assistant");
  json_object_set_string_member (message, "content", text != NULL ? text : "");
  if (thinking != NULL)
    json_object_set_string_member (message, "thinking", thinking);
  if (with_calls && answer->calls->len > 0)
    json_object_set_array_member (message, "tool_calls", format_calls (answer));
  json_object_set_object_member (object, "message", message);
}

static void
set_end (CreelModelsOllamaAnswer *answer, JsonObject *object)
{
  json_object_set_boolean_member (object, "done", TRUE);
  json_object_set_string_member (object, "done_reason", g_strcmp0 (answer->reason, "length") == 0 ? "length" : "stop");
  json_object_set_int_member (object, "total_duration", (g_get_monotonic_time () - answer->started) * 1000);
  json_object_set_int_member (object, "prompt_eval_count", answer->prompt_tokens);
  json_object_set_int_member (object, "eval_count", answer->tokens);
}

static void
add_line (GString *lines, JsonObject *object)
{
  g_autofree char *text = creel_models_json_format (object);

  g_string_append (lines, text);
  g_string_append_c (lines, '\n');
}

static void
take_calls (CreelModelsOllamaAnswer *answer, JsonArray *calls)
{
  for (guint i = 0; calls != NULL && i < json_array_get_length (calls); i++)
    {
      JsonObject *piece = creel_models_json_get_element (calls, i), *function = creel_models_json_get_object (piece, "function");
      gint64 index = creel_models_json_get_int (piece, "index", i);
      const char *name = creel_models_json_get_string (function, "name"), *arguments = creel_models_json_get_string (function, "arguments");
      Call *call;

      /* the next one, or one that is there */
      if (index < 0 || index > answer->calls->len || index >= CALLS_MAX)
        continue;
      if (index == answer->calls->len)
        {
          call = g_new0 (Call, 1);
          call->arguments = g_string_new (NULL);
          g_ptr_array_add (answer->calls, call);
        }
      call = answer->calls->pdata[index];
      if (name != NULL && call->name == NULL)
        call->name = g_strdup (name);
      if (arguments == NULL || answer->arguments + strlen (arguments) > LINE_MAX_SIZE)
        continue;
      g_string_append (call->arguments, arguments);
      answer->arguments += strlen (arguments);
    }
}

/* The numbers, the reason and the first choice's "delta" or "message"; NULL when there is none. */
static JsonObject *
take_common (CreelModelsOllamaAnswer *answer, JsonObject *event, const char *member)
{
  JsonObject *usage = creel_models_json_get_object (event, "usage");
  JsonObject *choice = creel_models_json_get_element (creel_models_json_get_array (event, "choices"), 0);
  JsonObject *message = creel_models_json_get_object (choice, member);
  const char *reason = creel_models_json_get_string (choice, "finish_reason");

  answer->prompt_tokens = creel_models_json_get_int (usage, "prompt_tokens", answer->prompt_tokens);
  answer->tokens = creel_models_json_get_int (usage, "completion_tokens", answer->tokens);
  if (reason != NULL)
    {
      g_free (answer->reason);
      answer->reason = g_strdup (reason);
    }
  take_calls (answer, creel_models_json_get_array (message, "tool_calls"));
  return message;
}

static gboolean
take_event (CreelModelsOllamaAnswer *answer, const char *data, GString *lines)
{
  g_autoptr (JsonNode) root = NULL;
  JsonObject *event, *failure, *delta, *object;
  const char *text, *thinking;

  if (g_str_equal (data, "[DONE]"))
    {
      answer->done = TRUE;
      return TRUE;
    }
  root = creel_models_json_parse (data, strlen (data), NULL);
  if (root == NULL)
    return FALSE;
  event = json_node_get_object (root);
  failure = creel_models_json_get_object (event, "error");
  if (failure != NULL)
    {
      const char *message = creel_models_json_get_string (failure, "message");

      object = json_object_new ();
      json_object_set_string_member (object, "error", message != NULL ? message : "The engine failed");
      add_line (lines, object);
      answer->failed = TRUE;
      return TRUE;
    }
  delta = take_common (answer, event, "delta");
  text = creel_models_json_get_string (delta, "content");
  thinking = creel_models_json_get_string (delta, "reasoning_content");
  if ((text == NULL || *text == '\0') && (thinking == NULL || *thinking == '\0'))
    return TRUE;
  object = make_object (answer);
  set_text (answer, object, text, thinking, FALSE);
  json_object_set_boolean_member (object, "done", FALSE);
  add_line (lines, object);
  return TRUE;
}

static gboolean
take_line (CreelModelsOllamaAnswer *answer, GString *lines)
{
  const char *data = answer->line->str;

  if (answer->line->len > 0 && data[answer->line->len - 1] == '\r')
    g_string_truncate (answer->line, answer->line->len - 1);
  if (!g_str_has_prefix (data, "data:") || answer->done || answer->failed)
    return TRUE;
  data += strlen ("data:");
  return take_event (answer, data + (*data == ' '), lines);
}

gboolean
creel_models_ollama_answer_feed (CreelModelsOllamaAnswer *answer, const char *data, gsize size, GString *lines)
{
  while (size > 0)
    {
      const char *newline = memchr (data, '\n', size);
      gsize length = newline != NULL ? (gsize) (newline - data) : size;

      if (answer->line->len + length > LINE_MAX_SIZE)
        return FALSE;
      g_string_append_len (answer->line, data, (gssize) length);
      if (newline == NULL)
        break;
      if (!take_line (answer, lines))
        return FALSE;
      g_string_truncate (answer->line, 0);
      data += length + 1;
      size -= length + 1;
    }
  return TRUE;
}

gboolean
creel_models_ollama_answer_finish (CreelModelsOllamaAnswer *answer, GString *lines)
{
  JsonObject *object;

  if (answer->failed)
    return TRUE;
  if (!answer->done)
    return FALSE;
  if (answer->calls->len > 0 && answer->operation == CREEL_MODELS_CHAT)
    {
      object = make_object (answer);
      set_text (answer, object, NULL, NULL, TRUE);
      json_object_set_boolean_member (object, "done", FALSE);
      add_line (lines, object);
    }
  object = make_object (answer);
  set_text (answer, object, NULL, NULL, FALSE);
  set_end (answer, object);
  add_line (lines, object);
  return TRUE;
}

static JsonArray *
translate_vectors (JsonObject *event)
{
  JsonArray *data = creel_models_json_get_array (event, "data");
  JsonArray *list = json_array_new ();

  for (guint i = 0; data != NULL && i < json_array_get_length (data); i++)
    {
      JsonArray *vector = creel_models_json_get_array (creel_models_json_get_element (data, i), "embedding");

      json_array_add_array_element (list, vector != NULL ? json_array_ref (vector) : json_array_new ());
    }
  return list;
}

char *
creel_models_ollama_answer_translate (CreelModelsOllamaAnswer *answer, const char *text, gsize size)
{
  g_autoptr (JsonNode) root = answer->operation == CREEL_MODELS_EMBED ? creel_models_json_parse_vectors (text, size, NULL)
                                                                      : creel_models_json_parse (text, size, NULL);
  JsonObject *event, *message, *object;

  if (root == NULL)
    return NULL;
  event = json_node_get_object (root);
  if (answer->operation == CREEL_MODELS_EMBED)
    {
      if (creel_models_json_get_array (event, "data") == NULL)
        return NULL;
      take_common (answer, event, "message");
      object = json_object_new ();
      json_object_set_string_member (object, "model", answer->model);
      json_object_set_array_member (object, "embeddings", translate_vectors (event));
      json_object_set_int_member (object, "prompt_eval_count", answer->prompt_tokens);
      return creel_models_json_format (object);
    }
  message = take_common (answer, event, "message");
  if (message == NULL)
    return NULL;
  object = make_object (answer);
  set_text (answer, object, creel_models_json_get_string (message, "content"), creel_models_json_get_string (message, "reasoning_content"), TRUE);
  set_end (answer, object);
  return creel_models_json_format (object);
}
