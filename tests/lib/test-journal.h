/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Journal files for tests, made by systemd-journal-remote from journald's export format. */
#pragma once

#include <glib.h>
#include <unistd.h>

#define TEST_JOURNAL_CONVERTER "/lib/systemd/systemd-journal-remote"

/* `fields` are "NAME=value" with "|" between them; `usec` since the epoch. */
static inline void
test_journal_add (GString *journal, guint64 usec, const char *unit, const char *fields)
{
  g_auto (GStrv) lines = g_strsplit (fields, "|", -1);

  g_string_append_printf (journal,
                          "__CURSOR=\n__REALTIME_TIMESTAMP=%" G_GUINT64_FORMAT "\n__MONOTONIC_TIMESTAMP=%" G_GUINT64_FORMAT
                          "\n_BOOT_ID=0123456789abcdef0123456789abcdef\n_SYSTEMD_UNIT=%s\n",
                          usec, usec - 1600000000000000, unit);
  for (char **line = lines; *line != NULL; line++)
    g_string_append_printf (journal, "%s\n", *line);
  g_string_append_c (journal, '\n');
}

/* Writes FOLDER/NAME.journal; FALSE when the program is not there. */
static inline gboolean
test_journal_write (GString *journal, const char *folder, const char *name)
{
  g_autofree char *base = g_build_filename (folder, name, NULL);
  g_autofree char *text = g_strconcat (base, ".export", NULL), *file = g_strconcat (base, ".journal", NULL);
  const char *argv[] = { TEST_JOURNAL_CONVERTER, "--output", file, "--split-mode=none", text, NULL };
  int status = -1;

  if (access (TEST_JOURNAL_CONVERTER, X_OK) < 0)
    return FALSE;
  g_assert_true (g_file_set_contents (text, journal->str, journal->len, NULL));
  g_assert_true (g_spawn_sync (NULL, (char **) argv, NULL, G_SPAWN_STDOUT_TO_DEV_NULL | G_SPAWN_STDERR_TO_DEV_NULL, NULL, NULL, NULL, NULL, &status, NULL));
  g_assert_cmpint (status, ==, 0);
  unlink (text);
  return TRUE;
}
