/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The lines that the worker writes for creeld; their format is in README.md. */
#pragma once

#include "creel-image-manifest.h"

typedef struct _CreelImageReport CreelImageReport;

/* Writes to fd, which stays the caller's. A reader that has gone away ends the process: nobody
 * would take the image. */
CreelImageReport *creel_image_report_new (int fd);
void creel_image_report_free (CreelImageReport *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CreelImageReport, creel_image_report_free)

/* At most ten lines a second, but always the first of a phase and the one with done == total.
 * A null report says nothing. */
void creel_image_report_progress (CreelImageReport *self, const char *phase, guint64 done,
                                  guint64 total);
void creel_image_report_config (CreelImageReport *self, const char *key, const char *value);
/* A line of words, each percent-encoded: an empty one is nothing between two blanks. */
void creel_image_report_words (CreelImageReport *self, const char *first, const char *const *words);
/* A line of a word and a digest: "digest" or "manifest". */
void creel_image_report_hex (CreelImageReport *self, const char *word, const char *hex);
/* The blobs of an image in the store, once each, and its manifest. */
void creel_image_report_manifest (CreelImageReport *self, const char *hex, guint64 size,
                                  const CreelImageManifest *manifest);
void creel_image_report_error (CreelImageReport *self, const GError *error);
void creel_image_report_done (CreelImageReport *self, const char *sha256);

/* The CODE of an error line. */
const char *creel_image_report_code (const GError *error);

/* A name out of an archive as one readable piece of a line: cut, control characters and broken
 * UTF-8 escaped. */
char *creel_image_quote (const char *name);
