/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "creel-definition.h"
#include "creel-model-config.h"
#include "creel-plan.h"

/* What a worker of an image job writes to its stderr. It has read a hostile archive and may be its puppet: every line is
 * checked, everything is bounded, and nothing is believed that creeld can see for itself. Fuzzed. */
typedef struct
{
  GString *pending;
  gsize total;
  gboolean broken;  /* broke the protocol: nothing counts any more */

  char *phase;
  guint64 done, total_steps;
  char *error_code; /* "BadImage", or NULL */
  char *error_text;
  char *id;         /* sha256-..., when it said done */
  CreelImageConfig *config; /* with manifest and blobs: what it wrote to the OCI store */
  CreelModelConfig *model;  /* what it said of a model, without id, manifest and blobs; see creel_worker_lines_take_model () */
  CreelPlan *plan;  /* of a build */
  char **digests;   /* "sha256:...": what a registry calls the image */
} CreelWorkerLines;

CreelWorkerLines *creel_worker_lines_new (void);
void creel_worker_lines_free (CreelWorkerLines *lines);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CreelWorkerLines, creel_worker_lines_free)
/* Takes some bytes of the stream. TRUE when phase or progress changed. */
gboolean creel_worker_lines_feed (CreelWorkerLines *lines, const char *bytes, gsize length);
/* The model that a worker which is done has described, with the id, manifest and blobs that it said: everything in it fits
 * together, and creeld may save it when it has set what the worker cannot know (created, source). NULL with
 * CREEL_ERROR_BAD_IMAGE. `lines` keeps an empty model. */
CreelModelConfig *creel_worker_lines_take_model (CreelWorkerLines *lines, GError **error);
