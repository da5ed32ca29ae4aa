/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* GGUF headers: what they say, and those that lie. */
#include "creel-error.h"
#include "creel-gguf.h"
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- writing ---- */

static void
number (GByteArray *to, gsize width, guint64 value)
{
  for (gsize i = 0; i < width; i++)
    {
      guint8 byte = value >> (8 * i);

      g_byte_array_append (to, &byte, 1);
    }
}

static void
string (GByteArray *to, const char *text)
{
  number (to, 8, strlen (text));
  g_byte_array_append (to, (const guint8 *)text, strlen (text));
}

static void
entry (GByteArray *to, const char *key, guint64 value)
{
  string (to, key);
  number (to, 4, 4);
  number (to, 4, value);
}

static void
text_entry (GByteArray *to, const char *key, const char *text)
{
  string (to, key);
  number (to, 4, 8);
  string (to, text);
}

static GByteArray *
begin (guint version, guint64 n_tensors, guint64 n_entries)
{
  GByteArray *to = g_byte_array_new ();

  g_byte_array_append (to, (const guint8 *)"GGUF", 4);
  number (to, 4, version);
  number (to, 8, n_tensors);
  number (to, 8, n_entries);
  return to;
}

static void
tensor (GByteArray *to, const char *name, guint64 a, guint64 b, guint32 type, guint64 offset)
{
  string (to, name);
  number (to, 4, 2);
  number (to, 8, a);
  number (to, 8, b);
  number (to, 4, type);
  number (to, 8, offset);
}

static CreelGguf *
take (GByteArray *bytes, gsize data, GError **error)
{
  int fd = memfd_create ("gguf", MFD_CLOEXEC);
  CreelGguf *gguf;

  for (gsize i = bytes->len; i % 32 != 0; i++)
    number (bytes, 1, 0);
  g_assert_cmpint (write (fd, bytes->data, bytes->len), ==, bytes->len);
  g_assert_cmpint (ftruncate (fd, bytes->len + data), ==, 0);
  gguf = creel_gguf_read (fd, bytes->len + data, error);
  close (fd);
  g_byte_array_unref (bytes);
  return gguf;
}

/* ---- tests ---- */

static GByteArray *
begin_llama (guint64 n_tensors, guint64 n_more)
{
  GByteArray *to = begin (3, n_tensors, 6 + n_more);

  entry (to, "llama.context_length", 8192);
  text_entry (to, "general.architecture", "llama");
  entry (to, "general.file_type", 15);
  entry (to, "llama.block_count", 32);
  entry (to, "llama.embedding_length", 4096);
  entry (to, "llama.attention.head_count", 32);
  return to;
}

static void
test_llama (void)
{
  GByteArray *to = begin_llama (2, 3);
  g_autoptr (GError) error = NULL;
  g_autoptr (CreelGguf) gguf = NULL;

  entry (to, "llama.attention.head_count_kv", 8);
  text_entry (to, "tokenizer.chat_template", "{{ messages }}");
  string (to, "tokenizer.ggml.tokens");
  number (to, 4, 9);
  number (to, 4, 8);
  number (to, 8, 2);
  string (to, "a");
  string (to, "");
  tensor (to, "token_embd.weight", 4096, 128256, 12, 0);
  tensor (to, "output.weight", 4096, 2, 14, 1024);
  gguf = take (to, 4096, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (gguf->architecture, ==, "llama");
  g_assert_cmpstr (gguf->quantization, ==, "Q4_K_M");
  g_assert_cmpuint (gguf->context_length, ==, 8192);
  g_assert_cmpuint (gguf->layers, ==, 32);
  /* 32 layers, 8 heads, 128 wide, keys and values, two bytes each */
  g_assert_cmpuint (gguf->kv_bytes_per_token, ==, 32 * 8 * 128 * 2 * 2);
  g_assert_cmpuint (gguf->parameters, ==, 4096u * 128256 + 4096 * 2);
  g_assert_true (gguf->has_chat_template);
  g_assert_false (gguf->embedding);
  g_assert_false (creel_gguf_is_projector (gguf));
}

/* Layers that differ; the widths of heads said apart. */
static void
test_layers (void)
{
  GByteArray *to = begin_llama (0, 3);
  g_autoptr (GError) error = NULL;
  g_autoptr (CreelGguf) gguf = NULL;

  string (to, "llama.attention.head_count_kv");
  number (to, 4, 9);
  number (to, 4, 5);
  number (to, 8, 4);
  for (guint i = 0; i < 4; i++)
    number (to, 4, i);
  entry (to, "llama.attention.key_length", 100);
  entry (to, "llama.attention.value_length", 28);
  gguf = take (to, 0, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (gguf->kv_bytes_per_token, ==, (0 + 1 + 2 + 3) * 128 * 2);
}

static void
test_others (void)
{
  GByteArray *to = begin (2, 0, 3);
  g_autoptr (CreelGguf) bert = NULL, clip = NULL, part = NULL;

  text_entry (to, "general.architecture", "bert");
  entry (to, "bert.pooling_type", 1);
  entry (to, "llama.context_length", 5);
  bert = take (to, 0, NULL);
  g_assert_true (bert->embedding);
  g_assert_cmpuint (bert->context_length, ==, 0);
  to = begin (3, 0, 1);
  text_entry (to, "general.architecture", "clip");
  clip = take (to, 0, NULL);
  g_assert_true (creel_gguf_is_projector (clip));
  to = begin (3, 1, 3);
  text_entry (to, "general.architecture", "a\nb");
  entry (to, "split.no", 1);
  entry (to, "split.count", 3);
  tensor (to, "a", 2, 2, 8, 0);
  part = take (to, 32, NULL);
  g_assert_cmpuint (part->split_no, ==, 1);
  g_assert_cmpuint (part->split_count, ==, 3);
  g_assert_cmpstr (part->architecture, ==, "");
  g_assert_cmpstr (part->quantization, ==, "Q8_0");
}

static void
check_bad (GByteArray *to, gsize data)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (take (to, data, &error));
  g_assert_error (error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE);
  g_test_message ("%s", error->message);
}

static void
test_bad (void)
{
  GByteArray *to;

  check_bad (g_byte_array_new (), 0);
  check_bad (g_byte_array_new (), 100);
  check_bad (begin (1, 0, 0), 0);
  check_bad (begin (0x03000000, 0, 0), 0);
  check_bad (begin (3, 1, 0), 0);
  check_bad (begin (3, G_MAXUINT64, 0), 100);
  check_bad (begin (3, 0, G_MAXUINT64), 100);
  to = begin (3, 0, 1); /* a key that is longer than the file */
  number (to, 8, G_MAXUINT64);
  check_bad (to, 1000);
  to = begin (3, 0, 1); /* a kind that is not known */
  string (to, "x");
  number (to, 4, 13);
  check_bad (to, 100);
  to = begin (3, 0, 1); /* arrays in arrays */
  string (to, "x");
  number (to, 4, 9);
  for (guint i = 0; i < 10; i++)
    {
      number (to, 4, 9);
      number (to, 8, 1);
    }
  check_bad (to, 100);
  to = begin (3, 0, 1); /* more numbers than bytes */
  string (to, "x");
  number (to, 4, 9);
  number (to, 4, 10);
  number (to, 8, G_MAXUINT64 / 8 + 1);
  check_bad (to, 100);
  to = begin (3, 1, 0);
  tensor (to, "x", G_MAXUINT64, 2, 0, 0);
  check_bad (to, 100);
  to = begin (3, 1, 0); /* its bytes are not there */
  tensor (to, "x", 2, 2, 0, 64);
  check_bad (to, 32);
  to = begin (3, 1, 0);
  string (to, "x");
  number (to, 4, 100);
  check_bad (to, 3000);
}

/* No prefix of a good one is taken for a whole. */
static void
test_cut (void)
{
  GByteArray *to = begin_llama (1, 0);
  int fd = memfd_create ("gguf", MFD_CLOEXEC);

  tensor (to, "a", 2, 2, 0, 0);
  g_assert_cmpint (write (fd, to->data, to->len), ==, to->len);
  for (gsize i = 0; i < to->len; i++)
    g_assert_null (creel_gguf_read (fd, i, NULL));
  close (fd);
  g_byte_array_unref (to);
}

/* As the script makes it that the tests of the engine use. */
static void
test_script (void)
{
  const char *script = g_getenv ("MAKE_TEST_GGUF");
  g_autofree char *directory = g_dir_make_tmp ("creel-gguf-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (directory, "m.gguf", NULL);
  const char *const argv[] = { script, path, NULL };
  g_autoptr (GError) error = NULL;
  g_autoptr (CreelGguf) gguf = NULL;
  struct stat st;
  int fd;

  g_assert_true (g_spawn_sync (NULL, (char **)argv, NULL, G_SPAWN_DEFAULT, NULL, NULL, NULL, NULL,
                               NULL, NULL));
  fd = open (path, O_RDONLY | O_CLOEXEC);
  g_assert_cmpint (fstat (fd, &st), ==, 0);
  gguf = creel_gguf_read (fd, st.st_size, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (gguf->architecture, ==, "llama");
  g_assert_cmpstr (gguf->quantization, ==, "F32");
  g_assert_cmpuint (gguf->context_length, ==, 131072);
  g_assert_cmpuint (gguf->kv_bytes_per_token, ==, 32 * 2 * 2);
  g_assert_true (gguf->has_chat_template);
  g_assert_null (creel_gguf_read (fd, st.st_size / 2, NULL));
  close (fd);
  g_unlink (path);
  g_rmdir (directory);
}

static void
test_parameters (void)
{
  static const struct
  {
    guint64 n;
    const char *text;
  } cases[] = { { 0, "" },
                { 999, "999" },
                { 1536, "1.54 K" },
                { 596049920, "596.05 M" },
                { 8030261248, "8.03 B" } };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *text = creel_gguf_format_parameters (cases[i].n);

      g_assert_cmpstr (text, ==, cases[i].text);
    }
}

/* A header has its bound wherever its bytes are: a hole in the file costs whoever made it nothing. */
static void
test_long (void)
{
  int fd = memfd_create ("gguf", MFD_CLOEXEC);
  GByteArray *to = begin (3, 0, 1);
  g_autoptr (CreelGguf) gguf = NULL;
  g_autoptr (GError) error = NULL;
  guint64 hole = G_GUINT64_CONSTANT (600) << 20;

  string (to, "tokenizer.chat_template");
  number (to, 4, 8);
  number (to, 8, hole);
  g_assert_cmpint (write (fd, to->data, to->len), ==, to->len);
  g_assert_cmpint (ftruncate (fd, to->len + hole), ==, 0);
  gguf = creel_gguf_read (fd, to->len + hole, &error);
  g_assert_null (gguf);
  g_assert_error (error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE);
  close (fd);
  g_byte_array_unref (to);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/gguf/llama", test_llama);
  g_test_add_func ("/gguf/layers", test_layers);
  g_test_add_func ("/gguf/others", test_others);
  g_test_add_func ("/gguf/bad", test_bad);
  g_test_add_func ("/gguf/cut", test_cut);
  g_test_add_func ("/gguf/long", test_long);
  g_test_add_func ("/gguf/script", test_script);
  g_test_add_func ("/gguf/parameters", test_parameters);
  return g_test_run ();
}
