/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A client's request, and an engine's answer, in two pieces and whole. The first byte chooses. */
#include "creel-models-ollama.h"

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  static const CreelModelsOperation operations[] = { CREEL_MODELS_CHAT, CREEL_MODELS_GENERATE, CREEL_MODELS_EMBED };
  CreelModelsOperation operation;
  const char *text = (const char *) data + 1;

  if (size-- == 0)
    return 0;
  operation = operations[data[0] % 3];
  if (data[0] & 64)
    {
      g_autoptr (CreelModelsOllamaAnswer) answer = creel_models_ollama_answer_new (operation, "m");
      g_autoptr (CreelModelsOllamaAnswer) other = creel_models_ollama_answer_new (operation, "m");
      g_autoptr (GString) lines = g_string_new (NULL);
      g_autofree char *whole = creel_models_ollama_answer_translate (other, text, size);

      if (creel_models_ollama_answer_feed (answer, text, size / 2, lines))
        creel_models_ollama_answer_feed (answer, text + size / 2, size - size / 2, lines);
      creel_models_ollama_answer_finish (answer, lines);
      g_assert_true (g_utf8_validate_len (lines->str, lines->len, NULL));
    }
  else
    {
      g_autoptr (JsonNode) root = creel_models_json_parse (text, size, NULL);
      g_auto (CreelModelsOllamaRequest) request = { 0 };

      if (root != NULL && creel_models_ollama_translate (operation, json_node_get_object (root), &request, NULL))
        {
          g_autofree char *body = g_strdup (request.body);
          g_autoptr (JsonParser) parser = json_parser_new ();

          g_assert_true (json_parser_load_from_data (parser, body, -1, NULL));
        }
    }
  return 0;
}
