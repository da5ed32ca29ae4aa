/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Overwrites a key, and the usual encodings of it, in a stream that is cut anywhere. The length never changes, so
 * Content-Length stays true. Only bytes that may be the start of a key are held back. */
typedef struct _CreelScrub CreelScrub;

CreelScrub *creel_scrub_new (const char *key, gsize size);
void creel_scrub_free (CreelScrub *scrub);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CreelScrub, creel_scrub_free)

/* Appends what may go on to `out`. */
void creel_scrub_feed (CreelScrub *scrub, const guint8 *data, gsize size, GByteArray *out);
/* The stream ended: what was held back. */
void creel_scrub_finish (CreelScrub *scrub, GByteArray *out);
/* One whole text; NULL when there is nothing to hide, else the clean copy. */
char *creel_scrub_text (CreelScrub *scrub, const char *text);
/* How many keys were overwritten so far. */
guint creel_scrub_get_hits (CreelScrub *scrub);
