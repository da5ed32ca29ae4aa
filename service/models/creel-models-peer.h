/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>
#include <netinet/in.h>
#include <sys/types.h>

/* Who is at the other end of a connection of this machine, and whether that is the gateway of a sandbox. */

/* The owner of the client's socket, from the text of /proc/net/tcp; FALSE when it is not there. ret_open: it was not closed, in any
 * direction: of one that nobody holds any more the kernel says that it is root's. */
gboolean creel_models_peer_parse (const char *table, const struct sockaddr_in *client, const struct sockaddr_in *server, uid_t *ret_uid,
                                  gboolean *ret_open);
/* The same, of a connection of this process; FALSE also when it was reset. */
gboolean creel_models_peer_get_uid (GSocketConnection *connection, uid_t *ret_uid, gboolean *ret_open);

typedef struct _CreelModelsPeers CreelModelsPeers;
/* bus: with systemd on it. */
CreelModelsPeers *creel_models_peers_new (GDBusConnection *bus);
void creel_models_peers_free (CreelModelsPeers *peers);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CreelModelsPeers, creel_models_peers_free)
/* Calls func, at once when it is known. FALSE goes to those that still wait when the peers are freed. */
void creel_models_peers_check (CreelModelsPeers *peers, uid_t uid, void (*func) (gboolean is_gateway, gpointer user_data), gpointer user_data);
