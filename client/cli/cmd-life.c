/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* start, stop, restart, rm: the same act on each name; the first failure decides the exit code, the rest is still done. */
#include "cli.h"

#include <stdio.h>

typedef gboolean (*LifeAct) (Cli *cli, CreelDBusSandbox *sandbox, const char *name, GVariant *options, GError **error);

static int
for_each_name (Cli *cli, char **names, GVariant *options, gboolean properties, LifeAct act)
{
  g_autoptr (GVariant) sunk = g_variant_ref_sink (options);
  int status = CLI_OK;

  for (char **name = names; *name != NULL; name++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (CreelDBusSandbox) sandbox = cli_get_sandbox (cli, *name, properties, &error);

      if (sandbox != NULL && act (cli, sandbox, *name, sunk, &error))
        {
          if (!cli->quiet)
            puts (*name);
        }
      else
        {
          int failed = cli_fail (error);

          status = status == CLI_OK ? failed : status;
        }
    }
  return status;
}

static GVariant *
no_options (void)
{
  return g_variant_new ("a{sv}", NULL);
}

/* -t SEC as docker's; -1: the service's default. */
static GVariant *
timeout_options (int seconds)
{
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  if (seconds >= 0)
    g_variant_dict_insert (&dict, "timeout", "t", (guint64) seconds * G_USEC_PER_SEC);
  return g_variant_dict_end (&dict);
}

static gboolean
act_start (Cli *cli, CreelDBusSandbox *sandbox, const char *name, GVariant *options, GError **error)
{
  if (g_strcmp0 (creel_dbus_sandbox_get_state (sandbox), "running") == 0)
    return TRUE;
  return cli_start_sandbox (cli, sandbox, name, error);
}

int
cmd_start (Cli *cli, char **args)
{
  g_auto (GStrv) names = NULL;
  int status;

  if (!cli_parse (cli, args, NULL, CLI_PARSE_PERMUTE, 1, -1, &names, NULL, &status))
    return status;
  return for_each_name (cli, names, no_options (), TRUE, act_start);
}

static gboolean
act_stop (Cli *cli, CreelDBusSandbox *sandbox, const char *name, GVariant *options, GError **error)
{
  return CLI_CALL (cli, error, creel_dbus_sandbox_call_stop_sync (sandbox, options, CLI_FLAGS (cli), NULL, error));
}

static gboolean
act_restart (Cli *cli, CreelDBusSandbox *sandbox, const char *name, GVariant *options, GError **error)
{
  if (!CLI_CALL (cli, error, creel_dbus_sandbox_call_restart_sync (sandbox, options, CLI_FLAGS (cli), NULL, error)))
    return FALSE;
  cli_warn_ports (cli, sandbox);
  return TRUE;
}

static int
stop_or_restart (Cli *cli, char **args, LifeAct act)
{
  int seconds = G_MININT; /* not given */
  const GOptionEntry entries[] = {
    { "time", 't', 0, G_OPTION_ARG_INT, &seconds, NULL, NULL },
    { NULL },
  };
  g_auto (GStrv) names = NULL;
  int status;

  if (!cli_parse (cli, args, entries, CLI_PARSE_PERMUTE, 1, -1, &names, NULL, &status))
    return status;
  if (seconds < 0 && seconds != G_MININT)
    return cli_fail_with (CLI_USAGE, "--time: %d is below zero; see: creel help %s", seconds, args[0]);
  return for_each_name (cli, names, timeout_options (seconds), FALSE, act);
}

int
cmd_stop (Cli *cli, char **args)
{
  return stop_or_restart (cli, args, act_stop);
}

int
cmd_restart (Cli *cli, char **args)
{
  return stop_or_restart (cli, args, act_restart);
}

static gboolean
act_remove (Cli *cli, CreelDBusSandbox *sandbox, const char *name, GVariant *options, GError **error)
{
  if (CLI_CALL (cli, error, creel_dbus_sandbox_call_remove_sync (sandbox, options, CLI_FLAGS (cli), NULL, error)))
    return TRUE;
  if (g_error_matches (*error, CREEL_ERROR, CREEL_ERROR_RUNNING))
    {
      g_clear_error (error);
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_RUNNING, "Sandbox %s is running; stop it first, or use: creel rm -f %s", name, name);
    }
  return FALSE;
}

int
cmd_rm (Cli *cli, char **args)
{
  gboolean force = FALSE;
  const GOptionEntry entries[] = {
    { "force", 'f', 0, G_OPTION_ARG_NONE, &force, NULL, NULL },
    { NULL },
  };
  g_auto (GStrv) names = NULL;
  GVariantDict dict;
  int status;

  if (!cli_parse (cli, args, entries, CLI_PARSE_PERMUTE, 1, -1, &names, NULL, &status))
    return status;
  g_variant_dict_init (&dict, NULL);
  if (force)
    g_variant_dict_insert (&dict, "force", "b", TRUE);
  return for_each_name (cli, names, g_variant_dict_end (&dict), FALSE, act_remove);
}
