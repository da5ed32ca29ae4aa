/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* As pigz does it: blocks are compressed on their own, each with the end of the one before as its
 * dictionary, and ended at a byte's border, so that their results can be put one after the other.
 */
#include "creel-image-gzip.h"
#include "creel-error.h"
#include <string.h>
#include <zlib.h>

#define BLOCK (256 * 1024)
#define WINDOW (32 * 1024)
/* Measured, on what images hold: see README.md. */
#define LEVEL 4
#define MAX_THREADS 16

typedef struct
{
  guint8 *input; /* WINDOW bytes for the dictionary, then the block */
  gsize dictionary, length;
  guint8 *output;
  gsize output_length;
  uLong crc;
  gboolean last, done, failed;
} Block;

struct _CreelImageGzip
{
  CreelImageSink sink;
  gpointer user_data;
  GThreadPool *pool;
  GMutex lock;
  GCond changed;
  GQueue blocks; /* those under way, in order */
  guint max_blocks;
  Block *current;
  uLong crc;
  guint64 total;
  gboolean begun;
};

static void
block_free (Block *block)
{
  g_free (block->input);
  g_free (block->output);
  g_free (block);
}

static Block *
block_new (const Block *before)
{
  Block *block = g_new0 (Block, 1);

  block->input = g_malloc (WINDOW + BLOCK);
  /* All blocks but the last are full, and longer than the window. */
  if (before != NULL)
    {
      block->dictionary = WINDOW;
      memcpy (block->input, before->input + WINDOW + before->length - WINDOW, WINDOW);
    }
  return block;
}

static void
compress_block (Block *block)
{
  z_stream stream = { 0 };
  gsize bound;

  block->crc = crc32 (0, block->input + WINDOW, block->length);
  if (deflateInit2 (&stream, LEVEL, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) != Z_OK)
    {
      block->failed = TRUE;
      return;
    }
  if (block->dictionary > 0)
    deflateSetDictionary (&stream, block->input, block->dictionary);
  bound = deflateBound (&stream, block->length) + 64;
  block->output = g_malloc (bound);
  stream.next_in = block->input + WINDOW;
  stream.avail_in = block->length;
  stream.next_out = block->output;
  stream.avail_out = bound;
  if (deflate (&stream, block->last ? Z_FINISH : Z_SYNC_FLUSH) !=
          (block->last ? Z_STREAM_END : Z_OK) ||
      stream.avail_in > 0)
    block->failed = TRUE;
  block->output_length = bound - stream.avail_out;
  deflateEnd (&stream);
}

static void
run_block (gpointer data, gpointer user_data)
{
  CreelImageGzip *self = user_data;
  Block *block = data;

  compress_block (block);
  g_mutex_lock (&self->lock);
  block->done = TRUE;
  g_cond_broadcast (&self->changed);
  g_mutex_unlock (&self->lock);
}

CreelImageGzip *
creel_image_gzip_new (CreelImageSink sink, gpointer user_data)
{
  CreelImageGzip *self = g_new0 (CreelImageGzip, 1);
  guint threads = CLAMP (g_get_num_processors (), 1, MAX_THREADS);

  self->sink = sink;
  self->user_data = user_data;
  self->max_blocks = 2 * threads + 2;
  self->pool = g_thread_pool_new (run_block, self, threads, FALSE, NULL);
  g_mutex_init (&self->lock);
  g_cond_init (&self->changed);
  g_queue_init (&self->blocks);
  self->crc = crc32 (0, NULL, 0);
  self->current = block_new (NULL);
  return self;
}

void
creel_image_gzip_free (CreelImageGzip *self)
{
  g_thread_pool_free (self->pool, FALSE, TRUE);
  g_queue_clear_full (&self->blocks, (GDestroyNotify)block_free);
  g_clear_pointer (&self->current, block_free);
  g_mutex_clear (&self->lock);
  g_cond_clear (&self->changed);
  g_free (self);
}

static gboolean
begin (CreelImageGzip *self, GError **error)
{
  /* deflate, no name, no time, no system */
  static const guint8 header[] = { 0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff };

  if (self->begun)
    return TRUE;
  self->begun = TRUE;
  return self->sink (self->user_data, header, sizeof header, error);
}

/* Hands on the oldest blocks: all that are done, and so many more that at most max remain. */
static gboolean
drain (CreelImageGzip *self, guint max, GError **error)
{
  for (;;)
    {
      Block *block = g_queue_peek_head (&self->blocks);
      gboolean ready, good;

      if (block == NULL)
        return TRUE;
      g_mutex_lock (&self->lock);
      while (!block->done && g_queue_get_length (&self->blocks) > max)
        g_cond_wait (&self->changed, &self->lock);
      ready = block->done;
      g_mutex_unlock (&self->lock);
      if (!ready)
        return TRUE;
      g_queue_pop_head (&self->blocks);
      self->crc = crc32_combine (self->crc, block->crc, block->length);
      good = !block->failed;
      if (!good)
        g_set_error (error, CREEL_ERROR, CREEL_ERROR_FAILED, "The layer cannot be compressed");
      good = good && begin (self, error) &&
             self->sink (self->user_data, block->output, block->output_length, error);
      block_free (block);
      if (!good)
        return FALSE;
    }
}

static gboolean
submit (CreelImageGzip *self, gboolean last, GError **error)
{
  Block *block = self->current;

  block->last = last;
  self->total += block->length;
  self->current = last ? NULL : block_new (block);
  g_queue_push_tail (&self->blocks, block);
  g_thread_pool_push (self->pool, block, NULL);
  return drain (self, last ? 0 : self->max_blocks, error);
}

gboolean
creel_image_gzip_write (CreelImageGzip *self, gconstpointer bytes, gsize length, GError **error)
{
  const guint8 *p = bytes;

  while (length > 0)
    {
      gsize n = MIN (length, BLOCK - self->current->length);

      memcpy (self->current->input + WINDOW + self->current->length, p, n);
      self->current->length += n;
      p += n;
      length -= n;
      if (self->current->length == BLOCK && !submit (self, FALSE, error))
        return FALSE;
    }
  return TRUE;
}

gboolean
creel_image_gzip_finish (CreelImageGzip *self, GError **error)
{
  guint32 trailer[2];

  if (!submit (self, TRUE, error))
    return FALSE;
  trailer[0] = GUINT32_TO_LE ((guint32)self->crc);
  trailer[1] = GUINT32_TO_LE ((guint32)self->total);
  return self->sink (self->user_data, trailer, sizeof trailer, error);
}
