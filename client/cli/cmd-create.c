/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli.h"

#include <stdio.h>
#include <string.h>

#include "creel-definition.h"

void
cli_create_options_clear (CliCreateOptions *options)
{
  g_free (options->name);
  g_free (options->image);
  g_free (options->memory);
  g_free (options->cpus);
  g_free (options->disk);
  g_free (options->policy);
  g_free (options->preset);
  g_strfreev (options->environment);
  g_strfreev (options->environment_files);
  g_strfreev (options->credentials);
  g_strfreev (options->allow);
  g_strfreev (options->publish);
}

static void
insert_strv (GVariantDict *dict, const char *key, char **values)
{
  if (values != NULL && *values != NULL)
    g_variant_dict_insert_value (dict, key, g_variant_new_strv ((const char *const *) values, -1));
}

static gboolean
insert_size (GVariantDict *dict, const char *key, const char *text, GError **error)
{
  guint64 bytes;

  if (text == NULL)
    return TRUE;
  if (!cli_parse_size (text, &bytes, error))
    {
      g_prefix_error (error, "--%s: ", key);
      return FALSE;
    }
  g_variant_dict_insert (dict, key, "t", bytes);
  return TRUE;
}

static GVariant *
make_options (const CliCreateOptions *options, const char *agent, char **paths, char **command, GError **error)
{
  g_auto (GVariantDict) dict = G_VARIANT_DICT_INIT (NULL);
  g_auto (GStrv) environment = cli_parse_environment (options->environment, options->environment_files, error);
  /* an agent has no such characters, an image reference often: "debian:12" means a shell in that image */
  gboolean agent_is_image = strpbrk (agent, ":/@") != NULL;
  guint cpus;

  if (environment == NULL || !insert_size (&dict, "memory", options->memory, error)
      || !insert_size (&dict, "disk", options->disk, error) || !cli_parse_cpus (options->cpus, &cpus, error))
    return NULL;
  if (command != NULL && *command != NULL && **command == '\0')
    {
      g_set_error_literal (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "The command after -- has an empty name");
      return NULL;
    }
  g_variant_dict_insert (&dict, "agent", "s", agent_is_image ? "shell" : agent);
  if (options->image != NULL || agent_is_image)
    g_variant_dict_insert (&dict, "image", "s", options->image != NULL ? options->image : agent);
  if (cpus > 0)
    g_variant_dict_insert (&dict, "cpus", "u", cpus);
  if (options->policy != NULL)
    g_variant_dict_insert (&dict, "policy", "s", options->policy);
  if (options->preset != NULL)
    g_variant_dict_insert (&dict, "preset", "s", options->preset);
  if (options->ephemeral)
    g_variant_dict_insert (&dict, "ephemeral", "b", TRUE);
  insert_strv (&dict, "workspaces", paths);
  insert_strv (&dict, "environment", environment);
  insert_strv (&dict, "credentials", options->credentials);
  insert_strv (&dict, "allow", options->allow);
  insert_strv (&dict, "publish", options->publish);
  insert_strv (&dict, "command", command);
  return g_variant_ref_sink (g_variant_dict_end (&dict));
}

/* Which image the sandbox will have; NULL when that is the service's to say. */
static char *
image_of (const CliCreateOptions *options, const char *agent)
{
  g_autoptr (CreelAgentType) type = NULL;

  if (options->image != NULL)
    return g_strdup (options->image);
  if (strpbrk (agent, ":/@") != NULL)
    return g_strdup (agent);
  type = creel_agent_type_load (agent, NULL);
  return type != NULL ? g_strdup (type->image) : NULL;
}

char *
cli_create (Cli *cli, const CliCreateOptions *options, const char *agent, char **paths, char **command, GError **error)
{
  g_autofree char *base = options->name != NULL ? g_strdup (options->name) : cli_default_name (agent, paths != NULL ? paths[0] : NULL);
  g_autoptr (GVariant) dict = make_options (options, agent, paths, command, error);

  gboolean pulled = FALSE;

  if (dict == NULL || !creel_sandbox_name_check (base, error) || !cli_connect (cli, error))
    return NULL;
  for (guint attempt = 1;; attempt++)
    {
      /* a name that nobody chose may be taken by another folder of that name */
      g_autofree char *name = attempt == 1 ? g_strdup (base) : g_strdup_printf ("%.60s-%u", base, attempt);
      g_autofree char *path = NULL;
      g_autofree char *image = NULL;
      g_autoptr (GError) local_error = NULL;

      if (CLI_CALL (cli, &local_error,
                    creel_dbus_manager_call_create_sandbox_sync (cli->manager, name, dict, CLI_FLAGS (cli), &path, NULL, &local_error)))
        return g_steal_pointer (&name);
      if (!pulled && g_error_matches (local_error, CREEL_ERROR, CREEL_ERROR_NO_SUCH_IMAGE) && (image = image_of (options, agent)) != NULL)
        {
          if (!cli_pull_image (cli, image, error))
            return NULL;
          pulled = TRUE;
          attempt--;
          continue;
        }
      if (options->name == NULL && attempt < 9 && g_error_matches (local_error, CREEL_ERROR, CREEL_ERROR_SANDBOX_EXISTS))
        continue;
      g_propagate_error (error, g_steal_pointer (&local_error));
      return NULL;
    }
}

int
cmd_create (Cli *cli, char **args)
{
  g_auto (CliCreateOptions) options = { 0 };
  const GOptionEntry entries[] = { CLI_CREATE_ENTRIES (options), { NULL } };
  g_auto (GStrv) words = NULL, command = NULL;
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  g_auto (GStrv) paths = NULL;
  g_autofree char *name = NULL;
  g_autoptr (GError) error = NULL;
  int status;

  if (!cli_parse (cli, args, entries, CLI_PARSE_PERMUTE, 1, -1, &words, &command, &status))
    return status;
  for (char **word = words + 1; *word != NULL; word++)
    {
      g_autofree char *path = cli_resolve_workspace (*word, &error);

      if (path == NULL)
        return cli_fail (error);
      g_strv_builder_add (builder, path);
    }
  paths = g_strv_builder_end (builder);
  name = cli_create (cli, &options, words[0], paths, command, &error);
  if (name == NULL)
    return cli_fail (error);
  puts (name);
  return CLI_OK;
}
