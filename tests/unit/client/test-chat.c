/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <gio/gio.h>
#include <glib-unix.h>
#include <string.h>
#include <unistd.h>

#include "chat-sse.h"
#include "chat.h"
#include "cli-model.h"
#include "creel-keep-alive.h"

#define HEAD "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
#define SAID(field, text) "data: {\"choices\":[{\"index\":0,\"delta\":{\"" field "\":\"" text "\"},\"finish_reason\":null}]}\n\n"
#define STOP "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"
#define END "data: [DONE]\n\n"

static gboolean
on_event (const char *data, gsize size, gpointer user_data)
{
  g_string_append_printf (user_data, "<%.*s>", (int) size, data);
  return !g_str_equal (data, "enough");
}

static void
test_sse (void)
{
  static const struct
  {
    const char *in, *out;
  } cases[] = {
    { "data: a\n\n", "<a>" },
    { "data:a\r\n\r\ndata:  b\r\rdata\n\n", "<a>< b><>" },
    { "data: a\ndata: b\n\n", "<a\nb>" },
    { ": comment\nevent: x\nid: 1\n\ndata: a\nretry: 5\n\n", "<a>" },
    { "data: not ended", "" },
    { "data: not ended\n", "" },
    { "database: no\n\n\n\n", "" },
    { "data: enough\n\ndata: more\n\n", "<enough>" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    for (gsize piece = 1; piece < 20; piece++)
      {
        g_autoptr (GString) out = g_string_new (NULL);
        g_autoptr (ChatSse) sse = chat_sse_new (on_event, out);
        gsize length = strlen (cases[i].in);

        for (gsize at = 0; at < length; at += piece)
          chat_sse_feed (sse, cases[i].in + at, MIN (piece, length - at));
        g_assert_cmpstr (out->str, ==, cases[i].out);
      }
}

static void
test_sse_bounds (void)
{
  g_autofree char *large = g_strnfill (CHAT_SSE_EVENT_MAX, 'x');
  g_autoptr (GString) out = g_string_new (NULL);
  g_autoptr (ChatSse) line = chat_sse_new (on_event, out), lines = chat_sse_new (on_event, out);
  gboolean more = TRUE;

  g_assert_true (chat_sse_feed (line, large, CHAT_SSE_EVENT_MAX));
  g_assert_false (chat_sse_feed (line, "x", 1));
  g_assert_false (chat_sse_feed (line, "\n", 1));
  for (guint i = 0; more && i < 20; i++)
    more = chat_sse_feed (lines, "data: ", 6) && chat_sse_feed (lines, large, CHAT_SSE_EVENT_MAX / 8) && chat_sse_feed (lines, "\n", 1);
  g_assert_false (more);
  g_assert_cmpuint (out->len, ==, 0);
}

static void
on_text (ChatPart part, const char *text, gpointer user_data)
{
  g_string_append_printf (user_data, "%s%s", part == CHAT_THINKING ? "~" : "", text);
}

/* What an answer says, and its error, in pieces of every size. */
static void
check_answer (const char *in, gsize length, const char *expected)
{
  for (gsize piece = 1; piece < length + 1; piece += piece < 40 ? 1 : 37)
    {
      g_autoptr (GString) out = g_string_new (NULL);
      g_autoptr (ChatAnswer) answer = chat_answer_new (on_text, out);
      g_autoptr (GError) error = NULL;
      gboolean good = TRUE;

      for (gsize at = 0; good && at < length && !chat_answer_is_done (answer); at += piece)
        good = chat_answer_feed (answer, in + at, MIN (piece, length - at), &error);
      if (good)
        good = chat_answer_end (answer, &error);
      g_assert_true (good == (error == NULL));
      if (error != NULL)
        g_string_append_printf (out, "!%s", error->message);
      g_assert_cmpstr (out->str, ==, expected);
    }
}

static void
test_answer (void)
{
  static const struct
  {
    const char *in, *out;
  } cases[] = {
    { HEAD "\r\n" SAID ("content", "Hello") SAID ("content", ", \\u00fc") STOP END, "Hello, ü" },
    { HEAD "\r\n" SAID ("reasoning_content", "hm") SAID ("content", "yes") STOP, "~hmyes" },
    { HEAD "Content-Length: 14\r\n\r\n" END, "" },
    { HEAD "transfer-encoding: chunked\r\n\r\ne\r\n" END "\r\n0\r\n\r\n", "" },
    { HEAD "Transfer-Encoding: chunked\r\n\r\nzz\r\n", "!The model runner answered what is not understood" },
    { HEAD "\r\n" SAID ("content", "Hel"), "Hel!The answer was cut off; see: creel model logs" },
    { HEAD "\r\ndata: {\"error\":{\"message\":\"engine died\",\"code\":502}}\n\n", "!engine died" },
    { HEAD "\r\ndata: {\"error\":7}\n\n", "!The model failed and does not say why" },
    { HEAD "\r\ndata: [[[\n\n", "!The model runner answered what is not understood" },
    { HEAD "\r\ndata: {\"choices\":[]}\n\ndata: {\"choices\":7}\n\ndata: {\"choices\":[{\"delta\":[]}]}\n\n" END, "" },
    { HEAD "\r\ndata: {\"choices\":[{\"delta\":{\"content\":null,\"reasoning_content\":3}}]}\n\n" END, "" },
    { "HTTP/1.1 404 Not Found\r\nContent-Length: 54\r\n\r\n{\"error\":{\"message\":\"no model x; there are: y\",\"z\":1}}", "!no model x; there are: y" },
    { "HTTP/1.1 503 Busy\r\n\r\n{\"error\":\"come back\"}", "!come back" },
    { "HTTP/1.1 502 Bad\r\n\r\n<html>", "!The model runner refused with status 502" },
    { "SSH-2.0-OpenSSH\r\n\r\n", "!What listens there is not the model runner; run: creel doctor" },
    { "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "!What listens there is not the model runner; run: creel doctor" },
    { "", "" },
  };
  g_autofree char *deep = g_strnfill (100000, '['), *nested = g_strconcat (HEAD "\r\ndata: {\"a\":", deep, "\n\n", NULL);

  for (guint i = 0; *cases[i].in != '\0'; i++)
    check_answer (cases[i].in, strlen (cases[i].in), cases[i].out);
  {
    g_autoptr (GString) out = g_string_new (NULL);
    g_autoptr (ChatAnswer) answer = chat_answer_new (on_text, out);

    g_assert_false (chat_answer_feed (answer, nested, strlen (nested), NULL));
  }
  {
    g_autofree char *head = g_strconcat ("HTTP/1.1 200 OK\r\nX: ", deep, NULL);
    g_autoptr (ChatAnswer) answer = chat_answer_new (on_text, NULL);

    g_assert_false (chat_answer_feed (answer, head, strlen (head), NULL));
  }
}

/* Answers one connection after the other, and keeps the requests. */
typedef struct
{
  GSocketListener *listener;
  guint16 port;
  const char *const *answers; /* NULL-terminated; "wait": nothing, until the client leaves */
  GPtrArray *requests;
  int interrupt; /* written to when "wait" has its request */
} Server;

static char *
read_request (GInputStream *in)
{
  g_autoptr (GString) text = g_string_new (NULL);
  const char *length, *end;
  char buffer[4096];
  gssize n;

  while ((n = g_input_stream_read (in, buffer, sizeof buffer, NULL, NULL)) > 0)
    {
      g_string_append_len (text, buffer, n);
      end = strstr (text->str, "\r\n\r\n");
      length = strstr (text->str, "Content-Length: ");
      if (end != NULL && length != NULL && strlen (end + 4) >= g_ascii_strtoull (length + 16, NULL, 10))
        return g_strdup (end + 4);
    }
  return NULL;
}

static gpointer
serve (gpointer data)
{
  Server *server = data;

  for (const char *const *answer = server->answers; *answer != NULL; answer++)
    {
      g_autoptr (GSocketConnection) connection = g_socket_listener_accept (server->listener, NULL, NULL, NULL);
      GInputStream *in = g_io_stream_get_input_stream (G_IO_STREAM (connection));
      char byte;

      g_ptr_array_add (server->requests, read_request (in));
      if (g_str_has_prefix (*answer, "wait"))
        {
          g_output_stream_write_all (g_io_stream_get_output_stream (G_IO_STREAM (connection)), *answer + 4, strlen (*answer + 4), NULL, NULL, NULL);
          g_usleep (100 * 1000);
          g_assert_cmpint (write (server->interrupt, "", 1), ==, 1);
          /* it hangs up, so that the model stops */
          g_assert_cmpint (g_input_stream_read (in, &byte, 1, NULL, NULL), <=, 0);
        }
      else
        g_output_stream_write_all (g_io_stream_get_output_stream (G_IO_STREAM (connection)), *answer, strlen (*answer), NULL, NULL, NULL);
      g_io_stream_close (G_IO_STREAM (connection), NULL, NULL);
    }
  return NULL;
}

static void
test_chat (void)
{
  static const char *const answers[] = { HEAD "\r\n" SAID ("content", "one") STOP END,
                                         "HTTP/1.1 503 Busy\r\n\r\n{\"error\":{\"message\":\"no room\"}}",
                                         "wait" HEAD "\r\n" SAID ("content", "half"),
                                         HEAD "\r\n" SAID ("content", "two") END,
                                         HEAD "\r\n" END,
                                         NULL };
  Server server = { .listener = g_socket_listener_new (), .answers = answers, .requests = g_ptr_array_new_with_free_func (g_free) };
  g_autoptr (Chat) chat = NULL;
  g_autoptr (ChatAnswer) answer = NULL;
  g_autoptr (GString) out = g_string_new (NULL);
  g_autoptr (GError) error = NULL;
  GThread *thread;
  int pipe_fds[2];
  char byte;

  server.port = g_socket_listener_add_any_inet_port (server.listener, NULL, NULL);
  g_assert_cmpuint (server.port, >, 0);
  g_assert_true (g_unix_open_pipe (pipe_fds, FD_CLOEXEC, NULL));
  server.interrupt = pipe_fds[1];
  thread = g_thread_new ("server", serve, &server);
  chat = chat_new ("ai/\"tiny\"", server.port, pipe_fds[0]);

  g_assert_true (chat_ask (chat, "first", on_text, out, &answer, NULL));
  g_assert_cmpstr (out->str, ==, "one");
  g_assert_cmpstr (chat_answer_get_finish_reason (answer), ==, "stop");
  g_assert_false (chat_ask (chat, "refused", on_text, out, NULL, &error));
  g_assert_error (error, CREEL_ERROR, CREEL_ERROR_FAILED);
  g_assert_cmpstr (error->message, ==, "no room");
  g_clear_error (&error);
  g_assert_false (chat_ask (chat, "long", on_text, out, NULL, &error));
  g_assert_error (error, CREEL_ERROR, CREEL_ERROR_CANCELLED);
  g_clear_error (&error);
  g_assert_cmpint (read (pipe_fds[0], &byte, 1), ==, 1);
  g_assert_true (chat_ask (chat, "third \xff", on_text, out, NULL, NULL));
  chat_forget (chat);
  g_assert_true (chat_ask (chat, "new", on_text, out, NULL, NULL));
  g_thread_join (thread);
  g_assert_cmpstr (out->str, ==, "onehalftwo");
  g_assert_cmpstr (server.requests->pdata[0], ==,
                   "{\"model\":\"ai/\\\"tiny\\\"\",\"messages\":[{\"role\":\"user\",\"content\":\"first\"}],\"stream\":true}");
  /* what was refused is forgotten, what was cut is not */
  g_assert_cmpstr (server.requests->pdata[3], ==,
                   "{\"model\":\"ai/\\\"tiny\\\"\",\"messages\":[{\"role\":\"user\",\"content\":\"first\"},{\"role\":\"assistant\",\"content\":\"one\"},"
                   "{\"role\":\"user\",\"content\":\"long\"},{\"role\":\"assistant\",\"content\":\"half\"},"
                   "{\"role\":\"user\",\"content\":\"third \xef\xbf\xbd\"}],\"stream\":true}");
  g_assert_cmpstr (server.requests->pdata[4], ==, "{\"model\":\"ai/\\\"tiny\\\"\",\"messages\":[{\"role\":\"user\",\"content\":\"new\"}],\"stream\":true}");

  g_socket_listener_close (server.listener);
  g_assert_false (chat_ask (chat, "nobody", on_text, out, NULL, &error));
  g_assert_nonnull (strstr (error->message, "creel doctor"));
  g_object_unref (server.listener);
  g_ptr_array_unref (server.requests);
  close (pipe_fds[0]);
  close (pipe_fds[1]);
}

static void
test_keep_alive (void)
{
  static const struct
  {
    const char *text;
    guint64 seconds;
    const char *shown;
  } good[] = { { "0", 0, "at once" }, { "never", G_MAXUINT64, "never" }, { "-1", G_MAXUINT64, "never" }, { "5m", 300, "5:00" },
               { "90", 90, "1:30" }, { "1h30m", 5400, "1:30:00" }, { "1d", 86400, "24:00:00" },
               { "2h5s", 7205, "2:00:05" }, { "0s", 0, "at once" } };
  static const char *const bad[] = { "", "-2", "m", "5x", "5m3", "5m 3s", "1.5h", "3s5m", "5m5m", " 5m", "99999999999", "9999999999d", "+5", "always" };
  guint64 usec;

  for (guint i = 0; i < G_N_ELEMENTS (good); i++)
    {
      g_autofree char *shown = NULL;

      g_assert_true (creel_keep_alive_parse (good[i].text, &usec, NULL));
      g_assert_cmpuint (usec, ==, good[i].seconds == G_MAXUINT64 ? G_MAXUINT64 : good[i].seconds * G_USEC_PER_SEC);
      shown = cli_format_keep_alive (usec);
      g_assert_cmpstr (shown, ==, good[i].shown);
    }
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_false (creel_keep_alive_parse (bad[i], &usec, &error));
      g_assert_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE);
    }
}

static void
test_files (void)
{
  static const struct
  {
    const char *path, *name, *parts;
  } cases[] = {
    { "/a/SmolLM2-135M-Instruct-Q4_K_M.gguf", "smollm2-135m-instruct-q4_k_m", "/a/SmolLM2-135M-Instruct-Q4_K_M.gguf" },
    { "Qwen3 0.6B (new)..GGUF", "qwen3-0.6b-new", "Qwen3 0.6B (new)..GGUF" },
    { "x/big-00001-of-00003.gguf", "big", "x/big-00001-of-00003.gguf,x/big-00002-of-00003.gguf,x/big-00003-of-00003.gguf" },
    { "big-00002-of-00003.gguf", "big", "big-00002-of-00003.gguf" },
    { "big-00001-of-99999.gguf", "big", "big-00001-of-99999.gguf" },
    { "plain", "plain", "plain" },
    { "---.gguf", NULL, "---.gguf" },
    { ".gguf", "gguf", ".gguf" },
    { "\xff.gguf", NULL, "\xff.gguf" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *name = cli_model_name_of_file (cases[i].path), *joined = NULL;
      g_auto (GStrv) parts = cli_model_list_parts (cases[i].path);

      joined = g_strjoinv (",", parts);
      g_assert_cmpstr (name, ==, cases[i].name);
      g_assert_cmpstr (joined, ==, cases[i].parts);
    }
}

static void
test_printable (void)
{
  g_autofree char *safe = cli_model_printable ("a\033]0;x\a\u200d\u200cb\u202ec\n");

  g_assert_cmpstr (safe, ==, "a\\x1b]0;x\\x07\u200d\u200cb\\u{202e}c\n");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  (void) creel_error_quark ();
  g_test_add_func ("/chat/sse", test_sse);
  g_test_add_func ("/chat/sse-bounds", test_sse_bounds);
  g_test_add_func ("/chat/answer", test_answer);
  g_test_add_func ("/chat/chat", test_chat);
  g_test_add_func ("/chat/keep-alive", test_keep_alive);
  g_test_add_func ("/chat/files", test_files);
  g_test_add_func ("/chat/printable", test_printable);
  return g_test_run ();
}
