/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "cli.h"

/* Called for each entry (a{ss}), oldest first. */
typedef void (*CliJournalEntry) (GVariant *entry, gpointer user_data);

/* A call of ReadLog: ret_entries is aa{ss}, ret_next the cursor for the next one. */
typedef gboolean (*CliJournalRead) (Cli *cli, gpointer source, const char *cursor, guint limit, GVariant **ret_entries, char **ret_next,
                                    GError **error);

/* Walks the last `lines` entries (negative: all), then, with `follow`, new ones until interrupted. Returns an exit code after a line on
 * stderr. */
int cli_journal_walk_source (Cli *cli, CliJournalRead read, gpointer source, int lines, gboolean follow, CliJournalEntry entry,
                             gpointer user_data);
/* The same of this kind of Sandbox.ReadLog. */
int cli_journal_walk (Cli *cli, CreelDBusSandbox *sandbox, const char *kind, int lines, gboolean follow, CliJournalEntry entry,
                      gpointer user_data);
/* A field, or NULL; borrowed from `entry`. */
const char *cli_journal_get (GVariant *entry, const char *field);
/* usec since the epoch */
gint64 cli_journal_time (GVariant *entry);
