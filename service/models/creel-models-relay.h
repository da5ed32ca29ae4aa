/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "creel-endpoint.h"
#include "creel-models-ollama.h"

/* One request at an engine: sends it, and gives the client what comes back, as it comes. */
typedef struct _CreelModelsRelay CreelModelsRelay;

typedef enum
{
  CREEL_MODELS_RELAY_WHOLE,       /* the client has the whole answer, or it waits in its buffer */
  CREEL_MODELS_RELAY_UNREACHABLE, /* nobody listens there; the client has got nothing */
  CREEL_MODELS_RELAY_BUSY,        /* somebody does, and takes no more connections; the client has got nothing */
  CREEL_MODELS_RELAY_FULL,        /* too much is held of answers already; the client has got nothing */
  CREEL_MODELS_RELAY_LOST,        /* the engine ended, or said what is no answer; the client has got nothing */
  CREEL_MODELS_RELAY_CUT,         /* the same after its first bytes */
} CreelModelsRelayEnd;

typedef struct
{
  const char *socket_path;
  const char *engine_path;
  GBytes *body;
  void (*sent) (gpointer user_data); /* the body is not needed any more, also not for another try */
  const char *accept;              /* NULL: none */
  const char *fields;              /* more of the answer's head, each with CR LF */
  gboolean http10;                 /* the client knows no chunks */
  gboolean keep;                   /* it stays for another request, if the answer's end allows that */
  CreelModelsOllamaAnswer *answer; /* to be translated: taken; NULL: as it comes */
  gboolean stream;                 /* of an answer that is translated */
  guint64 *answers;                /* the sum of what is held of answers; outlives the relay */
} CreelModelsRelayRequest;

/* The client's endpoint is the caller's, who calls creel_models_relay_step() when it can take more. done: once, at the end
 * of a step, from the main loop. */
CreelModelsRelay *creel_models_relay_new (const CreelModelsRelayRequest *request, CreelEndpoint *client,
                                          void (*done) (CreelModelsRelayEnd end, gpointer user_data), gpointer user_data);
/* Ends the engine's connection at once: it stops what it was computing. */
void creel_models_relay_free (CreelModelsRelay *relay);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CreelModelsRelay, creel_models_relay_free)
void creel_models_relay_step (CreelModelsRelay *relay);

/* Of the answer; 0: none yet. */
guint creel_models_relay_get_status (CreelModelsRelay *relay);
/* Whether the client's connection has a next request. */
gboolean creel_models_relay_keeps (CreelModelsRelay *relay);
