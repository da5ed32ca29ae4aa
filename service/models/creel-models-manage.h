/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "creel-models-front.h"
#include "creel-models-order.h"
#include "creel-models-reply.h"

/* One order of a user, from creeld's call to the end of its answer. */
typedef struct _CreelModelsManage CreelModelsManage;

/* The order is taken; what the reply points to is the caller's and stays, as the client does. done: once, from the main loop, when all
 * of the answer is in the client's buffer; status: how it ended, which an answer that had begun with 200 can say in its last line only. */
CreelModelsManage *creel_models_manage_new (CreelModelsFront *front, CreelEndpoint *client, CreelModelsForm form, CreelModelsOperation operation,
                                            CreelModelsOrder *order, uid_t uid, const CreelModelsReply *reply, const char *accept,
                                            void (*done) (guint status, gboolean keep, gpointer user_data), gpointer user_data);
/* Before it is done: the client is gone, and its job is cancelled unless others wait for the same. */
void creel_models_manage_free (CreelModelsManage *manage);
/* Bytes that a pull or a push has moved: changes as long as it goes on. */
guint64 creel_models_manage_get_moved (CreelModelsManage *manage);
gboolean creel_models_manage_is_done (CreelModelsManage *manage);
