/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "creel-channel.h"

/* One request to the guest whose answer is records: configure, exec, signal, shutdown. The guest's answer is input:
 * at most 64 KiB of it are taken, then the request fails. */
typedef struct _CreelCall CreelCall;

/* The head has arrived; may be NULL. */
typedef void (*CreelCallHead) (int status, gpointer user_data);
/* The end, once; the call is freed after it. `failure` is NULL when the answer is whole, else one line that says what
 * went wrong (then status is what was seen of it, or 0). */
typedef void (*CreelCallDone) (int status, const guint8 *body, gsize length, const char *failure, gpointer user_data);

/* Takes `body` (may be NULL). NULL with an error when the channel is not open or the request cannot be made. */
CreelCall *creel_call_start (CreelChannel *channel, const char *path, GByteArray *body, CreelCallHead on_head,
                             CreelCallDone on_done, gpointer user_data, GError **error);
/* No callback any more; the guest sees the request reset. */
void creel_call_cancel (CreelCall *call);

/* The `error=` record of an answer, printable and cut, or a text that names the status. Owned by the caller. */
char *creel_call_describe_error (int status, const guint8 *body, gsize length, const char *failure);
