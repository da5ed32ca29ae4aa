/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "cli.h"

/* Called for each entry (a{ss}), oldest first. */
typedef void (*CliJournalEntry) (GVariant *entry, gpointer user_data);

/* Walks the last `lines` entries (negative: all) of this kind of Sandbox.ReadLog, then, with `follow`, new ones until
 * interrupted. Returns an exit code after a line on stderr. */
int cli_journal_walk (Cli *cli, CreelDBusSandbox *sandbox, const char *kind, int lines, gboolean follow, CliJournalEntry entry,
                      gpointer user_data);
/* A field, or NULL; borrowed from `entry`. */
const char *cli_journal_get (GVariant *entry, const char *field);
/* usec since the epoch */
gint64 cli_journal_time (GVariant *entry);
