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

typedef struct
{
  Cli *cli;
  CliJournalRead read;
  gpointer source;
  char *cursor;
} Walk;

/* One answer; the cursor becomes the next one. NULL with an error. */
static GVariant *
read_page (Walk *walk, guint limit, GError **error)
{
  GVariant *entries = NULL;
  g_autofree char *next = NULL;

  if (!walk->read (walk->cli, walk->source, walk->cursor, limit, &entries, &next, error))
    return NULL;
  g_free (walk->cursor);
  walk->cursor = g_steal_pointer (&next);
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

/* All there is from the cursor on; an answer without news ends it, as it may be empty but for entries of another kind. */
static gboolean
read_on (Walk *walk, CliJournalEntry entry, gpointer user_data, GError **error)
{
  for (;;)
    {
      g_autofree char *before = g_strdup (walk->cursor);
      g_autoptr (GVariant) entries = read_page (walk, PAGE, error);

      if (entries == NULL)
        return FALSE;
      show (entries, entry, user_data);
      if (g_str_equal (before, walk->cursor))
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
read_last (Walk *walk, int lines, CliJournalEntry entry, gpointer user_data, GError **error)
{
  Last last = { G_QUEUE_INIT, lines };
  g_autoptr (GVariant) entries = NULL;
  GVariant *one;
  gboolean ok;

  if (lines >= 0 && lines <= PAGE)
    {
      entries = read_page (walk, lines, error);
      if (entries != NULL)
        show (entries, entry, user_data);
      return entries != NULL;
    }
  g_free (walk->cursor);
  walk->cursor = g_strdup ("first");
  if (lines < 0)
    return read_on (walk, entry, user_data, error);
  ok = read_on (walk, keep_last, &last, error);
  while ((one = g_queue_pop_head (&last.entries)) != NULL)
    {
      if (ok)
        entry (one, user_data);
      g_variant_unref (one);
    }
  return ok;
}

static int
walk_on (Walk *walk, int lines, gboolean follow, CliJournalEntry entry, gpointer user_data)
{
  g_autoptr (GError) error = NULL;

  if (!read_last (walk, lines, entry, user_data, &error))
    return cli_fail (error);
  /* nothing there yet: then the first that comes is the first of all */
  if (*walk->cursor == '\0')
    {
      g_free (walk->cursor);
      walk->cursor = g_strdup ("first");
    }
  while (follow)
    {
      g_usleep (POLL_USEC);
      if (!read_on (walk, entry, user_data, &error))
        return cli_fail (error);
    }
  return CLI_OK;
}

int
cli_journal_walk_source (Cli *cli, CliJournalRead read, gpointer source, int lines, gboolean follow, CliJournalEntry entry, gpointer user_data)
{
  Walk walk = { cli, read, source, g_strdup ("") };
  int status = walk_on (&walk, lines, follow, entry, user_data);

  g_free (walk.cursor);
  return status;
}

typedef struct
{
  CreelDBusSandbox *sandbox;
  const char *kind;
} Source;

static gboolean
read_sandbox (Cli *cli, gpointer data, const char *cursor, guint limit, GVariant **ret_entries, char **ret_next, GError **error)
{
  Source *source = data;

  return CLI_CALL (cli, error,
                   creel_dbus_sandbox_call_read_log_sync (source->sandbox, source->kind, cursor, limit, CLI_FLAGS (cli), ret_entries, ret_next, NULL,
                                                          error));
}

int
cli_journal_walk (Cli *cli, CreelDBusSandbox *sandbox, const char *kind, int lines, gboolean follow, CliJournalEntry entry, gpointer user_data)
{
  Source source = { sandbox, kind };

  return cli_journal_walk_source (cli, read_sandbox, &source, lines, follow, entry, user_data);
}
