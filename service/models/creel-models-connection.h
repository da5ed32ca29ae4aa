/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "creel-models-front.h"

/* One connection of a client: request after request. */
typedef struct _CreelModelsConnection CreelModelsConnection;

/* ended: once, never from inside a call; the owner frees it then. */
CreelModelsConnection *creel_models_connection_new (CreelModelsFront *front, GSocketConnection *stream,
                                                    void (*ended) (CreelModelsConnection *connection, gpointer user_data), gpointer user_data);
void creel_models_connection_free (CreelModelsConnection *connection);
/* Every second: nobody stays for ever without saying anything. */
void creel_models_connection_tick (CreelModelsConnection *connection, gint64 now);
/* No request after the one that is being answered. */
void creel_models_connection_drain (CreelModelsConnection *connection);
