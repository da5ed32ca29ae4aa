/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <systemd/sd-journal.h>

#include "cli.h"

/* Called for each entry, oldest first; FALSE stops. */
typedef gboolean (*CliJournalEntry) (sd_journal *journal, gpointer user_data);

typedef enum
{
  CLI_JOURNAL_LIFE,     /* what the sandbox's units and the service say about it */
  CLI_JOURNAL_REQUESTS, /* the gateway's audit */
} CliJournalWhat;

/* Walks the last `lines` entries (-1: all) about the sandbox, then, with `follow`, new ones until interrupted. Only fields that
 * journald itself sets decide what belongs to it: anybody may write the rest. Returns an exit code after a line on stderr. */
int cli_journal_walk (Cli *cli, const char *name, CliJournalWhat what, int lines, gboolean follow, CliJournalEntry entry, gpointer user_data);
/* A field as text, or NULL; owned by the caller, not yet printable. */
char *cli_journal_get (sd_journal *journal, const char *field);
/* usec since the epoch */
gint64 cli_journal_time (sd_journal *journal);
