/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "creel-models-api.h"
#include "creel-models-json.h"

/* Ollama's API on an engine that speaks OpenAI's: requests one way, answers the other. */

typedef struct
{
  const char *engine_path; /* static */
  char *model;
  char *body; /* for the engine */
  gboolean stream;
} CreelModelsOllamaRequest;
void creel_models_ollama_request_clear (CreelModelsOllamaRequest *request);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (CreelModelsOllamaRequest, creel_models_ollama_request_clear)

/* operation: CREEL_MODELS_CHAT, _GENERATE or _EMBED. The error is for the client. */
gboolean creel_models_ollama_translate (CreelModelsOperation operation, JsonObject *request,
                                        CreelModelsOllamaRequest *ret_request, GError **error);

/* The answer to one request. */
typedef struct _CreelModelsOllamaAnswer CreelModelsOllamaAnswer;
CreelModelsOllamaAnswer *creel_models_ollama_answer_new (CreelModelsOperation operation, const char *model);
void creel_models_ollama_answer_free (CreelModelsOllamaAnswer *answer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CreelModelsOllamaAnswer, creel_models_ollama_answer_free)

/* Bytes of the engine's event stream; appends the lines of NDJSON that they make. FALSE: it is no event stream. */
gboolean creel_models_ollama_answer_feed (CreelModelsOllamaAnswer *answer, const char *data, gsize size, GString *lines);
/* Its end: appends the last line. FALSE when the stream was cut before it said that it is done. */
gboolean creel_models_ollama_answer_finish (CreelModelsOllamaAnswer *answer, GString *lines);
/* A whole answer that does not stream; NULL when it is not understood. */
char *creel_models_ollama_answer_translate (CreelModelsOllamaAnswer *answer, const char *text, gsize size);
