/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Undoes the content codings of a body, piece by piece: however much a body unpacks to, only a piece of it is held. */
typedef struct _CreelDecoder CreelDecoder;

/* codings: a value of Content-Encoding or NULL. NULL when there is nothing to undo, then ret_why is NULL, or when it cannot be
 * undone, then it says why (static). */
CreelDecoder *creel_decoder_new (const char *codings, const char **ret_why);
void creel_decoder_free (CreelDecoder *decoder);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CreelDecoder, creel_decoder_free)

/* The most memory in bytes that it may ever need */
gsize creel_decoder_get_cost (CreelDecoder *decoder);
/* Takes the next bytes of the body, only after creel_decoder_take() had no more. */
void creel_decoder_give (CreelDecoder *decoder, const guint8 *data, gsize size);
/* The next piece of what is inside, valid until the next call: its size, 0 when it needs more bytes, -1 when they are wrong.
 * work: how many bytes may go into its decoders and come out of them, about, as endless ones may hold nothing; what was needed is
 * taken off. When none is left there may be more, even after 0. */
gssize creel_decoder_take (CreelDecoder *decoder, const guint8 **ret_data, gsize *work);
/* TRUE when the body may end here */
gboolean creel_decoder_is_whole (CreelDecoder *decoder);
