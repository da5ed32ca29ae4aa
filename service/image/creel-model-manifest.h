/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Manifests of models: Docker's media types and those of CNCF's ModelPack. Hostile like those of
 * images. */
#pragma once

#include "creel-image-blobs.h"
#include "creel-image-manifest.h"
#include "creel-image-report.h"

#define CREEL_MODEL_TYPE_CONFIG "application/vnd.docker.ai.model.config.v0.1+json"

typedef struct
{
  CreelImageDescriptor *blob;
  const char *kind; /* of CreelModelFile */
  char *name;       /* valid for it, and no other file's of the model */
} CreelModelLayer;

typedef struct
{
  CreelImageDescriptor *config;
  GPtrArray *layers; /* of CreelModelLayer, in order */
  guint64 size;      /* of all blobs */
} CreelModelManifest;

/* BadImage for what is no model in the GGUF format. */
CreelModelManifest *creel_model_manifest_parse (GBytes *bytes, GError **error);
void creel_model_manifest_free (CreelModelManifest *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CreelModelManifest, creel_model_manifest_free)

/* The media type that a file of this kind has in a manifest of ours, or NULL. */
const char *creel_model_manifest_type (const char *kind);

/* What the GGUF headers of its blobs say, as lines of the worker, and everything else that belongs
 * to the model: blob, file, model and manifest lines. */
gboolean creel_model_manifest_report (const CreelModelManifest *self, CreelImageBlobs *blobs,
                                      const char *hex, guint64 size, CreelImageReport *report,
                                      GError **error);
