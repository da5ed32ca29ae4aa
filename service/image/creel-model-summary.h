/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of a model say together. */
#pragma once

#include "creel-gguf.h"
#include "creel-image-blobs.h"
#include "creel-image-report.h"

typedef struct
{
  CreelGguf *first;      /* of kind gguf; NULL: none yet */
  guint n_parts;         /* of kind gguf */
  gboolean in_order;     /* each part says that it is the next one */
  guint64 parameters;    /* of all parts */
  guint64 size;          /* of all weights, the projector's too */
  gboolean has_template; /* a file of its own */
} CreelModelSummary;

CreelModelSummary *creel_model_summary_new (void);
void creel_model_summary_free (CreelModelSummary *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CreelModelSummary, creel_model_summary_free)

/* Reads the header of a blob that is a GGUF by its kind; for others notes that they are there. */
gboolean creel_model_summary_add (CreelModelSummary *self, CreelImageBlobs *blobs, const char *kind,
                                  const char *hex, GError **error);
/* Whether the parts are all there. */
gboolean creel_model_summary_check (const CreelModelSummary *self, GError **error);
/* The lines "model KEY=VALUE". */
void creel_model_summary_report (const CreelModelSummary *self, CreelImageReport *report);
