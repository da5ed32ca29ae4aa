/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-websocket.h"

#include <string.h>

#define FIN 0x80
#define RESERVED 0x70
#define OPCODE 0x0f
#define CONTROL 0x08 /* of an opcode */
#define MASKED 0x80
#define CONTROL_MAX 125
#define HEADER_MAX 10

struct _CreelWebSocket
{
  CreelScrub *scrub;
  guint8 header[HEADER_MAX];
  guint header_size;
  gboolean in_payload;
  guint64 left; /* of the payload */
  gboolean in_message, announced; /* announced: its first frame was written */
  guint8 opcode; /* of the message */
  guint8 control[CONTROL_MAX];
  gsize control_size;
  gboolean broken;
};

CreelWebSocket *
creel_websocket_new (CreelScrub *scrub)
{
  CreelWebSocket *socket = g_new0 (CreelWebSocket, 1);

  socket->scrub = scrub;
  return socket;
}

void
creel_websocket_free (CreelWebSocket *socket)
{
  if (socket == NULL)
    return;
  explicit_bzero (socket, sizeof *socket);
  g_free (socket);
}

gboolean
creel_websocket_is_broken (CreelWebSocket *socket)
{
  return socket->broken;
}

static void
write_frame (GByteArray *out, guint8 first, const guint8 *payload, gsize size)
{
  guint8 header[HEADER_MAX] = { first, (guint8) (size <= 125 ? size : size <= 0xffff ? 126 : 127) };
  guint length = size <= 125 ? 2 : size <= 0xffff ? 4 : HEADER_MAX;

  for (guint i = 2; i < length; i++)
    header[i] = (guint8) ((guint64) size >> 8 * (length - 1 - i));
  g_byte_array_append (out, header, length);
  if (size > 0)
    g_byte_array_append (out, payload, (guint) size);
}

static gboolean
has_header (CreelWebSocket *socket)
{
  guint8 length = socket->header[1] & 0x7f;

  return socket->header_size >= 2 && socket->header_size == (length == 127 ? HEADER_MAX : length == 126 ? 4 : 2);
}

/* A server masks nothing, and without an extension the reserved bits are 0. */
static gboolean
read_header (CreelWebSocket *socket)
{
  guint8 opcode = socket->header[0] & OPCODE;
  gboolean last = (socket->header[0] & FIN) != 0;

  socket->left = 0;
  for (guint i = socket->header_size > 2 ? 2 : 1; i < socket->header_size; i++)
    socket->left = socket->left << 8 | socket->header[i];
  socket->in_payload = TRUE;
  if ((socket->header[0] & RESERVED) != 0 || (socket->header[1] & MASKED) != 0 || socket->left > G_MAXINT64)
    return FALSE;
  if ((opcode & CONTROL) != 0)
    {
      socket->control_size = 0;
      return opcode <= 0x0a && last && socket->left <= CONTROL_MAX;
    }
  if (opcode > 2 || (opcode == 0) != socket->in_message)
    return FALSE;
  if (opcode != 0)
    {
      socket->in_message = TRUE;
      socket->announced = FALSE;
      socket->opcode = opcode;
    }
  return TRUE;
}

static void
write_part (CreelWebSocket *socket, const guint8 *data, gsize size, gboolean last, GByteArray *out)
{
  const guint8 *clean = creel_scrub_feed (socket->scrub, data, size, last, &size);

  if (size == 0 && !last)
    return;
  write_frame (out, (guint8) ((last ? FIN : 0) | (socket->announced ? 0 : socket->opcode)), clean, size);
  socket->announced = TRUE;
}

/* size: not more than what is left of it */
static void
take_payload (CreelWebSocket *socket, const guint8 *data, gsize size, GByteArray *out)
{
  gboolean ends = socket->left == size, last = ends && (socket->header[0] & FIN) != 0;

  socket->left -= size;
  socket->in_payload = !ends;
  if ((socket->header[0] & CONTROL) != 0)
    {
      if (size > 0)
        memcpy (socket->control + socket->control_size, data, size);
      socket->control_size += size;
      if (ends)
        {
          g_autofree guint8 *hidden = creel_scrub_bytes (socket->scrub, socket->control, socket->control_size);

          write_frame (out, socket->header[0], hidden != NULL ? hidden : socket->control, socket->control_size);
        }
      return;
    }
  if (last || !creel_scrub_gather (socket->scrub, data, size))
    write_part (socket, data, size, last, out);
  if (last)
    socket->in_message = FALSE;
}

gboolean
creel_websocket_feed (CreelWebSocket *socket, const guint8 *data, gsize size, GByteArray *out)
{
  while (size > 0 && !socket->broken)
    {
      gsize part;

      if (!socket->in_payload)
        {
          socket->header[socket->header_size++] = *data++;
          size--;
          if (!has_header (socket))
            continue;
          socket->broken = !read_header (socket);
          socket->header_size = 0;
          if (socket->broken || socket->left > 0)
            continue;
        }
      part = (gsize) MIN ((guint64) size, socket->left);
      take_payload (socket, data, part, out);
      data += part;
      size -= part;
    }
  write_part (socket, NULL, 0, FALSE, out);
  return !socket->broken;
}
