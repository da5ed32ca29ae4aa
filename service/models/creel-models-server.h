/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "creel-models-front.h"

/* More are answered with 503. */
#define CREEL_MODELS_CONNECTIONS_MAX 512

/* Accepts the clients of the front. */
typedef struct _CreelModelsServer CreelModelsServer;

/* fds: listening sockets, taken. peers NULL: nobody is believed to be a gateway. All else stays the caller's. */
CreelModelsServer *creel_models_server_new (const int *fds, guint n_fds, const CreelModelsConfig *config, CreelModelsRunner *runner,
                                            CreelModelsAudit *audit, CreelModelsPeers *peers, GError **error);
void creel_models_server_free (CreelModelsServer *server);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CreelModelsServer, creel_models_server_free)
/* Takes nobody any more; func when all answers under way are given. */
void creel_models_server_drain (CreelModelsServer *server, void (*func) (gpointer user_data), gpointer user_data);
guint creel_models_server_get_connections (CreelModelsServer *server);
