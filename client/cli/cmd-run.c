/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli-session.h"
#include "creel-definition.h"
#include "out-text.h"

/* What the box may reach, in one line, so that nobody is surprised. */
static void
say_reach (const char *name, CreelDBusSandbox *sandbox)
{
  const char *const *allow = creel_dbus_sandbox_get_allow (sandbox);
  const char *const *credentials = creel_dbus_sandbox_get_credentials (sandbox);
  const char *const *workspaces = creel_dbus_sandbox_get_workspaces (sandbox);
  const char *preset = creel_dbus_sandbox_get_preset (sandbox);
  g_autoptr (GString) line = g_string_new (NULL);
  g_autofree char *safe = NULL;
  guint n_hosts = allow != NULL ? g_strv_length ((char **) allow) : 0;

  g_string_append_printf (line, "%s: files ", name);
  if (workspaces != NULL && *workspaces != NULL)
    {
      g_autofree char *list = g_strjoinv (", ", (char **) workspaces);

      g_string_append (line, list);
    }
  else
    g_string_append (line, "none of yours");
  g_string_append (line, "; network ");
  if (g_strcmp0 (creel_dbus_sandbox_get_policy (sandbox), "allow") == 0)
    g_string_append (line, "every public host");
  else
    {
      if (preset != NULL && *preset != '\0' && !g_str_equal (preset, "locked"))
        g_string_append_printf (line, "preset %s%s", preset, n_hosts > 0 ? ", " : "");
      else if (n_hosts == 0)
        g_string_append (line, "none");
      for (guint i = 0; i < MIN (n_hosts, 3); i++)
        g_string_append_printf (line, "%s%s", i > 0 ? ", " : "", allow[i]);
      if (n_hosts > 3)
        g_string_append_printf (line, " and %u more", n_hosts - 3);
    }
  if (credentials != NULL && *credentials != NULL)
    {
      g_autofree char *list = g_strjoinv (", ", (char **) credentials);

      g_string_append_printf (line, "; keys %s", list);
    }
  safe = out_printable (line->str, line->len, FALSE);
  fprintf (stderr, "%s\n", safe);
}

/* A sandbox of the caller with that agent and that first workspace; NULL without an error when there is none. */
static char *
find_existing (Cli *cli, const char *agent, const char *workspace, GError **error)
{
  g_autoptr (GVariant) list = NULL;
  GVariantIter iter;
  const char *name;

  if (!cli_connect (cli, error)
      || !CLI_CALL (cli, error, creel_dbus_manager_call_list_sandboxes_sync (cli->manager, FALSE, CLI_FLAGS (cli), &list, NULL, error)))
    return NULL;
  g_variant_iter_init (&iter, list);
  while (g_variant_iter_next (&iter, "(&s&s&su&o)", &name, NULL, NULL, NULL, NULL))
    {
      g_autoptr (CreelDBusSandbox) sandbox = cli_get_sandbox (cli, name, TRUE, NULL);
      const char *const *workspaces = sandbox != NULL ? creel_dbus_sandbox_get_workspaces (sandbox) : NULL;

      if (workspaces != NULL && *workspaces != NULL && g_str_equal (*workspaces, workspace)
          && g_strcmp0 (creel_dbus_sandbox_get_agent (sandbox), agent) == 0 && !creel_dbus_sandbox_get_ephemeral (sandbox))
        return g_strdup (name);
    }
  return NULL;
}

/* Turns the words of the command line into the name of a sandbox that exists. */
static char *
find_or_create (Cli *cli, const CliCreateOptions *options, char **words, gboolean *ret_created, GError **error)
{
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  g_auto (GStrv) paths = NULL;
  g_autofree char *name = NULL;
  g_autoptr (GError) local_error = NULL;
  const char *given = options->name != NULL ? options->name : words[1] == NULL ? words[0] : NULL;

  *ret_created = FALSE;
  /* `run box`, or `run --name box shell .` of one that exists */
  if (given != NULL && creel_sandbox_name_is_valid (given))
    {
      g_autoptr (CreelDBusSandbox) sandbox = cli_get_sandbox (cli, given, FALSE, &local_error);

      if (sandbox != NULL)
        return g_strdup (given);
      if (!g_error_matches (local_error, CREEL_ERROR, CREEL_ERROR_NO_SUCH_SANDBOX))
        {
          g_propagate_error (error, g_steal_pointer (&local_error));
          return NULL;
        }
      if (options->name == NULL && strpbrk (given, ":/@") == NULL)
        {
          /* a word alone that is neither a sandbox nor an agent: most likely a mistyped name, so do not share this folder with it */
          g_auto (GStrv) agents = creel_agent_type_list ();

          if (!g_strv_contains ((const char *const *) agents, given))
            {
              g_set_error (error, CREEL_ERROR, CREEL_ERROR_NO_SUCH_SANDBOX,
                           "There is no sandbox and no agent \"%s\"; see creel ls, or make one: creel create --name %s shell .", given, given);
              return NULL;
            }
        }
      g_clear_error (&local_error); /* an agent's name is no sandbox's: not wrong */
    }
  if (words[1] == NULL)
    {
      g_autofree char *here = cli_resolve_workspace (".", error);

      if (here == NULL)
        return NULL;
      g_strv_builder_add (builder, here);
    }
  for (char **word = words + 1; *word != NULL; word++)
    {
      g_autofree char *path = cli_resolve_workspace (*word, error);

      if (path == NULL)
        return NULL;
      g_strv_builder_add (builder, path);
    }
  paths = g_strv_builder_end (builder);
  if (options->name == NULL && !options->ephemeral)
    {
      name = find_existing (cli, words[0], paths[0], &local_error);
      if (local_error != NULL)
        {
          g_propagate_error (error, g_steal_pointer (&local_error));
          return NULL;
        }
    }
  if (name == NULL)
    {
      name = cli_create (cli, options, words[0], paths, NULL, error);
      *ret_created = name != NULL;
    }
  return g_steal_pointer (&name);
}

/* What stands after -- goes to the agent's own command. A shell is told what to run instead, and so is a command of the image's own, which
 * is not known here. */
static char **
make_command (CreelDBusSandbox *sandbox, char **words)
{
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  const char *const *own = creel_dbus_sandbox_get_command (sandbox);

  /* nothing: the sandbox's own command, whatever it is */
  if (own != NULL && words != NULL && *words != NULL && g_strcmp0 (creel_dbus_sandbox_get_agent (sandbox), "shell") != 0)
    g_strv_builder_addv (builder, (const char **) own);
  if (words != NULL)
    g_strv_builder_addv (builder, (const char **) words);
  return g_strv_builder_end (builder);
}

int
cmd_run (Cli *cli, char **args)
{
  g_auto (CliCreateOptions) options = { 0 };
  gboolean detach = FALSE;
  const GOptionEntry entries[] = {
    CLI_CREATE_ENTRIES (options),
    { "detach", 'd', 0, G_OPTION_ARG_NONE, &detach, NULL, NULL },
    { NULL },
  };
  g_auto (GStrv) words = NULL, rest = NULL, command = NULL, environment = NULL;
  g_autofree char *name = NULL;
  g_autoptr (CreelDBusSandbox) sandbox = NULL;
  g_autoptr (GError) error = NULL;
  gboolean created;
  int status;

  if (!cli_parse (cli, args, entries, CLI_PARSE_BYTES, 1, -1, &words, &rest, &status) || !cli_is_text (words[0], &status))
    return status;
  name = find_or_create (cli, &options, words, &created, &error);
  if (name == NULL || (sandbox = cli_get_sandbox (cli, name, TRUE, &error)) == NULL)
    return cli_fail (error);
  if (!cli->quiet && !detach && isatty (STDERR_FILENO))
    say_reach (name, sandbox);
  /* one that is there already gets them too */
  if ((!created && options.publish != NULL && !cli_set_ports (cli, sandbox, options.publish, NULL, &error)) ||
      !cli_start_sandbox (cli, sandbox, name, &error))
    status = cli_fail (error);
  else if (detach)
    {
      puts (name);
      return CLI_OK;
    }
  else if (!created && (environment = cli_parse_environment (options.environment, options.environment_files, &error)) == NULL)
    return cli_fail (error);
  else
    {
      gboolean tty = isatty (STDIN_FILENO) && isatty (STDOUT_FILENO);

      command = make_command (sandbox, rest);
      CliSession session = { .argv = command, .environment = environment, .tty = tty, .interactive = TRUE };

      status = cli_session_run (cli, sandbox, &session);
    }
  if (created && options.ephemeral)
    {
      g_auto (GVariantDict) dict = G_VARIANT_DICT_INIT (NULL);
      g_autoptr (GError) remove_error = NULL;

      g_variant_dict_insert (&dict, "force", "b", TRUE);
      if (!CLI_CALL (cli, &remove_error,
                     creel_dbus_sandbox_call_remove_sync (sandbox, g_variant_dict_end (&dict), CLI_FLAGS (cli), NULL, &remove_error))
          && cli_status_of (remove_error) != CLI_NOT_FOUND && !g_error_matches (remove_error, G_DBUS_ERROR, G_DBUS_ERROR_UNKNOWN_OBJECT)
          && !g_error_matches (remove_error, G_DBUS_ERROR, G_DBUS_ERROR_UNKNOWN_METHOD))
        cli_fail (remove_error);
    }
  return status;
}
