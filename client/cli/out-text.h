/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Text that may come from a guest, made safe for a terminal: control bytes (C0 but newline and tab, C1, DEL), bidirectional
 * overrides and invalid UTF-8 become \xNN or \u{N}. `lines` FALSE: newline and tab are escaped too. Owned by the caller. */
char *out_printable (const char *text, gssize length, gboolean lines);
/* "1.5 GiB" */
char *out_size (guint64 bytes);
/* "2026-11-23 21:04:05", local time; usec since the epoch. */
char *out_time (gint64 usec);
/* "1:04:05" or "4:05" */
char *out_duration (guint64 seconds);

/* Columns are separated by two spaces, headers in capitals; the last one is not padded. */
typedef struct _OutTable OutTable;
OutTable *out_table_new (const char *first_header, ...) G_GNUC_NULL_TERMINATED;
/* One cell per header, NULL counts as "-"; the strings are copied and made printable. */
void out_table_add (OutTable *table, ...);
void out_table_print (const OutTable *table);
void out_table_free (OutTable *table);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (OutTable, out_table_free)
