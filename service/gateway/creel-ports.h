/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

#include "creel-audit.h"
#include "creel-channel.h"

/* The published ports of one sandbox: listening sockets that systemd made and creel-port handed over. Each connection is one
 * stream of the control channel, CONNECT localhost:PORT. Bytes go from socket to stream and back as either end takes them; nothing
 * is kept here. A connection is let through only after the journal has taken its entry. */
typedef struct _CreelPorts CreelPorts;

/* Connections under way, so that those that nobody reads leave the channel's window to sessions; more wait in the socket's backlog. */
#define CREEL_PORTS_CONNECTIONS_MAX 256
#define CREEL_PORT_CONNECTIONS_MAX 128 /* of one port */

/* channel: the control channel when the guest is ready, else NULL: connections wait meanwhile. */
CreelPorts *creel_ports_new (const char *sandbox, CreelAudit *audit, CreelChannel *(*channel) (gpointer user_data), gpointer user_data);
void creel_ports_free (CreelPorts *ports);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CreelPorts, creel_ports_free)

/* What the definition publishes; NULL: nothing. Connections of other ports are reset, at once and when they come. */
void creel_ports_set_published (CreelPorts *ports, char **publish);
/* Takes fd unless it fails. holder: who brought it; when it leaves, creel_ports_drop_holder(). G_DBUS_ERROR_INVALID_ARGS when fd is no
 * listening TCP socket, G_DBUS_ERROR_ACCESS_DENIED when the definition does not publish its address for guest_port. */
gboolean creel_ports_add (CreelPorts *ports, int fd, guint16 guest_port, gpointer holder, GError **error);
/* Closes the sockets that holder brought; connections go on. */
void creel_ports_drop_holder (CreelPorts *ports, gpointer holder);
/* The guest became ready, or is no longer. */
void creel_ports_update (CreelPorts *ports);
