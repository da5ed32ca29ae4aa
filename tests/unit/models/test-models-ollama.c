/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-models-ollama.h"

#include <string.h>

static void
expect_request (CreelModelsOperation operation, const char *text, const char *path, const char *body)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonNode) root = creel_models_json_parse (text, strlen (text), &error);
  g_auto (CreelModelsOllamaRequest) request = { 0 };

  g_assert_no_error (error);
  g_assert_true (creel_models_ollama_translate (operation, json_node_get_object (root), &request, &error));
  g_assert_no_error (error);
  g_assert_cmpstr (request.engine_path, ==, path);
  g_assert_cmpstr (request.model, ==, "m");
  g_assert_cmpstr (request.body, ==, body);
}

static void
test_requests (void)
{
  expect_request (CREEL_MODELS_CHAT, "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}", "/v1/chat/completions",
                  "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],\"stream\":true,\"stream_options\":{\"include_usage\":true}}");
  expect_request (CREEL_MODELS_CHAT,
                  "{\"model\":\"m\",\"stream\":false,\"think\":false,\"format\":\"json\",\"options\":{\"num_predict\":5,\"temperature\":0.5,\"mirostat\":1},"
                  "\"messages\":[{\"role\":\"assistant\",\"content\":\"\",\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":{\"a\":1}}}]},"
                  "{\"role\":\"tool\",\"content\":\"r\"}]}",
                  "/v1/chat/completions",
                  "{\"model\":\"m\",\"messages\":[{\"role\":\"assistant\",\"content\":\"\",\"tool_calls\":[{\"id\":\"call_0\",\"type\":\"function\","
                  "\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"a\\\":1}\"}}]},{\"role\":\"tool\",\"content\":\"r\",\"tool_call_id\":\"call_0\"}],"
                  "\"response_format\":{\"type\":\"json_object\"},\"temperature\":0.5,\"max_tokens\":5,\"chat_template_kwargs\":{\"enable_thinking\":false},\"stream\":false}");
  expect_request (CREEL_MODELS_GENERATE, "{\"model\":\"m\",\"prompt\":\"p\",\"system\":\"s\",\"images\":[\"iVBORw0\"],\"stream\":false}", "/v1/chat/completions",
                  "{\"model\":\"m\",\"messages\":[{\"role\":\"system\",\"content\":\"s\"},{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"p\"},"
                  "{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:image/png;base64,iVBORw0\"}}]}],\"stream\":false}");
  expect_request (CREEL_MODELS_EMBED, "{\"model\":\"m\",\"input\":[\"a\",\"b\"]}", "/v1/embeddings", "{\"model\":\"m\",\"input\":[\"a\",\"b\"]}");
}

static void
test_bad_requests (void)
{
  static const char *const bad[] = { "{}", "{\"model\":1}", "{\"model\":\"\"}", "{\"model\":\"m\"}", "{\"model\":\"m\",\"messages\":{}}",
                                     "{\"model\":\"m\",\"messages\":[1]}", "{\"model\":\"m\",\"messages\":[{\"role\":null}]}", NULL };
  g_autoptr (GString) deep = g_string_new ("{\"a\":");

  for (guint i = 0; bad[i] != NULL; i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (JsonNode) root = creel_models_json_parse (bad[i], strlen (bad[i]), NULL);
      g_auto (CreelModelsOllamaRequest) request = { 0 };

      g_assert_nonnull (root);
      g_assert_false (creel_models_ollama_translate (CREEL_MODELS_CHAT, json_node_get_object (root), &request, &error));
      g_assert_error (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS);
    }
  for (guint i = 0; i < 1000000; i++)
    g_string_append_c (deep, '[');
  g_assert_null (creel_models_json_parse (deep->str, deep->len, NULL));
  g_assert_null (creel_models_json_parse ("", 0, NULL));
  g_assert_null (creel_models_json_parse ("[1]", 3, NULL));
  g_assert_null (creel_models_json_parse ("{\"a\":\"\xff\"}", 8, NULL));
}

static char *
make_list (const char *begin, const char *item, guint n)
{
  GString *text = g_string_new (begin);

  for (guint i = 0; i < n; i++)
    g_string_append_printf (text, "%s%s", i > 0 ? "," : "", item);
  return g_string_free (g_string_append (text, "]}"), FALSE);
}

/* A tree has its limits in memory, and objects have most of it. */
static void
test_sizes (void)
{
  g_autofree char *objects = make_list ("{\"messages\":[", "{\"role\":\"u\"}", 30000), *some = make_list ("{\"messages\":[", "{\"role\":\"u\"}", 5000);
  g_autofree char *numbers = make_list ("{\"data\":[", "0.5", 400000), *empty = make_list ("{\"data\":[", "[]", 60000);
  g_autoptr (JsonNode) good = creel_models_json_parse (some, strlen (some), NULL);
  g_autoptr (JsonNode) vectors = creel_models_json_parse_vectors (numbers, strlen (numbers), NULL);

  g_assert_nonnull (good);
  g_assert_nonnull (vectors);
  g_assert_null (creel_models_json_parse (objects, strlen (objects), NULL));
  g_assert_null (creel_models_json_parse (numbers, strlen (numbers), NULL));
  g_assert_null (creel_models_json_parse (empty, strlen (empty), NULL));
}

/* one after the other, without what depends on the time */
static char *
stream (CreelModelsOperation operation, const char *events, gsize step, gboolean *ret_whole)
{
  g_autoptr (CreelModelsOllamaAnswer) answer = creel_models_ollama_answer_new (operation, "m");
  g_autoptr (GString) lines = g_string_new (NULL);
  g_autoptr (GRegex) time = g_regex_new (",\"(created_at\":\"[^\"]*\"|total_duration\":[0-9]*)", 0, 0, NULL);

  for (gsize i = 0; i < strlen (events); i += step)
    g_assert_true (creel_models_ollama_answer_feed (answer, events + i, MIN (step, strlen (events) - i), lines));
  *ret_whole = creel_models_ollama_answer_finish (answer, lines);
  return g_regex_replace_literal (time, lines->str, -1, 0, "", 0, NULL);
}

static void
test_streams (void)
{
  static const char events[] =
      ": hello\r\ndata: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":null}}]}\r\n\r\n"
      "data: {\"choices\":[{\"delta\":{\"reasoning_content\":\"hm\"}}]}\n\ndata: {\"choices\":[{\"delta\":{\"content\":\"Hi\"}}]}\n\n"
      "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"a\\\"\"}}]}}]}\n\n"
      "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\":1}\"}}]}}]}\n\n"
      "data: {\"choices\":[{\"finish_reason\":\"tool_calls\",\"delta\":{}}]}\n\n"
      "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4}}\n\ndata: [DONE]\n\n";
  static const char expected[] =
      "{\"model\":\"m\",\"message\":{\"role\":\"assistant\",\"content\":\"\",\"thinking\":\"hm\"},\"done\":false}\n"
      "{\"model\":\"m\",\"message\":{\"role\":\"assistant\",\"content\":\"Hi\"},\"done\":false}\n"
      "{\"model\":\"m\",\"message\":{\"role\":\"assistant\",\"content\":\"\",\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":{\"a\":1}}}]},\"done\":false}\n"
      "{\"model\":\"m\",\"message\":{\"role\":\"assistant\",\"content\":\"\"},\"done\":true,\"done_reason\":\"stop\",\"prompt_eval_count\":3,\"eval_count\":4}\n";
  gboolean whole;

  for (gsize step = 1; step < 40; step += 7)
    {
      g_autofree char *lines = stream (CREEL_MODELS_CHAT, events, step, &whole);

      g_assert_true (whole);
      g_assert_cmpstr (lines, ==, expected);
    }
  g_autofree char *generated = stream (CREEL_MODELS_GENERATE, "data: {\"choices\":[{\"finish_reason\":\"length\",\"delta\":{\"content\":\"Hi\"}}]}\ndata: [DONE]\n", 9, &whole);
  g_assert_cmpstr (generated, ==,
                   "{\"model\":\"m\",\"response\":\"Hi\",\"done\":false}\n"
                   "{\"model\":\"m\",\"response\":\"\",\"done\":true,\"done_reason\":\"length\",\"prompt_eval_count\":0,\"eval_count\":0}\n");
  g_autofree char *cut = stream (CREEL_MODELS_CHAT, "data: {\"choices\":[]}\n\n", 9, &whole);
  g_assert_false (whole);
  g_autofree char *failed = stream (CREEL_MODELS_CHAT, "data: {\"error\":{\"message\":\"no room\"}}\n\ndata: {\"choices\":[{\"delta\":{\"content\":\"Hi\"}}]}\n", 9, &whole);
  g_assert_cmpstr (failed, ==, "{\"error\":\"no room\"}\n");
}

static void
test_whole (void)
{
  static const char text[] = "{\"choices\":[{\"finish_reason\":\"stop\",\"message\":{\"role\":\"assistant\",\"content\":\"Hi\"}}],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4}}";
  static const char vectors[] = "{\"data\":[{\"embedding\":[1,2]},{\"embedding\":[3]}],\"usage\":{\"prompt_tokens\":3}}";
  g_autoptr (CreelModelsOllamaAnswer) chat = creel_models_ollama_answer_new (CREEL_MODELS_CHAT, "m");
  g_autoptr (CreelModelsOllamaAnswer) embed = creel_models_ollama_answer_new (CREEL_MODELS_EMBED, "m");
  g_autofree char *made = creel_models_ollama_answer_translate (chat, text, strlen (text));
  g_autofree char *list = creel_models_ollama_answer_translate (embed, vectors, strlen (vectors));

  g_assert_nonnull (strstr (made, "\"message\":{\"role\":\"assistant\",\"content\":\"Hi\"},\"done\":true,\"done_reason\":\"stop\""));
  g_assert_cmpstr (list, ==, "{\"model\":\"m\",\"embeddings\":[[1,2],[3]],\"prompt_eval_count\":3}");
  g_assert_null (creel_models_ollama_answer_translate (chat, "{}", 2));
  g_assert_null (creel_models_ollama_answer_translate (embed, "{}", 2));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/models-ollama/requests", test_requests);
  g_test_add_func ("/models-ollama/bad-requests", test_bad_requests);
  g_test_add_func ("/models-ollama/sizes", test_sizes);
  g_test_add_func ("/models-ollama/streams", test_streams);
  g_test_add_func ("/models-ollama/whole", test_whole);
  return g_test_run ();
}
