/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-save.h"

#include <errno.h>
#include <glib-unix.h>
#include <sys/socket.h>
#include <unistd.h>

#include "creel-call.h"
#include "creel-error.h"

#define ANSWER_MAX (64 * 1024)
#define SOCKET_SIZE (1024 * 1024)
#define ESTIMATE_MAX (G_GUINT64_CONSTANT (1) << 50)
#define START_TIMEOUT_SECONDS 30
/* The guest's disk is the host's, on a busy machine */
#define SILENCE_TIMEOUT_SECONDS 120

struct _CreelSave
{
  CreelStream *stream;
  const CreelSaveHandler *handler;
  gpointer user_data;
  int fd; /* our end, or -1 before the answer */
  guint writable_id, broken_id, timer_id;
  guint64 n_bytes, n_bytes_seen;
  int status;
  gboolean ended;
  GByteArray *answer; /* of a refusal */
};

static void
save_free (CreelSave *save)
{
  g_clear_handle_id (&save->writable_id, g_source_remove);
  g_clear_handle_id (&save->broken_id, g_source_remove);
  g_clear_handle_id (&save->timer_id, g_source_remove);
  if (save->stream != NULL)
    creel_stream_reset (save->stream, CREEL_STREAM_CANCEL);
  if (save->fd >= 0)
    close (save->fd);
  g_byte_array_unref (save->answer);
  g_free (save);
}

static void
over (CreelSave *save)
{
  save->handler->over (save, save->user_data);
  save_free (save);
}

static void
fail (CreelSave *save, CreelError code, const char *text)
{
  g_autoptr (GError) error = g_error_new_literal (CREEL_ERROR, code, text);

  save->handler->failed (save, error, save->user_data);
  save_free (save);
}

static gboolean
on_broken (int fd, GIOCondition condition, gpointer user_data)
{
  CreelSave *save = user_data;

  save->broken_id = 0;
  over (save); /* the reader has left */
  return G_SOURCE_REMOVE;
}

static gboolean
on_writable (int fd, GIOCondition condition, gpointer user_data)
{
  CreelSave *save = user_data;

  save->writable_id = 0;
  creel_stream_receive (save->stream); /* may free the save */
  return G_SOURCE_REMOVE;
}

static gboolean
on_silence (gpointer user_data)
{
  CreelSave *save = user_data;

  /* bytes that only the reader keeps waiting are not silence */
  if (save->n_bytes != save->n_bytes_seen || save->writable_id != 0)
    {
      save->n_bytes_seen = save->n_bytes;
      return G_SOURCE_CONTINUE;
    }
  save->timer_id = 0;
  g_message ("The guest sends nothing more of what was to be saved");
  over (save);
  return G_SOURCE_REMOVE;
}

static gboolean
on_start_timeout (gpointer user_data)
{
  CreelSave *save = user_data;

  save->timer_id = 0;
  fail (save, CREEL_ERROR_TIMED_OUT, "The guest did not answer in time");
  return G_SOURCE_REMOVE;
}

static guint64
find_estimate (const CreelHead *head)
{
  guint64 estimate = 0;

  for (size_t i = 0; i < head->n_headers; i++)
    if (g_str_equal (head->headers[i].name, "creel-estimate") &&
        !g_ascii_string_to_unsigned (head->headers[i].value, 10, 0, ESTIMATE_MAX, &estimate, NULL))
      estimate = 0; /* not known: it is for a progress bar only */
  return estimate;
}

static void
on_response (CreelStream *stream, const CreelHead *head, void *user_data)
{
  CreelSave *save = user_data;
  int fds[2], size = SOCKET_SIZE;

  save->status = head->status;
  if (head->status != 200)
    return; /* the text comes with the body */
  g_clear_handle_id (&save->timer_id, g_source_remove);
  if (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
    {
      fail (save, CREEL_ERROR_LIMITS_EXCEEDED, "Cannot make a socket");
      return;
    }
  save->fd = fds[0];
  g_unix_set_fd_nonblocking (save->fd, TRUE, NULL);
  shutdown (save->fd, SHUT_RD);
  setsockopt (save->fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
  save->broken_id = g_unix_fd_add (save->fd, G_IO_ERR | G_IO_HUP, on_broken, save);
  save->timer_id = g_timeout_add_seconds (SILENCE_TIMEOUT_SECONDS, on_silence, save);
  save->handler->started (save, find_estimate (head), fds[1], save->user_data);
}

static size_t
on_data (CreelStream *stream, const uint8_t *bytes, size_t n_bytes, void *user_data)
{
  CreelSave *save = user_data;
  size_t done = 0;

  if (save->fd < 0)
    {
      g_byte_array_append (save->answer, bytes, MIN (n_bytes, ANSWER_MAX - save->answer->len));
      return n_bytes;
    }
  while (done < n_bytes)
    {
      ssize_t n = send (save->fd, bytes + done, n_bytes - done, MSG_NOSIGNAL);

      if (n >= 0)
        done += (size_t) n;
      else if (errno == EAGAIN)
        {
          if (save->writable_id == 0)
            save->writable_id = g_unix_fd_add (save->fd, G_IO_OUT, on_writable, save);
          break;
        }
      else if (errno != EINTR)
        {
          over (save); /* resets the stream */
          return n_bytes;
        }
    }
  save->n_bytes += done;
  return done;
}

static void
on_end (CreelStream *stream, void *user_data)
{
  CreelSave *save = user_data;

  save->ended = TRUE;
}

static void
on_closed (CreelStream *stream, uint32_t code, void *user_data)
{
  CreelSave *save = user_data;
  g_autofree char *text = NULL;

  save->stream = NULL;
  if (save->fd >= 0)
    {
      over (save);
      return;
    }
  text = creel_call_describe_error (save->status, save->answer->data, save->answer->len,
                                    save->ended ? NULL : "the guest broke the answer off");
  fail (save, CREEL_ERROR_GUEST_FAILED, text);
}

static const CreelStreamHandler save_handler = { on_response, on_data, on_end, NULL, on_closed };

CreelSave *
creel_save_start (CreelChannel *channel, const CreelSaveHandler *handler, gpointer user_data, GError **error)
{
  CreelSave *save = g_new0 (CreelSave, 1);

  save->handler = handler;
  save->user_data = user_data;
  save->fd = -1;
  save->answer = g_byte_array_new ();
  save->stream = creel_channel_request (channel, "GET", "/save", "guest", NULL, 0, false, &save_handler, save);
  if (save->stream == NULL)
    {
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_LIMITS_EXCEEDED, "Cannot ask the guest: %s", g_strerror (errno));
      save_free (save);
      return NULL;
    }
  save->timer_id = g_timeout_add_seconds (START_TIMEOUT_SECONDS, on_start_timeout, save);
  return save;
}

void
creel_save_cancel (CreelSave *save)
{
  if (save != NULL)
    save_free (save);
}
