/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli-journal.h"

#define PAGE 1000 /* what ReadLog gives at most */
#define POLL_USEC (G_USEC_PER_SEC / 2)

const char *
cli_journal_get (GVariant *entry, const char *field)
{
  const char *value = NULL;

  return g_variant_lookup (entry, field, "&s", &value) ? value : NULL;
}

gint64
cli_journal_time (GVariant *entry)
{
  const char *time = cli_journal_get (entry, "__REALTIME_TIMESTAMP");

  return time != NULL ? g_ascii_strtoll (time, NULL, 10) : 0;
}

/* One answer; `cursor` becomes the next one. NULL with an error. */
static GVariant *
read_page (Cli *cli, CreelDBusSandbox *sandbox, const char *kind, char **cursor, guint limit, GError **error)
{
  GVariant *entries = NULL;
  g_autofree char *next = NULL;

  if (!CLI_CALL (cli, error, creel_dbus_sandbox_call_read_log_sync (sandbox, kind, *cursor, limit, CLI_FLAGS (cli), &entries, &next, NULL, error)))
    return NULL;
  g_free (*cursor);
  *cursor = g_steal_pointer (&next);
  return entries;
}

static void
show (GVariant *entries, CliJournalEntry entry, gpointer user_data)
{
  for (gsize i = 0; i < g_variant_n_children (entries); i++)
    {
      g_autoptr (GVariant) one = g_variant_get_child_value (entries, i);

      entry (one, user_data);
    }
}

/* All there is from `cursor` on; an answer without news ends it, as it may be empty but for entries of another kind. */
static gboolean
read_on (Cli *cli, CreelDBusSandbox *sandbox, const char *kind, char **cursor, CliJournalEntry entry, gpointer user_data, GError **error)
{
  for (;;)
    {
      g_autofree char *before = g_strdup (*cursor);
      g_autoptr (GVariant) entries = read_page (cli, sandbox, kind, cursor, PAGE, error);

      if (entries == NULL)
        return FALSE;
      show (entries, entry, user_data);
      if (g_str_equal (before, *cursor))
        return TRUE;
    }
}

typedef struct
{
  GQueue entries;
  guint limit;
} Last;

static void
keep_last (GVariant *entry, gpointer user_data)
{
  Last *last = user_data;

  g_queue_push_tail (&last->entries, g_variant_ref (entry));
  if (last->entries.length > last->limit)
    g_variant_unref (g_queue_pop_head (&last->entries));
}

static gboolean
read_last (Cli *cli, CreelDBusSandbox *sandbox, const char *kind, int lines, char **cursor, CliJournalEntry entry, gpointer user_data,
           GError **error)
{
  Last last = { G_QUEUE_INIT, lines };
  g_autoptr (GVariant) entries = NULL;
  GVariant *one;
  gboolean ok;

  if (lines >= 0 && lines <= PAGE)
    {
      entries = read_page (cli, sandbox, kind, cursor, lines, error);
      if (entries != NULL)
        show (entries, entry, user_data);
      return entries != NULL;
    }
  g_free (*cursor);
  *cursor = g_strdup ("first");
  if (lines < 0)
    return read_on (cli, sandbox, kind, cursor, entry, user_data, error);
  ok = read_on (cli, sandbox, kind, cursor, keep_last, &last, error);
  while ((one = g_queue_pop_head (&last.entries)) != NULL)
    {
      if (ok)
        entry (one, user_data);
      g_variant_unref (one);
    }
  return ok;
}

int
cli_journal_walk (Cli *cli, CreelDBusSandbox *sandbox, const char *kind, int lines, gboolean follow, CliJournalEntry entry,
                  gpointer user_data)
{
  g_autofree char *cursor = g_strdup ("");
  g_autoptr (GError) error = NULL;

  if (!read_last (cli, sandbox, kind, lines, &cursor, entry, user_data, &error))
    return cli_fail (error);
  /* nothing there yet: then the first that comes is the first of all */
  if (*cursor == '\0')
    {
      g_free (cursor);
      cursor = g_strdup ("first");
    }
  while (follow)
    {
      g_usleep (POLL_USEC);
      if (!read_on (cli, sandbox, kind, &cursor, entry, user_data, &error))
        return cli_fail (error);
    }
  return CLI_OK;
}
