/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "creel-models-answer.h"
#include "creel-models-audit.h"
#include "creel-models-peer.h"

/* Bodies of requests: one, and all that are here at once. Each is held until its engine has it. */
#define CREEL_MODELS_BODY_MAX (64 * 1024 * 1024)
#define CREEL_MODELS_BODIES_MAX (192 * 1024 * 1024)

/* What the connections of a server share. */
typedef struct
{
  const CreelModelsConfig *config;
  CreelModelsRunner *runner;
  CreelModelsAudit *audit;
  CreelModelsPeers *peers;
  CreelModelsMetrics metrics;
  guint64 held; /* bytes of bodies */
} CreelModelsFront;
