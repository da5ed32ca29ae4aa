/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "creel-endpoint.h"
#include "creel-models-api.h"

/* How an answer to one request is written. */
typedef struct
{
  gboolean http10;
  gboolean head_only; /* HEAD */
  gboolean keep;      /* the connection has another request after this */
  const char *fields; /* more of the head, each with CR LF; NULL: none */
} CreelModelsReply;

/* text NULL: no body. */
void creel_models_reply_write (const CreelModelsReply *reply, CreelEndpoint *client, guint status, const char *type, const char *text);
void creel_models_reply_write_error (const CreelModelsReply *reply, CreelEndpoint *client, CreelModelsForm form, guint status, const char *message);
