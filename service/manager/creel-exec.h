/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "creel-call.h"

/* Exited can overtake the answer of Exec: kept until the session is known, for as long as Execs of it are under way. */
void creel_exec_remember_exit (CreelDaemon *daemon, const char *sandbox, guint32 id, int code, int number, const char *message);
/* +1 before an Exec is sent, -1 when it is answered. */
void creel_exec_expect (int change);
/* Whether the session ended before we knew of it, and how. message is the caller's. */
gboolean creel_exec_take_early (const char *sandbox, guint32 id, int *ret_code, int *ret_number, char **ret_message);
/* Bytes of a guest's console made printable: valid UTF-8, no control bytes but line breaks and tabs. */
char *creel_exec_make_printable (const char *bytes, gsize length);
