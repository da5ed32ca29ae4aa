/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "creel-proxy.h"

/* Where the proxy's keys come from: creeld, which is one of the connected peers, the one that exports
 * CREEL_BROKER_PATH. It is asked for each key; while it is away, 10 s are waited for it to come back. When its
 * connection ends, all cached keys are forgotten. */
typedef struct _CreelBroker CreelBroker;

/* `proxy` must outlive it. */
CreelBroker *creel_broker_new (CreelProxy *proxy);
void creel_broker_free (CreelBroker *broker);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CreelBroker, creel_broker_free)
void creel_broker_add_peer (CreelBroker *broker, GDBusConnection *connection);
void creel_broker_remove_peer (CreelBroker *broker, GDBusConnection *connection);
/* Reads a key from a sealed memfd of at most 64 KiB into locked memory that is wiped when the last reference goes. */
GBytes *creel_broker_read_secret (int fd, GError **error);
