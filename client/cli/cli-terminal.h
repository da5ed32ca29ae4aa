/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Raw mode of the terminal on stdin. It is restored by cli_terminal_restore(), at exit(), and when the process dies of a signal. */
gboolean cli_terminal_raw (void);
void cli_terminal_restore (void);
/* Size of the terminal on stdout or stdin; FALSE when there is none. */
gboolean cli_terminal_size (guint16 *ret_rows, guint16 *ret_columns);
/* Reads one line from the terminal on stdin without echo, or all of stdin when it is none, at most `max` bytes; one newline at the
 * end is dropped. NULL with an error; the caller wipes (explicit_bzero) and frees. */
char *cli_terminal_read_secret (const char *prompt, gsize max, gsize *ret_length, GError **error);
