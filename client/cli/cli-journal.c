/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli-journal.h"

#include <errno.h>
#include <string.h>
#include <systemd/sd-id128.h>
#include <unistd.h>

typedef sd_journal Journal;
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Journal, sd_journal_close)

char *
cli_journal_get (sd_journal *journal, const char *field)
{
  const char *data;
  size_t length, prefix = strlen (field) + 1;

  if (sd_journal_get_data (journal, field, (const void **) &data, &length) < 0 || length < prefix)
    return NULL;
  return g_strndup (data + prefix, length - prefix);
}

gint64
cli_journal_time (sd_journal *journal)
{
  uint64_t usec = 0;

  sd_journal_get_realtime_usec (journal, &usec);
  return usec;
}

/* The system's journal is for root and three groups; without one of them it just looks empty. */
static gboolean
can_read_system_journal (void)
{
  static const char *const roots[] = { "/var/log/journal", "/run/log/journal" };
  char id[SD_ID128_STRING_MAX];
  sd_id128_t machine;
  gboolean seen = FALSE;

  if (geteuid () == 0 || sd_id128_get_machine (&machine) < 0)
    return TRUE;
  sd_id128_to_string (machine, id);
  for (guint i = 0; i < G_N_ELEMENTS (roots); i++)
    {
      g_autofree char *file = g_build_filename (roots[i], id, "system.journal", NULL);

      if (access (file, R_OK) == 0)
        return TRUE;
      seen = seen || errno == EACCES;
    }
  return !seen;
}

static void
match (sd_journal *journal, const char *field, const char *format, const char *value)
{
  g_autofree char *formatted = g_strdup_printf ("%s=", field);
  g_autoptr (GString) text = g_string_new (formatted);

  for (const char *p = format; *p != '\0'; p++)
    if (*p == '*')
      g_string_append (text, value);
    else
      g_string_append_c (text, *p);
  sd_journal_add_match (journal, text->str, text->len);
}

int
cli_journal_walk (Cli *cli, const char *name, CliJournalWhat what, int lines, gboolean follow, CliJournalEntry entry, gpointer user_data)
{
  g_autoptr (Journal) journal = NULL;
  const char *folder = g_getenv ("CREEL_JOURNAL"); /* a copy of a journal; the tests' */
  int r = folder != NULL ? sd_journal_open_directory (&journal, folder, 0) : sd_journal_open (&journal, SD_JOURNAL_LOCAL_ONLY | SD_JOURNAL_SYSTEM);

  if (r < 0)
    return cli_fail_with (CLI_FAILED, "Cannot open the journal: %s", g_strerror (-r));
  if (folder == NULL && !can_read_system_journal ())
    return cli_fail_with (CLI_NOT_ALLOWED,
                          "The system's journal is not readable for you; run: sudo usermod -aG systemd-journal %s (and log in again)",
                          g_get_user_name ());
  match (journal, "_SYSTEMD_UNIT", "creel-gateway@*.service", name);
  if (what == CLI_JOURNAL_REQUESTS)
    {
      match (journal, "MESSAGE_ID", CREEL_MESSAGE_REQUEST, name);
      match (journal, "MESSAGE_ID", CREEL_MESSAGE_REQUEST_DONE, name);
    }
  else
    {
      sd_journal_add_disjunction (journal);
      match (journal, "_SYSTEMD_UNIT", "creel@*.service", name);
      sd_journal_add_disjunction (journal);
      match (journal, "_SYSTEMD_UNIT", "creeld.service", name);
      match (journal, CREEL_FIELD_SANDBOX, "*", name);
      sd_journal_add_disjunction (journal);
      /* systemd's own lines about the units */
      match (journal, "_PID", "1", name);
      match (journal, "UNIT", "creel@*.service", name);
      match (journal, "UNIT", "creel-gateway@*.service", name);
    }
  sd_journal_seek_tail (journal);
  if (lines < 0)
    sd_journal_seek_head (journal);
  else if (lines > 0)
    r = sd_journal_previous_skip (journal, lines);
  /* previous_skip() stands on an entry already; after seek_head() the first next() goes there; nothing found: nothing to show */
  for (gboolean first = lines > 0 && r > 0, show = lines != 0 && (lines < 0 || r > 0);;)
    {
      if (show && (first || sd_journal_next (journal) > 0))
        {
          first = FALSE;
          if (!entry (journal, user_data))
            return CLI_OK;
          continue;
        }
      if (!follow)
        return CLI_OK;
      if (!show)
        {
          sd_journal_seek_tail (journal);
          sd_journal_previous (journal); /* so that next() gives what comes from here on */
        }
      show = TRUE;
      r = sd_journal_wait (journal, (uint64_t) -1);
      if (r < 0)
        return cli_fail_with (CLI_FAILED, "Cannot follow the journal: %s", g_strerror (-r));
    }
}
