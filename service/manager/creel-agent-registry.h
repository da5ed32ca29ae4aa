/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "creel-daemon.h"

/* The session agents of all users, newest first. */
CreelAgentRegistry *creel_agent_registry_new (CreelDaemon *daemon);
void creel_agent_registry_free (CreelAgentRegistry *registry);
/* A client left the bus. When it was its user's last agent, the gateways of that user's sandboxes forget their keys. */
void creel_agent_registry_gone (CreelAgentRegistry *registry, const char *name);

/* fd is owned by the callee, -1 with an error. */
typedef void (*CreelSecretFunc) (int fd, gpointer user_data, GError *error);
/* Asks the agents of `uid` in turn, 120 s each. The fd is passed on unread; it must be one, and sealed. */
void creel_agent_registry_get_secret (CreelAgentRegistry *registry, uid_t uid, const char *sandbox,
                                      const char *credential, CreelSecretFunc done, gpointer user_data);
/* The same for a registry's user and password, "USER:PASSWORD". None is no error: fd is -1 then; a keyring that is locked is. */
void creel_agent_registry_get_registry_secret (CreelAgentRegistry *registry, uid_t uid, const char *host,
                                               CreelSecretFunc done, gpointer user_data);
