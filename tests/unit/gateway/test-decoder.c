/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <brotli/encode.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "creel-decoder.h"

/* coding: as in Content-Encoding; "raw" is deflate without zlib's header */
static GByteArray *
encode (const char *coding, const guint8 *data, gsize size)
{
  GByteArray *out = g_byte_array_sized_new ((guint) (size + size / 2 + 4096));

  g_byte_array_set_size (out, (guint) (size + size / 2 + 4096));
  if (g_str_equal (coding, "br"))
    {
      size_t n = out->len;

      g_assert_true (BrotliEncoderCompress (3, BROTLI_DEFAULT_WINDOW, BROTLI_MODE_GENERIC, size, data, &n, out->data));
      g_byte_array_set_size (out, (guint) n);
    }
  else if (g_str_equal (coding, "zstd"))
    g_byte_array_set_size (out, (guint) ZSTD_compress (out->data, out->len, data, size, 3));
  else
    {
      z_stream z = { 0 };
      int bits = g_str_equal (coding, "raw") ? -MAX_WBITS : g_str_equal (coding, "deflate") ? MAX_WBITS : MAX_WBITS + 16;

      g_assert_cmpint (deflateInit2 (&z, 6, Z_DEFLATED, bits, 8, Z_DEFAULT_STRATEGY), ==, Z_OK);
      z.next_in = (Bytef *) data;
      z.avail_in = (uInt) size;
      z.next_out = out->data;
      z.avail_out = out->len;
      g_assert_cmpint (deflate (&z, Z_FINISH), ==, Z_STREAM_END);
      g_byte_array_set_size (out, (guint) z.total_out);
      deflateEnd (&z);
    }
  return out;
}

/* NULL when the bytes are wrong. piece: the largest that is given at once */
static GByteArray *
decode (CreelDecoder *decoder, const guint8 *data, gsize size, guint piece)
{
  g_autoptr (GByteArray) out = g_byte_array_new ();

  for (gsize at = 0; at < size;)
    {
      gsize n = 1 + (gsize) g_random_int_range (0, (gint32) piece);
      const guint8 *clear;
      gssize got;
      gsize work;

      n = MIN (n, size - at);
      creel_decoder_give (decoder, data + at, n);
      do
        {
          work = (gsize) g_random_int_range (1, 50000);
          got = creel_decoder_take (decoder, &clear, &work);
          if (got < 0)
            return NULL;
          g_byte_array_append (out, clear, (guint) got);
        }
      while (got > 0 || work == 0);
      at += n;
    }
  return g_steal_pointer (&out);
}

static const char *
get_name (const char *coding)
{
  return g_str_equal (coding, "raw") ? "deflate" : coding;
}

static const char *const codings[] = { "gzip", "x-gzip", "deflate", "raw", "br", "zstd" };

static void
test_codings (void)
{
  g_autoptr (GByteArray) text = g_byte_array_new ();

  for (guint i = 0; i < 40000; i++)
    {
      guint8 c = (guint8) (i % 100 < 60 ? 'a' + (gint) i % 7 : g_random_int_range (0, 256));

      g_byte_array_append (text, &c, 1);
    }
  for (guint i = 0; i < G_N_ELEMENTS (codings); i++)
    {
      g_autoptr (GByteArray) packed = encode (codings[i], text->data, text->len);
      static const guint pieces[] = { 1, 40, 70000 };
      const char *why;

      for (guint j = 0; j < G_N_ELEMENTS (pieces); j++)
        {
          g_autoptr (CreelDecoder) decoder = creel_decoder_new (get_name (codings[i]), &why);
          g_autoptr (GByteArray) got = decode (decoder, packed->data, packed->len, pieces[j]);

          g_test_message ("%s by %u", codings[i], pieces[j]);
          g_assert_nonnull (got);
          g_assert_cmpmem (got->data, got->len, text->data, text->len);
          g_assert_true (creel_decoder_is_whole (decoder));
        }
      /* cut short: no error, but not whole; another first byte: an error, or rubbish that ends nowhere */
      g_autoptr (CreelDecoder) cut = creel_decoder_new (get_name (codings[i]), &why);
      g_autoptr (GByteArray) half = decode (cut, packed->data, packed->len - 9, 5000);
      g_assert_nonnull (half);
      g_assert_false (creel_decoder_is_whole (cut));
      g_autoptr (CreelDecoder) empty = creel_decoder_new (get_name (codings[i]), &why);
      g_assert_true (creel_decoder_is_whole (empty));
      g_autoptr (CreelDecoder) wrong = creel_decoder_new (get_name (codings[i]), &why);
      g_autoptr (GByteArray) noise = decode (wrong, (const guint8 *) "<html>no coding at all</html>", 29, 29);
      g_assert_true (noise == NULL || !creel_decoder_is_whole (wrong) || noise->len == 0);
    }
}

static void
test_stacked (void)
{
  static const char *const refused[] = { "compress", "gzip, compress", "exi", "gzip;q=1", "gzip, gzip, gzip", "aws-chunked", "br br", "", "gzip,," };
  g_autoptr (GByteArray) inner = encode ("gzip", (const guint8 *) "hello", 5);
  g_autoptr (GByteArray) outer = encode ("br", inner->data, inner->len);
  const char *why;
  g_autoptr (CreelDecoder) decoder = creel_decoder_new (" GZIP,identity , br", &why);
  g_autoptr (GByteArray) got = decode (decoder, outer->data, outer->len, 3);

  g_assert_cmpmem (got->data, got->len, "hello", 5);
  g_assert_true (creel_decoder_is_whole (decoder));
  for (guint i = 0; i < G_N_ELEMENTS (refused); i++)
    {
      g_assert_null (creel_decoder_new (refused[i], &why));
      g_assert_nonnull (why);
    }
  g_assert_null (creel_decoder_new ("identity", &why));
  g_assert_null (why);
  g_assert_null (creel_decoder_new (NULL, &why));
  g_assert_null (why);
}

/* gzip may be several in a row; what is behind an end is thrown away */
static void
test_rows (void)
{
  g_autoptr (GByteArray) first = encode ("gzip", (const guint8 *) "one", 3);
  g_autoptr (GByteArray) second = encode ("gzip", (const guint8 *) "two", 3);
  const char *why;
  g_autoptr (CreelDecoder) decoder = creel_decoder_new ("gzip", &why);

  g_byte_array_append (first, second->data, second->len);
  g_byte_array_append (first, (const guint8 *) "rest\x1f\x1f\x1f", 7);
  g_autoptr (GByteArray) got = decode (decoder, first->data, first->len, 4);
  g_assert_cmpmem (got->data, got->len, "onetwo", 6);
  g_assert_true (creel_decoder_is_whole (decoder));
}

/* A bomb comes out in small pieces. */
static void
test_bomb (void)
{
  g_autofree guint8 *zeros = g_malloc0 (8 * 1024 * 1024);

  for (guint i = 0; i < G_N_ELEMENTS (codings); i++)
    {
      g_autoptr (GByteArray) packed = encode (codings[i], zeros, 8 * 1024 * 1024);
      const char *why;
      g_autoptr (CreelDecoder) decoder = creel_decoder_new (get_name (codings[i]), &why);
      const guint8 *clear;
      gssize got;
      gsize total = 0, work = G_MAXSIZE;

      creel_decoder_give (decoder, packed->data, packed->len);
      while ((got = creel_decoder_take (decoder, &clear, &work)) > 0)
        {
          g_assert_cmpint (got, <=, 65536);
          total += (gsize) got;
        }
      g_assert_cmpint (got, ==, 0);
      g_assert_cmpuint (total, ==, 8 * 1024 * 1024);
    }
}

/* 80 MB of gzip that hold nothing, in a few bytes: each call gives others their turn. */
static void
test_nothing (void)
{
  gsize size = 10 + 5 * 16 * 1024 * 1024;
  g_autofree guint8 *blocks = g_malloc (size);
  const char *why;
  g_autoptr (CreelDecoder) decoder = creel_decoder_new ("gzip, br", &why);
  guint calls = 0;

  memcpy (blocks, "\x1f\x8b\x08\0\0\0\0\0\0\3", 10);
  for (gsize at = 10; at < size; at += 5)
    memcpy (blocks + at, "\0\0\0\xff\xff", 5);
  g_autoptr (GByteArray) packed = encode ("br", blocks, size);
  g_assert_cmpuint (packed->len, <, 1000);
  creel_decoder_give (decoder, packed->data, packed->len);
  for (gsize work = 0; work == 0; calls++)
    {
      const guint8 *clear;

      work = 1024 * 1024;
      g_assert_cmpint (creel_decoder_take (decoder, &clear, &work), ==, 0);
    }
  g_assert_cmpuint (calls, >, 80);
  g_assert_false (creel_decoder_is_whole (decoder));
}

/* A window that is larger than what a receiver has to have is refused. */
static void
test_window (void)
{
  gsize size = 32 * 1024 * 1024, room = ZSTD_compressBound (size);
  g_autofree guint8 *zeros = g_malloc0 (size);
  g_autofree guint8 *packed = g_malloc (room);
  ZSTD_CCtx *context = ZSTD_createCCtx ();
  const char *why;
  g_autoptr (CreelDecoder) decoder = creel_decoder_new ("zstd", &why);

  ZSTD_CCtx_setParameter (context, ZSTD_c_windowLog, 25);
  ZSTD_CCtx_setParameter (context, ZSTD_c_contentSizeFlag, 0);
  size = ZSTD_compress2 (context, packed, room, zeros, size);
  ZSTD_freeCCtx (context);
  g_autoptr (GByteArray) got = decode (decoder, packed, size, 65536);
  g_assert_null (got);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/decoder/codings", test_codings);
  g_test_add_func ("/decoder/stacked", test_stacked);
  g_test_add_func ("/decoder/rows", test_rows);
  g_test_add_func ("/decoder/bomb", test_bomb);
  g_test_add_func ("/decoder/nothing", test_nothing);
  g_test_add_func ("/decoder/window", test_window);
  return g_test_run ();
}
