/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Manifests of models, names of their files, and what registries ask for. */
#include "creel-error.h"
#include "creel-model-manifest.h"
#include "creel-registry-private.h"
#include <string.h>

#define HEX "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define DOCKER "application/vnd.docker.ai."
#define CNCF "application/vnd.cncf.model."
#define LAYER(type, more)                                                                          \
  "{\"mediaType\":\"" type "\",\"digest\":\"sha256:" HEX "\",\"size\":5" more "}"
#define NAMED(type, name)                                                                          \
  LAYER (type, ",\"annotations\":{\"org.cncf.model.filepath\":\"" name "\"}")
#define MANIFEST(config, layers)                                                                   \
  "{\"schemaVersion\":2,\"config\":" LAYER (config, "") ",\"layers\":[" layers "]}"

static CreelModelManifest *
parse (const char *text, GError **error)
{
  g_autoptr (GBytes) bytes = g_bytes_new_static (text, strlen (text));

  return creel_model_manifest_parse (bytes, error);
}

/* "KIND NAME, KIND NAME" */
static char *
describe (const char *text)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (CreelModelManifest) manifest = parse (text, &error);
  GString *out = g_string_new (NULL);

  g_assert_no_error (error);
  for (guint i = 0; i < manifest->layers->len; i++)
    {
      const CreelModelLayer *layer = manifest->layers->pdata[i];

      g_string_append_printf (out, "%s%s %s", i > 0 ? ", " : "", layer->kind, layer->name);
    }
  return g_string_free (out, FALSE);
}

static void
test_names (void)
{
  static const struct
  {
    const char *text, *files;
  } cases[] = {
    { MANIFEST (DOCKER "model.config.v0.1+json", LAYER (DOCKER "gguf.v3", "")), "gguf model.gguf" },
    { MANIFEST (DOCKER "model.config.v0.2+json",
                NAMED (DOCKER "gguf.v3", "a/b c.gguf") "," LAYER (DOCKER "license", "") "," LAYER (
                    DOCKER "license", "") "," LAYER (DOCKER "mmproj",
                                                     "") "," LAYER (DOCKER "chat.template.jinja",
                                                                    "") "," LAYER ("text/x", "")),
      "gguf b c.gguf, license LICENSE, license 2-LICENSE, mmproj mmproj.gguf, "
      "chat-template template.jinja, other file" },
    { MANIFEST (DOCKER "model.config.v0.1+json",
                LAYER (DOCKER "gguf.v3", "") "," LAYER (DOCKER "gguf.v3", "")),
      "gguf model-00001-of-00002.gguf, gguf model-00002-of-00002.gguf" },
    { MANIFEST (
          DOCKER "model.config.v0.1+json",
          NAMED (DOCKER "gguf.v3", "x-00001-of-00009.gguf") "," NAMED (DOCKER "gguf.v3", "y")),
      "gguf x-00001-of-00002.gguf, gguf x-00002-of-00002.gguf" },
    { MANIFEST (CNCF "config.v1+json",
                NAMED (CNCF "weight.v1.raw", "m.GGUF") "," NAMED (
                    CNCF "weight.v1.raw",
                    "mmproj-f16.gguf") "," NAMED (CNCF "doc.v1.raw",
                                                  "README.md") "," NAMED (CNCF
                                                                          "weight.config.v1.raw",
                                                                          "config.json")),
      "gguf m.GGUF, mmproj mmproj-f16.gguf, other README.md, config config.json" },
    { MANIFEST (
          DOCKER "model.config.v0.1+json",
          NAMED (DOCKER "gguf.v3", "..") "," NAMED (DOCKER "license", "model.gguf") "," NAMED (
              DOCKER "license", "-rf") "," NAMED (DOCKER "license", ".x")),
      "gguf model.gguf, license 2-model.gguf, license LICENSE, license 2-LICENSE" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *files = describe (cases[i].text);

      g_assert_cmpstr (files, ==, cases[i].files);
    }
}

static void
test_bad (void)
{
  static const char *const cases[] = {
    "",
    "[]",
    "{}",
    "x",
    MANIFEST (DOCKER "model.config.v0.1+json", ""),
    MANIFEST (DOCKER "model.config.v0.1+json", "5"),
    MANIFEST (DOCKER "model.config.v0.1+json", LAYER (DOCKER "license", "")),
    MANIFEST (DOCKER "model.config.v0.1+json", LAYER (DOCKER "safetensors", "")),
    MANIFEST (CNCF "config.v1+json", NAMED (CNCF "weight.v1.tar+gzip", "a.gguf")),
    MANIFEST (CNCF "config.v1+json", NAMED (CNCF "weight.v1.raw", "a.safetensors")),
    MANIFEST ("application/vnd.oci.image.config.v1+json", LAYER (DOCKER "gguf.v3", "")),
    "{\"config\":5,\"layers\":[]}",
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GError) error = NULL;

      g_test_message ("%s", cases[i]);
      g_assert_null (parse (cases[i], &error));
      g_assert_error (error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE);
    }
}

static void
test_challenges (void)
{
  static const struct
  {
    const char *value;
    gboolean local;
    const char *uri;
  } cases[] = {
    { "Bearer realm=\"https://auth.x/token\",service=\"re g\",scope=\"y\"", FALSE,
      "https://auth.x/token?service=re%20g&scope=S" },
    { "bearer realm=\"https://auth.x:5/t?a=b\"", FALSE, "https://auth.x:5/t?a=b&scope=S" },
    { "Bearer realm=\"http://auth.x/token\"", FALSE, NULL },
    { "Bearer realm=\"http://auth.x/token\"", TRUE, NULL },
    { "Bearer realm=\"http://localhost:5/token\"", TRUE, "http://localhost:5/token?scope=S" },
    { "Bearer realm=\"http://localhost:5/token\"", FALSE, NULL },
    { "Bearer realm=\"https://a@auth.x/token\"", FALSE, NULL },
    { "Bearer realm=\"file:///etc/passwd\"", TRUE, NULL },
    { "Bearer realm=\"nonsense\"", TRUE, NULL },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (CreelChallenge) challenge = creel_challenge_parse (cases[i].value);
      g_autofree char *uri = NULL;

      g_test_message ("%s", cases[i].value);
      g_assert_cmpint (challenge->kind, ==, CREEL_CHALLENGE_BEARER);
      uri = creel_challenge_token_uri (challenge, cases[i].local, "S");
      g_assert_cmpstr (uri, ==, cases[i].uri);
    }
  {
    static const char *const others[] = { "", "Digest x=y", "Bearer", "Bearer service=\"x\"",
                                          "Bearer ,,=" };

    for (guint i = 0; i < G_N_ELEMENTS (others); i++)
      {
        g_autoptr (CreelChallenge) challenge = creel_challenge_parse (others[i]);

        g_assert_cmpint (challenge->kind, ==, CREEL_CHALLENGE_NONE);
      }
  }
}

static void
test_tokens (void)
{
  static const char *const cases[][2] = {
    { "{\"token\":\"a.b\"}", "a.b" },
    { "{\"access_token\":\"c\"}", "c" },
    { "{\"token\":\"\",\"access_token\":\"c\"}", "c" },
    { "{}", NULL },
    { "{\"token\":5}", NULL },
    { "{\"token\":\"a\\r\\nX: y\"}", NULL },
    { "[]", NULL },
    { "{\"token\":\"a b\"}", NULL },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GBytes) bytes = g_bytes_new_static (cases[i][0], strlen (cases[i][0]));
      g_autofree char *token = creel_challenge_take_token (bytes);

      g_assert_cmpstr (token, ==, cases[i][1]);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/model/names", test_names);
  g_test_add_func ("/model/bad", test_bad);
  g_test_add_func ("/model/challenges", test_challenges);
  g_test_add_func ("/model/tokens", test_tokens);
  return g_test_run ();
}
