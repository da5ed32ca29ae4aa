/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-session.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "creel-call.h"
#include "creel-error.h"
#include "creel-records.h"

#define START_TIMEOUT_SECONDS 30
#define SILENCE_SECONDS 3 /* of an output that something in the background holds open after the end */

/* One output. It lives on without a session, taking bytes for nobody, when a background process keeps it open. */
typedef struct
{
  CreelSession *session;
  CreelStream *stream;
  int fd;               /* our end of the caller's socket, or -1 */
  GByteArray *captured; /* instead of fd */
  guint writable_id, broken_id;
  guint64 n_bytes, n_bytes_seen;
  guint silence;
} Output;

struct _CreelSession
{
  guint32 id;
  CreelChannel *channel;
  const CreelSessionHandler *handler;
  gpointer user_data;
  CreelCall *call;
  gboolean started, ended, finishing;
  int code, signal;
  char *message;
  char *command; /* its name for a message */
  guint timer_id;
  Output *outputs[2];

  CreelStream *input;
  int input_fd;
  guint input_id;
  GBytes *input_bytes;
  gsize input_sent;
};

static void check_finished (CreelSession *session);

/* outputs */

static void
output_close_socket (Output *output)
{
  g_clear_handle_id (&output->writable_id, g_source_remove);
  g_clear_handle_id (&output->broken_id, g_source_remove);
  if (output->fd >= 0)
    close (output->fd);
  output->fd = -1;
}

static void
output_free (Output *output)
{
  output_close_socket (output);
  g_clear_pointer (&output->captured, g_byte_array_unref);
  g_free (output);
}

/* Its stream is over; a capture's bytes stay until the session is freed. */
static void
output_over (Output *output)
{
  output->stream = NULL;
  output_close_socket (output);
  if (output->session == NULL)
    output_free (output);
  else
    check_finished (output->session);
}

static void
output_reset (Output *output)
{
  if (output->stream == NULL)
    return;
  creel_stream_reset (output->stream, CREEL_STREAM_CANCEL);
  output_over (output);
}

static gboolean
on_output_writable (int fd, GIOCondition condition, gpointer user_data)
{
  Output *output = user_data;

  output->writable_id = 0;
  creel_stream_receive (output->stream); /* may free the output */
  return G_SOURCE_REMOVE;
}

static gboolean
on_output_broken (int fd, GIOCondition condition, gpointer user_data)
{
  Output *output = user_data;

  output->broken_id = 0;
  output_reset (output); /* the caller has closed its end: the command gets SIGPIPE when it writes */
  return G_SOURCE_REMOVE;
}

static size_t
on_output_data (CreelStream *stream, const uint8_t *bytes, size_t n_bytes, void *user_data)
{
  Output *output = user_data;
  size_t done = 0;

  if (output->captured != NULL)
    {
      g_byte_array_append (output->captured, bytes, MIN (n_bytes, CREEL_CAPTURE_MAX - output->captured->len));
      output->n_bytes += n_bytes;
      return n_bytes;
    }
  while (output->fd >= 0 && done < n_bytes)
    {
      /* whoever gave us the socket can make it wait: not with us */
      ssize_t n = send (output->fd, bytes + done, n_bytes - done, MSG_NOSIGNAL | MSG_DONTWAIT);

      if (n >= 0)
        done += n;
      else if (errno == EAGAIN)
        {
          if (output->writable_id == 0)
            output->writable_id = g_unix_fd_add (output->fd, G_IO_OUT, on_output_writable, output);
          output->n_bytes += done;
          return done;
        }
      else if (errno != EINTR)
        {
          output_reset (output);
          return n_bytes;
        }
    }
  output->n_bytes += n_bytes;
  return n_bytes;
}

static void
on_output_closed (CreelStream *stream, uint32_t code, void *user_data)
{
  output_over (user_data);
}

static const CreelStreamHandler output_handler = { NULL, on_output_data, NULL, NULL, on_output_closed };

static Output *
output_new (CreelSession *session, const char *name, int fd, gboolean capture, GError **error)
{
  Output *output = g_new0 (Output, 1);
  g_autofree char *path = g_strdup_printf ("/exec/%u/%s", session->id, name);

  output->session = session;
  output->fd = fd;
  output->stream =
      creel_channel_request (session->channel, "GET", path, "guest", NULL, 0, false, &output_handler, output);
  if (output->stream == NULL)
    {
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_LIMITS_EXCEEDED, "Cannot ask the guest: %s", g_strerror (errno));
      output_free (output);
      return NULL;
    }
  if (fd >= 0)
    output->broken_id = g_unix_fd_add (fd, G_IO_ERR | G_IO_HUP, on_output_broken, output);
  else if (capture)
    output->captured = g_byte_array_new ();
  return output;
}

/* input */

static void
input_close_socket (CreelSession *session)
{
  g_clear_handle_id (&session->input_id, g_source_remove);
  if (session->input_fd >= 0)
    close (session->input_fd);
  session->input_fd = -1;
}

static gboolean
on_input_readable (int fd, GIOCondition condition, gpointer user_data)
{
  CreelSession *session = user_data;

  session->input_id = 0;
  creel_stream_resume (session->input);
  return G_SOURCE_REMOVE;
}

static ssize_t
on_input_pull (CreelStream *stream, uint8_t *buffer, size_t size, bool *ret_end, void *user_data)
{
  CreelSession *session = user_data;
  ssize_t n;

  if (session->input_bytes != NULL)
    {
      gsize length;
      const guint8 *data = g_bytes_get_data (session->input_bytes, &length);

      n = MIN (size, length - session->input_sent);
      memcpy (buffer, data + session->input_sent, n);
      session->input_sent += n;
      *ret_end = session->input_sent == length;
      return n;
    }
  do
    n = read (session->input_fd, buffer, size);
  while (n < 0 && errno == EINTR);
  if (n < 0 && errno == EAGAIN)
    {
      if (session->input_id == 0)
        session->input_id = g_unix_fd_add (session->input_fd, G_IO_IN, on_input_readable, session);
      return 0;
    }
  if (n <= 0)
    {
      *ret_end = true;
      return 0;
    }
  return n;
}

static size_t
on_input_data (CreelStream *stream, const uint8_t *bytes, size_t n_bytes, void *user_data)
{
  return n_bytes; /* the answer of stdin has no body that matters */
}

static void
on_input_closed (CreelStream *stream, uint32_t code, void *user_data)
{
  CreelSession *session = user_data;

  session->input = NULL;
  input_close_socket (session); /* the caller gets EPIPE when the command takes no more */
}

static const CreelStreamHandler input_handler = { NULL, on_input_data, NULL, on_input_pull, on_input_closed };

/* the session */

static void
session_free (CreelSession *session)
{
  g_clear_handle_id (&session->timer_id, g_source_remove);
  g_clear_pointer (&session->call, creel_call_cancel);
  if (session->input != NULL)
    creel_stream_reset (session->input, CREEL_STREAM_CANCEL);
  session->input = NULL;
  input_close_socket (session);
  g_clear_pointer (&session->input_bytes, g_bytes_unref);
  for (int i = 0; i < 2; i++)
    {
      Output *output = session->outputs[i];

      if (output == NULL)
        continue;
      output->session = NULL;
      if (output->stream == NULL)
        output_free (output);
      else
        {
          /* detached: what still comes is taken and dropped */
          output_close_socket (output);
          g_clear_pointer (&output->captured, g_byte_array_unref);
        }
    }
  g_free (session->message);
  g_free (session->command);
  g_free (session);
}

static void
fail (CreelSession *session, CreelError code, const char *text)
{
  g_autoptr (GError) error = g_error_new_literal (CREEL_ERROR, code, text);

  session->finishing = TRUE;
  for (int i = 0; i < 2; i++)
    if (session->outputs[i] != NULL)
      output_reset (session->outputs[i]);
  session->handler->failed (session, error, session->user_data);
  session_free (session);
}

/* Called when something ended; frees the session when all has. */
static void
check_finished (CreelSession *session)
{
  if (!session->ended || session->finishing)
    return;
  for (int i = 0; i < 2; i++)
    if (session->outputs[i] != NULL && session->outputs[i]->stream != NULL)
      return;
  session->finishing = TRUE;
  session->handler->exited (session, session->code, session->signal, session->message != NULL ? session->message : "",
                            session->user_data);
  session_free (session);
}

static gboolean
on_silence (gpointer user_data)
{
  CreelSession *session = user_data;
  gboolean waiting = FALSE;

  for (int i = 0; i < 2; i++)
    {
      Output *output = session->outputs[i];

      if (output == NULL || output->stream == NULL)
        continue;
      /* bytes that only the caller keeps waiting are not silence */
      if (output->n_bytes != output->n_bytes_seen || output->writable_id != 0)
        output->silence = 0;
      else
        output->silence++;
      output->n_bytes_seen = output->n_bytes;
      waiting |= output->silence < SILENCE_SECONDS;
    }
  if (waiting)
    return G_SOURCE_CONTINUE;

  session->timer_id = 0;
  session->finishing = TRUE;
  session->handler->exited (session, session->code, session->signal, session->message != NULL ? session->message : "",
                            session->user_data);
  session_free (session);
  return G_SOURCE_REMOVE;
}

static void
on_end_record (const char *key, const char *value, gpointer user_data)
{
  CreelSession *session = user_data;
  guint64 number;

  if (g_str_equal (key, "exit") && g_ascii_string_to_unsigned (value, 10, 0, 255, &number, NULL))
    session->code = (int) number;
  else if (g_str_equal (key, "signal") && g_ascii_string_to_unsigned (value, 10, 1, 64, &number, NULL))
    session->signal = (int) number;
}

static void
on_call_head (int status, gpointer user_data)
{
  CreelSession *session = user_data;

  if (status != 200)
    return; /* the text comes with the body */
  g_clear_handle_id (&session->timer_id, g_source_remove);
  session->started = TRUE;
  if (session->handler->started != NULL)
    session->handler->started (session, session->user_data);
}

static void
on_call_done (int status, const guint8 *body, gsize length, const char *failure, gpointer user_data)
{
  CreelSession *session = user_data;

  session->call = NULL;
  if (!session->started)
    {
      g_autofree char *why = creel_call_describe_error (status, body, length, failure);
      gboolean missing = failure == NULL && status == 404, forbidden = failure == NULL && status == 403;
      g_autofree char *text = missing     ? g_strdup_printf ("cannot run \"%s\": %s", session->command, why)
                              : forbidden ? g_strdup_printf ("\"%s\" is not executable: %s", session->command, why)
                                          : g_strdup (why);

      fail (session, missing || forbidden ? CREEL_ERROR_NO_SUCH_COMMAND : CREEL_ERROR_GUEST_FAILED, text);
      return;
    }
  session->ended = TRUE;
  session->code = -1;
  if (failure != NULL)
    session->message = g_strdup (failure);
  else if (!creel_records_parse (body, length, on_end_record, session) ||
           (session->code < 0) == (session->signal == 0))
    {
      session->code = -1;
      session->signal = 0;
      session->message = g_strdup ("the guest gave no valid exit status");
    }
  session->timer_id = g_timeout_add_seconds (1, on_silence, session);
  check_finished (session);
}

static gboolean
on_start_timeout (gpointer user_data)
{
  CreelSession *session = user_data;

  session->timer_id = 0;
  g_clear_pointer (&session->call, creel_call_cancel);
  fail (session, CREEL_ERROR_TIMED_OUT, "The guest did not answer in time");
  return G_SOURCE_REMOVE;
}

/* Sockets and not pipes: who splices into or out of a pipe holds its lock while the other file makes them wait, a terminal that
 * nobody types at for ever; a read, write or close of our end would then hang the gateway with them. */
static gboolean
make_stream (int *ret_ours, int *ret_callers, int unused, GError **error)
{
  int fds[2];

  if (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
    {
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_LIMITS_EXCEEDED, "Cannot make a socket: %s", g_strerror (errno));
      return FALSE;
    }
  g_unix_set_fd_nonblocking (fds[0], TRUE, NULL);
  shutdown (fds[0], unused); /* one direction, as a pipe has */
  *ret_ours = fds[0];
  *ret_callers = fds[1];
  return TRUE;
}

static gboolean
start_requests (CreelSession *session, CreelExec *exec, int output_fds[2], gboolean capture, GError **error)
{
  g_autofree char *path = g_strdup_printf ("/exec/%u", session->id);
  g_autofree char *input_path = g_strdup_printf ("/exec/%u/stdin", session->id);
  static const char *const names[] = { "stdout", "stderr" };

  session->command = g_steal_pointer (&exec->command);
  session->call = creel_call_start (session->channel, path, g_steal_pointer (&exec->records), on_call_head, on_call_done,
                                    session, error);
  if (session->call == NULL)
    return FALSE;
  session->input =
      creel_channel_request (session->channel, "POST", input_path, "guest", NULL, 0,
                             session->input_fd >= 0 || session->input_bytes != NULL, &input_handler, session);
  if (session->input == NULL)
    {
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_LIMITS_EXCEEDED, "Cannot ask the guest: %s", g_strerror (errno));
      return FALSE;
    }
  for (int i = 0; i < (exec->tty ? 1 : 2); i++)
    {
      session->outputs[i] = output_new (session, names[i], output_fds[i], capture, error);
      output_fds[i] = -1;
      if (session->outputs[i] == NULL)
        return FALSE;
    }
  return TRUE;
}

CreelSession *
creel_session_start (CreelChannel *channel, guint32 id, CreelExec *exec, int output, int ret_fds[3],
                     const CreelSessionHandler *handler, gpointer user_data, GError **error)
{
  CreelSession *session = g_new0 (CreelSession, 1);
  int caller_fds[3] = { -1, -1, -1 };
  int output_fds[2] = { -1, -1 };
  gboolean good = TRUE;

  session->id = id;
  session->channel = channel;
  session->handler = handler;
  session->user_data = user_data;
  session->input_fd = -1;
  session->input_bytes = exec->input != NULL ? g_bytes_ref (exec->input) : NULL;
  if (ret_fds != NULL)
    good = make_stream (&session->input_fd, &caller_fds[0], SHUT_WR, error) &&
           make_stream (&output_fds[0], &caller_fds[1], SHUT_RD, error) &&
           make_stream (&output_fds[1], &caller_fds[2], SHUT_RD, error);

  for (int i = 0; good && i < 2 && (output >= 0 || exec->discard); i++)
    {
      close (output_fds[i]); /* so the caller's end is at end of file */
      output_fds[i] = output >= 0 ? fcntl (output, F_DUPFD_CLOEXEC, 3) : -1;
    }
  good = good && start_requests (session, exec, output_fds, ret_fds == NULL, error);
  for (int i = 0; i < 2; i++)
    if (output_fds[i] >= 0)
      close (output_fds[i]); /* with a terminal stderr is at end of file */
  if (!good)
    {
      for (int i = 0; i < 3; i++)
        if (caller_fds[i] >= 0)
          close (caller_fds[i]);
      session_free (session);
      return NULL;
    }
  session->timer_id = g_timeout_add_seconds (START_TIMEOUT_SECONDS, on_start_timeout, session);
  if (ret_fds != NULL)
    memcpy (ret_fds, caller_fds, sizeof caller_fds);
  return session;
}

guint32
creel_session_get_id (CreelSession *session)
{
  return session->id;
}

GByteArray *
creel_session_get_captured (CreelSession *session, int which)
{
  return session->outputs[which - 1]->captured;
}

static void
on_forgotten (int status, const guint8 *body, gsize length, const char *failure, gpointer user_data)
{
}

static gboolean
tell (CreelSession *session, const char *path, GError **error)
{
  if (session->ended)
    return TRUE;
  return creel_call_start (session->channel, path, NULL, NULL, on_forgotten, NULL, error) != NULL;
}

gboolean
creel_session_resize (CreelSession *session, guint rows, guint columns, GError **error)
{
  g_autofree char *path = g_strdup_printf ("/exec/%u/resize/%ux%u", session->id, rows, columns);

  return tell (session, path, error);
}

gboolean
creel_session_signal (CreelSession *session, int signal, GError **error)
{
  g_autofree char *path = g_strdup_printf ("/exec/%u/signal/%d", session->id, signal);

  return tell (session, path, error);
}

void
creel_session_hangup (CreelSession *session)
{
  g_autofree char *path = g_strdup_printf ("/exec/%u/hangup", session->id);

  session->finishing = TRUE;
  if (creel_channel_get_state (session->channel) == CREEL_CHANNEL_OPEN)
    tell (session, path, NULL);
  for (int i = 0; i < 2; i++)
    if (session->outputs[i] != NULL)
      output_reset (session->outputs[i]);
  session_free (session);
}
