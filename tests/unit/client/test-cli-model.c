/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The verbs of models against the double. */
#include "test-cli.h"

#include <gio/gio.h>
#include <stdio.h>

static void
test_outputs (void)
{
  golden ("model-ls", "model ls");
  golden ("model-ls-quiet", "model ls -q");
  golden ("model-ls-json", "model ls --json");
  golden ("model-inspect", "model inspect ai/tiny");
  golden ("model-inspect-json", "model inspect --json ai/tiny");
  golden ("model-inspect-none", "model inspect nosuch");
  golden ("model-pull", "model pull -q ai/tiny");
  golden ("model-pull-bad", "model pull bad");
  golden ("model-pull-name", "model pull ai/tiny other");
  golden ("model-pull-missing", "model pull ./missing.gguf");
  golden ("model-pull-unnamed", "model pull ./---.gguf");
  golden ("model-pull-folder", "model pull ./folder.gguf tell");
  golden ("model-push", "model push ai/tiny");
  golden ("model-push-bad", "model push ai/tiny bad");
  golden ("model-tag", "model tag ai/tiny mine:1");
  golden ("model-tag-none", "model tag nosuch mine:1");
  golden ("model-rm", "model rm ai/tiny nosuch loaded");
  golden ("model-rm-force", "model rm -f loaded");
  golden ("model-package-nothing", "model package tell");
  golden ("model-package-words", "model package --gguf tiny.gguf");
  golden ("model-prune", "model prune");
  golden ("model-prune-json", "model prune --json");
  golden ("model-df", "model df");
  golden ("model-df-json", "model df --json");
  golden ("model-ps", "model ps");
  golden ("model-ps-json", "model ps --json");
  golden ("model-unload", "model unload loaded ai/tiny nosuch ''");
  golden ("model-unload-all", "model unload --all");
  golden ("model-unload-nothing", "model unload");
  golden ("model-unload-both", "model unload --all ai/tiny");
  golden ("model-status-none", "model status");
  golden ("model-status", "model status");
  golden ("model-status-json", "model status --json");
  golden ("model-configure", "model configure ai/tiny");
  golden ("model-configure-json", "model configure --json ai/tiny");
  golden ("model-configure-all", "model configure --context-size 8192 --keep-alive 5m --reset tell -- --threads 4");
  golden ("model-configure-none", "model configure --keep-alive never --context-size 0 tell --");
  golden ("model-configure-time", "model configure --keep-alive soon ai/tiny");
  golden ("model-configure-size", "model configure --context-size 8k ai/tiny");
  golden ("model-configure-done", "model configure --reset ai/tiny");
  golden ("model-logs", "model logs");
  golden ("model-logs-all", "model logs -n -1 --json");
}

static void
test_files (void)
{
  static const char *const names[] = { "---.gguf", "tiny.gguf", "big-00001-of-00002.gguf", "big-00002-of-00002.gguf", "folder.gguf/", "odd name", "license" };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autofree char *path = g_build_filename (g_getenv ("CREEL_JOURNAL"), names[i], NULL);

      if (g_str_has_suffix (names[i], "/"))
        g_assert_cmpint (g_mkdir_with_parents (path, 0700), ==, 0);
      else
        g_assert_true (g_file_set_contents (path, "GGUF", 4, NULL));
    }
  golden ("model-import", "model pull ./tiny.gguf tell");
  golden ("model-import-done", "model pull -q ./tiny.gguf");
  golden ("model-import-name", "model pull './odd name' tell");
  golden ("model-import-split", "model pull ./big-00001-of-00002.gguf tell");
  golden ("model-package", "model package --gguf tiny.gguf --mmproj big-00001-of-00002.gguf --license license --chat-template license tell");
  golden ("model-package-part-missing", "model package --gguf big-00001-of-00002.gguf --license nosuch tell");
  golden ("model-package-push", "model package -q --push --gguf tiny.gguf instant");
  test_outputs ();
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autofree char *path = g_build_filename (g_getenv ("CREEL_JOURNAL"), names[i], NULL);

      g_assert_cmpint (remove (path), ==, 0);
    }
}

void
add_model_tests (void)
{
  g_test_add_func ("/cli/model/files", test_files);
}
