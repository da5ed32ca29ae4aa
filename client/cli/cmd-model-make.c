/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Models that come and go: registries and files. */
#include "cli-model.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gunixfdlist.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli-job.h"
#include "creel-model-config.h"
#include "creel-reference.h"

typedef struct
{
  CreelDBusModels *models;
  const char *reference;
  GVariant *files, *options; /* owned */
  GUnixFDList *fds;          /* owned */
} Call;

static void
call_clear (Call *call)
{
  g_clear_object (&call->models);
  g_clear_pointer (&call->files, g_variant_unref);
  g_clear_pointer (&call->options, g_variant_unref);
  g_clear_object (&call->fds);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Call, call_clear)

static gboolean
call_pull (Cli *cli, gpointer data, char **ret_path, GError **error)
{
  Call *call = data;

  return CLI_CALL (cli, error,
                   creel_dbus_models_call_pull_model_sync (call->models, call->reference, call->options, CLI_FLAGS (cli), ret_path, NULL, error));
}

static gboolean
call_push (Cli *cli, gpointer data, char **ret_path, GError **error)
{
  Call *call = data;

  return CLI_CALL (cli, error,
                   creel_dbus_models_call_push_model_sync (call->models, call->reference, call->options, CLI_FLAGS (cli), ret_path, NULL, error));
}

static gboolean
call_import (Cli *cli, gpointer data, char **ret_path, GError **error)
{
  Call *call = data;

  return CLI_CALL (cli, error,
                   creel_dbus_models_call_import_model_sync (call->models, call->reference, call->files, call->options, CLI_FLAGS (cli), call->fds,
                                                             ret_path, NULL, NULL, error));
}

gboolean
cli_model_pull (Cli *cli, const char *reference, GError **error)
{
  g_auto (Call) call = { .reference = reference, .options = cli_model_no_options () };

  return (call.models = cli_model_connect (cli, error)) != NULL && cli_job_wait (cli, call_pull, &call, NULL, error);
}

/* Opens `path` as one of the model's files. */
static gboolean
add_file (GVariantBuilder *files, GUnixFDList *fds, const char *kind, const char *path, GError **error)
{
  int fd = open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  struct stat st;
  int index;

  if (fd < 0 || fstat (fd, &st) < 0 || !S_ISREG (st.st_mode))
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_FAILED, "Cannot open %s: %s", path, fd < 0 ? g_strerror (errno) : "not a file");
      if (fd >= 0)
        close (fd);
      return FALSE;
    }
  index = g_unix_fd_list_append (fds, fd, error);
  close (fd);
  if (index >= 0)
    g_variant_builder_add (files, "(sh)", kind, index);
  return index >= 0;
}

static gboolean
add_files (GVariantBuilder *files, GUnixFDList *fds, const char *kind, char **paths, GError **error)
{
  for (; paths != NULL && *paths != NULL; paths++)
    if (!add_file (files, fds, kind, *paths, error))
      return FALSE;
  return TRUE;
}

typedef struct
{
  char **gguf, **mmproj, **chat_template, **license;
} Files;

static void
files_clear (Files *files)
{
  g_clear_pointer (&files->gguf, g_strfreev);
  g_clear_pointer (&files->mmproj, g_strfreev);
  g_clear_pointer (&files->chat_template, g_strfreev);
  g_clear_pointer (&files->license, g_strfreev);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Files, files_clear)

/* FALSE with an error; what `call` has by then is its owner's to clear. */
static gboolean
prepare_import (Call *call, const Files *from, GError **error)
{
  g_auto (GStrv) parts = from->gguf[1] == NULL ? cli_model_list_parts (from->gguf[0]) : g_strdupv (from->gguf);
  g_auto (GVariantBuilder) files = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("a(sh)"));
  g_auto (GVariantDict) dict = G_VARIANT_DICT_INIT (NULL);
  g_autofree char *base = g_path_get_basename (parts[0]);

  call->fds = g_unix_fd_list_new ();
  if (!add_files (&files, call->fds, "gguf", parts, error) || !add_files (&files, call->fds, "mmproj", from->mmproj, error)
      || !add_files (&files, call->fds, "chat-template", from->chat_template, error)
      || !add_files (&files, call->fds, "license", from->license, error))
    return FALSE;
  call->files = g_variant_ref_sink (g_variant_builder_end (&files));
  /* a name that a model's file may not have is left away: then it is made of the model's */
  if (g_utf8_validate (base, -1, NULL) && strlen (base) <= 128 && creel_model_file_name_is_valid (base))
    g_variant_dict_insert (&dict, "name", "s", base);
  call->options = g_variant_ref_sink (g_variant_dict_end (&dict));
  return TRUE;
}

/* A name alone is never a file: one of that name in the folder, which an agent may have written, is not what was meant. */
static gboolean
is_file (const char *word)
{
  gboolean is_path = g_path_is_absolute (word) || g_str_has_prefix (word, "./") || g_str_has_prefix (word, "../");

  return g_str_has_suffix (word, ".gguf") || (is_path && g_file_test (word, G_FILE_TEST_IS_REGULAR));
}

static int
import_one (Cli *cli, const char *path, const char *given)
{
  g_autofree char *made = given == NULL ? cli_model_name_of_file (path) : NULL;
  g_autoptr (CreelReference) reference = made != NULL ? creel_reference_parse (made, NULL) : NULL;
  char *gguf[] = { (char *) path, NULL };
  const Files files = { .gguf = gguf };
  g_auto (Call) call = { .reference = given != NULL ? given : made };
  g_autoptr (GError) error = NULL;

  if (given == NULL && reference == NULL)
    return cli_fail_with (CLI_USAGE, "Say what it shall be called: creel model pull %s NAME", path);
  if (!prepare_import (&call, &files, &error) || (call.models = cli_model_connect (cli, &error)) == NULL)
    return cli_fail (error);
  return cli_job_run (cli, call_import, &call);
}

int
cmd_model_pull (Cli *cli, char **args)
{
  g_auto (GStrv) words = NULL;
  g_auto (Call) call = { .options = cli_model_no_options () };
  g_autoptr (GError) error = NULL;
  int status;

  if (!cli_parse (cli, args, NULL, CLI_PARSE_BYTES, 1, 2, &words, NULL, &status) || (words[1] != NULL && !cli_is_text (words[1], &status)))
    return status;
  if (is_file (words[0]))
    return import_one (cli, words[0], words[1]);
  if (strchr ("./", words[0][0]) != NULL && g_file_test (words[0], G_FILE_TEST_IS_DIR))
    return cli_fail_with (CLI_USAGE, "\"%s\" is a folder; name a GGUF file, or a model of a registry", words[0]);
  if (words[1] != NULL)
    return cli_fail_with (CLI_USAGE, "There is no file %s; what a registry has keeps its name, see: creel model tag", words[0]);
  if (!cli_is_text (words[0], &status))
    return status;
  call.reference = words[0];
  if ((call.models = cli_model_connect (cli, &error)) == NULL)
    return cli_fail (error);
  return cli_job_run (cli, call_pull, &call);
}

static int
push (Cli *cli, const char *name, const char *destination)
{
  g_auto (GVariantDict) dict = G_VARIANT_DICT_INIT (NULL);
  g_auto (Call) call = { .reference = name };
  g_autoptr (GError) error = NULL;

  if (destination != NULL)
    g_variant_dict_insert (&dict, "destination", "s", destination);
  call.options = g_variant_ref_sink (g_variant_dict_end (&dict));
  if ((call.models = cli_model_connect (cli, &error)) == NULL)
    return cli_fail (error);
  return cli_job_run (cli, call_push, &call);
}

int
cmd_model_push (Cli *cli, char **args)
{
  g_auto (GStrv) words = NULL;
  int status;

  if (!cli_parse (cli, args, NULL, CLI_PARSE_PERMUTE, 1, 2, &words, NULL, &status))
    return status;
  return push (cli, words[0], words[1]);
}

int
cmd_model_package (Cli *cli, char **args)
{
  g_auto (Files) files = { 0 };
  gboolean and_push = FALSE;
  const GOptionEntry entries[] = {
    { "gguf", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &files.gguf, NULL, NULL },
    { "mmproj", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &files.mmproj, NULL, NULL },
    { "chat-template", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &files.chat_template, NULL, NULL },
    { "license", 'l', 0, G_OPTION_ARG_FILENAME_ARRAY, &files.license, NULL, NULL },
    { "push", 0, 0, G_OPTION_ARG_NONE, &and_push, NULL, NULL },
    { NULL },
  };
  g_auto (GStrv) words = NULL;
  g_auto (Call) call = { 0 };
  g_autoptr (GError) error = NULL;
  int status;

  if (!cli_parse (cli, args, entries, CLI_PARSE_PERMUTE, 1, 1, &words, NULL, &status))
    return status;
  if (files.gguf == NULL)
    return cli_fail_with (CLI_USAGE, "A model is made of a GGUF file; write --gguf FILE");
  call.reference = words[0];
  if (!prepare_import (&call, &files, &error) || (call.models = cli_model_connect (cli, &error)) == NULL)
    return cli_fail (error);
  if (!and_push)
    return cli_job_run (cli, call_import, &call);
  return cli_job_wait (cli, call_import, &call, NULL, &error) ? push (cli, words[0], NULL) : cli_fail (error);
}
