/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli-job.h"

typedef struct
{
  CreelDBusSandbox *sandbox;
  const char *reference;
  const char *message;
} Save;

static gboolean
call_save (Cli *cli, gpointer data, char **ret_path, GError **error)
{
  Save *save = data;
  GVariantDict dict;
  g_autoptr (GVariant) options = NULL;

  g_variant_dict_init (&dict, NULL);
  if (save->message != NULL)
    g_variant_dict_insert (&dict, "message", "s", save->message);
  options = g_variant_ref_sink (g_variant_dict_end (&dict));
  return CLI_CALL (cli, error, creel_dbus_sandbox_call_save_image_sync (save->sandbox, save->reference, options, CLI_FLAGS (cli), ret_path, NULL, error));
}

int
cmd_save (Cli *cli, char **args)
{
  g_auto (GStrv) words = NULL;
  g_autofree char *message = NULL;
  const GOptionEntry entries[] = {
    { "message", 'm', 0, G_OPTION_ARG_STRING, &message, NULL, NULL },
    { NULL },
  };
  g_autoptr (CreelDBusSandbox) sandbox = NULL;
  g_autoptr (GError) error = NULL;
  Save save;
  int status;

  if (!cli_parse (cli, args, entries, CLI_PARSE_PERMUTE, 2, 2, &words, NULL, &status))
    return status;
  if (!cli_connect (cli, &error) || (sandbox = cli_get_sandbox (cli, words[0], FALSE, &error)) == NULL)
    return cli_fail (error);
  save = (Save) { sandbox, words[1], message };
  return cli_job_run (cli, call_save, &save);
}
