/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Images that come and go: registries and archives. */
#include "cli-job.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gunixfdlist.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "creel-config.h"
#include "out-json.h"
#include "out-text.h"

static GVariant *
no_options (void)
{
  return g_variant_ref_sink (g_variant_new ("a{sv}", NULL));
}

static gboolean
call_pull (Cli *cli, gpointer data, char **ret_path, GError **error)
{
  g_autoptr (GVariant) options = no_options ();

  return CLI_CALL (cli, error, creel_dbus_manager_call_pull_image_sync (cli->manager, data, options, CLI_FLAGS (cli), ret_path, NULL, error));
}

int
cmd_image_pull (Cli *cli, char **args)
{
  g_auto (GStrv) words = NULL;
  g_autoptr (GError) error = NULL;
  int status;

  if (!cli_parse (cli, args, NULL, CLI_PARSE_PERMUTE, 1, 1, &words, NULL, &status))
    return status;
  if (!cli_connect (cli, &error))
    return cli_fail (error);
  return cli_job_run (cli, call_pull, words[0]);
}

/* A name that a recipe of this machine makes is no registry's. */
static gboolean
has_recipe (const char *name)
{
  static const char *const places[] = { CREEL_CONFIG_DIR "/images.d", CREEL_DATADIR "/images" };

  for (guint i = 0; i < G_N_ELEMENTS (places); i++)
    {
      g_autofree char *path = g_build_filename (places[i], name, NULL);

      if (strpbrk (name, "/:@") == NULL && g_file_test (path, G_FILE_TEST_EXISTS))
        return TRUE;
    }
  return FALSE;
}

gboolean
cli_pull_image (Cli *cli, const char *reference, GError **error)
{
  if (has_recipe (reference))
    {
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_NO_SUCH_IMAGE, "Image \"%s\" is not here yet; make it once with: creel image build %s", reference,
                   reference);
      return FALSE;
    }
  if (!cli->quiet)
    fprintf (stderr, "Image %s is not here; pulling it\n", reference);
  return cli_job_wait (cli, call_pull, (gpointer) reference, NULL, error);
}

static gboolean
call_push (Cli *cli, gpointer data, char **ret_path, GError **error)
{
  char **words = data;
  g_autoptr (GVariant) options = no_options ();

  return CLI_CALL (cli, error,
                   creel_dbus_manager_call_push_image_sync (cli->manager, words[0], words[1] != NULL ? words[1] : "", options, CLI_FLAGS (cli),
                                                            ret_path, NULL, error));
}

int
cmd_image_push (Cli *cli, char **args)
{
  g_auto (GStrv) words = NULL;
  g_autoptr (GError) error = NULL;
  int status;

  if (!cli_parse (cli, args, NULL, CLI_PARSE_PERMUTE, 1, 2, &words, NULL, &status))
    return status;
  if (!cli_connect (cli, &error))
    return cli_fail (error);
  return cli_job_run (cli, call_push, words);
}

typedef struct
{
  const char *image, *format;
  int file;
} Export;

static gboolean
call_export (Cli *cli, gpointer data, char **ret_path, GError **error)
{
  Export *export = data;
  g_autoptr (GUnixFDList) fds = g_unix_fd_list_new ();
  g_autoptr (GVariant) options = no_options ();

  if (g_unix_fd_list_append (fds, export->file, error) < 0)
    return FALSE;
  return CLI_CALL (cli, error,
                   creel_dbus_manager_call_export_image_sync (cli->manager, export->image, g_variant_new_handle (0), export->format, options,
                                                              CLI_FLAGS (cli), fds, ret_path, NULL, NULL, error));
}

int
cmd_image_export (Cli *cli, char **args)
{
  g_autofree char *format = NULL;
  const GOptionEntry entries[] = {
    { "format", 0, 0, G_OPTION_ARG_STRING, &format, NULL, NULL },
    { NULL },
  };
  g_auto (GStrv) words = NULL;
  g_autofree char *part = NULL;
  g_autoptr (GError) error = NULL;
  Export export;
  gboolean piped;
  int status;

  if (!cli_parse (cli, args, entries, CLI_PARSE_BYTES, 2, 2, &words, NULL, &status) || !cli_is_text (words[0], &status))
    return status;
  if (!cli_connect (cli, &error))
    return cli_fail (error);
  export.image = words[0];
  export.format = format != NULL ? format : "oci-archive";
  piped = g_str_equal (words[1], "-");
  if (piped && isatty (STDOUT_FILENO))
    return cli_fail_with (CLI_USAGE, "An image does not go to a terminal; name a file");
  /* now, not when all of it is there */
  if (words[1][0] == '\0' || g_file_test (words[1], G_FILE_TEST_IS_DIR))
    return cli_fail_with (CLI_USAGE, "\"%s\" is no file to write an image to; name one", words[1]);
  /* a file of that name stays until the new one is whole */
  part = piped ? NULL : g_strdup_printf ("%s.part-%d", words[1], getpid ());
  export.file = piped ? dup (STDOUT_FILENO) : open (part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (export.file < 0)
    return cli_fail_with (CLI_FAILED, "Cannot write %s: %s", words[1], g_strerror (errno));
  if (!piped)
    status = cli_job_run (cli, call_export, &export);
  else /* standard output is the image's */
    status = cli_job_wait (cli, call_export, &export, NULL, &error) ? CLI_OK : cli_fail (error);
  if (status == CLI_OK && !piped)
    {
      mode_t mask = umask (0);

      umask (mask);
      if (fchmod (export.file, 0666 & ~mask) < 0 || fsync (export.file) < 0 || rename (part, words[1]) < 0)
        status = cli_fail_with (CLI_FAILED, "Cannot write %s: %s", words[1], g_strerror (errno));
    }
  if (status != CLI_OK && !piped)
    unlink (part);
  close (export.file);
  return status;
}

int
cmd_image_tag (Cli *cli, char **args)
{
  g_auto (GStrv) words = NULL;
  g_autoptr (GError) error = NULL;
  int status;

  if (!cli_parse (cli, args, NULL, CLI_PARSE_PERMUTE, 2, 2, &words, NULL, &status))
    return status;
  if (!cli_connect (cli, &error) ||
      !CLI_CALL (cli, &error, creel_dbus_manager_call_tag_image_sync (cli->manager, words[0], words[1], CLI_FLAGS (cli), NULL, &error)))
    return cli_fail (error);
  return CLI_OK;
}

int
cmd_image_prune (Cli *cli, char **args)
{
  gboolean all = FALSE;
  const GOptionEntry entries[] = {
    { "all", 'a', 0, G_OPTION_ARG_NONE, &all, NULL, NULL },
    { NULL },
  };
  g_auto (GVariantDict) dict = G_VARIANT_DICT_INIT (NULL);
  g_auto (GStrv) words = NULL;
  g_auto (GStrv) removed = NULL;
  g_autoptr (GVariant) options = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *freed = NULL;
  guint64 bytes;
  int status;

  if (!cli_parse (cli, args, entries, CLI_PARSE_PERMUTE, 0, 0, &words, NULL, &status))
    return status;
  g_variant_dict_insert (&dict, "all", "b", all);
  options = g_variant_ref_sink (g_variant_dict_end (&dict));
  if (!cli_connect (cli, &error) ||
      !CLI_CALL (cli, &error, creel_dbus_manager_call_prune_images_sync (cli->manager, options, CLI_FLAGS (cli), &removed, &bytes, NULL, &error)))
    return cli_fail (error);
  if (cli->json)
    {
      g_autoptr (JsonBuilder) builder = json_builder_new ();

      json_builder_begin_object (builder);
      out_json_strings (builder, "images", (const char *const *) removed);
      out_json_integer (builder, "bytes", bytes);
      json_builder_end_object (builder);
      out_json_print (builder, TRUE);
      return CLI_OK;
    }
  for (char **id = removed; *id != NULL; id++)
    puts (*id);
  freed = out_size (bytes);
  if (!cli->quiet)
    fprintf (stderr, "%s freed\n", freed);
  return CLI_OK;
}
