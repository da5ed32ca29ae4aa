/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "creel-audit.h"
#include "creel-channel.h"

/* One connection of a published port: a socket of this machine and a stream of the control channel. Each direction ends by
 * itself; a reset on one side is one on the other. */
typedef struct _CreelForward CreelForward;

/* The connection is over and its pointer becomes invalid. Last callback; not from inside creel_forward_start(). */
typedef void (*CreelForwardFunc) (CreelForward *forward, gpointer user_data);

/* Takes fd, a nonblocking TCP socket, and entry, which is written first. channel: as for creel_ports_new(). */
CreelForward *creel_forward_start (int fd, CreelAudit *audit, CreelAuditEntry *entry, guint16 guest_port,
                                   CreelChannel *(*channel) (gpointer user_data), gpointer channel_data, CreelForwardFunc done,
                                   gpointer user_data);
/* Resets both sides and frees it, without a callback. */
void creel_forward_abort (CreelForward *forward);
/* Takes fd and resets it. */
void creel_forward_refuse (int fd);
