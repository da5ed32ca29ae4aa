/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SHA-256, ten times as fast as GChecksum: GnuTLS uses the processor's instructions for it. */
#pragma once

#include <glib.h>

typedef struct _CreelImageDigest CreelImageDigest;

CreelImageDigest *creel_image_digest_new (void);
void creel_image_digest_free (CreelImageDigest *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CreelImageDigest, creel_image_digest_free)

void creel_image_digest_update (CreelImageDigest *self, gconstpointer bytes, gsize length);
/* 64 hex digits of all bytes so far. */
char *creel_image_digest_get (CreelImageDigest *self);
char *creel_image_digest_of (GBytes *bytes);

/* Whether a text is a SHA-256 as we write it: 64 lower case hex digits. */
gboolean creel_image_digest_is_valid (const char *hex);
