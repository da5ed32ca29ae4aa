/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli-job.h"

#include <errno.h>
#include <gio/gunixfdlist.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct
{
  char *name, *preset, *memory, *cpus, *disk;
  char **allow, **arguments;
} Options;

static void
options_clear (Options *options)
{
  g_free (options->name);
  g_free (options->preset);
  g_free (options->memory);
  g_free (options->cpus);
  g_free (options->disk);
  g_strfreev (options->allow);
  g_strfreev (options->arguments);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Options, options_clear)

typedef struct
{
  const char *what; /* a recipe, or an absolute path */
  GVariant *options;
  int output;       /* the service's end of the socket, or -1 */
} Build;

static gboolean
call_build (Cli *cli, gpointer data, char **ret_path, GError **error)
{
  Build *build = data;
  g_autoptr (GUnixFDList) fds = build->output >= 0 ? g_unix_fd_list_new_from_array (&build->output, 1) : NULL; /* takes it */
  gboolean called = CLI_CALL (cli, error,
                              creel_dbus_manager_call_build_image_sync (cli->manager, build->what, build->options, CLI_FLAGS (cli), fds,
                                                                        ret_path, NULL, NULL, error));

  build->output = -1;
  return called;
}

static void
add_text (GVariantBuilder *b, const char *key, const char *value)
{
  if (value != NULL)
    g_variant_builder_add (b, "{sv}", key, g_variant_new_string (value));
}

static void
add_list (GVariantBuilder *b, const char *key, char **list)
{
  if (list != NULL)
    g_variant_builder_add (b, "{sv}", key, g_variant_new_strv ((const char *const *) list, -1));
}

static gboolean
add_size (GVariantBuilder *b, const char *key, const char *text, GError **error)
{
  guint64 bytes;

  if (text == NULL)
    return TRUE;
  if (!cli_parse_size (text, &bytes, error))
    return FALSE;
  g_variant_builder_add (b, "{sv}", key, g_variant_new_uint64 (bytes));
  return TRUE;
}

/* KEY=VALUE each; KEY alone takes its value from the environment, and without one the Containerfile's counts. */
static char **
complete_arguments (char **arguments, GError **error)
{
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();

  for (; arguments != NULL && *arguments != NULL; arguments++)
    {
      g_autofree char *pair = NULL;
      const char *value;

      if (strchr (*arguments, '=') != NULL)
        {
          g_strv_builder_add (builder, *arguments);
          continue;
        }
      if (!cli_get_variable (*arguments, &value, error))
        return NULL;
      if (value == NULL)
        continue;
      pair = g_strconcat (*arguments, "=", value, NULL);
      g_strv_builder_add (builder, pair);
    }
  return g_strv_builder_end (builder);
}

static GVariant *
make_options (const Options *options, int output, GError **error)
{
  g_auto (GStrv) arguments = complete_arguments (options->arguments, error);
  GVariantBuilder b;
  guint cpus;

  if (arguments == NULL || !cli_parse_cpus (options->cpus, &cpus, error))
    return NULL;
  g_variant_builder_init (&b, G_VARIANT_TYPE ("a{sv}"));
  add_text (&b, "reference", options->name);
  add_text (&b, "preset", options->preset);
  add_list (&b, "allow", options->allow);
  if (arguments[0] != NULL)
    add_list (&b, "args", arguments);
  if (cpus > 0)
    g_variant_builder_add (&b, "{sv}", "cpus", g_variant_new_uint32 (cpus));
  if (output >= 0)
    g_variant_builder_add (&b, "{sv}", "output", g_variant_new_handle (0));
  if (!add_size (&b, "memory", options->memory, error) || !add_size (&b, "disk", options->disk, error))
    {
      g_variant_builder_clear (&b);
      return NULL;
    }
  return g_variant_ref_sink (g_variant_builder_end (&b));
}

int
cmd_image_build (Cli *cli, char **args)
{
  g_auto (Options) options = { 0 };
  g_auto (GStrv) words = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) variant = NULL;
  g_autofree char *folder = NULL;
  const GOptionEntry entries[] = {
    { "tag", 't', 0, G_OPTION_ARG_STRING, &options.name, NULL, NULL },
    { "preset", 0, 0, G_OPTION_ARG_STRING, &options.preset, NULL, NULL },
    { "allow-host", 0, 0, G_OPTION_ARG_STRING_ARRAY, &options.allow, NULL, NULL },
    { "build-arg", 0, 0, G_OPTION_ARG_STRING_ARRAY, &options.arguments, NULL, NULL },
    { "memory", 'm', 0, G_OPTION_ARG_STRING, &options.memory, NULL, NULL },
    { "disk", 0, 0, G_OPTION_ARG_STRING, &options.disk, NULL, NULL },
    { "cpus", 0, 0, G_OPTION_ARG_STRING, &options.cpus, NULL, NULL },
    { NULL },
  };
  int status, pair[2] = { -1, -1 };
  Build build;

  if (!cli_parse (cli, args, entries, CLI_PARSE_PERMUTE, 1, 1, &words, NULL, &status))
    return status;
  if (strchr (words[0], '/') != NULL || g_str_equal (words[0], ".") || g_str_equal (words[0], ".."))
    {
      folder = realpath (words[0], NULL);
      if (folder == NULL || !g_file_test (folder, G_FILE_TEST_IS_DIR))
        return cli_fail_with (CLI_FAILED, "Cannot build from %s: %s", words[0], g_strerror (folder == NULL ? errno : ENOTDIR));
      if (!cli_is_text (folder, &status))
        return status;
    }
  if (!cli_connect (cli, &error))
    return cli_fail (error);
  if (!cli->quiet && socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
    return cli_fail_with (CLI_FAILED, "Cannot make a socket: %s", g_strerror (errno));
  variant = make_options (&options, pair[1], &error);
  build = (Build) { folder != NULL ? folder : words[0], variant, pair[1] };
  if (variant != NULL)
    status = cli_job_run_with_output (cli, call_build, &build, pair[0]);
  else
    status = cli_fail (error);
  if (build.output >= 0)
    close (build.output);
  if (pair[0] >= 0)
    close (pair[0]);
  return status;
}
