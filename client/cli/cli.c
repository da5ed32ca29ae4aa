/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "creel-definition.h"
#include "out-text.h"

#define LINE_MAX_BYTES 800
#define ENVIRONMENT_FILE_MAX (1024 * 1024)

int
cli_status_of (const GError *error)
{
  if (error->domain == CREEL_ERROR)
    switch ((CreelError) error->code)
      {
      case CREEL_ERROR_NO_SUCH_SANDBOX:
      case CREEL_ERROR_NO_SUCH_IMAGE:
      case CREEL_ERROR_NO_SUCH_MODEL:
      case CREEL_ERROR_NO_SUCH_QUESTION:
        return CLI_NOT_FOUND;
      case CREEL_ERROR_NOT_AUTHORIZED:
      case CREEL_ERROR_AUTH_REQUIRED:
        return CLI_NOT_ALLOWED;
      case CREEL_ERROR_NO_HYPERVISOR:
      case CREEL_ERROR_GUEST_FAILED:
        return CLI_GUEST;
      case CREEL_ERROR_CANCELLED:
        return CLI_CANCELLED;
      default:
        return CLI_FAILED;
      }
  if (g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS) || error->domain == G_OPTION_ERROR)
    return CLI_USAGE;
  if (g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_ACCESS_DENIED)
      || g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_AUTH_FAILED))
    return CLI_NOT_ALLOWED;
  return CLI_FAILED;
}

int
cli_fail_with (int status, const char *format, ...)
{
  g_autofree char *text = NULL, *safe = NULL;
  va_list arguments;

  va_start (arguments, format);
  text = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  g_strdelimit (g_strchomp (text), "\n\t", ' ');
  if (strlen (text) > LINE_MAX_BYTES) /* a word of the command line may be in it: what comes before and after says more */
    {
      g_autofree char *whole = g_steal_pointer (&text);

      text = g_strdup_printf ("%.*s[...]%s", LINE_MAX_BYTES / 2, whole, whole + strlen (whole) - LINE_MAX_BYTES / 2);
    }
  safe = out_printable (text, -1, FALSE);
  fflush (stdout);
  fprintf (stderr, "creel: %s\n", safe);
  return status;
}

int
cli_fail (const GError *error)
{
  g_autoptr (GError) stripped = g_error_copy (error);
  int status;

  g_dbus_error_strip_remote_error (stripped);
  status = cli_status_of (stripped);
  if (g_error_matches (stripped, G_DBUS_ERROR, G_DBUS_ERROR_SERVICE_UNKNOWN)
      || g_error_matches (stripped, G_DBUS_ERROR, G_DBUS_ERROR_NAME_HAS_NO_OWNER))
    return cli_fail_with (CLI_FAILED, "The Creel service is not installed on this machine's system bus; run: creel doctor");
  if (g_error_matches (stripped, G_DBUS_ERROR, G_DBUS_ERROR_NO_REPLY)
      || g_error_matches (stripped, G_DBUS_ERROR, G_DBUS_ERROR_DISCONNECTED))
    return cli_fail_with (CLI_FAILED, "The Creel service ended before it answered; try again, or see: journalctl -u creeld");
  if (g_error_matches (stripped, CREEL_ERROR, CREEL_ERROR_AUTH_REQUIRED))
    return cli_fail_with (status, "This needs authentication and nobody could be asked for a password here; run it in a terminal, without --no-ask-password");
  return cli_fail_with (status, "%s", stripped->message);
}

static void
start_option_context (Cli *cli, GOptionContext *context, const GOptionEntry *entries)
{
  const GOptionEntry globals[] = {
    { "json", 0, 0, G_OPTION_ARG_NONE, &cli->json, NULL, NULL },
    { "quiet", 'q', 0, G_OPTION_ARG_NONE, &cli->quiet, NULL, NULL },
    { "no-ask-password", 0, 0, G_OPTION_ARG_NONE, &cli->no_ask_password, NULL, NULL },
    { "help", 'h', 0, G_OPTION_ARG_NONE, &cli->help, NULL, NULL },
    { NULL },
  };

  g_option_context_set_help_enabled (context, FALSE);
  if (entries != NULL)
    g_option_context_add_main_entries (context, entries, NULL);
  g_option_context_add_main_entries (context, globals, NULL);
}

gboolean
cli_is_text (const char *word, int *ret_status)
{
  if (g_utf8_validate (word, -1, NULL))
    return TRUE;
  *ret_status = cli_fail_with (CLI_USAGE, "\"%s\" is not UTF-8", word);
  return FALSE;
}

static gboolean
are_text (char **words, int *ret_status)
{
  while (*words != NULL && cli_is_text (*words, ret_status))
    words++;
  return *words == NULL;
}

gboolean
cli_parse (Cli *cli, char **args, const GOptionEntry *entries, CliParse how, int min, int max, char ***ret_words,
           char ***ret_rest, int *ret_status)
{
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (GStrvBuilder) head = g_strv_builder_new ();
  g_autoptr (GStrvBuilder) rest = g_strv_builder_new ();
  g_auto (GStrv) words = NULL, after = NULL;
  gboolean split = FALSE;
  const CliVerb *verb = cli_verbs;
  int count;

  while (verb->name != NULL && !g_str_equal (verb->name, args[0]))
    verb++;
  for (char **arg = args; *arg != NULL; arg++)
    if (split)
      g_strv_builder_add (rest, *arg);
    else if (how != CLI_PARSE_STRICT && g_str_equal (*arg, "--"))
      split = TRUE;
    else
      g_strv_builder_add (head, *arg);

  g_option_context_set_strict_posix (context, how == CLI_PARSE_STRICT);
  start_option_context (cli, context, entries);
  words = g_strv_builder_end (head);
  if (!g_option_context_parse_strv (context, &words, &error))
    {
      *ret_status = cli_fail_with (CLI_USAGE, "%s; see: creel help %s",
                                   error->domain == G_CONVERT_ERROR ? "The value of an option is no text in this locale" : error->message, args[0]);
      return FALSE;
    }
  if (cli->help)
    {
      fputs (verb->help, stdout);
      *ret_status = CLI_OK;
      return FALSE;
    }
  count = g_strv_length (words) - 1;
  if (count < min || (max >= 0 && count > max) || (split && ret_rest == NULL))
    {
      g_auto (GStrv) lines = g_strsplit (verb->help, "\n", 2);

      *ret_status = cli_fail_with (CLI_USAGE, "%s; %s", count < min ? "Something is missing" : "Too many words",
                                   g_str_has_prefix (lines[0], "Usage: ") ? lines[0] + 7 : lines[0]);
      return FALSE;
    }
  after = g_strv_builder_end (rest);
  if (how == CLI_PARSE_PERMUTE && (!are_text (words + 1, ret_status) || !are_text (after, ret_status)))
    return FALSE;
  *ret_words = g_strdupv (words + 1);
  if (ret_rest != NULL)
    *ret_rest = g_steal_pointer (&after);
  return TRUE;
}

gboolean
cli_connect (Cli *cli, GError **error)
{
  g_autoptr (GError) local_error = NULL;

  if (cli->bus == NULL && (cli->bus = g_bus_get_sync (G_BUS_TYPE_SYSTEM, NULL, &local_error)) == NULL)
    {
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_FAILED, "The system bus does not answer (%s); run: creel doctor", local_error->message);
      return FALSE;
    }
  g_dbus_connection_set_exit_on_close (cli->bus, FALSE);
  if (cli->manager == NULL)
    {
      cli->manager = creel_dbus_manager_proxy_new_sync (
          cli->bus, G_DBUS_PROXY_FLAGS_DO_NOT_LOAD_PROPERTIES | G_DBUS_PROXY_FLAGS_DO_NOT_AUTO_START_AT_CONSTRUCTION,
          CREEL_BUS_NAME, CREEL_OBJECT_PATH, NULL, error);
      if (cli->manager != NULL)
        g_dbus_proxy_set_default_timeout (G_DBUS_PROXY (cli->manager), G_MAXINT);
    }
  return cli->manager != NULL;
}

CreelDBusSandbox *
cli_get_sandbox (Cli *cli, const char *name, gboolean properties, GError **error)
{
  g_autofree char *path = NULL;

  if (!creel_sandbox_name_check (name, error) || !cli_connect (cli, error)
      || !CLI_CALL (cli, error, creel_dbus_manager_call_get_sandbox_sync (cli->manager, name, CLI_FLAGS (cli), &path, NULL, error)))
    return NULL;
  return creel_dbus_sandbox_proxy_new_sync (cli->bus,
                                            G_DBUS_PROXY_FLAGS_DO_NOT_CONNECT_SIGNALS
                                                | (properties ? 0 : G_DBUS_PROXY_FLAGS_DO_NOT_LOAD_PROPERTIES),
                                            CREEL_BUS_NAME, path, NULL, error);
}

/* As systemctl does: an agent of our own on the terminal, told whose requests it answers. */
static gboolean
start_password_agent (Cli *cli)
{
  g_autofree char *parent = g_strdup_printf ("%d", (int) getpid ());
  g_autofree char *fd_text = NULL;
  int fds[2];

  if (pipe (fds) < 0)
    return FALSE;
  fd_text = g_strdup_printf ("%d", fds[1]);
  cli->password_agent = fork ();
  if (cli->password_agent == 0)
    {
      close (fds[0]);
      execlp ("pkttyagent", "pkttyagent", "--notify-fd", fd_text, "--fallback", "--process", parent, NULL);
      _exit (127);
    }
  close (fds[1]);
  if (cli->password_agent > 0)
    {
      struct pollfd ready = { fds[0], POLLIN, 0 };

      poll (&ready, 1, 5000); /* it closes its end when it is registered */
    }
  close (fds[0]);
  return cli->password_agent > 0;
}

gboolean
cli_may_retry (Cli *cli, GError **error)
{
  if (!g_error_matches (*error, CREEL_ERROR, CREEL_ERROR_AUTH_REQUIRED) || cli->asked || cli->no_ask_password
      || !isatty (STDIN_FILENO) || !isatty (STDERR_FILENO))
    return FALSE;
  cli->asked = TRUE;
  if (!start_password_agent (cli))
    return FALSE;
  g_clear_error (error);
  return TRUE;
}

void
cli_clear (Cli *cli)
{
  if (cli->password_agent > 0)
    {
      kill (cli->password_agent, SIGTERM);
      kill (cli->password_agent, SIGCONT);
      while (waitpid (cli->password_agent, NULL, 0) < 0 && errno == EINTR)
        ;
      cli->password_agent = 0;
    }
  g_clear_object (&cli->manager);
  g_clear_object (&cli->bus);
}

gboolean
cli_parse_size (const char *text, guint64 *ret_bytes, GError **error)
{
  static const char units[] = "kmgt";
  char *end;
  double value;
  const char *unit;

  errno = 0;
  value = g_ascii_isdigit (*text) ? g_ascii_strtod (text, &end) : -1;
  if (value >= 0 && errno == 0 && !memchr (text, 'x', end - text) && !memchr (text, 'X', end - text))
    {
      if (*end != '\0' && (unit = strchr (units, g_ascii_tolower (*end))) != NULL)
        {
          for (const char *u = units; u <= unit; u++)
            value *= 1024;
          end++;
          if (g_ascii_strcasecmp (end, "b") == 0 || g_ascii_strcasecmp (end, "ib") == 0)
            end = strchr (end, '\0');
        }
      if (*end == '\0' && value >= 1 && value < 9e18)
        {
          *ret_bytes = value;
          return TRUE;
        }
    }
  g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "\"%s\" is not a size; write for example 512M or 2G", text);
  return FALSE;
}

gboolean
cli_parse_cpus (const char *text, guint *ret_cpus, GError **error)
{
  guint64 cpus = 0;

  if (text != NULL && !g_ascii_string_to_unsigned (text, 10, 1, G_MAXINT32, &cpus, NULL))
    {
      g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "--cpus: \"%s\" is not a number of processors; write for example 2", text);
      return FALSE;
    }
  *ret_cpus = (guint) cpus;
  return TRUE;
}

gboolean
cli_get_variable (const char *name, const char **ret_value, GError **error)
{
  const char *value = g_getenv (name);

  if (value != NULL && !g_utf8_validate (value, -1, NULL))
    {
      g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "The value that %s has here is not UTF-8", name);
      return FALSE;
    }
  *ret_value = value;
  return TRUE;
}

static gboolean
add_variable (GStrvBuilder *builder, const char *text, GError **error)
{
  gsize length = strcspn (text, "=");
  gboolean good = length > 0 && !g_ascii_isdigit (*text);
  const char *value;

  for (gsize i = 0; i < length; i++)
    good = good && (g_ascii_isalnum (text[i]) || text[i] == '_');
  if (!good || !g_utf8_validate (text, -1, NULL))
    {
      g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "\"%s\" is not KEY=VALUE", text);
      return FALSE;
    }
  if (text[length] == '=')
    g_strv_builder_add (builder, text);
  else if (!cli_get_variable (text, &value, error))
    return FALSE;
  else if (value != NULL)
    {
      g_autofree char *pair = g_strdup_printf ("%s=%s", text, value);

      g_strv_builder_add (builder, pair);
    }
  return TRUE;
}

/* It may be a pipe, and one that never ends. */
static char *
read_environment_file (const char *path, GError **error)
{
  FILE *file = fopen (path, "re");
  g_autofree char *text = g_malloc (ENVIRONMENT_FILE_MAX + 1);
  gsize length = file != NULL ? fread (text, 1, ENVIRONMENT_FILE_MAX + 1, file) : 0;
  int failed = file == NULL || ferror (file) ? errno : length > ENVIRONMENT_FILE_MAX ? EFBIG : 0;

  if (file != NULL)
    fclose (file);
  if (failed != 0)
    {
      g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "--env-file %s: %s", path, g_strerror (failed));
      return NULL;
    }
  text[length] = '\0';
  return g_steal_pointer (&text);
}

char **
cli_parse_environment (char **variables, char **files, GError **error)
{
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();

  for (char **file = files; file != NULL && *file != NULL; file++)
    {
      g_autofree char *text = NULL;
      g_auto (GStrv) lines = NULL;

      if ((text = read_environment_file (*file, error)) == NULL)
        return NULL;
      lines = g_strsplit (text, "\n", -1);
      for (char **line = lines; *line != NULL; line++)
        {
          g_strchug (*line);
          (*line)[strcspn (*line, "\r")] = '\0';
          if (**line != '\0' && **line != '#' && !add_variable (builder, *line, error))
            {
              g_prefix_error (error, "%s:%d: ", *file, (int) (line - lines) + 1);
              return NULL;
            }
        }
    }
  for (char **variable = variables; variable != NULL && *variable != NULL; variable++)
    if (!add_variable (builder, *variable, error))
      return NULL;
  return g_strv_builder_end (builder);
}

char *
cli_resolve_workspace (const char *text, GError **error)
{
  gboolean read_only = g_str_has_suffix (text, ":ro");
  g_autofree char *path = g_strndup (text, strlen (text) - (read_only || g_str_has_suffix (text, ":rw") ? 3 : 0));
  char *real = realpath (path, NULL); /* malloc()ed */
  char *workspace;

  if (real == NULL)
    {
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_BAD_WORKSPACE, "Workspace %s: %s", path, g_strerror (errno));
      return NULL;
    }
  workspace = g_strconcat (real, read_only ? ":ro" : "", NULL);
  free (real);
  if (!g_utf8_validate (workspace, -1, NULL))
    {
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_BAD_WORKSPACE, "Workspace %s: its name is not UTF-8; rename it", path);
      g_clear_pointer (&workspace, g_free);
    }
  return workspace;
}

char *
cli_default_name (const char *agent, const char *workspace)
{
  g_autofree char *path = workspace != NULL ? g_strdup (workspace) : NULL;
  g_autofree char *base = NULL;
  GString *name = g_string_new (agent);

  if (path != NULL && g_str_has_suffix (path, ":ro"))
    path[strlen (path) - 3] = '\0';
  base = path != NULL ? g_path_get_basename (path) : NULL;
  if (base != NULL && !g_str_equal (base, "/"))
    g_string_append_printf (name, "-%s", base);
  for (char *p = name->str; *p != '\0'; p++)
    *p = g_ascii_isalnum (*p) ? g_ascii_tolower (*p) : '-';
  g_string_truncate (name, MIN (name->len, 63));
  while (name->len > 0 && name->str[name->len - 1] == '-')
    g_string_truncate (name, name->len - 1);
  while (name->len > 0 && name->str[0] == '-')
    g_string_erase (name, 0, 1);
  if (name->len == 0)
    g_string_assign (name, "box");
  return g_string_free (name, FALSE);
}

gboolean
cli_start_sandbox (Cli *cli, CreelDBusSandbox *sandbox, const char *name, GError **error)
{
  gboolean show = !cli->quiet && isatty (STDERR_FILENO);
  gboolean started;

  if (show)
    {
      g_autoptr (GVariant) reply = g_dbus_connection_call_sync (
          cli->bus, CREEL_BUS_NAME, CREEL_OBJECT_PATH, "org.freedesktop.DBus.Properties", "Get",
          g_variant_new ("(ss)", "org.creel.Creel1.Manager", "Accelerator"), G_VARIANT_TYPE ("(v)"), G_DBUS_CALL_FLAGS_NONE,
          -1, NULL, NULL);
      g_autoptr (GVariant) value = NULL;

      if (reply != NULL)
        g_variant_get (reply, "(v)", &value);
      fprintf (stderr, "Starting %s …%s", name,
               value != NULL && g_variant_is_of_type (value, G_VARIANT_TYPE_STRING)
                       && g_str_equal (g_variant_get_string (value, NULL), "tcg")
                   ? " (tcg: no KVM on this machine, so it is slow)"
                   : "");
    }
  started = CLI_CALL (cli, error, creel_dbus_sandbox_call_start_sync (sandbox, CLI_FLAGS (cli), NULL, error));
  if (!started && g_error_matches (*error, CREEL_ERROR, CREEL_ERROR_RUNNING))
    {
      g_clear_error (error);
      started = TRUE;
    }
  if (show)
    fputs ("\r\033[K", stderr);
  if (started)
    cli_warn_ports (cli, sandbox);
  return started;
}
