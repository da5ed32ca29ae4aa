/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-models-api.h"

static void
test_routes (void)
{
  static const struct
  {
    const char *method, *target;
    guint status;
    CreelModelsForm form;
    CreelModelsOperation operation;
    const char *engine_path, *model;
  } cases[] = {
    { "POST", "/v1/chat/completions", 0, CREEL_MODELS_FORM_OPENAI, CREEL_MODELS_RELAY, "/v1/chat/completions", NULL },
    { "POST", "/engines/v1/responses?x=/y", 0, CREEL_MODELS_FORM_OPENAI, CREEL_MODELS_RELAY, "/v1/responses", NULL },
    { "POST", "/engines/llama.cpp/v1/embeddings", 0, CREEL_MODELS_FORM_OPENAI, CREEL_MODELS_RELAY, "/v1/embeddings", NULL },
    { "POST", "/anthropic/v1/messages", 0, CREEL_MODELS_FORM_ANTHROPIC, CREEL_MODELS_RELAY, "/v1/messages", NULL },
    { "POST", "/v1/messages/count_tokens?beta=true", 0, CREEL_MODELS_FORM_ANTHROPIC, CREEL_MODELS_RELAY, "/v1/messages/count_tokens", NULL },
    { "GET", "/v1/models", 0, CREEL_MODELS_FORM_OPENAI, CREEL_MODELS_LIST, NULL, NULL },
    { "GET", "/engines/v1/models/ai/gpt-oss:20B-UD-Q4_K_XL", 0, CREEL_MODELS_FORM_OPENAI, CREEL_MODELS_SHOW, NULL, "ai/gpt-oss:20B-UD-Q4_K_XL" },
    { "GET", "/v1/models/ai%2Ftiny%3Alatest", 0, CREEL_MODELS_FORM_OPENAI, CREEL_MODELS_SHOW, NULL, "ai/tiny:latest" },
    { "GET", "/models", 0, CREEL_MODELS_FORM_DOCKER, CREEL_MODELS_LIST, NULL, NULL },
    { "POST", "/models/create", 0, CREEL_MODELS_FORM_DOCKER, CREEL_MODELS_PULL, NULL, NULL },
    { "DELETE", "/models/ai/tiny", 0, CREEL_MODELS_FORM_DOCKER, CREEL_MODELS_REMOVE, NULL, "ai/tiny" },
    { "POST", "/engines/_configure", 0, CREEL_MODELS_FORM_DOCKER, CREEL_MODELS_CONFIGURE, NULL, NULL },
    { "POST", "/engines/llama.cpp/_configure", 0, CREEL_MODELS_FORM_DOCKER, CREEL_MODELS_CONFIGURE, NULL, NULL },
    { "POST", "/engines/unload", 0, CREEL_MODELS_FORM_DOCKER, CREEL_MODELS_UNLOAD, NULL, NULL },
    { "POST", "/models/ai/tiny/tag?repo=x&tag=1", 0, CREEL_MODELS_FORM_DOCKER, CREEL_MODELS_TAG, NULL, "ai/tiny" },
    { "POST", "/models/localhost:5000%2Fai%2Ftiny:1/push", 0, CREEL_MODELS_FORM_DOCKER, CREEL_MODELS_PUSH, NULL, "localhost:5000/ai/tiny:1" },
    { "POST", "/models/tag/tag", 0, CREEL_MODELS_FORM_DOCKER, CREEL_MODELS_TAG, NULL, "tag" },
    { "POST", "/models/tag", 405, CREEL_MODELS_FORM_DOCKER, 0, NULL, NULL },
    { "POST", "/models//tag", 405, CREEL_MODELS_FORM_DOCKER, 0, NULL, NULL },
    { "POST", "/api/pull", 0, CREEL_MODELS_FORM_OLLAMA, CREEL_MODELS_PULL, NULL, NULL },
    { "POST", "/api/push", 0, CREEL_MODELS_FORM_OLLAMA, CREEL_MODELS_PUSH, NULL, NULL },
    { "POST", "/api/copy", 0, CREEL_MODELS_FORM_OLLAMA, CREEL_MODELS_TAG, NULL, NULL },
    { "POST", "/api/create", 0, CREEL_MODELS_FORM_OLLAMA, CREEL_MODELS_MAKE, NULL, NULL },
    { "DELETE", "/api/delete", 0, CREEL_MODELS_FORM_OLLAMA, CREEL_MODELS_REMOVE, NULL, NULL },
    { "POST", "/api/chat", 0, CREEL_MODELS_FORM_OLLAMA, CREEL_MODELS_CHAT, NULL, NULL },
    { "GET", "/", 0, CREEL_MODELS_FORM_DOCKER, CREEL_MODELS_ROOT, NULL, NULL },
    { "GET", "/v1/chat/completions", 405, CREEL_MODELS_FORM_OPENAI, 0, NULL, NULL },
    { "POST", "/models/ai/tiny", 405, CREEL_MODELS_FORM_DOCKER, 0, NULL, NULL },
    { "GET", "/api/nonsense", 404, CREEL_MODELS_FORM_OLLAMA, 0, NULL, NULL },
    /* what llama-server has besides */
    { "POST", "/v1/slots", 404, CREEL_MODELS_FORM_OPENAI, 0, NULL, NULL },
    { "GET", "/props", 404, CREEL_MODELS_FORM_DOCKER, 0, NULL, NULL },
    { "POST", "/v1/chat/completions/", 404, CREEL_MODELS_FORM_OPENAI, 0, NULL, NULL },
    { "POST", "/v1/chat/completionsx", 404, CREEL_MODELS_FORM_OPENAI, 0, NULL, NULL },
    { "GET", "/v1/models/", 404, CREEL_MODELS_FORM_OPENAI, 0, NULL, NULL },
    { "GET", "http://localhost/v1/models", 400, CREEL_MODELS_FORM_OPENAI, 0, NULL, NULL },
    { "GET", "*", 400, CREEL_MODELS_FORM_DOCKER, 0, NULL, NULL },
    { "GET", "/v1/models/a%00b", 400, CREEL_MODELS_FORM_OPENAI, 0, NULL, NULL },
    { "GET", "/v1/models/a%252Fb", 400, CREEL_MODELS_FORM_OPENAI, 0, NULL, NULL },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_auto (CreelModelsRoute) route = { 0 };

      g_test_message ("%s %s", cases[i].method, cases[i].target);
      g_assert_cmpuint (creel_models_api_route (cases[i].method, cases[i].target, &route), ==, cases[i].status);
      g_assert_cmpint (route.form, ==, cases[i].form);
      if (cases[i].status != 0)
        continue;
      g_assert_cmpint (route.operation, ==, cases[i].operation);
      g_assert_cmpstr (route.engine_path, ==, cases[i].engine_path);
      g_assert_cmpstr (route.model, ==, cases[i].model);
    }
}

static void
test_errors (void)
{
  static const struct
  {
    CreelModelsForm form;
    guint status;
    const char *text;
  } cases[] = {
    { CREEL_MODELS_FORM_OPENAI, 404, "{\"error\":{\"type\":\"not_found_error\",\"message\":\"no \\\"a\\\"\",\"code\":404}}\n" },
    { CREEL_MODELS_FORM_ANTHROPIC, 503, "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"no \\\"a\\\"\"}}\n" },
    { CREEL_MODELS_FORM_OLLAMA, 502, "{\"error\":\"no \\\"a\\\"\"}\n" },
    { CREEL_MODELS_FORM_DOCKER, 404, "no \"a\"\n" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *text = creel_models_api_format_error (cases[i].form, cases[i].status, "no \"a\"");

      g_assert_cmpstr (text, ==, cases[i].text);
    }
}

static void
test_hosts (void)
{
  static const char *const ours[] = { "localhost", "LOCALHOST:12434", "127.0.0.1:12434", "[::1]:12434", "127.0.0.2", "model.creel.internal",
                                      "model-runner.docker.internal:80", "host.docker.internal", "localhost.", NULL };
  static const char *const foreign[] = { "", "evil.example", "localhost.evil.example:12434", "192.168.1.1", "0.0.0.0", "127.0.0.1.evil.example",
                                         "localhost@evil.example", "evil.example#localhost", "[::]", NULL };

  for (guint i = 0; ours[i] != NULL; i++)
    g_assert_true (creel_models_api_host_is_ours (ours[i]));
  for (guint i = 0; foreign[i] != NULL; i++)
    g_assert_false (creel_models_api_host_is_ours (foreign[i]));
}

static void
test_origins (void)
{
  static const char *const allowed[] = { "https://chat.example", NULL };

  g_assert_true (creel_models_api_origin_is_allowed ("http://localhost:3000", NULL));
  g_assert_true (creel_models_api_origin_is_allowed ("http://127.0.0.1", NULL));
  g_assert_true (creel_models_api_origin_is_allowed ("https://chat.example", allowed));
  g_assert_false (creel_models_api_origin_is_allowed ("https://chat.example", NULL));
  g_assert_false (creel_models_api_origin_is_allowed ("http://chat.example", allowed));
  g_assert_false (creel_models_api_origin_is_allowed ("null", NULL));
  g_assert_false (creel_models_api_origin_is_allowed ("file://", NULL));
  g_assert_false (creel_models_api_origin_is_allowed ("http://localhost.evil.example", NULL));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/models-api/routes", test_routes);
  g_test_add_func ("/models-api/errors", test_errors);
  g_test_add_func ("/models-api/hosts", test_hosts);
  g_test_add_func ("/models-api/origins", test_origins);
  return g_test_run ();
}
