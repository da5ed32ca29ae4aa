/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli.h"

#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "out-json.h"
#include "out-text.h"

/* a service that was restarted tells nobody of what waits there */
#define REFRESH_SECONDS 3

/* What waits in one sandbox; borrowed from the question. */
typedef struct
{
  CreelDBusSandbox *sandbox;
  GVariant *question;
  guint64 id;
  char *what, *rule, *left;
} Row;

static const char *
get (GVariant *question, const char *key)
{
  const char *text = "";

  g_variant_lookup (question, key, "&s", &text);
  return text;
}

static void
row_free (gpointer data)
{
  Row *row = data;

  g_object_unref (row->sandbox);
  g_variant_unref (row->question);
  g_free (row->what);
  g_free (row->rule);
  g_free (row->left);
  g_free (row);
}

static Row *
row_new (CreelDBusSandbox *sandbox, GVariant *question)
{
  Row *row = g_new0 (Row, 1);
  const char *host = get (question, "host"), *scheme = get (question, "scheme"), *path = get (question, "path");
  g_autofree char *authority = NULL;
  guint64 expires = 0;
  gint64 left;
  guint16 port = 0;

  row->sandbox = g_object_ref (sandbox);
  row->question = g_variant_ref (question);
  g_variant_lookup (question, "id", "t", &row->id);
  g_variant_lookup (question, "port", "q", &port);
  g_variant_lookup (question, "expires", "t", &expires);
  authority = g_strdup_printf (strchr (host, ':') != NULL ? "[%s]:%u" : "%s:%u", host, port);
  if (g_str_equal (scheme, "tcp"))
    row->what = g_strconcat ("tcp://", authority, NULL);
  else
    row->what = g_strconcat (get (question, "method"), " ", *path != '\0' ? scheme : "", *path != '\0' ? "://" : "", authority, path, NULL);
  row->rule = *get (question, "rule") != '\0' ? g_strdup (get (question, "rule")) : g_strdup ("what no rule names");
  left = ((gint64) expires - g_get_real_time ()) / G_USEC_PER_SEC;
  row->left = expires != 0 ? out_duration ((guint64) MAX (left, 0)) : NULL;
  return row;
}

static gboolean
add_sandbox (Cli *cli, GPtrArray *rows, const char *name, GError **error)
{
  g_autoptr (CreelDBusSandbox) sandbox = cli_get_sandbox (cli, name, TRUE, error);
  GVariant *questions = sandbox != NULL ? creel_dbus_sandbox_get_questions (sandbox) : NULL;

  for (gsize i = 0; questions != NULL && i < g_variant_n_children (questions); i++)
    {
      g_autoptr (GVariant) question = g_variant_get_child_value (questions, i);

      g_ptr_array_add (rows, row_new (sandbox, question));
    }
  return sandbox != NULL;
}

/* Everything that waits, in one sandbox or in all. */
static GPtrArray *
collect (Cli *cli, const char *name, GError **error)
{
  g_autoptr (GPtrArray) rows = g_ptr_array_new_with_free_func (row_free);
  g_autoptr (GVariant) sandboxes = NULL;

  if (name != NULL)
    return add_sandbox (cli, rows, name, error) ? g_steal_pointer (&rows) : NULL;
  if (!cli_connect (cli, error)
      || !CLI_CALL (cli, error, creel_dbus_manager_call_list_sandboxes_sync (cli->manager, FALSE, CLI_FLAGS (cli), &sandboxes, NULL, error)))
    return NULL;
  for (gsize i = 0; i < g_variant_n_children (sandboxes); i++)
    {
      g_autoptr (GVariant) entry = g_variant_get_child_value (sandboxes, i);
      const char *each, *state;

      g_variant_get (entry, "(&s&s&suo)", &each, &state, NULL, NULL, NULL);
      /* one that was removed meanwhile asks nothing */
      if (!g_str_equal (state, "stopped"))
        add_sandbox (cli, rows, each, NULL);
    }
  return g_steal_pointer (&rows);
}

static void
add_json (JsonBuilder *builder, const Row *row)
{
  json_builder_begin_object (builder);
  out_json_string (builder, "name", creel_dbus_sandbox_get_name (row->sandbox));
  out_json_vardict (builder, row->question);
  json_builder_end_object (builder);
}

static void
print_all (Cli *cli, GPtrArray *rows)
{
  g_autoptr (OutTable) table = out_table_new ("ID", "SANDBOX", "LEFT", "ASKED BY", "WHAT", NULL);
  g_autoptr (JsonBuilder) builder = json_builder_new ();

  json_builder_begin_array (builder);
  for (guint i = 0; i < rows->len; i++)
    {
      const Row *row = rows->pdata[i];
      g_autofree char *id = g_strdup_printf ("%" G_GUINT64_FORMAT, row->id);

      add_json (builder, row);
      out_table_add (table, id, creel_dbus_sandbox_get_name (row->sandbox), row->left, row->rule, row->what);
      if (cli->quiet && !cli->json)
        printf ("%s %s\n", creel_dbus_sandbox_get_name (row->sandbox), id);
    }
  json_builder_end_array (builder);
  if (cli->json)
    out_json_print (builder, TRUE);
  else if (!cli->quiet)
    out_table_print (table);
}

/* One that came, on a line. */
static void
print_one (Cli *cli, const Row *row)
{
  if (cli->json)
    {
      g_autoptr (JsonBuilder) builder = json_builder_new ();

      add_json (builder, row);
      out_json_print (builder, FALSE);
    }
  else
    {
      g_autofree char *line = g_strdup_printf ("%" G_GUINT64_FORMAT " %s: %s (%s)", row->id, creel_dbus_sandbox_get_name (row->sandbox), row->what, row->rule);
      g_autofree char *safe = out_printable (line, -1, FALSE);

      puts (safe);
    }
  fflush (stdout);
}

static gboolean
answer (Cli *cli, CreelDBusSandbox *sandbox, guint64 id, const char *choice, GError **error)
{
  g_autoptr (GVariant) options = g_variant_ref_sink (g_variant_new ("a{sv}", NULL));

  return CLI_CALL (cli, error, creel_dbus_sandbox_call_answer_sync (sandbox, id, choice, options, CLI_FLAGS (cli), NULL, error));
}

/* FALSE when there is nobody to ask any more. */
static gboolean
ask (Cli *cli, const Row *row)
{
  static const struct
  {
    const char *word, *choice;
  } words[] = {
    { "o", "once" }, { "once", "once" }, { "r", "run" }, { "run", "run" }, { "a", "always" }, { "always", "always" },
    { "n", "deny" }, { "no", "deny" },   { "d", "deny-run" }, { "deny", "deny-run" },
  };
  const char *allows = get (row->question, "allows");
  g_autofree char *text = g_strdup_printf ("%s asks for %s\n  by %s%s%s; time left: %s\n", creel_dbus_sandbox_get_name (row->sandbox), row->what,
                                           row->rule, *allows != '\0' ? "; always would keep: " : "", allows, row->left != NULL ? row->left : "?");
  g_autofree char *safe = out_printable (text, -1, TRUE);
  g_autoptr (GError) error = NULL;
  const char *choice = NULL;
  char line[64];

  /* a line that was typed before this is no answer to it */
  tcflush (STDIN_FILENO, TCIFLUSH);
  fputs (safe, stdout);
  while (choice == NULL)
    {
      fputs ("  [o]nce, this [r]un, [a]lways, [n]o, [d]eny for this run, Enter: leave it: ", stdout);
      fflush (stdout);
      if (fgets (line, sizeof line, stdin) == NULL)
        {
          putchar ('\n');
          return FALSE;
        }
      g_strstrip (line);
      if (line[0] == '\0')
        return TRUE;
      for (guint i = 0; i < G_N_ELEMENTS (words); i++)
        if (g_ascii_strcasecmp (line, words[i].word) == 0)
          choice = words[i].choice;
    }
  if (!answer (cli, row->sandbox, row->id, choice, &error))
    cli_fail (error);
  return TRUE;
}

static gboolean
on_wake (gpointer user_data)
{
  *(gboolean *) user_data = TRUE;
  return G_SOURCE_CONTINUE;
}

static void
on_changed (GDBusConnection *bus, const char *sender, const char *path, const char *interface, const char *name, GVariant *parameters,
            gpointer user_data)
{
  on_wake (user_data);
}

/* Goes on with what comes, until somebody ends it. */
static int
watch (Cli *cli, const char *name, gboolean terminal)
{
  g_autoptr (GHashTable) seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr (GError) error = NULL;
  gboolean wake = TRUE;

  if (!cli_connect (cli, &error))
    return cli_fail (error);
  g_dbus_connection_signal_subscribe (cli->bus, CREEL_BUS_NAME, "org.freedesktop.DBus.Properties", "PropertiesChanged", NULL,
                                      CREEL_BUS_NAME ".Sandbox", 0, on_changed, &wake, NULL);
  g_timeout_add_seconds (REFRESH_SECONDS, on_wake, &wake);
  for (;;)
    {
      g_autoptr (GPtrArray) rows = NULL;
      g_autoptr (GHashTable) now = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);

      wake = FALSE;
      if ((rows = collect (cli, name, &error)) == NULL)
        return cli_fail (error);
      for (guint i = 0; i < rows->len; i++)
        {
          const Row *row = rows->pdata[i];
          g_autofree char *key = g_strdup_printf ("%s %" G_GUINT64_FORMAT, creel_dbus_sandbox_get_name (row->sandbox), row->id);

          if (!g_hash_table_contains (seen, key))
            {
              if (!terminal)
                print_one (cli, row);
              else if (!ask (cli, row))
                return CLI_OK;
            }
          g_hash_table_add (now, g_steal_pointer (&key));
        }
      g_hash_table_unref (seen);
      seen = g_steal_pointer (&now);
      while (!wake)
        g_main_context_iteration (NULL, TRUE);
    }
}

static int
show (Cli *cli, const char *name, gboolean terminal)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) rows = collect (cli, name, &error);

  if (rows == NULL)
    return cli_fail (error);
  if (!terminal || rows->len == 0)
    print_all (cli, rows);
  else
    for (guint i = 0; i < rows->len && ask (cli, rows->pdata[i]); i++)
      ;
  return CLI_OK;
}

int
cmd_approve (Cli *cli, char **args)
{
  gboolean follow = FALSE, once = FALSE, run = FALSE, always = FALSE, deny = FALSE, terminal;
  const GOptionEntry entries[] = {
    { "watch", 'w', 0, G_OPTION_ARG_NONE, &follow, NULL, NULL },
    { "once", 0, 0, G_OPTION_ARG_NONE, &once, NULL, NULL },
    { "run", 0, 0, G_OPTION_ARG_NONE, &run, NULL, NULL },
    { "always", 0, 0, G_OPTION_ARG_NONE, &always, NULL, NULL },
    { "deny", 0, 0, G_OPTION_ARG_NONE, &deny, NULL, NULL },
    { NULL },
  };
  g_auto (GStrv) words = NULL;
  g_autoptr (CreelDBusSandbox) sandbox = NULL;
  g_autoptr (GError) error = NULL;
  const char *choice;
  guint64 id;
  int status;

  if (!cli_parse (cli, args, entries, CLI_PARSE_PERMUTE, 0, 2, &words, NULL, &status))
    return status;
  if (words[0] == NULL || words[1] == NULL)
    {
      if (once || run || always || deny)
        return cli_fail_with (CLI_USAGE, "Which question? Write its sandbox and its ID; creel approve shows them");
      terminal = isatty (STDIN_FILENO) && isatty (STDOUT_FILENO) && !cli->json && !cli->quiet;
      return follow ? watch (cli, words[0], terminal) : show (cli, words[0], terminal);
    }
  if (follow || once + always + deny + (run && !deny) != 1)
    return cli_fail_with (CLI_USAGE, "The answer is one of --once, --run, --always and --deny; --deny goes with --run too");
  if (!g_ascii_string_to_unsigned (words[1], 10, 1, G_MAXUINT64, &id, NULL))
    return cli_fail_with (CLI_USAGE, "\"%s\" is not the ID of a question; creel approve shows them", words[1]);
  choice = once ? "once" : always ? "always" : !deny ? "run" : run ? "deny-run" : "deny";
  if ((sandbox = cli_get_sandbox (cli, words[0], FALSE, &error)) == NULL || !answer (cli, sandbox, id, choice, &error))
    return cli_fail (error);
  return CLI_OK;
}
