/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "creel-engine-flags.h"

static gboolean
check (const char *line, char **ret_message)
{
  g_auto (GStrv) words = line[0] != '\0' ? g_strsplit (line, " ", -1) : g_new0 (char *, 1);
  g_autoptr (GError) error = NULL;
  gboolean ok = creel_engine_flags_check ((const char *const *) words, &error);

  if (!ok)
    {
      g_assert_error (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS);
      if (ret_message != NULL)
        *ret_message = g_strdup (error->message);
    }
  return ok;
}

static void
test_allowed (void)
{
  static const char *const good[] = { "",
                                      "--threads 4",
                                      "-t 4 -ngl 99 --mlock --no-mmap",
                                      "--n-gpu-layers auto",
                                      "--flash-attn",
                                      "--flash-attn on --temp 0.7",
                                      "--flash-attn --temp 0.7",
                                      "--cache-type-k q8_0 --cache-type-v q8_0",
                                      "--tensor-split 3,1.5",
                                      "--reasoning-budget -1 --reasoning-format deepseek",
                                      "--rope-scaling yarn --rope-scale 2 --yarn-orig-ctx 32768",
                                      "--seed -1 --top-k 20 --top-p 0.95 --min-p 0.05" };

  for (guint i = 0; i < G_N_ELEMENTS (good); i++)
    {
      g_test_message ("%s", good[i]);
      g_assert_true (check (good[i], NULL));
    }
}

static void
test_refused (void)
{
  /* files, addresses, keys, programs, other models, and what we say ourselves */
  static const char *const bad[] = { "--log-file /tmp/x", "--host 0.0.0.0", "--port 1", "--api-key x", "--api-key-file /etc/shadow", "--rpc a:1",
                                     "-m x", "--model /etc/passwd", "--model-url http://x", "-hf a/b", "--hf-repo a/b", "--lora x", "--control-vector x",
                                     "--slot-save-path /tmp", "--path /", "--media-path /", "--tools all", "--ssl-key-file x", "--mmproj x",
                                     "--chat-template-file x", "--grammar-file x", "--alias x", "-c 1", "--ctx-size 1", "--props", "--webui", "-v",
                                     "--verbose", "--override-kv a=int:1", "--lookup-cache-static x", "-md x", "--models-dir /", "--log-prompts-dir /x",
                                     "--threads", "--threads x", "--threads --mlock", "--threads 1e9", "--threads=4", "--temp 0.7;", "--temp /x",
                                     "--tensor-split 1,", "--cache-type-k q9", "--split-mode /x", "--mlock 1", "4", "-", "--", "|", "--temp 1\n" };

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_test_message ("%s", bad[i]);
      g_assert_false (check (bad[i], NULL));
    }
}

static void
test_words (void)
{
  g_autofree char *context = NULL;
  g_autofree char *file = NULL;
  g_autofree char *value = NULL;
  g_autofree char *missing = NULL;
  g_autofree const char **many = g_new0 (const char *, CREEL_ENGINE_MAX_FLAGS + 2);

  g_assert_false (check ("-c 4096", &context));
  g_assert_nonnull (strstr (context, "option of its own"));
  g_assert_false (check ("--log-file x", &file));
  g_assert_nonnull (strstr (file, "--log-file"));
  g_assert_false (check ("--numa x", &value));
  g_assert_cmpstr (value, ==, "--numa needs one of distribute|isolate|numactl, not \"x\"");
  g_assert_false (check ("--top-k", &missing));
  g_assert_cmpstr (missing, ==, "--top-k needs a number, not nothing");
  for (guint i = 0; i < CREEL_ENGINE_MAX_FLAGS; i++)
    many[i] = "--mlock";
  g_assert_true (creel_engine_flags_check (many, NULL));
  many[CREEL_ENGINE_MAX_FLAGS] = "--mlock";
  g_assert_false (creel_engine_flags_check (many, NULL));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/engine-flags/allowed", test_allowed);
  g_test_add_func ("/engine-flags/refused", test_refused);
  g_test_add_func ("/engine-flags/words", test_words);
  return g_test_run ();
}
