/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "creel-proxy-private.h"

/* One connection of the guest from its first byte on: HTTP for the explicit proxy, else whatever the first bytes are. */
typedef struct _CreelConnection CreelConnection;

/* Belongs to the proxy's table, which frees it. target NULL: the explicit proxy. */
CreelConnection *creel_connection_new (CreelProxy *proxy, GIOStream *stream, CreelHost *target, guint16 port, CreelWay way);
/* One that only hears which limit of the explicit proxy is reached. */
void creel_connection_turn_away (CreelProxy *proxy, GIOStream *stream, CreelLimit limit);
void creel_connection_free (CreelConnection *connection);
/* After a change of policy: FALSE when it must be cut. */
gboolean creel_connection_is_allowed (CreelConnection *connection);
/* Since when it waits for what it waits for now. Monotonic, in microseconds. */
gint64 creel_connection_get_since (CreelConnection *connection);
/* FALSE when it waited too long. */
gboolean creel_connection_is_in_time (CreelConnection *connection, gint64 now);
