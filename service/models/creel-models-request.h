/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "creel-models-front.h"
#include "creel-models-reply.h"

/* One request whose body is here: finds its model, waits for it, and answers. */
typedef struct _CreelModelsRequest CreelModelsRequest;

/* user: who changes something with it; does not matter to other operations. route and body are taken; reply, with its fields, and accept are
 * copied. done: once, when all of the answer is in the client's buffer or there will be no more of it; from the main loop. */
CreelModelsRequest *creel_models_request_new (CreelModelsFront *front, CreelEndpoint *client, CreelModelsRoute *route, const CreelModelsReply *reply,
                                              uid_t user, const char *accept, GByteArray *body, void (*done) (gpointer user_data), gpointer user_data);
/* Before it is done: the client is gone, and what was computed for it ends. */
void creel_models_request_free (CreelModelsRequest *request);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CreelModelsRequest, creel_models_request_free)
/* The client can take more. */
void creel_models_request_step (CreelModelsRequest *request);

/* Of its answer; 0: none yet. */
guint creel_models_request_get_status (CreelModelsRequest *request);
/* Changes as long as creeld works for it, also when there is nothing to say. */
guint64 creel_models_request_get_progress (CreelModelsRequest *request);
/* An engine computes its answer, or will, or creeld is at work for it: with the client it ends. */
gboolean creel_models_request_is_relaying (CreelModelsRequest *request);
/* What was said is not all: the connection must end. */
gboolean creel_models_request_is_cut (CreelModelsRequest *request);
gboolean creel_models_request_keeps (CreelModelsRequest *request);
/* As people call it; NULL when it is none of ours. */
const char *creel_models_request_get_model (CreelModelsRequest *request);
