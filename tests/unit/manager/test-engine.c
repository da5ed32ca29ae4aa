/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gstdio.h>
#include <string.h>

#include "creel-auth.h"
#include "creel-engine-flags.h"
#include "creel-engine-search.h"
#include "creel-engine-unit.h"
#include "creel-engine-version.h"
#include "creel-engines.h"
#include "creel-error.h"
#include "creel-model-settings.h"

#define A "aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
#define ID "sha256-" A

static char *root;

static void
write_file (const char *path, const char *text, int mode)
{
  g_autofree char *full = g_build_filename (root, path, NULL);
  g_autofree char *directory = g_path_get_dirname (full);

  g_assert_cmpint (g_mkdir_with_parents (directory, 0755), ==, 0);
  g_assert_true (g_file_set_contents (full, text, -1, NULL));
  g_assert_cmpint (g_chmod (full, mode), ==, 0);
}

static void
setup (gpointer fixture, gconstpointer unused)
{
  root = g_dir_make_tmp ("creel-test-XXXXXX", NULL);
  g_setenv ("CREEL_ROOT", root, TRUE);
}

static void
remove_tree (const char *path)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const char *entry;

  while (dir != NULL && (entry = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *child = g_build_filename (path, entry, NULL);

      if (g_file_test (child, G_FILE_TEST_IS_DIR))
        remove_tree (child);
      else
        g_unlink (child);
    }
  g_rmdir (path);
}

static void
teardown (gpointer fixture, gconstpointer unused)
{
  remove_tree (root);
  g_clear_pointer (&root, g_free);
  g_unsetenv ("CREEL_ROOT");
}

static void
test_search (gpointer fixture, gconstpointer unused)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *first = NULL;
  g_autofree char *named = NULL;

  g_assert_null (creel_engine_find (&error));
  g_assert_error (error, CREEL_ERROR, CREEL_ERROR_NO_ENGINE);
  g_assert_nonnull (strstr (error->message, creel_engine_advice (error)));
  g_clear_error (&error);
  write_file ("/usr/bin/llama-server", "x", 0644); /* nothing that runs */
  g_assert_null (creel_engine_find (NULL));
  write_file ("/usr/libexec/creel/llama-server", "x", 0755);
  write_file ("/usr/local/bin/llama-server", "x", 0755);
  first = creel_engine_find (&error);
  g_assert_no_error (error);
  g_assert_cmpstr (first, ==, "/usr/local/bin/llama-server");
  write_file ("/opt/my engine", "x", 0755);
  write_file ("/etc/creel/creel.conf", "[Models]\nRegistry=ghcr.io\nEngine=/opt/../opt/my engine\n", 0644);
  named = creel_engine_find (&error);
  g_assert_no_error (error);
  g_assert_cmpstr (named, ==, "/opt/my engine");
  write_file ("/etc/creel/creel.conf", "[Models]\nEngine=/opt/none\n", 0644);
  g_assert_null (creel_engine_find (&error));
  g_assert_error (error, CREEL_ERROR, CREEL_ERROR_NO_ENGINE);
  g_assert_nonnull (strstr (creel_engine_advice (error), "Engine=/opt/none"));
  write_file ("/etc/creel/creel.conf", "[Models]\nEngine=my-engine\n", 0644);
  g_assert_null (creel_engine_find (NULL));
}

static CreelModelConfig *
make_config (void)
{
  CreelModelConfig *config = creel_model_config_new ();

  g_free (config->id);
  config->id = g_strdup (ID);
  g_assert_true (creel_model_config_add_file (config, "gguf", A, 4, "big-00001-of-00002.gguf"));
  g_assert_true (creel_model_config_add_file (config, "gguf", B, 4, "big-00002-of-00002.gguf"));
  g_assert_true (creel_model_config_add_file (config, "mmproj", B, 4, "see $HOME.mmproj"));
  g_assert_true (creel_model_config_add_file (config, "chat-template", B, 4, "template.jinja"));
  g_assert_true (creel_model_config_add_file (config, "license", B, 4, "LICENSE"));
  return config;
}

static void
test_unit (gpointer fixture, gconstpointer unused)
{
  static const char *const flags[] = { "--threads", "2", NULL };
  g_autoptr (CreelModelConfig) config = make_config ();
  CreelEngineStart start = { config, "/usr/bin/llama-server", "ai/big", 1000000, 4096, flags };
  g_autoptr (GVariant) properties = g_variant_ref_sink (creel_engine_unit_properties (&start));
  g_autofree char *text = g_variant_print (properties, FALSE);
  g_autofree char *again = NULL;

  g_assert_true (g_variant_is_of_type (properties, G_VARIANT_TYPE ("a(sv)")));
  g_assert_nonnull (strstr (text, "['/usr/bin/llama-server', '--host', '/run/engine/engine.sock', '-m', '/run/model/big-00001-of-00002.gguf', "
                                  "'--mmproj', '/run/model/see $HOME.mmproj', '--chat-template-file', '/run/model/template.jinja', "
                                  "'--alias', 'ai/big', '-c', '4096', '--jinja', '--no-webui', '--offline', '--threads', '2'], ['no-env-expand']"));
  g_assert_nonnull (strstr (text, "('/var/lib/creel/oci/blobs/sha256/" B "', '/run/model/big-00002-of-00002.gguf', false"));
  g_assert_null (strstr (text, "LICENSE"));
  g_assert_nonnull (strstr (text, "('RuntimeDirectory', <['creel-engines/aaaaaaaaaaaaaaaa']>)"));
  g_assert_nonnull (strstr (text, "('RuntimeDirectoryMode', <uint32 456>)"));
  g_assert_nonnull (strstr (text, "('/run/creel-engines/aaaaaaaaaaaaaaaa', '/run/engine', false"));
  g_assert_nonnull (strstr (text, "('TemporaryFileSystem', <[('/run', 'ro'), ('/var/lib', 'ro'), ('/dev/shm', 'mode=1777')]>)"));
  g_assert_nonnull (strstr (text, "('InaccessiblePaths', <['-/srv', "));
  g_assert_nonnull (strstr (text, "('PrivateNetwork', <true>)"));
  g_assert_nonnull (strstr (text, "('DynamicUser', <true>)"));
  g_assert_nonnull (strstr (text, "('PrivateDevices', <true>)"));
  g_assert_null (strstr (text, "DeviceAllow"));
  g_assert_nonnull (strstr (text, "('RestrictAddressFamilies', <(true, ['AF_UNIX'])>)"));
  g_assert_nonnull (strstr (text, "('CapabilityBoundingSet', <uint64 0>)"));
  g_assert_nonnull (strstr (text, "('MemoryMax', <uint64 1000000>)"));
  g_assert_nonnull (strstr (text, "('Group', <'creel-models'>)"));
  g_assert_nonnull (strstr (text, "'creel-image'"));

  start.memory_max = 0;
  start.flags = NULL;
  config->embedding = TRUE;
  write_file ("/sys/class/drm/renderD128", "", 0644);
  g_clear_pointer (&properties, g_variant_unref);
  properties = g_variant_ref_sink (creel_engine_unit_properties (&start));
  again = g_variant_print (properties, FALSE);
  g_assert_null (strstr (again, "MemoryMax"));
  g_assert_nonnull (strstr (again, "'--embeddings'"));
  g_assert_nonnull (strstr (again, "('PrivateDevices', <false>)"));
  g_assert_nonnull (strstr (again, "('DevicePolicy', <'closed'>)"));
  g_assert_nonnull (strstr (again, "('char-drm', 'rw')"));
}

static void
test_unit_names (void)
{
  static const char *const bad[] = { "creel-engine-.service", "creel-engine-aaaaaaaaaaaaaaa.service", "creel-engine-AAAAAAAAAAAAAAAA.service",
                                     "creel-engine-aaaaaaaaaaaaaaaa.socket", "creel-engine-aaaaaaaaaaaaaaaaa.service", "creel@aaaaaaaaaaaaaaaa.service" };
  const char *const environment[] = { "HOME=/tmp", "LLAMA_ARG_CACHE_RAM=256", "CREEL_MODEL=" ID, "CREEL_CONTEXT_SIZE=4096", NULL };
  const char *const other[] = { "CREEL_MODEL=x", NULL };
  g_autoptr (GVariant) words = g_variant_ref_sink (g_variant_new_strv (environment, -1));
  g_autoptr (GVariant) other_words = g_variant_ref_sink (g_variant_new_strv (other, -1));
  g_autofree char *unit = creel_engine_unit_name (ID);
  g_autofree char *digits = creel_engine_unit_digits (unit);
  g_autofree char *id = NULL;
  guint64 context_size;

  g_assert_cmpstr (unit, ==, "creel-engine-aaaaaaaaaaaaaaaa.service");
  g_assert_cmpstr (digits, ==, "aaaaaaaaaaaaaaaa");
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    g_assert_null (creel_engine_unit_digits (bad[i]));
  g_assert_true (creel_engine_unit_read (words, &id, &context_size));
  g_assert_cmpstr (id, ==, ID);
  g_assert_cmpuint (context_size, ==, 4096);
  g_assert_false (creel_engine_unit_read (other_words, &id, &context_size));
}

static void
test_version (void)
{
  g_autoptr (GVariant) properties = g_variant_ref_sink (creel_engine_unit_version_properties ("/usr/bin/llama-server"));
  g_autofree char *text = g_variant_print (properties, FALSE);
  static const char said[] = "ggml_cuda_init: none\nversion: 0.7.0 (build 11669, commit Debian)\nbuilt with GNU";
  g_autofree char *version = creel_engine_version_parse (said, strlen (said));
  g_autofree char *nothing = creel_engine_version_parse ("usage\0\n", 7);

  g_assert_nonnull (strstr (text, "('PrivateNetwork', <true>)"));
  g_assert_nonnull (strstr (text, "'--version'"));
  g_assert_cmpstr (version, ==, "0.7.0 (build 11669, commit Debian)");
  g_assert_cmpstr (nothing, ==, "");
}

static void
test_describe (void)
{
  g_autofree char *oom = creel_engines_describe ("oom-kill", 9);
  g_autofree char *code = creel_engines_describe ("exit-code", 3);
  g_autofree char *other = creel_engines_describe ("watchdog", 0);

  g_assert_nonnull (strstr (oom, "memory"));
  g_assert_nonnull (strstr (code, "exit code 3"));
  g_assert_nonnull (strstr (other, "watchdog"));
}

static GVariant *
options (const char *text)
{
  return g_variant_ref_sink (g_variant_new_parsed (text));
}

static void
test_settings (gpointer fixture, gconstpointer unused)
{
  char *names[] = { (char *) "docker.io/ai/a:latest", (char *) "mine:1", NULL };
  char *none[] = { NULL };
  g_autoptr (GVariant) first = options ("{'context-size': <uint64 8192>, 'engine-flags': <['--top-k', '20']>}");
  g_autoptr (GVariant) second = options ("{'keep-alive': <uint64 18446744073709551615>, 'engine-flags': <@as []>}");
  g_autoptr (GVariant) reset = options ("{'reset': <true>, 'keep-alive': <uint64 0>}");
  g_autoptr (GHashTable) all = NULL;
  const CreelModelSettings *settings;
  g_autoptr (GError) error = NULL;

  write_file ("/var/lib/creel/models/references.conf", "", 0644);
  g_assert_true (creel_model_settings_configure (names, ID, first, &error));
  g_assert_no_error (error);
  all = creel_model_settings_load (&error);
  g_assert_no_error (error);
  g_assert_cmpuint (g_hash_table_size (all), ==, 2);
  settings = creel_model_settings_find (all, names + 1, ID);
  g_assert_cmpuint (settings->context_size, ==, 8192);
  g_assert_false (settings->has_keep_alive);
  g_assert_cmpstr (settings->engine_flags[1], ==, "20");
  g_assert_null (creel_model_settings_find (all, none, ID));

  /* the rest stays */
  g_assert_true (creel_model_settings_configure (names, ID, second, NULL));
  g_hash_table_unref (all);
  all = creel_model_settings_load (NULL);
  settings = creel_model_settings_find (all, names, ID);
  g_assert_cmpuint (settings->context_size, ==, 8192);
  g_assert_true (settings->has_keep_alive && settings->keep_alive == G_MAXUINT64);
  g_assert_null (settings->engine_flags);

  /* a new name has them too, a removed one has not */
  g_assert_true (creel_model_settings_copy (names, ID, "[::1]:5000/x:1", NULL));
  g_assert_true (creel_model_settings_forget (names, NULL));
  g_hash_table_unref (all);
  all = creel_model_settings_load (NULL);
  g_assert_cmpuint (g_hash_table_size (all), ==, 1);
  g_assert_cmpuint (((CreelModelSettings *) g_hash_table_lookup (all, "[::1]:5000/x:1"))->context_size, ==, 8192);

  /* without a name they are the id's */
  g_assert_true (creel_model_settings_configure (none, ID, first, NULL));
  g_assert_true (creel_model_settings_configure (none, ID, reset, NULL));
  g_hash_table_unref (all);
  all = creel_model_settings_load (NULL);
  settings = creel_model_settings_find (all, none, ID);
  g_assert_cmpuint (settings->context_size, ==, 0);
  g_assert_true (settings->has_keep_alive && settings->keep_alive == 0);
  g_assert_null (settings->engine_flags);
}

/* Nobody makes the file larger than can be read: then nobody would have models. */
static void
test_settings_size (gpointer fixture, gconstpointer unused)
{
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  g_auto (GStrv) names = NULL;
  g_autofree char *tag = g_strnfill (120, 't');
  g_autoptr (GVariant) small = options ("{'context-size': <uint64 8192>}");
  g_autoptr (GVariant) large = NULL;
  g_autoptr (GHashTable) all = NULL;
  g_autoptr (GError) error = NULL;
  const char *flags[CREEL_ENGINE_MAX_FLAGS + 1] = { NULL };
  GVariantDict dict;

  for (guint i = 0; i < 1500; i++)
    {
      g_autofree char *name = g_strdup_printf ("docker.io/a/m%u:%s", i, tag);

      g_strv_builder_add (builder, name);
    }
  names = g_strv_builder_end (builder);
  for (guint i = 0; i < CREEL_ENGINE_MAX_FLAGS; i += 2)
    {
      flags[i] = "--frequency-penalty";
      flags[i + 1] = "-1234567890.1234567890";
    }
  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert_value (&dict, "engine-flags", g_variant_new_strv (flags, -1));
  large = g_variant_ref_sink (g_variant_dict_end (&dict));
  write_file ("/var/lib/creel/models/references.conf", "", 0644);
  g_assert_true (creel_model_settings_configure (names, ID, small, &error));
  g_assert_false (creel_model_settings_configure (names, ID, large, &error));
  g_assert_error (error, G_DBUS_ERROR, G_DBUS_ERROR_LIMITS_EXCEEDED);
  all = creel_model_settings_load (NULL);
  g_assert_nonnull (all);
  g_assert_cmpuint (creel_model_settings_find (all, names, ID)->context_size, ==, 8192);
}

/* What somebody wrote into the file by hand. */
static void
test_settings_file (gpointer fixture, gconstpointer unused)
{
  char *names[] = { (char *) "a:1", NULL };
  g_autoptr (GHashTable) all = NULL;
  const CreelModelSettings *settings;

  write_file ("/var/lib/creel/models/settings.conf", "[a:1]\nContextSize=99999999999\nEngineFlags=--log-file /x\nKeepAlive=5\nNew=1\n", 0644);
  g_test_expect_message ("creel", G_LOG_LEVEL_WARNING, "*settings.conf:2*");
  g_test_expect_message ("creel", G_LOG_LEVEL_WARNING, "*--log-file*");
  all = creel_model_settings_load (NULL);
  g_test_assert_expected_messages ();
  settings = creel_model_settings_find (all, names, ID);
  g_assert_cmpuint (settings->context_size, ==, 0);
  g_assert_null (settings->engine_flags);
  g_assert_cmpuint (settings->keep_alive, ==, 5);
}

static void
test_caller (void)
{
  g_assert_true (creel_auth_is_internal (0));
  g_assert_false (creel_auth_is_internal (65533));
  g_assert_cmpstr (creel_auth_action ("org.creel.Creel1.Engines", "StartEngine"), ==, CREEL_ACTION_INTERNAL);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_vtable ("/engine/search", 0, NULL, setup, test_search, teardown);
  g_test_add_vtable ("/engine/unit", 0, NULL, setup, test_unit, teardown);
  g_test_add_func ("/engine/unit-names", test_unit_names);
  g_test_add_func ("/engine/version", test_version);
  g_test_add_func ("/engine/describe", test_describe);
  g_test_add_vtable ("/engine/settings", 0, NULL, setup, test_settings, teardown);
  g_test_add_vtable ("/engine/settings-size", 0, NULL, setup, test_settings_size, teardown);
  g_test_add_vtable ("/engine/settings-file", 0, NULL, setup, test_settings_file, teardown);
  g_test_add_func ("/engine/caller", test_caller);
  return g_test_run ();
}
