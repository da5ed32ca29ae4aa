/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* The bodies of the control channel, key=value\0, and how text from the guest is made fit for people. */

/* Appends one record. `value` must not hold a NUL; it may hold anything else. */
void creel_records_add (GByteArray *records, const char *key, const char *value);

/* Called per record; `value` is NUL-terminated and not checked any further: it is what the other side says. */
typedef void (*CreelRecordFunc) (const char *key, const char *value, gpointer user_data);
/* FALSE when the bytes are not records: no final NUL, a record without '='. Records before the bad one were given. */
gboolean creel_records_parse (const void *data, gsize length, CreelRecordFunc callback, gpointer user_data);

/* At most `max` bytes of `data` as valid UTF-8 on one line: what is not printable becomes '?'. Owned by the caller. */
char *creel_text_clean_line (const char *data, gssize length, gsize max);
/* At most `max` bytes as valid UTF-8 without NUL; line ends, tabs and escapes stay: it is a program's output. */
char *creel_text_clean_output (const void *data, gsize length, gsize max);
