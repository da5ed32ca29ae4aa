/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "creel-endpoint.h"
#include "creel-response.h"

/* The body of a response on its way to the guest. When there are keys that could be in it, content codings are undone and the keys
 * are hidden; what cannot be looked into is refused or cut. */
typedef struct _CreelAnswer CreelAnswer;
typedef void (*CreelAnswerFunc) (gpointer user_data);

/* Takes scrub, which may be NULL. memory: what all decoders may use together, shared by those that give it. func: called from the
 * main loop when there is more to write than fits into one step. */
CreelAnswer *creel_answer_new (CreelEndpoint *guest, CreelScrub *scrub, gsize *memory, CreelAnswerFunc func, gpointer user_data);
void creel_answer_free (CreelAnswer *answer);

/* Changes head and response to what the body will be. NULL, else the reason of a refusal and its text (static).
 * can_chunk: the guest speaks HTTP/1.1. */
const char *creel_answer_prepare (CreelAnswer *answer, CreelHttpHead *head, CreelResponse *response, gboolean can_chunk,
                                  const char **ret_message);

/* Takes the head. It goes at once, or when the first of the body could be decoded: before that a refusal is still possible. */
void creel_answer_start (CreelAnswer *answer, GString *head);
gboolean creel_answer_has_started (CreelAnswer *answer);
/* Whether more of the body may be written; sends first what waits. */
gboolean creel_answer_has_room (CreelAnswer *answer);
void creel_answer_write (CreelAnswer *answer, const guint8 *data, gsize size);
/* At the end of each step, when there is no more or no room: small pieces wait for each other until then, and what decoders may do
 * in a step is used up. */
void creel_answer_flush (CreelAnswer *answer);
/* The body is over. FALSE when some of it still waits for room, or when it must be cut. */
gboolean creel_answer_end (CreelAnswer *answer);
/* What came is not what its coding says: no more can be passed on. */
gboolean creel_answer_is_broken (CreelAnswer *answer);
/* NULL when there is no key */
CreelScrub *creel_answer_get_scrub (CreelAnswer *answer);
guint64 creel_answer_get_hits (CreelAnswer *answer);
