/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "creel-channel.h"
#include "creel-exec.h"

/* One command in the guest: POST /exec/ID and its stdin, stdout and stderr, between the channel and three pipes (or
 * memory, for a capture). Bytes go from pipe to stream and back as either end takes them; nothing is kept here.
 * What the guest says about the end is input: out of range it becomes code -1 with a message. */
typedef struct _CreelSession CreelSession;

/* `started` when the command runs. Then `exited`, after both outputs were delivered (a background process that keeps them
 * open is not waited for longer than 3 s of silence). Or, instead of both, `failed`. exited and failed are the last callback
 * and free the session. `failed`'s error: NO_SUCH_COMMAND, TIMED_OUT, GUEST_FAILED. */
typedef struct
{
  void (*started) (CreelSession *session, gpointer user_data);
  void (*exited) (CreelSession *session, int code, int signal, const char *message, gpointer user_data);
  void (*failed) (CreelSession *session, const GError *error, gpointer user_data);
} CreelSessionHandler;

#define CREEL_CAPTURE_MAX (1024 * 1024)

/* Starts it. With ret_fds the caller gets its ends of stdin, stdout and stderr; without, it is a capture: exec->input is its
 * stdin and the first CREEL_CAPTURE_MAX bytes of each output are kept. With `output`, a stream socket that stays the caller's, or
 * exec->discard both outputs go there or nowhere, and the caller's ends of them are at end of file. `handler` must stay valid. */
CreelSession *creel_session_start (CreelChannel *channel, guint32 id, CreelExec *exec, int output, int ret_fds[3],
                                   const CreelSessionHandler *handler, gpointer user_data, GError **error);
guint32 creel_session_get_id (CreelSession *session);
/* Output `which` (1 or 2) of a capture; borrowed. */
GByteArray *creel_session_get_captured (CreelSession *session, int which);
/* Fire and forget; a session whose command has ended is left alone. rows and columns from 1; signal from 1 to 64. */
gboolean creel_session_resize (CreelSession *session, guint rows, guint columns, GError **error);
gboolean creel_session_signal (CreelSession *session, int signal, GError **error);
/* The starter has left: hangs the command up, closes the pipes and frees the session, without a callback. */
void creel_session_hangup (CreelSession *session);
