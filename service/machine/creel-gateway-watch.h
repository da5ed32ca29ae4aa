/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

/* The state of a sandbox's gateway, over its private socket; connects again whenever the gateway was started anew. */
#define CREEL_TYPE_GATEWAY_WATCH (creel_gateway_watch_get_type ())
G_DECLARE_FINAL_TYPE (CreelGatewayWatch, creel_gateway_watch, CREEL, GATEWAY_WATCH, GObject)

/* Signal "state" (s state, s text): Gateway.State and StatusText, at first and at each change. */

/* `socket` is the path of NAME.gateway. Starts to connect at once. */
CreelGatewayWatch *creel_gateway_watch_new (const char *socket);
/* Asks the guest to power off. FALSE when there is no gateway to ask; then nothing will happen. */
gboolean creel_gateway_watch_shutdown (CreelGatewayWatch *self);
