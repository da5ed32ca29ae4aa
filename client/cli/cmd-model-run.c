/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A chat with a model, or one answer. */
#include "cli-model.h"

#include <errno.h>
#include <glib-unix.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "chat.h"
#include "out-json.h"
#include "out-text.h"

#define PROMPT_MAX (16 * 1024 * 1024)
#define DIM "\033[2m"
#define NOT_DIM "\033[0m"
#define ERASE_LINE "\r\033[K"

static const char chat_help[] = "/clear   forget what was said\n"
                                "/bye     leave, and so does Ctrl-D\n"
                                "/?       this\n"
                                "Ctrl-C   stop an answer\n";

/* How an answer looks. */
typedef struct
{
  gboolean terminal;  /* of the output */
  gboolean think;     /* show what the model thinks */
  gboolean silent;    /* all of it at the end, as JSON */
  gboolean waiting;   /* a line on stderr says so */
  gboolean thinking, answering, line_begun;
} Show;

/* A signal cannot interrupt poll() safely but through a file descriptor; the bus has threads that take signals too. */
static int interrupt_pipe[2] = { -1, -1 };

static void
on_interrupt (int number)
{
  int saved_errno = errno;

  if (write (interrupt_pipe[1], "", 1) < 0)
    errno = 0; /* full: it is known */
  errno = saved_errno;
}

static gboolean
catch_interrupts (void)
{
  struct sigaction action = { .sa_handler = on_interrupt, .sa_flags = SA_RESTART };

  return g_unix_open_pipe (interrupt_pipe, FD_CLOEXEC, NULL) && g_unix_set_fd_nonblocking (interrupt_pipe[0], TRUE, NULL)
         && g_unix_set_fd_nonblocking (interrupt_pipe[1], TRUE, NULL) && sigaction (SIGINT, &action, NULL) == 0;
}

static void
forget_interrupts (void)
{
  char buffer[64];

  while (read (interrupt_pipe[0], buffer, sizeof buffer) > 0)
    ;
}

static void
end_waiting (Show *show)
{
  if (show->waiting)
    fputs (ERASE_LINE, stderr);
  show->waiting = FALSE;
}

static void
end_thinking (Show *show)
{
  if (!show->thinking)
    return;
  fputs (show->terminal ? NOT_DIM "\n\n" : "\n\n", stdout);
  show->thinking = show->line_begun = FALSE;
}

static void
on_text (ChatPart part, const char *text, gpointer user_data)
{
  Show *show = user_data;
  g_autofree char *safe = NULL;

  if (show->silent || (part == CHAT_THINKING && !show->think))
    return;
  end_waiting (show);
  if (part == CHAT_THINKING && !show->thinking)
    {
      fputs (show->terminal ? DIM "Thinking:\n" : "Thinking:\n", stdout);
      show->thinking = TRUE;
    }
  if (part == CHAT_CONTENT)
    {
      end_thinking (show);
      /* templates leave empty lines in front */
      if (!show->answering)
        text += strspn (text, "\r\n");
      if (*text == '\0')
        return;
      show->answering = TRUE;
    }
  safe = cli_model_printable (text);
  fputs (safe, stdout);
  show->line_begun = !g_str_has_suffix (safe, "\n");
  fflush (stdout);
}

static void
print_json (const char *model, const ChatAnswer *answer)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();

  json_builder_begin_object (builder);
  out_json_string (builder, "model", model);
  out_json_string (builder, "content", chat_answer_get_content (answer));
  out_json_string (builder, "thinking", chat_answer_get_thinking (answer));
  out_json_string (builder, "finish_reason", chat_answer_get_finish_reason (answer));
  json_builder_end_object (builder);
  out_json_print (builder, TRUE);
}

static int
ask (Cli *cli, Chat *chat, const char *model, const char *prompt, gboolean think)
{
  Show show = { .terminal = isatty (STDOUT_FILENO) && !cli->json, .silent = cli->json };
  g_autoptr (ChatAnswer) answer = NULL;
  g_autoptr (GError) error = NULL;
  gboolean whole;

  show.think = think || show.terminal;
  forget_interrupts ();
  /* loading takes its time */
  show.waiting = show.terminal && !cli->quiet && isatty (STDERR_FILENO);
  if (show.waiting)
    fputs ("…", stderr);
  whole = chat_ask (chat, prompt, on_text, &show, &answer, &error);
  end_waiting (&show);
  end_thinking (&show);
  if (show.line_begun)
    putchar ('\n');
  fflush (stdout);
  if (!whole && g_error_matches (error, CREEL_ERROR, CREEL_ERROR_CANCELLED))
    return CLI_CANCELLED;
  if (!whole)
    return cli_fail (error);
  if (cli->json)
    print_json (model, answer);
  else if (g_strcmp0 (chat_answer_get_finish_reason (answer), "length") == 0)
    cli_fail_with (CLI_OK, "The answer ends here because the model's context is full");
  return CLI_OK;
}

typedef enum
{
  INPUT_READ,
  INPUT_ENDED,
  INPUT_INTERRUPTED, /* by Ctrl-C */
  INPUT_TOO_LONG,
} Input;

/* One line, or all of the input when `whole`, into *ret_text. */
static Input
read_input (GString *pending, gboolean whole, char **ret_text)
{
  struct pollfd fds[] = { { STDIN_FILENO, POLLIN, 0 }, { interrupt_pipe[0], POLLIN, 0 } };

  for (;;)
    {
      const char *end = whole ? NULL : memchr (pending->str, '\n', pending->len);
      char buffer[4096];
      gssize n;

      if (end != NULL)
        {
          *ret_text = g_strndup (pending->str, (gsize) (end - pending->str));
          g_string_erase (pending, 0, end + 1 - pending->str);
          return INPUT_READ;
        }
      if (poll (fds, 2, -1) < 0)
        continue;
      if (fds[1].revents != 0)
        {
          forget_interrupts ();
          g_string_truncate (pending, 0);
          return INPUT_INTERRUPTED;
        }
      n = read (STDIN_FILENO, buffer, sizeof buffer);
      if (n < 0 && (errno == EINTR || errno == EAGAIN))
        continue;
      if (n > 0 && pending->len + (gsize) n > PROMPT_MAX)
        return INPUT_TOO_LONG;
      if (n > 0)
        {
          g_string_append_len (pending, buffer, n);
          continue;
        }
      if (pending->len == 0)
        return INPUT_ENDED;
      *ret_text = g_strdup (pending->str);
      g_string_truncate (pending, 0);
      return INPUT_READ;
    }
}

static int
talk (Cli *cli, Chat *chat, const char *model, gboolean think)
{
  g_autoptr (GString) pending = g_string_new (NULL);

  if (!cli->quiet)
    {
      g_autofree char *safe = out_printable (model, -1, FALSE);

      fprintf (stderr, "%s; /? for help, Ctrl-D to leave\n", safe);
    }
  for (;;)
    {
      g_autofree char *line = NULL;
      Input input;

      fputs ("> ", stdout);
      fflush (stdout);
      input = read_input (pending, FALSE, &line);
      if (input != INPUT_READ)
        putchar ('\n');
      if (input == INPUT_INTERRUPTED)
        continue;
      if (input != INPUT_READ)
        return CLI_OK;
      g_strstrip (line);
      if (g_str_equal (line, "/bye"))
        return CLI_OK;
      if (g_str_equal (line, "/?") || g_str_equal (line, "/help"))
        fputs (chat_help, stdout);
      else if (g_str_equal (line, "/clear"))
        chat_forget (chat);
      else if (*line != '\0')
        {
          ask (cli, chat, model, line, think);
          putchar ('\n');
        }
    }
}

/* Asks whether to pull it; on a terminal only. */
static gboolean
pull_missing (Cli *cli, const char *name, GError **error)
{
  g_autofree char *safe = out_printable (name, -1, FALSE);
  char answer[16] = "";

  if (!isatty (STDIN_FILENO) || !isatty (STDERR_FILENO))
    {
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_NO_SUCH_MODEL, "Model \"%s\" is not here; run: creel model pull %s", name, name);
      return FALSE;
    }
  fprintf (stderr, "Model %s is not here. Pull it? [Y/n] ", safe);
  if (fgets (answer, sizeof answer, stdin) == NULL || strchr ("yY\n", *answer) == NULL)
    {
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_NO_SUCH_MODEL, "Model \"%s\" is not here", name);
      return FALSE;
    }
  return cli_model_pull (cli, name, error);
}

/* The name by which the model runner surely knows it; pulls it when it is not here. NULL with an error. */
static char *
find_model (Cli *cli, const char *text, GError **error)
{
  g_autoptr (GError) local_error = NULL;
  g_autoptr (CreelDBusModels) models = cli_model_connect (cli, error);
  g_autoptr (GVariant) details = NULL, options = cli_model_no_options ();
  char *name = NULL;

  if (models == NULL)
    return NULL;
  if (!CLI_CALL (cli, &local_error, creel_dbus_models_call_inspect_model_sync (models, text, options, CLI_FLAGS (cli), &details, NULL, &local_error)))
    {
      if (!g_error_matches (local_error, CREEL_ERROR, CREEL_ERROR_NO_SUCH_MODEL))
        {
          g_propagate_error (error, g_steal_pointer (&local_error));
          return NULL;
        }
      if (!pull_missing (cli, text, error)
          || !CLI_CALL (cli, error, creel_dbus_models_call_inspect_model_sync (models, text, options, CLI_FLAGS (cli), &details, NULL, error)))
        return NULL;
    }
  g_variant_lookup (details, "name", "s", &name);
  return name != NULL ? name : g_strdup (text);
}

int
cmd_model_run (Cli *cli, char **args)
{
  gboolean think = FALSE;
  const GOptionEntry entries[] = {
    { "think", 0, 0, G_OPTION_ARG_NONE, &think, NULL, NULL },
    { NULL },
  };
  g_auto (GStrv) words = NULL, rest = NULL;
  g_autofree char *model = NULL, *prompt = NULL;
  g_autoptr (Chat) chat = NULL;
  g_autoptr (GError) error = NULL;
  int status;

  if (!cli_parse (cli, args, entries, CLI_PARSE_PERMUTE, 1, -1, &words, &rest, &status))
    return status;
  if ((model = find_model (cli, words[0], &error)) == NULL)
    return cli_fail (error);
  if (!catch_interrupts ())
    return cli_fail_with (CLI_FAILED, "Cannot wait for Ctrl-C: %s", g_strerror (errno));
  chat = chat_new (model, CREEL_MODEL_RUNNER_PORT, interrupt_pipe[0]);
  if (words[1] != NULL || *rest != NULL)
    {
      g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
      g_auto (GStrv) all = NULL;

      g_strv_builder_addv (builder, (const char **) words + 1);
      g_strv_builder_addv (builder, (const char **) rest);
      all = g_strv_builder_end (builder);
      prompt = g_strjoinv (" ", all);
    }
  else if (!isatty (STDIN_FILENO))
    {
      g_autoptr (GString) pending = g_string_new (NULL);
      Input input = read_input (pending, TRUE, &prompt);

      if (input == INPUT_INTERRUPTED)
        return CLI_CANCELLED;
      if (input == INPUT_TOO_LONG)
        return cli_fail_with (CLI_FAILED, "A prompt of more than %d MiB is too long for any model", PROMPT_MAX >> 20);
      if (input == INPUT_ENDED)
        return cli_fail_with (CLI_USAGE, "Standard input is empty; write a prompt there, or as: creel model run %s PROMPT", words[0]);
    }
  if (prompt != NULL)
    return ask (cli, chat, model, prompt, think);
  if (cli->json)
    return cli_fail_with (CLI_USAGE, "A chat has no JSON; write a prompt: creel model run --json %s PROMPT", words[0]);
  return talk (cli, chat, model, think);
}
