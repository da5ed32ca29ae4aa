/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "creel-http-head.h"

/* Takes the framing off a body, strictly: chunk sizes are plain hex, lines end with CR LF, trailers are bounded and
 * dropped. Plain struct, no allocation. */
typedef struct
{
  CreelBodyKind kind;
  guint64 left; /* of the length or of this chunk */
  int state;
  guint digits;
  guint line; /* bytes of extension or trailers so far */
  gboolean line_empty;
  gboolean done;
} CreelHttpBody;

void creel_http_body_init (CreelHttpBody *body, CreelBodyKind kind, guint64 length);
/* Takes bytes from data: returns how many were used and sets the part of them that is payload, if any.
 * -1: the framing is wrong. Call again while it uses some and is not done. */
gssize creel_http_body_feed (CreelHttpBody *body, const guint8 *data, gsize size, const guint8 **ret_payload,
                             gsize *ret_payload_size);
/* The stream ended: TRUE when the body is whole. */
gboolean creel_http_body_end (CreelHttpBody *body);
