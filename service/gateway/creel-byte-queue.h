/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes in the order in which they came, in blocks of the size in which they came: nothing is moved when more arrives, and no block is
 * so large that malloc() would map fresh pages for it. All zeros is an empty queue. */

typedef struct CreelByteBlock CreelByteBlock;

typedef struct
{
  CreelByteBlock *first;
  CreelByteBlock *last;
  size_t length; /* bytes in all blocks; read only */
} CreelByteQueue;

/* Copies. False: no memory, nothing was added. */
bool creel_byte_queue_add (CreelByteQueue *queue, const uint8_t *bytes, size_t n);
/* The oldest bytes, as many as lie together, for as long as nothing is dropped; NULL when the queue is empty. */
const uint8_t *creel_byte_queue_peek (const CreelByteQueue *queue, size_t *ret_n);
/* Forgets the n oldest; n is at most the length. */
void creel_byte_queue_drop (CreelByteQueue *queue, size_t n);
