/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Config and manifest of a new image in the store, from those of its base and what is to be
 * different. */
#pragma once

#include "creel-image-blobs.h"
#include "creel-image-manifest.h"
#include "creel-image-report.h"

typedef struct
{
  GPtrArray *environment; /* of char *, K=V: set beside the base's */
  GPtrArray *entrypoint;  /* NULL: the base's */
  GPtrArray *command;     /* NULL: the base's */
  char *user;             /* NULL: the base's, "" none */
  char *working_dir;
  char *created_by;
  gint64 created; /* seconds since the epoch; -1: not told */
} CreelImageChanges;

/* From KEY=VALUE words as README.md has them, NULL-terminated. */
CreelImageChanges *creel_image_changes_parse (char **words, GError **error);
void creel_image_changes_free (CreelImageChanges *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CreelImageChanges, creel_image_changes_free)

/* What the manifest and config of a base say, checked. */
typedef struct
{
  CreelImageManifest *manifest;
  JsonNode *document; /* the manifest as it is */
  JsonNode *config;
} CreelImageBase;

CreelImageBase *creel_image_base_load (CreelImageBlobs *blobs, const char *manifest,
                                       GError **error);
void creel_image_base_free (CreelImageBase *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CreelImageBase, creel_image_base_free)

/* The text of the new config. base: NULL from scratch; diff_id: NULL when there is no new layer. */
char *creel_image_document_config (const CreelImageBase *base, const CreelImageChanges *changes,
                                   const char *diff_id);

/* Writes config and manifest into the store and reports them, with done. layer as diff_id. */
gboolean creel_image_document_write (CreelImageBlobs *blobs, const CreelImageBase *base,
                                     const CreelImageChanges *changes,
                                     const CreelImageDescriptor *layer, const char *diff_id,
                                     CreelImageReport *report, GError **error);
