/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "creel-decoder.h"

#define OUT_MAX (1 << 20)

/* byte 0: which coding; byte 1: how large the pieces are that it gets. What comes out does not depend on them. */
static guint64
decode (const char *coding, const guint8 *data, gsize size, gsize piece, gboolean *ret_whole)
{
  const char *why;
  g_autoptr (CreelDecoder) decoder = creel_decoder_new (coding, &why);
  guint64 sum = 0;
  gsize total = 0;
  gssize got = 0;

  g_assert_nonnull (decoder);
  for (gsize at = 0; at < size && got >= 0; at += piece)
    {
      const guint8 *out;
      gsize work = 0;

      creel_decoder_give (decoder, data + at, MIN (piece, size - at));
      for (got = 1; total < OUT_MAX && (got > 0 || (got == 0 && work == 0));)
        {
          work = 1 + piece % 1000;
          got = creel_decoder_take (decoder, &out, &work);
          g_assert_cmpint (got, <=, 16 * 1024);
          for (gssize i = 0; i < got; i++)
            sum = sum * 31 + out[i] + 1;
          total += (gsize) got;
        }
      if (total >= OUT_MAX)
        return 0;
    }
  *ret_whole = got == 0 && creel_decoder_is_whole (decoder);
  return got < 0 ? 0 : sum;
}

int
LLVMFuzzerTestOneInput (const guint8 *data, size_t size)
{
  static const char *const codings[] = { "gzip", "deflate", "br", "zstd", "gzip, br", "zstd, deflate" };
  const char *coding;
  gboolean whole = FALSE, whole_at_once = FALSE;
  guint64 sum;

  if (size < 3)
    return 0;
  coding = codings[data[0] % G_N_ELEMENTS (codings)];
  sum = decode (coding, data + 2, size - 2, data[1] + 1u, &whole);
  g_assert_cmpuint (sum, ==, decode (coding, data + 2, size - 2, size, &whole_at_once));
  if (sum != 0)
    g_assert_cmpint (whole, ==, whole_at_once);
  return 0;
}
