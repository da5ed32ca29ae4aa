/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-byte-queue.h"

#include <stdlib.h>
#include <string.h>

#define BLOCK_MIN 4000

struct CreelByteBlock
{
  CreelByteBlock *next;
  size_t start;
  size_t end;
  size_t size;
  uint8_t bytes[];
};

static void
append (CreelByteBlock *block, const uint8_t *bytes, size_t n)
{
  memcpy (block->bytes + block->end, bytes, n);
  block->end += n;
}

bool
creel_byte_queue_add (CreelByteQueue *queue, const uint8_t *bytes, size_t n)
{
  size_t room = queue->last != NULL ? queue->last->size - queue->last->end : 0;
  size_t here = n < room ? n : room;
  size_t rest = n - here;

  if (rest > 0)
    {
      size_t size = rest > BLOCK_MIN ? rest : BLOCK_MIN;
      CreelByteBlock *block = malloc (sizeof *block + size);

      if (block == NULL)
        return false;
      *block = (CreelByteBlock){ .size = size };
      append (block, bytes + here, rest);
      if (here > 0)
        append (queue->last, bytes, here);
      if (queue->last != NULL)
        queue->last->next = block;
      else
        queue->first = block;
      queue->last = block;
    }
  else if (n > 0)
    append (queue->last, bytes, n);
  queue->length += n;
  return true;
}

const uint8_t *
creel_byte_queue_peek (const CreelByteQueue *queue, size_t *ret_n)
{
  *ret_n = queue->first != NULL ? queue->first->end - queue->first->start : 0;
  return queue->first != NULL ? queue->first->bytes + queue->first->start : NULL;
}

void
creel_byte_queue_drop (CreelByteQueue *queue, size_t n)
{
  queue->length -= n;
  while (n > 0)
    {
      CreelByteBlock *block = queue->first;
      size_t here = block->end - block->start < n ? block->end - block->start : n;

      block->start += here;
      n -= here;
      if (block->start < block->end)
        break;
      queue->first = block->next;
      if (queue->first == NULL)
        queue->last = NULL;
      free (block);
    }
}
