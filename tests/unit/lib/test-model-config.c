/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gstdio.h>
#include <string.h>

#include "creel-error.h"
#include "creel-model-config.h"
#include "creel-names.h"

#define M "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define C "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"

static char *root;

static void
set (char **text, const char *value)
{
  g_free (*text);
  *text = g_strdup (value);
}

static CreelModelConfig *
make (const char *first, const char *second)
{
  static const char *const blobs[] = { M " 500", B " 1000", C " 2000", NULL };
  CreelModelConfig *config = creel_model_config_new ();

  set (&config->id, "sha256-" M);
  set (&config->manifest, M);
  g_strfreev (config->blobs);
  config->blobs = g_strdupv ((char **) blobs);
  g_assert_true (creel_model_config_set (config, "architecture", "llama"));
  g_assert_true (creel_model_config_set (config, "parameters", "8.03 B"));
  g_assert_true (creel_model_config_set (config, "quantization", "Q4_K_M"));
  g_assert_true (creel_model_config_set (config, "size", second != NULL ? "3000" : "1000"));
  g_assert_true (creel_model_config_set (config, "context-length", "131072"));
  g_assert_true (creel_model_config_set (config, "layers", "32"));
  g_assert_true (creel_model_config_set (config, "kv-bytes-per-token", "131072"));
  g_assert_true (creel_model_config_set (config, "chat-template", "yes"));
  g_assert_true (creel_model_config_add_file (config, "gguf", B, 1000, first));
  if (second != NULL)
    g_assert_true (creel_model_config_add_file (config, "gguf", C, 2000, second));
  set (&config->source, "pull: localhost:5000/ai/x;y:1 “q”");
  config->created = 1234567;
  return config;
}

static void
test_round (void)
{
  g_autoptr (CreelModelConfig) config = make ("a;b c-00001-of-00002.gguf", "a;b c-00002-of-00002.gguf");
  g_autoptr (CreelModelConfig) loaded = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *before = NULL;
  g_autofree char *after = NULL;

  g_assert_true (creel_model_config_save (config, &error));
  g_assert_no_error (error);
  loaded = creel_model_config_load ("sha256-" M, &error);
  g_assert_no_error (error);
  before = creel_model_config_format (config);
  after = creel_model_config_format (loaded);
  g_assert_cmpstr (before, ==, after);
  g_assert_cmpstr (loaded->source, ==, config->source);
  g_assert_cmpuint (loaded->files->len, ==, 2);
  g_assert_true (loaded->has_chat_template);
  g_assert_false (loaded->embedding);
  g_assert_cmpint (loaded->created, ==, 1234567);
  g_assert_cmpuint (loaded->context_length, ==, 131072);
  g_assert_cmpstr (creel_model_config_find_file (loaded, "gguf")->blob, ==, B);
  g_assert_null (creel_model_config_find_file (loaded, "mmproj"));
}

static void
test_absent (void)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (creel_model_config_load ("sha256-" B, &error));
  g_assert_error (error, CREEL_ERROR, CREEL_ERROR_NO_SUCH_IMAGE);
  g_clear_error (&error);
  g_assert_null (creel_model_config_load ("../x", &error));
  g_assert_error (error, CREEL_ERROR, CREEL_ERROR_NO_SUCH_IMAGE);
}

/* A file that is where another model's should be. */
static void
test_other (void)
{
  g_autoptr (CreelModelConfig) config = make ("a", NULL);
  g_autofree char *text = creel_model_config_format (config);
  g_autofree char *directory = g_strconcat (root, CREEL_MODEL_DIR "/sha256-" C, NULL);
  g_autofree char *path = g_build_filename (directory, "model.conf", NULL);
  g_autoptr (GError) error = NULL;

  g_mkdir_with_parents (directory, 0755);
  g_assert_true (g_file_set_contents (path, text, -1, NULL));
  g_assert_null (creel_model_config_load ("sha256-" C, &error));
  g_assert_error (error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE);
}

static void
check_bad (CreelModelConfig *config, const char *what)
{
  g_autoptr (GError) error = NULL;

  g_test_message ("%s", what);
  g_assert_false (creel_model_config_validate (config, &error));
  g_assert_error (error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE);
  g_clear_error (&error);
  g_assert_false (creel_model_config_save (config, &error));
  creel_model_config_free (config);
}

static void
test_invalid (void)
{
  static const char *const texts[] = { "", "x", "[Model]\nId=1\n", "[Model\n", "[Model]\nLayers=99999999\n", "[File 1]\nKind=gguf\n" };
  CreelModelConfig *config;

  check_bad (creel_model_config_new (), "empty");
  config = make ("a", NULL);
  set (&config->manifest, B);
  check_bad (config, "another manifest");
  config = make ("a", NULL);
  set (&config->format, "safetensors");
  check_bad (config, "another format");
  config = make ("a", NULL);
  config->size++;
  check_bad (config, "another size");
  config = make ("a", NULL);
  set (&config->blobs[1], B " 1001");
  check_bad (config, "another size of a blob");
  config = make ("a", NULL);
  set (&config->blobs[0], C " 500");
  check_bad (config, "no manifest");
  config = make ("a", NULL);
  set (&config->blobs[2], "../x 5");
  check_bad (config, "not a blob");
  check_bad (make ("a.gguf", "b.gguf"), "two that are no parts");
  check_bad (make ("a-00002-of-00002.gguf", "a-00001-of-00002.gguf"), "the wrong order");
  check_bad (make ("a-00001-of-00003.gguf", "a-00002-of-00003.gguf"), "one is missing");
  check_bad (make ("b", "b-00002-of-00002.gguf"), "a short name");
  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_null (creel_model_config_parse (texts[i], -1, &error));
      g_assert_error (error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE);
    }
}

static void
test_values (void)
{
  static const char *const names[] = { "", ".", "..", ".hidden", "a/b", "-c", "a\nb", "\xff" };
  g_autoptr (CreelModelConfig) config = make ("a", NULL);
  g_autofree char *long_name = g_strnfill (300, 'x');

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    g_assert_false (creel_model_config_add_file (config, "other", C, 2000, names[i]));
  g_assert_false (creel_model_config_add_file (config, "other", C, 2000, long_name));
  g_assert_false (creel_model_config_add_file (config, "other", C, 2000, "a"));
  g_assert_false (creel_model_config_add_file (config, "program", C, 2000, "b"));
  g_assert_false (creel_model_config_add_file (config, "other", "C", 2000, "b"));
  g_assert_false (creel_model_config_add_file (config, "other", C, G_MAXUINT64, "b"));
  g_assert_false (creel_model_config_set (config, "id", "x"));
  g_assert_false (creel_model_config_set (config, "layers", "1e3"));
  g_assert_false (creel_model_config_set (config, "context-length", "99999999999999"));
  g_assert_false (creel_model_config_set (config, "embedding", ""));
  g_assert_false (creel_model_config_set (config, "architecture", "\x1b[31m"));
  g_assert_cmpuint (config->files->len, ==, 1);
  g_assert_true (creel_model_config_add_file (config, "other", C, 2000, "b"));
  g_assert_true (creel_model_config_validate (config, NULL));
}

int
main (int argc, char **argv)
{
  int status;

  g_test_init (&argc, &argv, NULL);
  root = g_dir_make_tmp ("creel-model-XXXXXX", NULL);
  g_setenv ("CREEL_ROOT", root, TRUE);
  g_test_add_func ("/model-config/round", test_round);
  g_test_add_func ("/model-config/absent", test_absent);
  g_test_add_func ("/model-config/other", test_other);
  g_test_add_func ("/model-config/invalid", test_invalid);
  g_test_add_func ("/model-config/values", test_values);
  status = g_test_run ();
  {
    g_autofree char *command = g_strdup_printf ("rm -rf '%s'", root);

    g_assert_true (g_spawn_command_line_sync (command, NULL, NULL, NULL, NULL));
  }
  g_free (root);
  return status;
}
