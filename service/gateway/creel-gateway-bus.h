/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "creel-gateway.h"

/* The gateway's D-Bus face: peer-to-peer connections of creeld and creel-machine, several at once, to one listening socket.
 * Sessions belong to the connection that started them and end with it. */
typedef struct _CreelGatewayBus CreelGatewayBus;

/* Takes listen_fd (-1: creel_gateway_bus_take_connection). Only peers of `uid` are let in: 0 but for tests.
 * Also becomes the proxy's source of keys. `gateway` must outlive it. */
CreelGatewayBus *creel_gateway_bus_new (CreelGateway *gateway, int listen_fd, uid_t uid);
void creel_gateway_bus_free (CreelGatewayBus *bus);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CreelGatewayBus, creel_gateway_bus_free)
/* Takes fd, a connected AF_UNIX socket. */
void creel_gateway_bus_take_connection (CreelGatewayBus *bus, int fd);
/* Sends what waits to be sent; blocks for that long. */
void creel_gateway_bus_flush (CreelGatewayBus *bus);
