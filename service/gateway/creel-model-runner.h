/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "creel-request.h"

/* of one sandbox at once: the model runner is shared by the whole machine, and has places for eight times as many */
#define CREEL_MODEL_RUNNER_REQUESTS_MAX 64
#define CREEL_MODEL_RUNNER_FULL \
  "This sandbox waits for " G_STRINGIFY (CREEL_MODEL_RUNNER_REQUESTS_MAX) " answers of the model runner already; try again when one is there"

/* The model runner of this machine serves whoever reaches it, also with pulling, configuring and removing models. A guest
 * reaches it through us alone, and only for what asks a model or lists models; no rule of a policy opens the rest. */

/* Whether this is the model runner's port, by any of the names that this machine has in a guest. */
gboolean creel_model_runner_is (const CreelHost *host, guint16 port);
/* Whether a connection to this address ends there, whatever name led to it. */
gboolean creel_model_runner_is_at (GInetAddress *address, guint16 port);
/* The path of a request to it as it shall be sent, or NULL when a guest must not ask for this. path: without the query. Encoded
 * slashes and colons, as names of models have them, become plain, so that what was looked at is what is sent. */
char *creel_model_runner_check (const char *method, const char *path);
/* One more of so many; FALSE when there are as many as there may be. */
gboolean creel_model_runner_take_place (guint *n);
/* Makes a request to it what is sent: its path, and who asks. FALSE when a guest must not ask for this. */
gboolean creel_model_runner_prepare (CreelRequest *request, const char *sandbox);
