/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli-session.h"
#include "cli-tar.h"

/* Files in and out by way of the guest's tar in a session as any other, whose stdin or stdout is ours for that. */

typedef struct
{
  int fd;
  const char *path, *base, *root;
  gboolean want_directory, exists, ok;
  guint n;
  GError *error;
} Copy;

static gpointer
receive_thread (gpointer data)
{
  Copy *copy = data;
  char rest[65536];

  copy->ok = cli_tar_unpack (copy->fd, copy->base, copy->root, copy->want_directory, copy->exists, &copy->n, &copy->error);
  /* after the end of a tar there may be padding; after an error the sender sees a broken pipe */
  while (copy->ok && read (copy->fd, rest, sizeof rest) > 0)
    ;
  close (copy->fd);
  return NULL;
}

static gpointer
send_thread (gpointer data)
{
  Copy *copy = data;

  copy->ok = cli_tar_pack (copy->path, copy->root, copy->fd, &copy->error);
  close (copy->fd);
  return NULL;
}

/* NAME:PATH in two; a colon after a slash is of a local path, as docker has it. PATH is absolute then. */
static gboolean
split_remote (const char *word, char **ret_name, char **ret_path)
{
  const char *colon = strchr (word, ':'), *slash = strchr (word, '/');

  if (colon == NULL || colon == word || (slash != NULL && slash < colon))
    return FALSE;
  *ret_name = g_strndup (word, colon - word);
  *ret_path = colon[1] == '/' ? g_strdup (colon + 1) : g_strconcat ("/", colon + 1, NULL);
  return TRUE;
}

/* The folder and the last part of a path: "a/b/" is "a" and "b"; "a/." and "/" are "." in themselves. */
static void
split_path (const char *path, char **ret_folder, char **ret_base)
{
  g_autofree char *copy = g_strdup (path);
  gsize length = strlen (copy);

  while (length > 1 && copy[length - 1] == '/')
    copy[--length] = '\0';
  *ret_base = g_path_get_basename (copy);
  if (g_str_equal (*ret_base, "/") || g_str_equal (*ret_base, "..") || g_str_equal (*ret_base, "."))
    {
      *ret_folder = g_strdup (copy);
      g_free (*ret_base);
      *ret_base = g_strdup (".");
    }
  else
    *ret_folder = g_path_get_dirname (copy);
}

static int
run_tar (Cli *cli, CreelDBusSandbox *sandbox, const char *user, const char *const *argv, gboolean interactive)
{
  CliSession session = { .argv = (char **) argv, .user = (char *) user, .interactive = interactive };
  int status = cli_session_run (cli, sandbox, &session);

  if (status == CLI_NO_COMMAND)
    return cli_fail_with (CLI_GUEST, "The image has no tar; creel cp needs one in the guest");
  return status;
}

/* Runs it with one of our streams at one end of a pipe and a thread at the other. */
static int
run_with (Cli *cli, CreelDBusSandbox *sandbox, const char *user, const char *const *argv, Copy *copy, gboolean send)
{
  int ends[2], stream = send ? STDIN_FILENO : STDOUT_FILENO, status, null_fd;
  g_autoptr (GError) error = NULL;
  GThread *thread;

  signal (SIGPIPE, SIG_IGN);
  if (!g_unix_open_pipe (ends, FD_CLOEXEC, &error))
    return cli_fail (error);
  copy->fd = ends[send ? 1 : 0];
  if (dup2 (ends[send ? 0 : 1], stream) < 0)
    return cli_fail_with (CLI_FAILED, "Cannot make a pipe: %s", g_strerror (errno));
  close (ends[send ? 0 : 1]);
  thread = g_thread_new ("copy", send ? send_thread : receive_thread, copy);
  status = run_tar (cli, sandbox, user, argv, send);
  /* ours is the last copy of that end: the thread sees the end of it */
  null_fd = open ("/dev/null", O_RDWR | O_CLOEXEC);
  dup2 (null_fd, stream);
  g_thread_join (thread);
  /* its own words were on stderr; a tar that it did not send is no second error */
  if (status > 0 && status < 125 && (send || copy->n == 0))
    status = cli_fail_with (CLI_GUEST, "tar in the sandbox failed");
  else if (status == CLI_EXEC_FAILED && copy->n == 0)
    status = CLI_FAILED; /* it never ran, which was said */
  else if (copy->error != NULL)
    status = cli_fail (copy->error);
  else if (status > 0 && status < 125)
    status = CLI_GUEST;
  g_clear_error (&copy->error);
  return status;
}

static int
copy_out (Cli *cli, CreelDBusSandbox *sandbox, const char *user, const char *path, const char *target)
{
  g_autofree char *folder = NULL, *base = NULL, *dot_base = NULL, *target_folder = NULL, *target_base = NULL;
  const char *argv[] = { "tar", "-C", NULL, "-cf", "-", NULL, NULL };
  Copy copy = { 0 };
  struct stat st;
  int result;

  split_path (path, &folder, &base);
  dot_base = g_strconcat ("./", base, NULL);
  argv[2] = folder;
  argv[5] = g_str_equal (base, ".") ? "." : dot_base;
  if (g_str_equal (target, "-"))
    return isatty (STDOUT_FILENO) ? cli_fail_with (CLI_USAGE, "A tar is not for a terminal; send it to a file or a program")
                                  : run_tar (cli, sandbox, user, argv, FALSE);
  copy.base = base;
  result = stat (target, &st);
  if (result == 0 && S_ISDIR (st.st_mode))
    {
      copy.root = g_str_equal (base, ".") ? "" : base;
      result = chdir (target);
    }
  else
    {
      copy.exists = result == 0;
      copy.want_directory = g_str_has_suffix (target, "/");
      split_path (target, &target_folder, &target_base);
      copy.root = target_base;
      result = chdir (target_folder);
    }
  if (result < 0)
    return cli_fail_with (CLI_FAILED, "Cannot write to %s: %s", target, g_strerror (errno));
  return run_with (cli, sandbox, user, argv, &copy, FALSE);
}

/* What is at path in the guest: "folder", "file", "new" (its folder is there) or "none". The guest says so, and may lie about its own. */
static char *
ask_kind (Cli *cli, CreelDBusSandbox *sandbox, const char *user, const char *path, GError **error)
{
  static const char script[] = "if [ -d \"$1\" ]; then echo folder; elif [ -e \"$1\" ]; then echo file; "
                               "elif [ -d \"$(dirname \"$1\")\" ]; then echo new; else echo none; fi";
  const char *const argv[] = { "sh", "-c", script, "sh", path, NULL };
  g_autoptr (GVariant) options = NULL;
  g_autofree char *out = NULL, *err = NULL;
  GVariantDict dict;
  int status = 0;

  g_variant_dict_init (&dict, NULL);
  if (user != NULL)
    g_variant_dict_insert (&dict, "user", "s", user);
  options = g_variant_ref_sink (g_variant_dict_end (&dict));
  if (!CLI_CALL (cli, error, creel_dbus_sandbox_call_capture_sync (sandbox, argv, options, CLI_FLAGS (cli), &status, &out, &err, NULL, error)))
    return NULL;
  return g_strdup (g_strchomp (out));
}

static int
copy_in (Cli *cli, CreelDBusSandbox *sandbox, const char *user, const char *source, const char *path)
{
  g_autofree char *kind = NULL, *folder = NULL, *base = NULL, *source_folder = NULL, *source_base = NULL, *clean = NULL;
  const char *argv[] = { "tar", "-C", path, "-xf", "-", NULL };
  g_autoptr (GError) error = NULL;
  Copy copy = { 0 };
  struct stat st;
  gboolean is_folder;
  int result;

  if (g_str_equal (source, "-"))
    return run_tar (cli, sandbox, user, argv, TRUE);
  split_path (source, &source_folder, &source_base);
  if (lstat (source, &st) < 0)
    return cli_fail_with (CLI_FAILED, "Cannot read %s: %s", source, g_strerror (errno));
  if (!cli_is_text (path, &result))
    return result;
  is_folder = S_ISDIR (st.st_mode);
  if (!is_folder && !S_ISREG (st.st_mode) && !S_ISLNK (st.st_mode))
    return cli_fail_with (CLI_FAILED, "%s is neither a file nor a folder", source);
  kind = ask_kind (cli, sandbox, user, path, &error);
  if (kind == NULL)
    return cli_fail (error);
  split_path (path, &folder, &base);
  clean = g_str_equal (source_base, ".") ? g_strdup (source_folder) : g_build_filename (source_folder, source_base, NULL);
  copy.path = clean;
  if (g_str_equal (kind, "folder"))
    copy.root = g_str_equal (source_base, ".") ? "" : source_base;
  else if (g_str_equal (kind, "none"))
    return cli_fail_with (CLI_FAILED, "There is no folder %s in the sandbox", folder);
  else if (is_folder && g_str_equal (kind, "file"))
    return cli_fail_with (CLI_FAILED, "%s is a folder, and in the sandbox %s is a file", source, path);
  else if (!is_folder && g_str_has_suffix (path, "/"))
    return cli_fail_with (CLI_FAILED, "There is no folder %s in the sandbox", path);
  else
    {
      argv[2] = folder;
      copy.root = base;
    }
  return run_with (cli, sandbox, user, argv, &copy, TRUE);
}

int
cmd_cp (Cli *cli, char **args)
{
  g_auto (GStrv) words = NULL;
  g_autofree char *name = NULL, *path = NULL, *user = NULL, *other_name = NULL, *other_path = NULL;
  const GOptionEntry entries[] = {
    { "user", 'u', 0, G_OPTION_ARG_STRING, &user, NULL, NULL },
    { NULL },
  };
  g_autoptr (CreelDBusSandbox) sandbox = NULL;
  g_autoptr (GError) error = NULL;
  gboolean out, in;
  int status;

  if (!cli_parse (cli, args, entries, CLI_PARSE_BYTES, 2, 2, &words, NULL, &status))
    return status;
  out = split_remote (words[0], &name, &path);
  in = !out && split_remote (words[1], &name, &path);
  if (!out && !in)
    return cli_fail_with (CLI_USAGE, "One of the two must be in a sandbox: NAME:PATH");
  if (out && split_remote (words[1], &other_name, &other_path) && !g_file_test (words[1], G_FILE_TEST_EXISTS))
    return cli_fail_with (CLI_USAGE, "From one sandbox to another it goes by way of here: creel cp %s - | creel cp - %s", words[0], words[1]);
  if (!cli_connect (cli, &error) || (sandbox = cli_get_sandbox (cli, name, FALSE, &error)) == NULL)
    return cli_fail (error);
  return out ? copy_out (cli, sandbox, user, path, words[1]) : copy_in (cli, sandbox, user, words[0], path);
}
