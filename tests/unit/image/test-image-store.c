/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The OCI store and images in it, with hostile blobs; the new images that are made there. */
#include "creel-error.h"
#include "creel-image-blobs.h"
#include "creel-image-digest.h"
#include "creel-image-document.h"
#include "creel-image-gzip.h"
#include "creel-image-json.h"
#include "creel-image-merge.h"
#include "creel-image-save.h"
#include "test-archive.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <zlib.h>

#define LAYER CREEL_IMAGE_TYPE_LAYER

typedef struct
{
  char *root, *sha256, *jobs;
  CreelImageBlobs *blobs;
} Fixture;

static void
set_up (Fixture *f, gconstpointer unused)
{
  g_autoptr (GError) error = NULL;

  f->root = g_dir_make_tmp ("creel-store-XXXXXX", NULL);
  f->sha256 = g_build_filename (f->root, CREEL_IMAGE_OCI_DIR, "blobs", "sha256", NULL);
  f->jobs = g_build_filename (f->root, CREEL_IMAGE_OCI_DIR, "jobs", NULL);
  g_mkdir_with_parents (f->sha256, 0755);
  g_mkdir_with_parents (f->jobs, 0755);
  g_setenv ("CREEL_ROOT", f->root, TRUE);
  f->blobs = creel_image_blobs_open (TRUE, &error);
  g_assert_no_error (error);
}

static void
tear_down (Fixture *f, gconstpointer unused)
{
  const char *const argv[] = { "rm", "-rf", f->root, NULL };

  g_clear_pointer (&f->blobs, creel_image_blobs_free);
  g_spawn_sync (NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, NULL, NULL);
  g_free (f->root);
  g_free (f->sha256);
  g_free (f->jobs);
}

static char *
put (Fixture *f, GBytes *bytes)
{
  g_autoptr (GError) error = NULL;
  char *hex = creel_image_blobs_put (f->blobs, bytes, &error);

  g_assert_no_error (error);
  return hex;
}

static char *
put_text (Fixture *f, const char *text)
{
  g_autoptr (GBytes) bytes = g_bytes_new (text, strlen (text));

  return put (f, bytes);
}

static char *
blob_path (Fixture *f, const char *hex)
{
  return g_build_filename (f->sha256, hex, NULL);
}

static guint
count (const char *path)
{
  GDir *directory = g_dir_open (path, 0, NULL);
  guint n = 0;

  while (g_dir_read_name (directory) != NULL)
    n++;
  g_dir_close (directory);
  return n;
}

/* ---- blobs ---- */

static void
test_blobs (Fixture *f, gconstpointer unused)
{
  g_autofree char *hex = put_text (f, "hello");
  g_autofree char *path = blob_path (f, hex);
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) bytes = creel_image_blobs_read (f->blobs, hex, 100, &error);
  static const char *const names[] = { "", "x", "../jobs", "HELLO", "/etc/passwd" };

  g_assert_no_error (error);
  g_assert_cmpmem (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), "hello", 5);
  g_assert_true (creel_image_blobs_check (f->blobs, hex, 5, NULL, NULL));
  g_assert_null (creel_image_blobs_read (f->blobs, hex, 4, &error));
  g_assert_error (error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE);
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    g_assert_null (creel_image_blobs_read (f->blobs, names[i], 100, NULL));

  /* Other bytes, then another size, a link to the right ones, a FIFO, a directory: none is taken, all give way. */
  for (guint kind = 0; kind < 6; kind++)
    {
      g_autofree char *elsewhere = g_build_filename (f->root, "right", NULL);

      g_test_message ("kind %u", kind);
      g_remove (path);
      g_assert_true (g_file_set_contents (elsewhere, "hello", 5, NULL));
      if (kind == 0)
        g_file_set_contents (path, "hellO", 5, NULL);
      else if (kind == 1)
        g_file_set_contents (path, "hello, you", 10, NULL);
      else if (kind == 2)
        g_assert_cmpint (symlink (elsewhere, path), ==, 0);
      else if (kind == 3)
        g_assert_cmpint (mkfifo (path, 0600), ==, 0);
      else if (kind == 4)
        g_assert_cmpint (g_mkdir (path, 0700), ==, 0);
      g_assert_null (creel_image_blobs_read (f->blobs, hex, 100, NULL));
      g_assert_false (creel_image_blobs_check (f->blobs, hex, 5, NULL, NULL));
      g_assert_false (g_file_test (path, G_FILE_TEST_EXISTS | G_FILE_TEST_IS_SYMLINK));
    }
}

static void
test_jobs (Fixture *f, gconstpointer unused)
{
  g_autofree char *dead = g_build_filename (f->jobs, "dead", "below", NULL);
  g_autofree char *held = g_build_filename (f->jobs, "held", NULL);
  g_autofree char *link = g_build_filename (f->jobs, "link", NULL);
  g_autofree char *precious = g_build_filename (f->root, "precious", NULL);
  g_autofree char *inside = g_build_filename (precious, "file", NULL);
  g_autofree char *mine = g_strdup (creel_image_blobs_get_job (f->blobs));
  CreelImageBlobs *other;
  int fd;

  g_mkdir_with_parents (dead, 0700);
  g_mkdir_with_parents (held, 0700);
  g_mkdir_with_parents (precious, 0700);
  g_file_set_contents (inside, "x", 1, NULL);
  g_assert_cmpint (symlink (precious, link), ==, 0);
  fd = open (held, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  g_assert_cmpint (flock (fd, LOCK_EX), ==, 0);
  other = creel_image_blobs_open (TRUE, NULL);
  g_assert_true (g_file_test (mine, G_FILE_TEST_IS_DIR));
  g_assert_true (g_file_test (held, G_FILE_TEST_IS_DIR));
  g_assert_true (g_file_test (inside, G_FILE_TEST_EXISTS));
  g_assert_cmpuint (count (f->jobs), ==, 3);
  creel_image_blobs_free (other);
  g_assert_cmpuint (count (f->jobs), ==, 2);
  close (fd);
  creel_image_blobs_free (creel_image_blobs_open (TRUE, NULL));
  g_assert_cmpuint (count (f->jobs), ==, 1);
}

/* ---- images in the store ---- */

static const TestEntry small[] = { { "bin", 'd', NULL }, { "bin/sh", 'x', NULL }, { "etc/a", 'f', "a" }, { NULL } };

static char *
put_image (Fixture *f, const char *layer, guint64 size, const char *diff_id)
{
  g_autofree char *config = g_strdup_printf (
      "{\"os\":\"linux\",\"architecture\":\"%s\",\"x\":{\"y\":[1,2.5,null]},\"config\":{\"Env\":[\"PATH=/bin\",\"A=1\"],\"Cmd\":[\"sh\"],\"User\":\"u\"},"
      "\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"sha256:%s\"]}}",
      creel_image_config_host_architecture (), diff_id);
  g_autofree char *config_hex = put_text (f, config);
  g_autofree char *manifest = g_strdup_printf (
      "{\"schemaVersion\":2,\"config\":{\"mediaType\":\"" CREEL_IMAGE_TYPE_CONFIG "\",\"digest\":\"sha256:%s\",\"size\":%zu},"
      "\"layers\":[{\"mediaType\":\"" LAYER "\",\"digest\":\"sha256:%s\",\"size\":%" G_GUINT64_FORMAT ",\"annotations\":{\"k\":\"v\"}}]}",
      config_hex, strlen (config), layer, size);

  return put_text (f, manifest);
}

static gboolean
merge (Fixture *f, const char *manifest, GError **error)
{
  g_autoptr (CreelImageArchive) archive = creel_image_archive_open_blobs (f->blobs, manifest, NULL, error);
  g_autoptr (CreelImageList) list = NULL;
  g_autoptr (CreelImageTree) tree = archive != NULL ? creel_image_merge (archive, &list, error) : NULL;

  return tree != NULL;
}

static void
test_convert (Fixture *f, gconstpointer unused)
{
  static const char *const filters[] = { NULL, "gzip", "zstd" };

  for (guint i = 0; i < G_N_ELEMENTS (filters); i++)
    {
      g_autoptr (GBytes) tar = test_tar (small, filters[i]);
      g_autofree char *layer = put (f, tar);
      g_autofree char *manifest = put_image (f, layer, g_bytes_get_size (tar), layer);
      g_autofree char *path = blob_path (f, layer);
      g_autofree char *copy = g_memdup2 (g_bytes_get_data (tar, NULL), g_bytes_get_size (tar));
      gsize size = g_bytes_get_size (tar);
      g_autoptr (GError) error = NULL;

      g_assert_true (merge (f, manifest, &error));
      g_assert_no_error (error);
      /* One bit in the padding at the end, which libarchive never looks at */
      copy[size - 1] ^= 1;
      g_file_set_contents (path, copy, size, NULL);
      g_assert_false (merge (f, manifest, &error));
      g_assert_error (error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE);
      g_clear_error (&error);
      g_file_set_contents (path, copy, size / 2, NULL);
      g_assert_false (merge (f, manifest, &error));
      g_assert_error (error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE);
      g_clear_error (&error);
      g_remove (path);
      g_assert_false (merge (f, manifest, &error));
      g_assert_error (error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE);
      g_clear_error (&error);
      g_assert_cmpint (mkfifo (path, 0600), ==, 0);
      g_assert_false (merge (f, manifest, &error));
      g_assert_error (error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE);
    }
}

/* ---- gzip ---- */

static gboolean
collect (gpointer user_data, gconstpointer bytes, gsize length, GError **error)
{
  g_byte_array_append (user_data, bytes, length);
  return TRUE;
}

static gboolean
fail (gpointer user_data, gconstpointer bytes, gsize length, GError **error)
{
  g_set_error (error, CREEL_ERROR, CREEL_ERROR_NO_SPACE, "full");
  return FALSE;
}

static void
test_gzip (void)
{
  static const gsize sizes[] = { 0, 1, 32768, 262143, 262144, 262145, 1048576, 5000011 };

  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    {
      g_autofree guint8 *data = g_malloc (sizes[i] + 1);
      g_autofree guint8 *back = g_malloc (sizes[i] + 1);
      g_autoptr (GByteArray) packed = g_byte_array_new ();
      g_autoptr (GByteArray) again = g_byte_array_new ();
      g_autoptr (GError) error = NULL;
      z_stream stream = { 0 };

      for (gsize k = 0; k < sizes[i]; k++)
        data[k] = "the quick brown fox"[k % 19] + (k % 4099 == 0 ? k / 4099 : 0);
      for (guint round = 0; round < 2; round++)
        {
          g_autoptr (CreelImageGzip) gzip = creel_image_gzip_new (collect, round == 0 ? packed : again);
          gsize piece = round == 0 ? sizes[i] : 100003;

          for (gsize k = 0; k < sizes[i]; k += piece)
            g_assert_true (creel_image_gzip_write (gzip, data + k, MIN (piece, sizes[i] - k), &error));
          g_assert_true (creel_image_gzip_finish (gzip, &error));
        }
      /* However the bytes came */
      g_assert_cmpmem (packed->data, packed->len, again->data, again->len);
      g_assert_cmpint (inflateInit2 (&stream, 16 + 15), ==, Z_OK);
      stream.next_in = packed->data;
      stream.avail_in = packed->len;
      stream.next_out = back;
      stream.avail_out = sizes[i] + 1;
      g_assert_cmpint (inflate (&stream, Z_FINISH), ==, Z_STREAM_END);
      g_assert_cmpuint (stream.avail_in, ==, 0);
      g_assert_cmpuint (stream.total_out, ==, sizes[i]);
      g_assert_cmpint (memcmp (back, data, sizes[i]), ==, 0);
      inflateEnd (&stream);
    }
  {
    g_autoptr (CreelImageGzip) gzip = creel_image_gzip_new (fail, NULL);
    g_autofree guint8 *zeros = g_malloc0 (1 << 20);
    g_autoptr (GError) error = NULL;

    while (creel_image_gzip_write (gzip, zeros, 1 << 20, &error))
      ;
    g_assert_error (error, CREEL_ERROR, CREEL_ERROR_NO_SPACE);
  }
}

/* ---- save ---- */

/* entries: as a guest would send them; NULL: bytes. */
static char *
save (Fixture *f, const char *base, GBytes *stream, const char *const *words, GError **error)
{
  int fd = test_memfd_bytes (stream), lines = memfd_create ("lines", MFD_CLOEXEC);
  g_autoptr (CreelImageReport) report = creel_image_report_new (lines);
  g_autofree char *text = g_malloc0 (100000);
  char *found = NULL;

  lseek (fd, 0, SEEK_SET);
  if (creel_image_save (base, (char **)words, fd, report, error))
    {
      g_assert_cmpint (pread (lines, text, 99999, 0), >, 0);
      found = strstr (text, "\nmanifest ");
      g_assert_nonnull (found);
      found = g_strndup (found + strlen ("\nmanifest "), 64);
    }
  close (fd);
  close (lines);
  return found;
}

static void
test_save (Fixture *f, gconstpointer unused)
{
  static const TestEntry change[] = { { "./etc/", 'd', NULL },      { "./etc/b", 'f', "b" },      { "etc/c", 'h', "etc/b" },
                                      { "etc/.wh.a", 'f', NULL },   { "dev/null", 'c', NULL },    { "run/secret", 'f', "x" },
                                      { "tmp", 'd', NULL },         { "tmp/x", 'f', "x" },        { "sock", 'c', NULL },
                                      { "bin/s", 'l', "sh" },       { "opt/.wh..wh..opq", 'f', NULL }, { NULL } };
  static const char *const words[] = { "environment=A=2", "environment=B=x%20y", "command=", "user=", "working-dir=/w", "created=0", NULL };
  static const char *const none[] = { NULL };
  g_autoptr (GBytes) tar = test_tar (small, "gzip");
  g_autoptr (GBytes) stream = test_tar (change, NULL);
  g_autoptr (GBytes) empty = g_bytes_new_take (g_malloc0 (1024), 1024);
  g_autofree char *layer = put (f, tar);
  g_autofree char *base = put_image (f, layer, g_bytes_get_size (tar), layer);
  g_autoptr (GError) error = NULL;
  g_autofree char *saved = save (f, base, stream, words, &error);
  g_autofree char *again = NULL;
  g_autoptr (CreelImageArchive) archive = NULL;
  g_autoptr (CreelImageList) list = NULL;
  g_autoptr (CreelImageTree) tree = NULL;
  g_autoptr (CreelImageBase) result = NULL;
  JsonObject *config;

  g_assert_no_error (error);
  archive = creel_image_archive_open_blobs (f->blobs, saved, NULL, &error);
  g_assert_no_error (error);
  tree = creel_image_merge (archive, &list, &error);
  g_assert_no_error (error);
  g_assert_nonnull (creel_image_tree_find (tree, "etc/b"));
  g_assert_true (creel_image_tree_find (tree, "etc/b")->inode == creel_image_tree_find (tree, "etc/c")->inode);
  g_assert_nonnull (creel_image_tree_find (tree, "bin/sh"));
  g_assert_nonnull (creel_image_tree_find (tree, "tmp"));
  g_assert_null (creel_image_tree_find (tree, "etc/a"));
  g_assert_null (creel_image_tree_find (tree, "tmp/x"));
  g_assert_null (creel_image_tree_find (tree, "run"));
  g_assert_null (creel_image_tree_find (tree, "dev"));
  g_assert_null (creel_image_tree_find (tree, "sock"));

  g_assert_cmpuint (archive->config->environment->len, ==, 3);
  g_assert_cmpstr (archive->config->environment->pdata[1], ==, "A=2");
  g_assert_cmpstr (archive->config->environment->pdata[2], ==, "B=x y");
  g_assert_cmpuint (archive->config->command->len, ==, 0);
  g_assert_null (archive->config->user);
  g_assert_cmpstr (archive->config->working_dir, ==, "/w");

  result = creel_image_base_load (f->blobs, saved, &error);
  g_assert_no_error (error);
  config = json_node_get_object (result->config);
  g_assert_true (json_object_has_member (config, "x"));
  g_assert_cmpuint (json_array_get_length (creel_image_json_array (config, "history")), ==, 2);
  g_assert_cmpstr (creel_image_json_string (config, "created"), ==, "1970-01-01T00:00:00Z");

  /* Nothing changed: the config is new, the layers are not. */
  again = save (f, saved, empty, none, &error);
  g_assert_no_error (error);
  g_clear_pointer (&result, creel_image_base_free);
  result = creel_image_base_load (f->blobs, again, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (result->manifest->layers->len, ==, 2);
  g_assert_null (save (f, "scratch", empty, none, &error));
  g_assert_error (error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE);
}

static void
test_save_hostile (Fixture *f, gconstpointer unused)
{
  static const TestEntry cases[][4] = {
    { { "../x", 'f', "x" } },
    { { "a/../../x", 'f', "x" } },
    { { "a", 'f', "x" }, { "a", 'f', "y" } },
    { { "a", 'd', NULL }, { "a", 'f', "y" } },
    { { "a", 'f', "x" }, { "a/b", 'f', "y" } },
    { { "a", 'l', "/etc" }, { "a/passwd", 'f', "y" } },
    { { "a", 'l', "b" }, { "b", 'd', NULL }, { "a/x", 'd', NULL } },
    { { "a", 'h', "etc/passwd" } },
    { { "a", 'h', "../../etc/passwd" } },
    { { "d", 'd', NULL }, { "a", 'h', "d" } },
    { { "a", 'f', "x" }, { "a", 'h', "a" } },
    { { ".wh.a", 'f', NULL }, { "a", 'f', "x" } },
    { { "a", 'f', "x" }, { ".wh.a", 'f', NULL } },
    { { ".wh.a", 'f', "x" } },
    { { ".wh.a", 'd', NULL } },
    { { ".wh.", 'f', NULL } },
    { { ".wh...", 'f', NULL } },
    { { ".wh..wh.plnk", 'f', NULL } },
    { { "f", 'f', "x" }, { ".wh.a", 'h', "f" } },
  };
  static const char *const none[] = { NULL };
  g_autoptr (GBytes) tar = test_tar (small, NULL);
  gsize size = g_bytes_get_size (tar);
  g_autofree char *layer = put (f, tar);
  g_autofree char *base = put_image (f, layer, size, layer);
  guint before = count (f->sha256);

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      TestEntry entries[5] = { { NULL } };
      g_autoptr (GBytes) stream = NULL;
      g_autoptr (GError) error = NULL;

      memcpy (entries, cases[i], sizeof cases[i]);
      stream = test_tar (entries, NULL);
      g_test_message ("%u: %s", i, entries[0].path);
      g_assert_null (save (f, base, stream, none, &error));
      g_test_message ("%s", error->message);
      g_assert_error (error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE);
    }
  /* Wherever it is cut, its end is missed. */
  for (gsize cut = 0; cut < size - 512; cut += 256)
    {
      g_autoptr (GBytes) part = g_bytes_new_from_bytes (tar, 0, cut);
      g_autoptr (GError) error = NULL;

      g_assert_null (save (f, base, part, none, &error));
      g_assert_error (error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE);
    }
  g_assert_cmpuint (count (f->sha256), ==, before);
}

/* A file of 70 GiB, as its header says */
static void
test_save_large (Fixture *f, gconstpointer unused)
{
  static const char *const none[] = { NULL };
  struct archive *archive = archive_write_new ();
  struct archive_entry *entry = archive_entry_new ();
  g_autofree guint8 *buffer = g_malloc0 (64 * 1024);
  g_autoptr (GBytes) stream = NULL;
  g_autoptr (GError) error = NULL;
  gsize used = 0;

  archive_write_set_format_pax (archive);
  archive_write_set_bytes_in_last_block (archive, 1);
  archive_write_open_memory (archive, buffer, 64 * 1024, &used);
  archive_entry_set_pathname (entry, "zeros");
  archive_entry_set_filetype (entry, AE_IFREG);
  archive_entry_set_size (entry, G_GINT64_CONSTANT (70) << 30);
  archive_write_header (archive, entry);
  archive_entry_free (entry);
  archive_write_free (archive);
  stream = g_bytes_new (buffer, 16 * 1024);
  g_assert_null (save (f, "scratch", stream, none, &error));
  g_test_message ("%s", error->message);
  g_assert_error (error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE);
}

static void
test_words (void)
{
  static const char *const bad[] = { "", "x", "x=1", "environment=A", "environment==1", "created=x", "created=-1", "created=999999999999999",
                                     "user=%00", "user=%ff", "user=%zz" };

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      char *words[] = { (char *)bad[i], NULL };
      g_autoptr (GError) error = NULL;

      g_test_message ("%s", bad[i]);
      g_assert_null (creel_image_changes_parse (words, &error));
      g_assert_error (error, CREEL_ERROR, CREEL_ERROR_FAILED);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, function) g_test_add (name, Fixture, NULL, set_up, function, tear_down)
  ADD ("/store/blobs", test_blobs);
  ADD ("/store/jobs", test_jobs);
  ADD ("/store/convert", test_convert);
  ADD ("/store/save", test_save);
  ADD ("/store/save/hostile", test_save_hostile);
  ADD ("/store/save/large", test_save_large);
  g_test_add_func ("/store/words", test_words);
  g_test_add_func ("/store/gzip", test_gzip);
  return g_test_run ();
}
