/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-http-body.h"

#include <string.h>

#define CHUNK_DIGITS_MAX 15
#define EXTENSION_MAX 1024
#define TRAILERS_MAX (8 * 1024)

enum
{
  SIZE,
  EXTENSION,
  SIZE_LF,
  DATA,
  DATA_CR,
  DATA_LF,
  TRAILER,
  TRAILER_LF,
};

void
creel_http_body_init (CreelHttpBody *body, CreelBodyKind kind, guint64 length)
{
  memset (body, 0, sizeof *body);
  body->kind = kind;
  body->left = kind == CREEL_BODY_LENGTH ? length : 0;
  body->done = kind == CREEL_BODY_NONE || (kind == CREEL_BODY_LENGTH && length == 0);
}

static gboolean
take_byte (CreelHttpBody *body, guint8 c)
{
  switch (body->state)
    {
    case SIZE:
      if (g_ascii_isxdigit (c))
        {
          body->left = body->left << 4 | (guint64) g_ascii_xdigit_value ((char) c);
          return ++body->digits <= CHUNK_DIGITS_MAX;
        }
      body->line = 0;
      body->state = c == ';' ? EXTENSION : SIZE_LF;
      return body->digits > 0 && (c == ';' || c == '\r');
    case EXTENSION:
      if (c == '\r')
        body->state = SIZE_LF;
      return ++body->line <= EXTENSION_MAX && (c == '\r' || c == '\t' || (c >= ' ' && c != 0x7f));
    case SIZE_LF:
      body->state = body->left > 0 ? DATA : TRAILER;
      body->digits = 0;
      body->line = 0;
      body->line_empty = TRUE;
      return c == '\n';
    case DATA_CR:
      body->state = DATA_LF;
      return c == '\r';
    case DATA_LF:
      body->state = SIZE;
      body->left = 0;
      return c == '\n';
    case TRAILER:
      if (c == '\r')
        body->state = TRAILER_LF;
      else
        body->line_empty = FALSE;
      return ++body->line <= TRAILERS_MAX && (c == '\r' || c == '\t' || (c >= ' ' && c != 0x7f));
    case TRAILER_LF:
      body->state = TRAILER;
      body->done = body->line_empty;
      body->line_empty = TRUE;
      return c == '\n';
    default:
      return FALSE;
    }
}

gssize
creel_http_body_feed (CreelHttpBody *body, const guint8 *data, gsize size, const guint8 **ret_payload,
                      gsize *ret_payload_size)
{
  gsize used = 0;

  *ret_payload = NULL;
  *ret_payload_size = 0;
  if (body->done)
    return 0;
  if (body->kind == CREEL_BODY_CHUNKED)
    while (used < size && !body->done && body->state != DATA)
      if (!take_byte (body, data[used++]))
        return -1;
  if (body->done || used == size)
    return (gssize) used;

  *ret_payload = data + used;
  *ret_payload_size = body->kind == CREEL_BODY_EOF ? size - used : (gsize) MIN ((guint64) (size - used), body->left);
  if (body->kind != CREEL_BODY_EOF)
    {
      body->left -= *ret_payload_size;
      if (body->left == 0)
        {
          body->done = body->kind == CREEL_BODY_LENGTH;
          body->state = DATA_CR;
        }
    }
  return (gssize) (used + *ret_payload_size);
}

gboolean
creel_http_body_end (CreelHttpBody *body)
{
  if (body->kind == CREEL_BODY_EOF)
    body->done = TRUE;
  return body->done;
}
