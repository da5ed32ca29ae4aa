/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "creel-models-api.h"
#include "creel-models-runner.h"

/* The bodies of the answers that the front gives itself, in the forms of the APIs. Owned by the caller. */
typedef struct
{
  CreelModelsRunnerCounters runner;
  guint connections, loaded;
  guint64 lost; /* entries of the audit */
  guint64 bytes_in, bytes_out;
  guint64 requests[6]; /* by the hundreds of their status; [0]: the client hung up */
} CreelModelsMetrics;

char *creel_models_answer_list (CreelModelsForm form, CreelModelsCatalog *catalog);
char *creel_models_answer_show (CreelModelsForm form, const CreelModelsModel *model);
/* loaded: as creel_models_runner_list_loaded() has it. */
char *creel_models_answer_loaded (CreelModelsForm form, GArray *loaded);
char *creel_models_answer_disk (CreelModelsCatalog *catalog);
char *creel_models_answer_status (GArray *loaded);
char *creel_models_answer_version (void);
char *creel_models_answer_metrics (const CreelModelsMetrics *metrics);
