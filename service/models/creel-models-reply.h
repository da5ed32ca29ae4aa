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

/* The head of an answer whose body comes in pieces; TRUE: they are chunks. The connection ends with it when they cannot be. */
gboolean creel_models_reply_begin (CreelModelsReply *reply, CreelEndpoint *client, const char *type);
/* One piece, which the caller flushes; nothing for a size of 0. */
void creel_models_reply_write_piece (CreelEndpoint *client, gboolean chunked, const char *data, gsize size);

/* text NULL: no body. */
void creel_models_reply_write (const CreelModelsReply *reply, CreelEndpoint *client, guint status, const char *type, const char *text);
void creel_models_reply_write_error (const CreelModelsReply *reply, CreelEndpoint *client, CreelModelsForm form, guint status, const char *message);
