/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "creel-key-forms.h"

/* Overwrites a key, in all its forms, in a stream that is cut anywhere. The length never changes, so Content-Length stays
 * true. Only bytes that may be the start of a key are held back. */
typedef struct _CreelScrub CreelScrub;

CreelScrub *creel_scrub_new (CreelKeyForms *forms);
/* Looks for another key too; before anything is fed. */
void creel_scrub_add (CreelScrub *scrub, CreelKeyForms *forms);
void creel_scrub_free (CreelScrub *scrub);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CreelScrub, creel_scrub_free)

/* Returns what may go on, ret_size bytes, valid until the next call: data itself when there is nothing to hide. last: the
 * stream ends here, and the next call begins another one. */
const guint8 *creel_scrub_feed (CreelScrub *scrub, const guint8 *data, gsize size, gboolean last, gsize *ret_size);
/* Each call looks at all that is held back anew. So small pieces that are there at once are better gathered first; at the end the
 * caller feeds nothing, or the last. FALSE: not taken, it is enough for creel_scrub_feed(). */
gboolean creel_scrub_gather (CreelScrub *scrub, const guint8 *data, gsize size);
/* One whole piece beside the stream, or a text; NULL when there is nothing to hide, else the clean copy. */
guint8 *creel_scrub_bytes (CreelScrub *scrub, const guint8 *data, gsize size);
char *creel_scrub_text (CreelScrub *scrub, const char *text);
/* How many keys were overwritten so far. */
guint64 creel_scrub_get_hits (CreelScrub *scrub);
