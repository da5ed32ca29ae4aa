/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "creel-models-answer.h"
#include "creel-models-audit.h"
#include "creel-models-peer.h"

/* Bodies of requests: one, and all that are here at once. Each is held until its engine has it. The beginning of each is not counted: however
 * many large ones there are, a small one finds its place. */
#define CREEL_MODELS_BODY_MAX (64 * 1024 * 1024)
#define CREEL_MODELS_BODIES_MAX (128 * 1024 * 1024)
#define CREEL_MODELS_BODY_FREE (256 * 1024)
/* What is held of answers, that are translated as a whole or that their clients do not read */
#define CREEL_MODELS_ANSWERS_MAX (96 * 1024 * 1024)

/* What the connections of a server share. */
typedef struct
{
  const CreelModelsConfig *config;
  CreelModelsRunner *runner;
  CreelModelsAudit *audit;
  CreelModelsPeers *peers;
  CreelModelsMetrics metrics;
  guint64 held;    /* bytes of bodies, as creel_models_front_count() has them */
  guint64 answers; /* bytes of answers */
} CreelModelsFront;

static inline guint64
creel_models_front_count (gsize body_size)
{
  return body_size > CREEL_MODELS_BODY_FREE ? body_size - CREEL_MODELS_BODY_FREE : 0;
}
