/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-models-ollama.h"

#include <string.h>

void
creel_models_ollama_request_clear (CreelModelsOllamaRequest *request)
{
  g_clear_pointer (&request->model, g_free);
  g_clear_pointer (&request->body, g_free);
}

static gboolean
refuse (GError **error, const char *text)
{
  g_set_error_literal (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS, text);
  return FALSE;
}

static void
copy (JsonObject *from, const char *name, JsonObject *to, const char *to_name)
{
  JsonNode *node = from != NULL ? json_object_get_member (from, name) : NULL;

  if (node != NULL && !JSON_NODE_HOLDS_NULL (node))
    json_object_set_member (to, to_name, json_node_copy (node));
}

/* What kind of picture it is, by its first bytes in base64 */
static const char *
guess_media_type (const char *base64)
{
  return g_str_has_prefix (base64, "iVBOR")   ? "image/png"
         : g_str_has_prefix (base64, "R0lGO") ? "image/gif"
         : g_str_has_prefix (base64, "UklGR") ? "image/webp"
                                              : "image/jpeg";
}

static void
set_content (JsonObject *message, const char *text, JsonArray *images)
{
  JsonArray *parts;
  JsonObject *part;

  if (images == NULL || json_array_get_length (images) == 0)
    {
      json_object_set_string_member (message, "content", text != NULL ? text : "");
      return;
    }
  parts = json_array_new ();
  part = json_object_new ();
  json_object_set_string_member (part, "type", "text");
  json_object_set_string_member (part, "text", text != NULL ? text : "");
  json_array_add_object_element (parts, part);
  for (guint i = 0; i < json_array_get_length (images); i++)
    {
      JsonNode *node = json_array_get_element (images, i);
      const char *base64 = JSON_NODE_HOLDS_VALUE (node) && json_node_get_value_type (node) == G_TYPE_STRING ? json_node_get_string (node) : "";
      g_autofree char *url = g_strdup_printf ("data:%s;base64,%s", guess_media_type (base64), base64);
      JsonObject *image = json_object_new ();

      part = json_object_new ();
      json_object_set_string_member (image, "url", url);
      json_object_set_string_member (part, "type", "image_url");
      json_object_set_object_member (part, "image_url", image);
      json_array_add_object_element (parts, part);
    }
  json_object_set_array_member (message, "content", parts);
}

/* Ollama's calls have no ids: they are counted, and results come in the order of the calls. */
static JsonArray *
translate_calls (JsonArray *calls, guint *n_calls)
{
  JsonArray *list = json_array_new ();

  for (guint i = 0; i < json_array_get_length (calls); i++)
    {
      JsonObject *function = creel_models_json_get_object (creel_models_json_get_element (calls, i), "function");
      const char *name = creel_models_json_get_string (function, "name");
      JsonObject *call, *inner, *arguments = creel_models_json_get_object (function, "arguments");
      g_autofree char *text = NULL, *id = NULL;

      if (name == NULL)
        continue;
      call = json_object_new ();
      inner = json_object_new ();
      id = g_strdup_printf ("call_%u", (*n_calls)++);
      text = arguments != NULL ? creel_models_json_format (json_object_ref (arguments)) : g_strdup ("{}");
      json_object_set_string_member (call, "id", id);
      json_object_set_string_member (call, "type", "function");
      json_object_set_string_member (inner, "name", name);
      json_object_set_string_member (inner, "arguments", text);
      json_object_set_object_member (call, "function", inner);
      json_array_add_object_element (list, call);
    }
  return list;
}

static gboolean
translate_messages (JsonObject *request, JsonObject *body, GError **error)
{
  JsonArray *messages = creel_models_json_get_array (request, "messages");
  g_autoptr (JsonArray) list = json_array_new ();
  guint n_calls = 0, n_results = 0;

  if (messages == NULL)
    return refuse (error, "\"messages\" is missing");
  for (guint i = 0; i < json_array_get_length (messages); i++)
    {
      JsonObject *message = creel_models_json_get_element (messages, i);
      const char *role = creel_models_json_get_string (message, "role");
      JsonArray *calls = creel_models_json_get_array (message, "tool_calls");
      JsonObject *made;

      if (role == NULL)
        return refuse (error, "A message has no \"role\"");
      made = json_object_new ();
      json_object_set_string_member (made, "role", role);
      set_content (made, creel_models_json_get_string (message, "content"), creel_models_json_get_array (message, "images"));
      if (calls != NULL)
        json_object_set_array_member (made, "tool_calls", translate_calls (calls, &n_calls));
      if (g_str_equal (role, "tool"))
        {
          g_autofree char *id = g_strdup_printf ("call_%u", n_results++);

          json_object_set_string_member (made, "tool_call_id", id);
        }
      json_array_add_object_element (list, made);
    }
  json_object_set_array_member (body, "messages", g_steal_pointer (&list));
  copy (request, "tools", body, "tools");
  return TRUE;
}

static gboolean
translate_prompt (JsonObject *request, JsonObject *body, GError **error)
{
  const char *system = creel_models_json_get_string (request, "system");
  const char *suffix = creel_models_json_get_string (request, "suffix");
  JsonArray *list;
  JsonObject *message;

  if (creel_models_json_get_boolean (request, "raw", FALSE) || (suffix != NULL && *suffix != '\0'))
    return refuse (error, "\"raw\" and \"suffix\" are not there; use /v1/completions");
  list = json_array_new ();
  if (system != NULL)
    {
      message = json_object_new ();
      json_object_set_string_member (message, "role", "system");
      json_object_set_string_member (message, "content", system);
      json_array_add_object_element (list, message);
    }
  message = json_object_new ();
  json_object_set_string_member (message, "role", "user");
  set_content (message, creel_models_json_get_string (request, "prompt"), creel_models_json_get_array (request, "images"));
  json_array_add_object_element (list, message);
  json_object_set_array_member (body, "messages", list);
  return TRUE;
}

static void
translate_format (JsonObject *request, JsonObject *body)
{
  const char *format = creel_models_json_get_string (request, "format");
  JsonObject *schema = creel_models_json_get_object (request, "format"), *made, *inner;

  if (schema == NULL && g_strcmp0 (format, "json") != 0)
    return;
  made = json_object_new ();
  json_object_set_string_member (made, "type", schema != NULL ? "json_schema" : "json_object");
  if (schema != NULL)
    {
      inner = json_object_new ();
      json_object_set_string_member (inner, "name", "answer");
      json_object_set_object_member (inner, "schema", json_object_ref (schema));
      json_object_set_object_member (made, "json_schema", inner);
    }
  json_object_set_object_member (body, "response_format", made);
}

static void
translate_options (JsonObject *request, JsonObject *body)
{
  static const char *const same[] = { "temperature", "top_p", "top_k", "min_p", "seed", "stop", "presence_penalty", "frequency_penalty", "repeat_penalty" };
  JsonObject *options = creel_models_json_get_object (request, "options"), *made;

  for (gsize i = 0; i < G_N_ELEMENTS (same); i++)
    copy (options, same[i], body, same[i]);
  /* less than nothing: without limit */
  if (creel_models_json_get_int (options, "num_predict", -1) >= 0)
    copy (options, "num_predict", body, "max_tokens");
  if (json_object_has_member (request, "think"))
    {
      made = json_object_new ();
      json_object_set_boolean_member (made, "enable_thinking", creel_models_json_get_boolean (request, "think", TRUE));
      json_object_set_object_member (body, "chat_template_kwargs", made);
    }
}

gboolean
creel_models_ollama_translate (CreelModelsOperation operation, JsonObject *request, CreelModelsOllamaRequest *ret_request,
                               GError **error)
{
  const char *model = creel_models_json_get_string (request, "model");
  g_autoptr (JsonObject) body = json_object_new ();
  gboolean stream = operation != CREEL_MODELS_EMBED && creel_models_json_get_boolean (request, "stream", TRUE);

  if (model == NULL || *model == '\0')
    return refuse (error, "\"model\" is missing");
  json_object_set_string_member (body, "model", model);
  if (operation == CREEL_MODELS_EMBED)
    {
      if (!json_object_has_member (request, "input"))
        return refuse (error, "\"input\" is missing");
      copy (request, "input", body, "input");
    }
  else
    {
      if (!(operation == CREEL_MODELS_CHAT ? translate_messages (request, body, error) : translate_prompt (request, body, error)))
        return FALSE;
      translate_format (request, body);
      translate_options (request, body);
      json_object_set_boolean_member (body, "stream", stream);
      if (stream)
        {
          JsonObject *options = json_object_new ();

          json_object_set_boolean_member (options, "include_usage", TRUE);
          json_object_set_object_member (body, "stream_options", options);
        }
    }
  ret_request->engine_path = operation == CREEL_MODELS_EMBED ? "/v1/embeddings" : "/v1/chat/completions";
  ret_request->model = g_strdup (model);
  ret_request->body = creel_models_json_format (g_steal_pointer (&body));
  ret_request->stream = stream;
  return TRUE;
}
