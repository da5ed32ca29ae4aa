/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

/* What a caller of Exec or Capture asks for, checked, as the guest gets it. */
typedef struct
{
  GByteArray *records; /* body of POST /exec/ID */
  char *command;       /* its name for a message, one line */
  gboolean tty;
  GBytes *input;       /* Capture's stdin, or NULL */
  guint64 timeout;     /* Capture's, usec */
  int output;          /* Exec: index of the descriptor that takes both outputs, or -1 */
  gboolean discard;    /* Exec: nobody takes them */
} CreelExec;

void creel_exec_free (CreelExec *exec);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CreelExec, creel_exec_free)

/* `argv` is aay (each with its NUL) or as; empty takes `default_argv`. `options` is a{sv}: environment as, cwd s, user s and,
 * for a session, tty b, rows q, columns q, term s, output h, discard b or, for a capture, stdin s, timeout t (usec, 1 s to 1 h, default 60 s).
 * G_DBUS_ERROR_INVALID_ARGS when something is wrong, CREEL_ERROR_LIMITS_EXCEEDED when it is more than 1 MiB. */
CreelExec *creel_exec_parse (GVariant *argv, GVariant *options, gboolean capture, const char *const *default_argv,
                             GError **error);
