/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "creel-models-catalog.h"
#include "creel-models-order.h"

/* What those hear who change something, in the forms of two APIs. Texts are owned by the caller. */
typedef enum
{
  CREEL_MODELS_LINES_DOCKER, /* a JSON object a line */
  CREEL_MODELS_LINES_OLLAMA, /* the same */
  CREEL_MODELS_LINES_TEXT,   /* Docker's, for those who do not want JSON */
} CreelModelsLines;

/* accept: of the request; NULL: none. */
CreelModelsLines creel_models_lines_choose (CreelModelsForm form, const char *accept);
/* Static. */
const char *creel_models_lines_get_type (CreelModelsLines lines, gboolean stream);
/* A line about a pull or a push; bytes, total 0: not known; digest "": not known. */
char *creel_models_lines_format_progress (CreelModelsLines lines, CreelModelsOperation operation, const char *model, guint64 done, guint64 total,
                                          const char *digest);
/* The last line; error NULL: it is done. */
char *creel_models_lines_format_end (CreelModelsLines lines, CreelModelsOperation operation, const char *model, const char *error);

/* Docker's answers to what is done at once. model: as it was before it was removed; NULL: not known. */
char *creel_models_answer_removed (const CreelModelsOrder *order, const CreelModelsModel *model);
char *creel_models_answer_tagged (const CreelModelsOrder *order);
char *creel_models_answer_unloaded (guint n);
