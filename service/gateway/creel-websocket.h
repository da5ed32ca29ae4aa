/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "creel-scrub.h"

/* The messages of a server on a WebSocket: read strictly, cleaned of the key, and framed anew, so that a key which is cut by
 * frames is found too and no byte waits that could not be one. Control frames may come in between. */
typedef struct _CreelWebSocket CreelWebSocket;

/* scrub: borrowed */
CreelWebSocket *creel_websocket_new (CreelScrub *scrub);
void creel_websocket_free (CreelWebSocket *socket);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CreelWebSocket, creel_websocket_free)

/* Appends to `out` what may go on. FALSE: these are no frames that could be looked into, and nothing more may go on. */
gboolean creel_websocket_feed (CreelWebSocket *socket, const guint8 *data, gsize size, GByteArray *out);
gboolean creel_websocket_is_broken (CreelWebSocket *socket);
