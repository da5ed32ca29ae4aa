/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The verbs of models against the double, and chats with a model runner that is a thread of the test. */
#include "test-cli.h"

#include <gio/gio.h>
#include <pty.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utmp.h>

#include "creel-names.h"

#define HEAD "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
#define SAID(field, text) "data: {\"choices\":[{\"delta\":{\"" field "\":\"" text "\"}}]}\n\n"
#define END "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n"

static void
test_outputs (void)
{
  golden ("model-ls", "model ls");
  golden ("model-ls-quiet", "model ls -q");
  golden ("model-ls-json", "model ls --json");
  golden ("model-inspect", "model inspect ai/tiny");
  golden ("model-inspect-json", "model inspect --json ai/tiny");
  golden ("model-inspect-none", "model inspect nosuch");
  golden ("model-pull", "model pull -q ai/tiny");
  golden ("model-pull-bad", "model pull bad");
  golden ("model-pull-name", "model pull ai/tiny other");
  golden ("model-pull-missing", "model pull ./missing.gguf");
  golden ("model-pull-unnamed", "model pull ./---.gguf");
  golden ("model-pull-folder", "model pull ./folder.gguf tell");
  golden ("model-push", "model push ai/tiny");
  golden ("model-push-bad", "model push ai/tiny bad");
  golden ("model-tag", "model tag ai/tiny mine:1");
  golden ("model-tag-none", "model tag nosuch mine:1");
  golden ("model-rm", "model rm ai/tiny nosuch loaded");
  golden ("model-rm-force", "model rm -f loaded");
  golden ("model-package-nothing", "model package tell");
  golden ("model-package-words", "model package --gguf tiny.gguf");
  golden ("model-prune", "model prune");
  golden ("model-prune-json", "model prune --json");
  golden ("model-df", "model df");
  golden ("model-df-json", "model df --json");
  golden ("model-ps", "model ps");
  golden ("model-ps-json", "model ps --json");
  golden ("model-unload", "model unload loaded ai/tiny nosuch ''");
  golden ("model-unload-all", "model unload --all");
  golden ("model-unload-nothing", "model unload");
  golden ("model-unload-both", "model unload --all ai/tiny");
  golden ("model-status-none", "model status");
  golden ("model-status", "model status");
  golden ("model-status-json", "model status --json");
  golden ("model-configure", "model configure ai/tiny");
  golden ("model-configure-json", "model configure --json ai/tiny");
  golden ("model-configure-all", "model configure --context-size 8192 --keep-alive 5m --reset tell -- --threads 4");
  golden ("model-configure-none", "model configure --keep-alive never --context-size 0 tell --");
  golden ("model-configure-time", "model configure --keep-alive soon ai/tiny");
  golden ("model-configure-size", "model configure --context-size 8k ai/tiny");
  golden ("model-configure-done", "model configure --reset ai/tiny");
  golden ("model-logs", "model logs");
  golden ("model-logs-all", "model logs -n -1 --json");
}

static void
test_files (void)
{
  static const char *const names[] = { "---.gguf", "tiny.gguf", "big-00001-of-00002.gguf", "big-00002-of-00002.gguf", "folder.gguf/", "odd name", "license", "tell" };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autofree char *path = g_build_filename (g_getenv ("CREEL_JOURNAL"), names[i], NULL);

      if (g_str_has_suffix (names[i], "/"))
        g_assert_cmpint (g_mkdir_with_parents (path, 0700), ==, 0);
      else
        g_assert_true (g_file_set_contents (path, "GGUF", 4, NULL));
    }
  golden ("model-import", "model pull ./tiny.gguf tell");
  golden ("model-import-done", "model pull -q ./tiny.gguf");
  golden ("model-import-name", "model pull './odd name' tell");
  /* what it is called in a registry, whatever is in the folder */
  golden ("model-pull-beside", "model pull tell");
  golden ("model-import-split", "model pull ./big-00001-of-00002.gguf tell");
  golden ("model-package", "model package --gguf tiny.gguf --mmproj big-00001-of-00002.gguf --license license --chat-template license tell");
  golden ("model-package-part-missing", "model package --gguf big-00001-of-00002.gguf --license nosuch tell");
  golden ("model-package-push", "model package -q --push --gguf tiny.gguf instant");
  test_outputs ();
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autofree char *path = g_build_filename (g_getenv ("CREEL_JOURNAL"), names[i], NULL);

      g_assert_cmpint (remove (path), ==, 0);
    }
}

/* Answers each connection with the next of `answers`; "…" in one: it waits there until the client leaves. */
typedef struct
{
  GSocketListener *listener;
  const char *const *answers;
} Server;

static gpointer
serve (gpointer data)
{
  Server *server = data;

  for (const char *const *answer = server->answers; *answer != NULL; answer++)
    {
      g_autoptr (GSocketConnection) connection = g_socket_listener_accept (server->listener, NULL, NULL, NULL);
      GOutputStream *out = g_io_stream_get_output_stream (G_IO_STREAM (connection));
      const char *wait = strstr (*answer, "…");
      char buffer[4096];

      g_assert_cmpint (g_input_stream_read (g_io_stream_get_input_stream (G_IO_STREAM (connection)), buffer, sizeof buffer, NULL, NULL), >, 0);
      g_output_stream_write_all (out, *answer, wait != NULL ? (gsize) (wait - *answer) : strlen (*answer), NULL, NULL, NULL);
      if (wait != NULL)
        g_assert_cmpint (g_input_stream_read (g_io_stream_get_input_stream (G_IO_STREAM (connection)), buffer, sizeof buffer, NULL, NULL), <=, 0);
      g_io_stream_close (G_IO_STREAM (connection), NULL, NULL);
    }
  return NULL;
}

static GThread *
start_server (Server *server, const char *const *answers)
{
  g_autoptr (GInetAddress) loopback = g_inet_address_new_loopback (G_SOCKET_FAMILY_IPV4);
  g_autoptr (GSocketAddress) address = g_inet_socket_address_new (loopback, CREEL_MODEL_RUNNER_PORT);

  server->listener = g_socket_listener_new ();
  server->answers = answers;
  if (g_socket_listener_add_address (server->listener, address, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, NULL, NULL, NULL))
    return g_thread_new ("server", serve, server);
  g_object_unref (server->listener);
  g_test_skip ("Port 12434 is in use");
  return NULL;
}

static void
stop_server (Server *server, GThread *thread)
{
  g_thread_join (thread);
  g_socket_listener_close (server->listener);
  g_object_unref (server->listener);
}

static void
test_run (void)
{
  static const char *const answers[] = {
    HEAD SAID ("reasoning_content", "hm") SAID ("content", "\\n\\nHello \\u001b[31m") SAID ("content", "you") END,
    HEAD SAID ("reasoning_content", "hm") SAID ("content", "Hello") END,
    HEAD SAID ("reasoning_content", "hm") SAID ("content", "Hello") END,
    "HTTP/1.1 404 Not Found\r\n\r\n{\"error\":{\"message\":\"There is no model x\"}}",
    "HTTP/1.1 507 Full\r\n\r\n{\"error\":{\"message\":\"It needs 9 GiB\\nand there are 2\"}}",
    HEAD SAID ("content", "Hel"),
    NULL,
  };
  Server server;
  GThread *thread = start_server (&server, answers);
  g_autofree char *out = NULL;

  if (thread == NULL)
    return;
  golden ("model-run", "model run ai/tiny say hello");
  golden ("model-run-think", "model run --think ai/tiny hello");
  golden ("model-run-json", "model run --json ai/tiny -- -hello");
  golden ("model-run-gone", "model run ai/tiny hello");
  golden ("model-run-full", "model run ai/tiny hello");
  g_assert_cmpint (run_with_input ("model run ai/tiny", "from standard input\n", &out, NULL), ==, 1);
  g_assert_cmpstr (out, ==, "Hel\n");
  stop_server (&server, thread);
  golden ("model-run-empty", "model run ai/tiny");
  golden ("model-run-none", "model run nosuch hello");
}

static void
type (int terminal, const char *text)
{
  g_assert_cmpint (write (terminal, text, strlen (text)), ==, (gssize) strlen (text));
}

static void
test_chat (void)
{
  static const char *const answers[] = { HEAD SAID ("reasoning_content", "hm") SAID ("content", "Hello") END, HEAD SAID ("content", "for ever") "…",
                                         HEAD SAID ("content", "again") END, NULL };
  Server server;
  GThread *thread = start_server (&server, answers);
  int terminal, status;
  pid_t pid;

  if (thread == NULL)
    return;
  pid = forkpty (&terminal, NULL, NULL, NULL);
  if (pid == 0)
    {
      execl (g_getenv ("CREEL"), "creel", "model", "run", "ai/tiny", NULL);
      _exit (1);
    }
  g_free (read_until (terminal, "Ctrl-D to leave\r\n> "));
  type (terminal, "/?\n");
  g_free (read_until (terminal, "stop an answer\r\n> "));
  type (terminal, "one\n");
  g_free (read_until (terminal, "\033[2mThinking:\r\nhm\033[0m\r\n\r\nHello\r\n\r\n> "));
  type (terminal, "two\n");
  g_free (read_until (terminal, "for ever"));
  type (terminal, "\003");
  g_free (read_until (terminal, "> "));
  /* at the prompt it throws away what was typed, and no more */
  type (terminal, "half\003");
  g_free (read_until (terminal, "> "));
  type (terminal, "/clear\nthree\n");
  g_free (read_until (terminal, "again\r\n\r\n> "));
  type (terminal, "\004");
  g_assert_cmpint (waitpid (pid, &status, 0), ==, pid);
  g_assert_true (WIFEXITED (status));
  g_assert_cmpint (WEXITSTATUS (status), ==, 0);
  close (terminal);
  stop_server (&server, thread);
}

/* A model that is not here: asked first. */
static void
test_question (void)
{
  int terminal, status;
  pid_t pid = forkpty (&terminal, NULL, NULL, NULL);

  if (pid == 0)
    {
      execl (g_getenv ("CREEL"), "creel", "model", "run", "nosuch", NULL);
      _exit (1);
    }
  g_free (read_until (terminal, "Model nosuch is not here. Pull it? [Y/n] "));
  type (terminal, "n\n");
  g_free (read_until (terminal, "creel: Model \"nosuch\" is not here"));
  g_assert_cmpint (waitpid (pid, &status, 0), ==, pid);
  g_assert_cmpint (WEXITSTATUS (status), ==, 3);
  close (terminal);
}

void
add_model_tests (void)
{
  g_test_add_func ("/cli/model/files", test_files);
  g_test_add_func ("/cli/model/run", test_run);
  g_test_add_func ("/cli/model/chat", test_chat);
  g_test_add_func ("/cli/model/question", test_question);
}
