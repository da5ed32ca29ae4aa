/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli.h"

#include <stdio.h>
#include <unistd.h>

#include "cli-session.h"

/* A session ends with its starter, so what shall outlive it is started by a shell of the guest, which then leaves. */
static int
run_detached (Cli *cli, CreelDBusSandbox *sandbox, char **command, char **environment, const char *cwd, const char *user)
{
  static const char script[] = "command -v \"$1\" >/dev/null || exit 127; "
                               "if command -v setsid >/dev/null; then setsid \"$@\" </dev/null >/dev/null 2>&1 & "
                               "else trap '' HUP; \"$@\" </dev/null >/dev/null 2>&1 & fi";
  g_autoptr (GStrvBuilder) argv = g_strv_builder_new ();
  g_auto (GStrv) words = NULL;
  g_auto (GVariantDict) options = G_VARIANT_DICT_INIT (NULL);
  g_autofree char *out = NULL, *err = NULL;
  g_autoptr (GVariant) dict = NULL;
  g_autoptr (GError) error = NULL;
  int status = 0;

  g_strv_builder_add_many (argv, "/bin/sh", "-c", script, "sh", NULL);
  g_strv_builder_addv (argv, (const char **) command);
  words = g_strv_builder_end (argv);
  for (char **word = words; *word != NULL; word++)
    if (!g_utf8_validate (*word, -1, NULL))
      return cli_fail_with (CLI_USAGE, "With -d the command must be UTF-8");
  if (environment != NULL && *environment != NULL)
    g_variant_dict_insert_value (&options, "environment", g_variant_new_strv ((const char *const *) environment, -1));
  if (cwd != NULL)
    g_variant_dict_insert (&options, "cwd", "s", cwd);
  if (user != NULL)
    g_variant_dict_insert (&options, "user", "s", user);
  dict = g_variant_ref_sink (g_variant_dict_end (&options));
  if (!CLI_CALL (cli, &error,
                 creel_dbus_sandbox_call_capture_sync (sandbox, (const char *const *) words, dict, CLI_FLAGS (cli), &status, &out, &err,
                                                       NULL, &error)))
    {
      int code = cli_fail (error);

      return code == CLI_FAILED ? CLI_EXEC_FAILED : code;
    }
  if (status == CLI_NO_COMMAND)
    return cli_fail_with (CLI_NO_COMMAND, "The sandbox has no command \"%s\"", command[0]);
  return status;
}

int
cmd_exec (Cli *cli, char **args)
{
  gboolean interactive = FALSE, tty = FALSE, detach = FALSE;
  g_autofree char *user = NULL, *cwd = NULL;
  g_auto (GStrv) variables = NULL, files = NULL, environment = NULL, words = NULL;
  const GOptionEntry entries[] = {
    { "interactive", 'i', 0, G_OPTION_ARG_NONE, &interactive, NULL, NULL },
    { "tty", 't', 0, G_OPTION_ARG_NONE, &tty, NULL, NULL },
    { "detach", 'd', 0, G_OPTION_ARG_NONE, &detach, NULL, NULL },
    { "user", 'u', 0, G_OPTION_ARG_STRING, &user, NULL, NULL },
    { "workdir", 'w', 0, G_OPTION_ARG_STRING, &cwd, NULL, NULL },
    { "env", 'e', 0, G_OPTION_ARG_STRING_ARRAY, &variables, NULL, NULL },
    { "env-file", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &files, NULL, NULL },
    { NULL },
  };
  g_autoptr (CreelDBusSandbox) sandbox = NULL;
  g_autoptr (GError) error = NULL;
  char **command;
  int status;

  if (!cli_parse (cli, args, entries, CLI_PARSE_STRICT, 2, -1, &words, NULL, &status))
    return status;
  command = words + 1;
  if (g_str_equal (*command, "--") && command[1] != NULL)
    command++;
  if (tty && interactive && !isatty (STDIN_FILENO))
    return cli_fail_with (CLI_USAGE, "Standard input is not a terminal; leave out -t");
  if ((environment = cli_parse_environment (variables, files, &error)) == NULL
      || (sandbox = cli_get_sandbox (cli, words[0], FALSE, &error)) == NULL)
    return cli_fail (error);
  if (detach)
    return run_detached (cli, sandbox, command, environment, cwd, user);

  CliSession session = { .argv = command, .environment = environment, .cwd = cwd, .user = user, .tty = tty, .interactive = interactive };

  return cli_session_run (cli, sandbox, &session);
}
