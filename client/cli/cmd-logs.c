/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli.h"

#include <stdio.h>

#include "cli-journal.h"
#include "out-json.h"
#include "out-text.h"

#define CONSOLE_BYTES (16 * 1024)

static void
print_entry (GVariant *entry, gpointer user_data)
{
  Cli *cli = user_data;
  const char *message = cli_journal_get (entry, "MESSAGE");
  const char *who = cli_journal_get (entry, "SYSLOG_IDENTIFIER");
  const char *event = cli_journal_get (entry, CREEL_FIELD_EVENT);
  g_autofree char *when = out_time (cli_journal_time (entry));

  if (who == NULL)
    who = cli_journal_get (entry, "_COMM");
  if (cli->json)
    {
      g_autoptr (JsonBuilder) builder = json_builder_new ();

      json_builder_begin_object (builder);
      out_json_integer (builder, "time", cli_journal_time (entry));
      out_json_string (builder, "source", who);
      out_json_string (builder, "event", event);
      out_json_string (builder, "message", message);
      json_builder_end_object (builder);
      out_json_print (builder, FALSE);
    }
  else
    {
      g_autofree char *text = out_printable (message != NULL ? message : "", -1, FALSE);
      g_autofree char *source = out_printable (who != NULL ? who : "?", -1, FALSE);

      printf ("%s %s: %s\n", when, source, text);
    }
  fflush (stdout);
}

int
cmd_logs (Cli *cli, char **args)
{
  gboolean follow = FALSE;
  int lines = 50, status, journal_status = CLI_OK;
  const GOptionEntry entries[] = {
    { "follow", 'f', 0, G_OPTION_ARG_NONE, &follow, NULL, NULL },
    { "lines", 'n', 0, G_OPTION_ARG_INT, &lines, NULL, NULL },
    { NULL },
  };
  g_auto (GStrv) words = NULL;
  g_autoptr (CreelDBusSandbox) sandbox = NULL;
  g_autofree char *console = NULL;
  g_autoptr (GError) error = NULL;

  if (!cli_parse (cli, args, entries, CLI_PARSE_PERMUTE, 1, 1, &words, NULL, &status))
    return status;
  if ((sandbox = cli_get_sandbox (cli, words[0], FALSE, &error)) == NULL)
    return cli_fail (error);
  if (!follow)
    journal_status = cli_journal_walk (cli, sandbox, "life", lines, FALSE, print_entry, cli);
  if (!CLI_CALL (cli, &error, creel_dbus_sandbox_call_read_console_sync (sandbox, CONSOLE_BYTES, CLI_FLAGS (cli), &console, NULL, &error)))
    {
      /* one that never ran has none */
      if (!g_error_matches (error, CREEL_ERROR, CREEL_ERROR_NOT_RUNNING))
        return cli_fail (error);
    }
  else if (*console != '\0')
    {
      g_autofree char *safe = out_printable (console, -1, TRUE);

      if (cli->json)
        {
          g_autoptr (JsonBuilder) builder = json_builder_new ();

          json_builder_begin_object (builder);
          out_json_string (builder, "source", "console");
          out_json_string (builder, "message", safe);
          json_builder_end_object (builder);
          out_json_print (builder, FALSE);
        }
      else
        {
          puts ("-- console of the guest (what it says is not to be trusted) --");
          fputs (safe, stdout);
          if (!g_str_has_suffix (safe, "\n"))
            putchar ('\n');
        }
    }
  if (follow)
    {
      if (!cli->json)
        puts ("-- journal --");
      return cli_journal_walk (cli, sandbox, "life", lines, TRUE, print_entry, cli);
    }
  return journal_status;
}
