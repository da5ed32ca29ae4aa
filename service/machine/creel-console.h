/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* The guest's console, for reasons: hostile bytes in a file that virtlogd bounds. */

/* The last line of `bytes` that tells something, the panic's if there is one: printable ASCII, at most 200 characters.
 * NULL when there is none. Fuzzed. */
char *creel_console_last_line (const char *bytes, gsize length);
/* TRUE when the kernel said that it panicked. */
gboolean creel_console_shows_panic (const char *bytes, gsize length);
/* The last 16 KiB of the file; an empty string when it cannot be read. *ret_length in bytes. */
char *creel_console_read_tail (const char *path, gsize *ret_length);
