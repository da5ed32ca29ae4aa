/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-forward.h"

#include <errno.h>
#include <gio/gnetworking.h>
#include <glib-unix.h>
#include <unistd.h>

struct _CreelForward
{
  int fd;
  guint16 guest_port;
  CreelStream *stream; /* NULL while the journal is asked */
  CreelChannel *(*channel) (gpointer user_data);
  gpointer channel_data;
  CreelForwardFunc done;
  gpointer user_data;
  GCancellable *cancellable; /* of the journal entry */
  guint readable_id, writable_id, broken_id;
};

void
creel_forward_refuse (int fd)
{
  const struct linger hard = { 1, 0 };

  setsockopt (fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
  close (fd);
}

static void
forward_free (CreelForward *forward, gboolean reset)
{
  g_cancellable_cancel (forward->cancellable);
  g_object_unref (forward->cancellable);
  g_clear_handle_id (&forward->readable_id, g_source_remove);
  g_clear_handle_id (&forward->writable_id, g_source_remove);
  g_clear_handle_id (&forward->broken_id, g_source_remove);
  if (reset)
    creel_forward_refuse (forward->fd);
  else
    close (forward->fd);
  g_free (forward);
}

/* Its stream is over already. */
static void
finish (CreelForward *forward, gboolean reset)
{
  CreelForwardFunc done = forward->done;
  gpointer user_data = forward->user_data;

  forward_free (forward, reset);
  done (forward, user_data);
}

static void
fail (CreelForward *forward)
{
  if (forward->stream != NULL)
    creel_stream_reset (forward->stream, CREEL_STREAM_CONNECT_ERROR);
  finish (forward, TRUE);
}

void
creel_forward_abort (CreelForward *forward)
{
  if (forward->stream != NULL)
    creel_stream_reset (forward->stream, CREEL_STREAM_CANCEL);
  forward_free (forward, TRUE);
}

static gboolean
on_readable (int fd, GIOCondition condition, gpointer user_data)
{
  CreelForward *forward = user_data;

  forward->readable_id = 0;
  creel_stream_resume (forward->stream);
  return G_SOURCE_REMOVE;
}

static gboolean
on_writable (int fd, GIOCondition condition, gpointer user_data)
{
  CreelForward *forward = user_data;

  forward->writable_id = 0;
  creel_stream_receive (forward->stream); /* may be its end */
  return G_SOURCE_REMOVE;
}

/* A client that resets the connection is noticed even while nothing is read from it or sent to it. */
static gboolean
on_broken (int fd, GIOCondition condition, gpointer user_data)
{
  CreelForward *forward = user_data;

  forward->broken_id = 0;
  if ((condition & G_IO_ERR) != 0)
    fail (forward);
  /* else both sides said their end, and only what is in the buffers is left */
  return G_SOURCE_REMOVE;
}

static void
on_response (CreelStream *stream, const CreelHead *head, void *user_data)
{
  if (head->status != 200)
    fail (user_data);
}

static size_t
on_data (CreelStream *stream, const uint8_t *bytes, size_t n_bytes, void *user_data)
{
  CreelForward *forward = user_data;
  ssize_t n;

  do
    n = send (forward->fd, bytes, n_bytes, MSG_NOSIGNAL);
  while (n < 0 && errno == EINTR);
  if (n < 0 && errno != EAGAIN)
    {
      fail (forward);
      return n_bytes;
    }
  n = MAX (n, 0);
  if ((size_t) n < n_bytes && forward->writable_id == 0)
    forward->writable_id = g_unix_fd_add (forward->fd, G_IO_OUT, on_writable, forward);
  return n;
}

static void
on_end (CreelStream *stream, void *user_data)
{
  shutdown (((CreelForward *) user_data)->fd, SHUT_WR);
}

static ssize_t
on_pull (CreelStream *stream, uint8_t *buffer, size_t size, bool *ret_end, void *user_data)
{
  CreelForward *forward = user_data;
  ssize_t n;

  do
    n = recv (forward->fd, buffer, size, 0);
  while (n < 0 && errno == EINTR);
  if (n < 0 && errno == EAGAIN)
    {
      if (forward->readable_id == 0)
        forward->readable_id = g_unix_fd_add (forward->fd, G_IO_IN, on_readable, forward);
      return 0;
    }
  *ret_end = n == 0;
  return n;
}

static void
on_closed (CreelStream *stream, uint32_t code, void *user_data)
{
  finish (user_data, code != CREEL_STREAM_NO_ERROR);
}

static const CreelStreamHandler handler = { on_response, on_data, on_end, on_pull, on_closed };

static void
on_written (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;
  gboolean written = creel_audit_write_finish (NULL, result, &error);
  CreelForward *forward = user_data;
  CreelChannel *channel;
  char authority[32];

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return; /* the connection is no more */
  if (!written)
    g_warning ("A connection to a published port was refused: %s", error->message);
  channel = written ? forward->channel (forward->channel_data) : NULL;
  if (channel != NULL)
    {
      g_snprintf (authority, sizeof authority, "localhost:%u", forward->guest_port);
      forward->stream = creel_channel_request (channel, "CONNECT", NULL, authority, NULL, 0, true, &handler, forward);
    }
  if (forward->stream == NULL)
    {
      fail (forward);
      return;
    }
  creel_stream_keep_small (forward->stream);
  forward->broken_id = g_unix_fd_add (forward->fd, G_IO_ERR, on_broken, forward);
}

CreelForward *
creel_forward_start (int fd, CreelAudit *audit, CreelAuditEntry *entry, guint16 guest_port, CreelChannel *(*channel) (gpointer user_data),
                     gpointer channel_data, CreelForwardFunc done, gpointer user_data)
{
  CreelForward *forward = g_new0 (CreelForward, 1);
  const int yes = 1;

  forward->fd = fd;
  forward->guest_port = guest_port;
  forward->channel = channel;
  forward->channel_data = channel_data;
  forward->done = done;
  forward->user_data = user_data;
  forward->cancellable = g_cancellable_new ();
  setsockopt (fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  creel_audit_write_async (audit, entry, forward->cancellable, on_written, forward);
  return forward;
}
