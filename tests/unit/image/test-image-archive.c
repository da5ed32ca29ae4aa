/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-error.h"
#include "creel-image-json.h"
#include "creel-image-merge.h"
#include "test-archive.h"
#include <fcntl.h>
#include <locale.h>
#include <sys/stat.h>

static const TestEntry root_entries[] = {
  { "./bin", 'd' }, { "./bin/sh", 'x' }, { "./etc", 'd' }, { "./etc/os", 'f', "one" }, { NULL }
};
static const TestEntry upper_entries[] = { { "etc/.wh.os", 'f' },
                                           { "etc/new", 'f', "two" },
                                           { NULL } };

/* Opens and merges; NULL with error. */
static CreelImageArchive *
load (GBytes *bytes, CreelImageTree **ret_tree, GError **error)
{
  int fd = test_memfd_bytes (bytes);
  g_autoptr (CreelImageArchive) archive = creel_image_archive_open (fd, NULL, error);
  g_autoptr (CreelImageList) list = NULL;
  g_autoptr (CreelImageTree) tree =
      archive != NULL ? creel_image_merge (archive, &list, error) : NULL;

  close (fd);
  if (tree == NULL)
    return NULL;
  if (ret_tree != NULL)
    *ret_tree = g_steal_pointer (&tree);
  return g_steal_pointer (&archive);
}

static void
refused (GBytes *bytes, const char *text)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (CreelImageArchive) archive = load (bytes, NULL, &error);

  g_assert_null (archive);
  g_assert_error (error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE);
  if (strstr (error->message, text) == NULL || strchr (error->message, '\n') != NULL)
    g_error ("“%s” should say “%s”", error->message, text);
}

/* ---- makers ---- */

static GBytes *
finish_outer (GByteArray *outer)
{
  static const guint8 end[1024];

  g_byte_array_append (outer, end, sizeof end);
  return g_byte_array_free_to_bytes (outer);
}

static void
add_text (GByteArray *outer, const char *name, const char *text)
{
  g_autoptr (GBytes) bytes = g_bytes_new (text, strlen (text));

  test_outer_add (outer, name, bytes);
}

static char *
add_blob (GByteArray *outer, GBytes *bytes)
{
  g_autofree char *digest = g_compute_checksum_for_bytes (G_CHECKSUM_SHA256, bytes);
  g_autofree char *name = g_strconcat ("blobs/sha256/", digest, NULL);

  test_outer_add (outer, name, bytes);
  return g_steal_pointer (&digest);
}

static char *
config_text (const char *architecture)
{
  return g_strdup_printf (
      "{\"architecture\":\"%s\",\"os\":\"linux\",\"config\":{\"Env\":[\"A=b "
      "c\",\"PATH=/bin\"],\"Cmd\":[\"sh\"],"
      "\"Entrypoint\":[\"/e\",\"-x\"],\"User\":\"agent\",\"WorkingDir\":\"/w\"}}",
      architecture);
}

static GBytes *
make_docker (const char *manifest, const char *architecture)
{
  GByteArray *outer = g_byte_array_new ();
  g_autoptr (GBytes) lower = test_tar (root_entries, NULL);
  g_autoptr (GBytes) upper = test_tar (upper_entries, "gzip");
  g_autofree char *config = config_text (architecture);

  test_outer_add (outer, "aa/layer.tar", lower);
  test_outer_add (outer, "bb/layer.tar", upper);
  add_text (outer, "conf.json", config);
  add_text (outer, "manifest.json", manifest);
  return finish_outer (outer);
}

#define DOCKER_MANIFEST                                                                            \
  "[{\"Config\":\"conf.json\",\"RepoTags\":[\"me/it:1\"],\"Layers\":[\"aa/layer.tar\",\"bb/"       \
  "layer.tar\"]}]"

static char *
descriptor (const char *type, const char *digest, const char *more)
{
  return g_strdup_printf ("{\"mediaType\":\"%s\",\"digest\":\"sha256:%s\",\"size\":1%s}", type,
                          digest, more);
}

/* other: an architecture besides the host's in the index; only_other: without the host's. */
static GBytes *
make_oci (gboolean only_other, gboolean damaged)
{
  GByteArray *outer = g_byte_array_new ();
  g_autoptr (GBytes) lower = test_tar (root_entries, "gzip");
  g_autoptr (GBytes) upper = test_tar (upper_entries, "zstd");
  g_autofree char *config = config_text (creel_image_config_host_architecture ());
  g_autoptr (GBytes) config_bytes = g_bytes_new (config, strlen (config));
  g_autofree char *config_digest = add_blob (outer, config_bytes);
  g_autofree char *lower_digest = add_blob (outer, lower);
  g_autofree char *upper_digest = add_blob (outer, upper);
  g_autofree char *wrong = g_strdup (upper_digest);
  g_autofree char *c = descriptor ("application/vnd.oci.image.config.v1+json", config_digest, "");
  g_autofree char *l = descriptor ("application/vnd.oci.image.layer.v1.tar+gzip", lower_digest, "");
  g_autofree char *u = NULL;
  g_autofree char *manifest = NULL;
  g_autofree char *manifest_digest = NULL;
  g_autofree char *host = NULL;
  g_autofree char *foreign = NULL;
  g_autofree char *index = NULL;
  g_autoptr (GBytes) manifest_bytes = NULL;

  if (damaged)
    {
      g_autofree char *name = NULL;

      wrong[0] = wrong[0] == '0' ? '1' : '0';
      name = g_strconcat ("blobs/sha256/", wrong, NULL);
      test_outer_add (outer, name, upper);
    }
  u = descriptor ("application/vnd.oci.image.layer.v1.tar+zstd", wrong, "");
  manifest = g_strdup_printf ("{\"schemaVersion\":2,\"config\":%s,\"layers\":[%s,%s]}", c, l, u);
  manifest_bytes = g_bytes_new (manifest, strlen (manifest));
  manifest_digest = add_blob (outer, manifest_bytes);
  host = g_strdup_printf (",\"platform\":{\"os\":\"linux\",\"architecture\":\"%s\"},"
                          "\"annotations\":{\"org.opencontainers.image.ref.name\":\"v1\"}",
                          only_other ? "m68k" : creel_image_config_host_architecture ());
  foreign = descriptor ("application/vnd.oci.image.manifest.v1+json", config_digest,
                        ",\"platform\":{\"os\":\"linux\",\"architecture\":\"m68k\"}");
  {
    g_autofree char *mine =
        descriptor ("application/vnd.oci.image.manifest.v1+json", manifest_digest, host);

    index = g_strdup_printf ("{\"schemaVersion\":2,\"manifests\":[%s,%s]}", foreign, mine);
  }
  add_text (outer, "oci-layout", "{\"imageLayoutVersion\":\"1.0.0\"}");
  add_text (outer, "index.json", index);
  return finish_outer (outer);
}

/* ---- good ---- */

static void
check_layers (GBytes *bytes, const char *source, const char *reference)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (CreelImageTree) tree = NULL;
  g_autoptr (CreelImageArchive) archive = load (bytes, &tree, &error);

  g_assert_no_error (error);
  g_assert_nonnull (creel_image_tree_find (tree, "bin/sh"));
  g_assert_nonnull (creel_image_tree_find (tree, "/etc/new"));
  g_assert_null (creel_image_tree_find (tree, "etc/os"));
  g_assert_cmpstr (archive->config->source, ==, source);
  g_assert_cmpstr (archive->config->references->pdata[0], ==, reference);
  g_assert_cmpstr (archive->config->environment->pdata[0], ==, "A=b c");
  g_assert_cmpstr (archive->config->entrypoint->pdata[1], ==, "-x");
  g_assert_cmpstr (archive->config->user, ==, "agent");
  g_assert_cmpstr (archive->config->working_dir, ==, "/w");
  g_assert_cmpuint (strlen (archive->id), ==, 64);
}

static GBytes *
compress (GBytes *bytes)
{
  g_autoptr (GZlibCompressor) compressor = g_zlib_compressor_new (G_ZLIB_COMPRESSOR_FORMAT_GZIP, 6);
  g_autoptr (GOutputStream) memory = g_memory_output_stream_new_resizable ();
  g_autoptr (GOutputStream) stream =
      g_converter_output_stream_new (memory, G_CONVERTER (compressor));

  g_assert_true (g_output_stream_write_all (stream, g_bytes_get_data (bytes, NULL),
                                            g_bytes_get_size (bytes), NULL, NULL, NULL));
  g_assert_true (g_output_stream_close (stream, NULL, NULL));
  return g_memory_output_stream_steal_as_bytes (G_MEMORY_OUTPUT_STREAM (memory));
}

static void
test_docker (void)
{
  g_autoptr (GBytes) bytes = make_docker (DOCKER_MANIFEST, creel_image_config_host_architecture ());
  g_autoptr (GBytes) compressed = compress (bytes);

  check_layers (bytes, "docker-archive", "me/it:1");
  check_layers (compressed, "docker-archive", "me/it:1");
}

static void
test_oci (void)
{
  g_autoptr (GBytes) bytes = make_oci (FALSE, FALSE);
  g_autoptr (GBytes) compressed = compress (bytes);

  check_layers (bytes, "oci-archive", "v1");
  check_layers (compressed, "oci-archive", "v1");
}

static void
test_rootfs (gconstpointer filter)
{
  g_autoptr (GBytes) bytes = test_tar (root_entries, filter);
  g_autoptr (GError) error = NULL;
  g_autoptr (CreelImageTree) tree = NULL;
  g_autoptr (CreelImageArchive) archive = load (bytes, &tree, &error);

  g_assert_no_error (error);
  g_assert_cmpstr (archive->config->source, ==, "rootfs");
  g_assert_null (archive->id);
  g_assert_nonnull (creel_image_tree_find (tree, "etc/os"));
}

/* ---- bad ---- */

static void
test_not_an_image (void)
{
  g_autofree char *noise = g_malloc (100000);
  g_autoptr (GBytes) empty = g_bytes_new (NULL, 0);
  g_autoptr (GBytes) text = g_bytes_new_static ("hello, I am a text\n", 19);
  g_autoptr (GBytes) random = NULL;
  g_autoptr (GBytes) empty_tar = test_tar ((TestEntry[]){ { NULL } }, NULL);
  g_autoptr (GBytes) sources =
      test_tar ((TestEntry[]){ { "src", 'd' }, { "src/main.c", 'f', "x" }, { NULL } }, NULL);
  g_autoptr (GBytes) script =
      test_tar ((TestEntry[]){ { "src", 'd' }, { "src/run", 'x', "#!/bin/sh\n" }, { NULL } }, NULL);

  for (guint i = 0; i < 100000; i++)
    noise[i] = i * 7919 >> 3;
  random = g_bytes_new (noise, 100000);
  refused (empty, "empty");
  refused (text, "not an archive");
  refused (random, "not an archive");
  refused (empty_tar, "no files");
  refused (sources, "not a root file system");
  refused (script, "not a root file system");
}

static void
test_not_regular (void)
{
  g_autoptr (GError) error = NULL;
  int fds[2];

  g_assert_cmpint (pipe (fds), ==, 0);
  g_assert_null (creel_image_archive_open (fds[0], NULL, &error));
  g_assert_error (error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE);
  close (fds[0]);
  close (fds[1]);
}

static void
test_truncated (void)
{
  g_autoptr (GBytes) plain = test_tar (root_entries, NULL);
  g_autoptr (GBytes) zipped = test_tar (root_entries, "gzip");
  g_autoptr (GBytes) docker =
      make_docker (DOCKER_MANIFEST, creel_image_config_host_architecture ());
  g_autoptr (GBytes) oci = make_oci (FALSE, FALSE);
  GBytes *const all[] = { plain, zipped, docker, oci };

  for (guint i = 0; i < G_N_ELEMENTS (all); i++)
    for (gsize size = 1; size + (i == 1 ? 0 : 1024) < g_bytes_get_size (all[i]);
         size += i == 1 ? 1 : 97)
      {
        g_autoptr (GBytes) part = g_bytes_new_from_bytes (all[i], 0, size);
        g_autoptr (GError) error = NULL;
        g_autoptr (CreelImageArchive) archive = load (part, NULL, &error);

        /* A tar without its end mark passes when its last file is whole. */
        if (archive == NULL)
          g_assert_error (error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE);
        else
          g_assert_cmpint (i, ==, 0);
      }
}

/* After a change of a header by hand. */
static void
fix_checksum (guint8 *header)
{
  guint sum = 0;

  memset (header + 148, ' ', 8);
  for (guint i = 0; i < 512; i++)
    sum += header[i];
  g_snprintf ((char *)header + 148, 8, "%06o", sum);
}

static void
test_architecture (void)
{
  g_autoptr (GBytes) docker = make_docker (DOCKER_MANIFEST, "m68k");
  g_autoptr (GBytes) oci = make_oci (TRUE, FALSE);
  g_autoptr (GBytes) program = test_program (EM_68K);
  GByteArray *outer = g_byte_array_new ();
  g_autoptr (GBytes) root = NULL;

  test_outer_add (outer, "bin/sh", program);
  memcpy (outer->data + 100, "000755 ", 7);
  fix_checksum (outer->data);
  root = finish_outer (outer);
  refused (docker, "m68k");
  refused (oci, "no image for linux/");
  refused (root, "another architecture");
}

static void
test_manifests (void)
{
  static const struct
  {
    const char *manifest, *text;
  } cases[] = {
    { "", "not valid JSON" },
    { "[", "not valid JSON" },
    { "{}", "does not name a config" },
    { "[{\"Config\":\"conf.json\",\"Layers\":[]}]", "does not name a config" },
    { "[{\"Config\":\"conf.json\",\"Layers\":[1]}]", "not a text" },
    { "[{\"Config\":\"nope.json\",\"Layers\":[\"aa/layer.tar\"]}]", "incomplete" },
    { "[{\"Config\":\"conf.json\",\"Layers\":[\"../../etc/passwd\"]}]", "incomplete" },
    { "[{\"Config\":\"conf.json\",\"Layers\":[\"conf.json\"]}]", "not an archive" },
    { "[{\"Config\":\"conf.json\",\"Layers\":[\"aa/layer.tar\"]},{}]", "holds 2 images" },
    { "[{\"Config\":\"aa/layer.tar\",\"Layers\":[\"aa/layer.tar\"]}]", "not valid JSON" },
  };
  g_autoptr (GString) deep = g_string_new (NULL);
  g_autoptr (GBytes) nested = NULL;
  g_autoptr (GBytes) damaged = make_oci (FALSE, TRUE);

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GBytes) bytes =
          make_docker (cases[i].manifest, creel_image_config_host_architecture ());

      refused (bytes, cases[i].text);
    }
  for (guint i = 0; i < 200000; i++)
    g_string_append_c (deep, '[');
  nested = make_docker (deep->str, "amd64");
  refused (nested, "not valid JSON");
  refused (damaged, "digest");
}

/* 10 GB of zeros in a few MB: refused by what the header says, before a byte of it is unpacked. */
static void
test_bomb (void)
{
  GByteArray *outer = g_byte_array_new ();
  g_autoptr (GBytes) zeros = g_bytes_new_take (g_malloc0 (8 * 1024 * 1024), 8 * 1024 * 1024);
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (GBytes) compressed = NULL;

  test_outer_add (outer, "bin/zeros", zeros);
  memcpy (outer->data + 124, "\x80\0\0\0\0\0\0\x02\x80\0\0\0",
          12); /* 10 GiB, as GNU tar writes it */
  fix_checksum (outer->data);
  bytes = g_byte_array_free_to_bytes (outer);
  compressed = compress (bytes);
  refused (compressed, "times its own size");
}

int
main (int argc, char **argv)
{
  setlocale (LC_ALL, "C.UTF-8");
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/image/archive/docker", test_docker);
  g_test_add_func ("/image/archive/oci", test_oci);
  g_test_add_data_func ("/image/archive/rootfs/tar", NULL, test_rootfs);
  g_test_add_data_func ("/image/archive/rootfs/gzip", "gzip", test_rootfs);
  g_test_add_data_func ("/image/archive/rootfs/zstd", "zstd", test_rootfs);
  g_test_add_data_func ("/image/archive/rootfs/xz", "xz", test_rootfs);
  g_test_add_func ("/image/archive/not-an-image", test_not_an_image);
  g_test_add_func ("/image/archive/not-regular", test_not_regular);
  g_test_add_func ("/image/archive/truncated", test_truncated);
  g_test_add_func ("/image/archive/architecture", test_architecture);
  g_test_add_func ("/image/archive/manifests", test_manifests);
  g_test_add_func ("/image/archive/bomb", test_bomb);
  return g_test_run ();
}
