/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-decoder.h"

#include <brotli/decode.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#define STAGES_MAX 2
#define PIECE (16 * 1024)
/* RFC 9659 allows senders no larger window */
#define ZSTD_WINDOW_LOG 23
#define MIB (1024 * 1024)

typedef enum
{
  GZIP,
  DEFLATE,
  BROTLI,
  ZSTD,
} Coding;

static const struct
{
  const char *name;
  Coding coding;
  gsize cost; /* its window, and what is beside it: brotli's largest tables are 2.6 MiB */
} codings_known[] = {
  { "gzip", GZIP, 64 * 1024 }, { "x-gzip", GZIP, 64 * 1024 }, { "deflate", DEFLATE, 64 * 1024 }, { "br", BROTLI, 19 * MIB }, { "zstd", ZSTD, 9 * MIB },
};

typedef struct
{
  Coding coding;
  const guint8 *in; /* not read yet */
  gsize in_size;
  gboolean started, ended;
  gboolean closed; /* ended, and what follows is nothing that goes on */
  z_stream z;
  BrotliDecoderState *brotli;
  ZSTD_DStream *zstd;
  guint8 out[PIECE];
} Stage;

struct _CreelDecoder
{
  Stage *stages[STAGES_MAX]; /* in the order in which they are undone */
  guint n_stages;
  gsize cost;
  guint8 *given;
  gsize given_size;
};

static void
stage_free (Stage *stage)
{
  if (stage->started && (stage->coding == GZIP || stage->coding == DEFLATE))
    inflateEnd (&stage->z);
  if (stage->brotli != NULL)
    BrotliDecoderDestroyInstance (stage->brotli);
  ZSTD_freeDStream (stage->zstd);
  explicit_bzero (stage->out, sizeof stage->out);
  g_free (stage);
}

void
creel_decoder_free (CreelDecoder *decoder)
{
  if (decoder == NULL)
    return;
  for (guint i = 0; i < decoder->n_stages; i++)
    stage_free (decoder->stages[i]);
  g_free (decoder->given);
  g_free (decoder);
}

CreelDecoder *
creel_decoder_new (const char *codings, const char **ret_why)
{
  g_auto (GStrv) names = g_strsplit (codings != NULL ? codings : "identity", ",", -1);
  g_autoptr (CreelDecoder) decoder = g_new0 (CreelDecoder, 1);

  *ret_why = NULL;
  if (codings != NULL && codings[0] == '\0')
    *ret_why = "The answer has a content coding without a name, and the key could hide in it";
  for (guint i = g_strv_length (names); i > 0; i--)
    {
      const char *name = g_strstrip (names[i - 1]);
      gsize known = 0;

      if (g_ascii_strcasecmp (name, "identity") == 0)
        continue;
      while (known < G_N_ELEMENTS (codings_known) && g_ascii_strcasecmp (name, codings_known[known].name) != 0)
        known++;
      if (known == G_N_ELEMENTS (codings_known) || decoder->n_stages == STAGES_MAX)
        {
          *ret_why = known == G_N_ELEMENTS (codings_known) ? "The answer has a content coding that cannot be undone, and the key could hide in it"
                                                           : "The answer has too many content codings, and the key could hide in it";
          return NULL;
        }
      decoder->stages[decoder->n_stages] = g_new0 (Stage, 1);
      decoder->stages[decoder->n_stages++]->coding = codings_known[known].coding;
      decoder->cost += codings_known[known].cost + sizeof (Stage);
    }
  return decoder->n_stages > 0 ? g_steal_pointer (&decoder) : NULL;
}

gsize
creel_decoder_get_cost (CreelDecoder *decoder)
{
  return decoder->cost;
}

void
creel_decoder_give (CreelDecoder *decoder, const guint8 *data, gsize size)
{
  if (size > decoder->given_size)
    decoder->given = g_realloc (decoder->given, decoder->given_size = size);
  memcpy (decoder->given, data, size);
  decoder->stages[0]->in = decoder->given;
  decoder->stages[0]->in_size = size;
}

/* Some servers send “deflate” without zlib's header, whose first byte no encoder begins a bare stream with. */
static gboolean
start (Stage *stage)
{
  int bits = stage->coding == GZIP ? MAX_WBITS + 16 : (stage->in[0] & 0x0f) == Z_DEFLATED ? MAX_WBITS : -MAX_WBITS;

  switch (stage->coding)
    {
    case GZIP:
    case DEFLATE:
      stage->started = inflateInit2 (&stage->z, bits) == Z_OK;
      break;
    case BROTLI:
      stage->brotli = BrotliDecoderCreateInstance (NULL, NULL, NULL);
      stage->started = stage->brotli != NULL;
      break;
    case ZSTD:
      stage->zstd = ZSTD_createDStream ();
      stage->started = stage->zstd != NULL && !ZSTD_isError (ZSTD_DCtx_setParameter (stage->zstd, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG));
      break;
    }
  return stage->started;
}

/* Each: FALSE when the bytes are wrong; reads from `in`, writes to `out`. */
static gboolean
run_zlib (Stage *stage, gsize *ret_size)
{
  int result;

  /* gzip may be several in a row */
  if (stage->ended && stage->in_size > 0 && !stage->closed)
    stage->closed = stage->coding != GZIP || stage->in[0] != 0x1f || inflateReset (&stage->z) != Z_OK;
  stage->ended &= stage->closed || stage->in_size == 0;
  if (stage->ended)
    {
      stage->in_size = 0; /* nobody gets to see it */
      return TRUE;
    }
  stage->z.next_in = (Bytef *) stage->in;
  stage->z.avail_in = (uInt) stage->in_size;
  stage->z.next_out = stage->out;
  stage->z.avail_out = PIECE;
  result = inflate (&stage->z, Z_NO_FLUSH);
  stage->in = stage->z.next_in;
  stage->in_size = stage->z.avail_in;
  *ret_size = PIECE - stage->z.avail_out;
  stage->ended = result == Z_STREAM_END;
  return result == Z_OK || result == Z_STREAM_END || result == Z_BUF_ERROR;
}

static gboolean
run_brotli (Stage *stage, gsize *ret_size)
{
  guint8 *out = stage->out;
  size_t room = PIECE;
  BrotliDecoderResult result;

  if (stage->ended)
    {
      stage->in_size = 0;
      return TRUE;
    }
  result = BrotliDecoderDecompressStream (stage->brotli, &stage->in_size, &stage->in, &room, &out, NULL);
  *ret_size = PIECE - room;
  stage->ended = result == BROTLI_DECODER_RESULT_SUCCESS;
  return result != BROTLI_DECODER_RESULT_ERROR;
}

static gboolean
run_zstd (Stage *stage, gsize *ret_size)
{
  ZSTD_inBuffer in = { stage->in, stage->in_size, 0 };
  ZSTD_outBuffer out = { stage->out, PIECE, 0 };
  size_t result;

  if (stage->ended && stage->in_size == 0)
    return TRUE;
  result = ZSTD_decompressStream (stage->zstd, &out, &in);
  stage->in += in.pos;
  stage->in_size -= in.pos;
  *ret_size = out.pos;
  stage->ended = result == 0;
  return !ZSTD_isError (result);
}

/* Runs stage i, and those before it when it needs their bytes. */
static gssize
pull (CreelDecoder *decoder, guint i, gsize *work)
{
  Stage *stage = decoder->stages[i];

  for (;;)
    {
      gsize before = stage->in_size, size = 0;

      if (before == 0 && i > 0)
        {
          gssize more = pull (decoder, i - 1, work);

          if (more < 0)
            return -1;
          if (more == 0 && *work == 0)
            return 0;
          stage->in = decoder->stages[i - 1]->out;
          before = stage->in_size = (gsize) more;
        }
      if (!stage->started && (before == 0 || !start (stage)))
        return before == 0 ? 0 : -1;
      if (!(stage->coding == BROTLI ? run_brotli : stage->coding == ZSTD ? run_zstd : run_zlib) (stage, &size))
        return -1;
      *work -= MIN (*work, before - stage->in_size + size);
      if (size > 0)
        return (gssize) size;
      if (before == 0 || *work == 0)
        return 0;
      /* it takes all it can, or it never will */
      if (stage->in_size == before)
        return -1;
    }
}

gssize
creel_decoder_take (CreelDecoder *decoder, const guint8 **ret_data, gsize *work)
{
  *ret_data = decoder->stages[decoder->n_stages - 1]->out;
  return pull (decoder, decoder->n_stages - 1, work);
}

gboolean
creel_decoder_is_whole (CreelDecoder *decoder)
{
  for (guint i = 0; i < decoder->n_stages; i++)
    if (decoder->stages[i]->started && !decoder->stages[i]->ended)
      return FALSE;
  return TRUE;
}
