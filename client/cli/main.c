/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "creel-config.h"

/* A word that starts a verb of two words ("network"). */
static gboolean
is_group (const char *word)
{
  for (const CliVerb *verb = cli_verbs; verb->name != NULL; verb++)
    if (g_str_has_prefix (verb->name, word) && verb->name[strlen (word)] == ' ')
      return TRUE;
  return FALSE;
}

/* Global options may stand before the verb too. */
static int
take_globals (Cli *cli, char **argv)
{
  int i = 1;

  for (; argv[i] != NULL && argv[i][0] == '-'; i++)
    if (g_str_equal (argv[i], "--json"))
      cli->json = TRUE;
    else if (g_str_equal (argv[i], "--quiet") || g_str_equal (argv[i], "-q"))
      cli->quiet = TRUE;
    else if (g_str_equal (argv[i], "--no-ask-password"))
      cli->no_ask_password = TRUE;
    else
      break;
  return i;
}

static int
dispatch (Cli *cli, char **argv)
{
  int first = take_globals (cli, argv);
  const char *word = argv[first];
  g_autofree char *name = NULL;
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  g_auto (GStrv) args = NULL;

  if (word == NULL || g_str_equal (word, "--help") || g_str_equal (word, "-h"))
    {
      fputs (cli_summary, stdout);
      return CLI_OK;
    }
  if (g_str_equal (word, "--version"))
    {
      printf ("creel %s\n", CREEL_VERSION);
      return CLI_OK;
    }
  if (is_group (word))
    {
      if (argv[first + 1] == NULL || argv[first + 1][0] == '-')
        {
          char *help[] = { (char *) "help", (char *) word, NULL };

          return argv[first + 1] == NULL ? cli_fail_with (CLI_USAGE, "%s what? see: creel help %s", word, word) : cmd_help (cli, help);
        }
      name = g_strdup_printf ("%s %s", word, argv[++first]);
    }
  else
    name = g_strdup (word);
  for (const CliVerb *verb = cli_verbs; verb->name != NULL; verb++)
    if (g_str_equal (verb->name, name))
      {
        g_strv_builder_add (builder, verb->name);
        g_strv_builder_addv (builder, (const char **) argv + first + 1);
        args = g_strv_builder_end (builder);
        return verb->run (cli, args);
      }
  return cli_fail_with (CLI_USAGE, "There is no verb \"%s\"; see: creel help", name);
}

int
main (int argc, char **argv)
{
  Cli cli = { 0 };
  int status;

  setlocale (LC_ALL, "");
  (void) creel_error_quark (); /* registers the error names */
  status = dispatch (&cli, argv);
  cli_clear (&cli);
  if (fflush (stdout) != 0 && status == CLI_OK)
    status = cli_fail_with (CLI_FAILED, "Cannot write the output");
  return status;
}
