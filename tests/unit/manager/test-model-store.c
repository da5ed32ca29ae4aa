/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gstdio.h>
#include <string.h>

#include "creel-daemon.h"
#include "creel-error.h"
#include "creel-image-collect.h"
#include "creel-model-import.h"
#include "creel-model-store.h"

#define A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define C "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
#define D "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"

static char *root;

static void
write_file (const char *path, const char *text)
{
  g_autofree char *full = g_build_filename (root, path, NULL);
  g_autofree char *directory = g_path_get_dirname (full);

  g_assert_cmpint (g_mkdir_with_parents (directory, 0755), ==, 0);
  g_assert_true (g_file_set_contents (full, text, -1, NULL));
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

static gboolean
in_use (const char *id, gpointer user_data)
{
  return user_data != NULL;
}

static gboolean
has_blob (const char *digest)
{
  g_autofree char *path = g_build_filename (root, "/var/lib/creel/oci/blobs/sha256", digest, NULL);

  return g_file_test (path, G_FILE_TEST_EXISTS);
}

static void
write_blob (const char *digest)
{
  g_autofree char *path = g_build_filename ("/var/lib/creel/oci/blobs/sha256", digest, NULL);

  write_file (path, "blob");
}

static char *
make_model (char digit, const char *other_blob, const char *reference)
{
  g_autoptr (CreelModelConfig) config = creel_model_config_new ();
  g_autoptr (GError) error = NULL;
  g_autofree char *hex = g_strnfill (64, digit);
  g_autofree char *manifest = g_strdup_printf ("%s 4", hex);
  g_autofree char *weights = g_strdup_printf ("%s 4", other_blob);
  const char *blobs[] = { manifest, weights, NULL };

  g_free (config->id);
  config->id = g_strconcat ("sha256-", hex, NULL);
  g_free (config->manifest);
  config->manifest = g_strdup (hex);
  g_strfreev (config->blobs);
  config->blobs = g_strdupv ((char **) blobs);
  config->size = 4;
  g_assert_true (creel_model_config_add_file (config, "gguf", other_blob, 4, "m.gguf"));
  creel_model_store_add (config, reference, &error);
  g_assert_no_error (error);
  return g_strdup (config->id);
}

static void
assert_resolves (const char *text, const char *id)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *found = creel_model_store_resolve (text, &error);

  g_assert_cmpstr (found, ==, id);
  if (id == NULL)
    g_assert_error (error, CREEL_ERROR, CREEL_ERROR_NO_SUCH_MODEL);
}

/* Names, ids and removal of models; their blobs stay for as long as one has them. */
static void
test_models (gpointer fixture, gconstpointer unused)
{
  g_autoptr (GPtrArray) jobs = g_ptr_array_new ();
  g_autoptr (GHashTable) garbage = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  CreelDaemon daemon = { .image_jobs = jobs, .garbage = garbage };
  g_autoptr (GError) error = NULL;
  g_autofree char *a = NULL, *b = NULL, *text = NULL, *shown = NULL;
  g_autoptr (GHashTable) names = NULL;
  g_auto (GStrv) own = NULL;
  g_auto (GStrv) ids = NULL;
  char **blobs = NULL;
  guint64 bytes;

  assert_resolves ("ai/tiny", NULL);
  a = make_model ('a', C, "docker.io/ai/tiny:latest");
  b = make_model ('b', C, "mine:1");
  ids = creel_model_store_list ();
  g_assert_cmpuint (g_strv_length (ids), ==, 2);
  g_assert_cmpstr (ids[0], ==, a);
  assert_resolves ("ai/tiny", a);
  assert_resolves ("docker.io/ai/tiny", a);
  assert_resolves ("ai/tiny:other", NULL);
  assert_resolves (a, a);
  assert_resolves ("aaaaaa", a);
  assert_resolves ("sha256:bbbbbbbb", b);
  assert_resolves ("aaaaa", NULL);
  assert_resolves ("mine:1", b);
  g_free (creel_model_store_resolve ("Not A Name", &error));
  g_assert_error (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS);
  g_clear_error (&error);
  shown = creel_model_store_shorten ("docker.io/ai/tiny:latest", "docker.io");
  g_assert_cmpstr (shown, ==, "ai/tiny");
  /* the configuration moves what names without a host mean */
  write_file ("/etc/creel/creel.conf", "[Models]\nRegistry=host.de\nEngine=/x\n");
  assert_resolves ("ai/tiny", NULL);
  assert_resolves ("docker.io/ai/tiny", a);
  write_file ("/etc/creel/creel.conf", "");

  g_assert_true (creel_model_store_add_name (a, "again:2", &error));
  names = creel_model_store_load_names (&error);
  own = creel_model_store_names_of (names, a);
  g_assert_cmpstr (own[0], ==, "again:2");
  g_assert_cmpstr (own[1], ==, "docker.io/ai/tiny:latest");
  write_blob (A);
  write_blob (B);
  write_blob (C);
  write_blob (D);
  g_assert_true (creel_image_collect_all (&daemon, &bytes, &error));
  g_assert_cmpuint (bytes, ==, 4); /* D alone is nobody's */
  g_assert_true (has_blob (A) && has_blob (B) && has_blob (C) && !has_blob (D));

  g_assert_false (creel_model_store_remove (a, FALSE, in_use, NULL, &blobs, &error));
  g_assert_error (error, CREEL_ERROR, CREEL_ERROR_MODEL_IN_USE);
  g_clear_error (&error);
  g_assert_true (creel_model_store_remove ("again:2", FALSE, in_use, root, &blobs, &error)); /* a name only */
  g_assert_null (blobs);
  g_assert_false (creel_model_store_remove ("ai/tiny", TRUE, in_use, root, &blobs, &error));
  g_assert_error (error, CREEL_ERROR, CREEL_ERROR_MODEL_IN_USE);
  g_clear_error (&error);
  assert_resolves ("ai/tiny", a);
  g_assert_true (creel_model_store_remove ("ai/tiny", FALSE, in_use, NULL, &blobs, &error));
  creel_image_collect_blobs (&daemon, blobs);
  g_clear_pointer (&blobs, g_strfreev);
  g_assert_true (!has_blob (A) && has_blob (B) && has_blob (C)); /* the other one has the same weights */
  assert_resolves (a, NULL);

  /* what a death between folder and file leaves is no model, and keeps nobody's blobs; parts of blobs that did not all come go too */
  text = g_strdup_printf ("%s/var/lib/creel/models/" "sha256-" D, root);
  g_assert_cmpint (g_mkdir (text, 0755), ==, 0);
  g_clear_pointer (&text, g_free);
  write_file ("/var/lib/creel/oci/partial/" D, "12345");
  g_assert_true (creel_image_collect_all (&daemon, &bytes, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (bytes, ==, 5);
  text = g_strdup_printf ("%s/var/lib/creel/oci/partial/" D, root);
  g_assert_false (g_file_test (text, G_FILE_TEST_EXISTS));
  g_clear_pointer (&text, g_free);

  /* one that cannot be read: nothing is known to be garbage */
  text = g_strdup_printf ("/var/lib/creel/models/%s/model.conf", b);
  write_file (text, "nonsense");
  write_blob (D);
  g_test_expect_message (G_LOG_DOMAIN, G_LOG_LEVEL_WARNING, "*No blobs are deleted*");
  g_assert_false (creel_image_collect_all (&daemon, &bytes, &error));
  g_test_assert_expected_messages ();
  g_clear_error (&error);
  g_assert_true (has_blob (D));
}

static void
assert_file (const char *kind, guint n, guint of, const char *expected)
{
  g_autofree char *name = creel_model_import_file_name (kind, "tiny", n, of);

  g_assert_cmpstr (name, ==, expected);
}

static void
test_file_names (void)
{
  static const struct
  {
    const char *name, *reference, *stem;
  } cases[] = { { "tiny.gguf", "x", "tiny" },
                { "tiny-00001-of-00003.gguf", "x", "tiny" },
                { "tiny.GGUF", "x", "tiny" },
                { "tiny", "x", "tiny" },
                { ".gguf", "x", ".gguf" }, /* which no file of a model may be called */
                { "-00001-of-00003", "x", NULL },
                { NULL, "host:5000/ai/tiny:1", "tiny" },
                { NULL, "tiny", "tiny" } };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *stem = creel_model_import_stem (cases[i].name, cases[i].reference);

      g_assert_cmpstr (stem, ==, cases[i].stem);
    }
  assert_file ("gguf", 1, 1, "tiny.gguf");
  assert_file ("gguf", 2, 3, "tiny-00002-of-00003.gguf");
  assert_file ("mmproj", 1, 1, "tiny.mmproj");
  assert_file ("chat-template", 1, 1, "template.jinja");
  assert_file ("license", 2, 2, "LICENSE-2");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/model-store/file-names", test_file_names);
  g_test_add_vtable ("/model-store/names", 0, NULL, setup, test_models, teardown);
  return g_test_run ();
}
