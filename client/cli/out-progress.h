/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* One line on stderr that is drawn over again; when stderr is no terminal, a line for each phase. */
typedef struct _OutProgress OutProgress;
OutProgress *out_progress_new (gboolean quiet);
/* done of total bytes (total 0: not known) in `phase`, "" before the first. */
void out_progress_update (OutProgress *progress, const char *phase, guint64 done, guint64 total);
/* Erases the line. */
/* Takes the line away until the next update. */
void out_progress_clear (OutProgress *progress);
void out_progress_free (OutProgress *progress);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (OutProgress, out_progress_free)
/* The text of the line, at most `columns` wide; `seconds` since the phase began. Owned by the caller. */
char *out_progress_format (const char *phase, guint64 done, guint64 total, double seconds, guint columns);
