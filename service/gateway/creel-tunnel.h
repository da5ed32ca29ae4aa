/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "creel-endpoint.h"
#include "creel-websocket.h"

/* Carries bytes both ways between two endpoints until both directions are done; each direction ends by itself. */
typedef struct _CreelTunnel CreelTunnel;
typedef void (*CreelTunnelFunc) (gpointer user_data);

/* messages: through which what comes from upstream has to go, or NULL; borrowed. func: called once, at the end, from the main
 * loop. */
CreelTunnel *creel_tunnel_new (CreelEndpoint *guest, CreelEndpoint *upstream, CreelWebSocket *messages, CreelTunnelFunc func,
                               gpointer user_data);
/* Closes both; who did not get all and the end of it gets a reset. */
void creel_tunnel_free (CreelTunnel *tunnel);
/* Monotonic time of the last byte. */
gint64 creel_tunnel_get_activity (CreelTunnel *tunnel);
