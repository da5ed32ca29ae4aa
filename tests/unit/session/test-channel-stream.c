/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A guest's stream as a GIOStream: whole bytes, half-close, back-pressure both ways, resets, the last bytes after a close. */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "creel-account.h"
#include "creel-channel-stream.h"
#include "creel-link.h"

typedef struct
{
  CreelLink *link;
  GIOStream *io;
  CreelChannel *guest;
  CreelStream *stream;
  int fd;
  gboolean opened, response, in_end, closed;
  guint32 code;
  GByteArray *in;
  guint64 pulled, to_send;
  gboolean end_when_sent, take;
} Fixture;

static void
on_link_request (CreelLink *link, CreelStream *stream, const CreelHead *head, gpointer user_data)
{
  Fixture *f = user_data;

  g_assert_cmpstr (head->method, ==, "CONNECT");
  creel_stream_respond (stream, 200, NULL, 0, true);
  f->io = G_IO_STREAM (creel_channel_stream_new (stream));
}

static const CreelLinkHandler link_handler = { NULL, NULL, on_link_request };

static void
on_guest_opened (CreelChannel *channel, void *user_data)
{
  ((Fixture *) user_data)->opened = TRUE;
}

static const CreelChannelHandler guest_handler = { on_guest_opened, NULL, NULL };

static void
on_response (CreelStream *stream, const CreelHead *head, void *user_data)
{
  Fixture *f = user_data;

  g_assert_cmpint (head->status, ==, 200);
  f->response = TRUE;
}

static size_t
on_data (CreelStream *stream, const uint8_t *bytes, size_t n_bytes, void *user_data)
{
  Fixture *f = user_data;

  if (!f->take)
    return 0;
  g_byte_array_append (f->in, bytes, n_bytes);
  return n_bytes;
}

static void
on_end (CreelStream *stream, void *user_data)
{
  ((Fixture *) user_data)->in_end = TRUE;
}

static ssize_t
on_pull (CreelStream *stream, uint8_t *buffer, size_t size, bool *ret_end, void *user_data)
{
  Fixture *f = user_data;
  gsize n = MIN (size, f->to_send - f->pulled);

  for (gsize i = 0; i < n; i++)
    buffer[i] = (guint8) (f->pulled + i);
  f->pulled += n;
  *ret_end = f->end_when_sent && f->pulled == f->to_send;
  return n;
}

static void
on_closed (CreelStream *stream, uint32_t code, void *user_data)
{
  Fixture *f = user_data;

  f->closed = TRUE;
  f->code = code;
  f->stream = NULL;
}

static const CreelStreamHandler stream_handler = { on_response, on_data, on_end, on_pull, on_closed };

/* The guest's end is driven by hand, between iterations of the loop. */
static void
step (Fixture *f)
{
  for (int i = 0; i < 20; i++)
    {
      g_main_context_iteration (NULL, FALSE);
      if (f->guest != NULL)
        creel_channel_dispatch (f->guest, G_IO_IN);
    }
}

#define STEP_UNTIL(condition)                                                                                             \
  G_STMT_START                                                                                                            \
  {                                                                                                                       \
    gint64 limit_ = g_get_monotonic_time () + 20 * G_USEC_PER_SEC;                                                        \
    while (!(condition))                                                                                                  \
      {                                                                                                                   \
        step (f);                                                                                                         \
        g_assert_cmpint (g_get_monotonic_time (), <, limit_);                                                             \
      }                                                                                                                   \
  }                                                                                                                       \
  G_STMT_END

static void
set_up (Fixture *f, gconstpointer data)
{
  int pair[2];

  g_assert_cmpint (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), ==, 0);
  f->fd = pair[1];
  f->in = g_byte_array_new ();
  f->take = TRUE;
  f->link = creel_link_new (-1, FALSE, &link_handler, f);
  f->guest = creel_channel_new (f->fd, CREEL_CHANNEL_GUEST, true, &guest_handler, f);
  g_assert_true (creel_link_take_connection (f->link, pair[0]));
  STEP_UNTIL (f->opened);
  f->stream = creel_channel_request (f->guest, "CONNECT", NULL, "proxy:3128", NULL, 0, true, &stream_handler, f);
  g_assert_nonnull (f->stream);
  STEP_UNTIL (f->io != NULL && f->response);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  g_clear_object (&f->io);
  creel_link_free (f->link);
  if (f->guest != NULL)
    {
      creel_channel_free (f->guest);
      close (f->fd);
    }
  g_assert_cmpuint (creel_channel_stream_get_n_alive (), ==, 0);
  g_byte_array_unref (f->in);
}

static gssize
read_some (Fixture *f, void *buffer, gsize size, GError **error)
{
  return g_pollable_input_stream_read_nonblocking (G_POLLABLE_INPUT_STREAM (g_io_stream_get_input_stream (f->io)), buffer,
                                                   size, NULL, error);
}

static gssize
write_some (Fixture *f, const void *buffer, gsize size, GError **error)
{
  return g_pollable_output_stream_write_nonblocking (G_POLLABLE_OUTPUT_STREAM (g_io_stream_get_output_stream (f->io)),
                                                     buffer, size, NULL, error);
}

static void
test_from_guest (Fixture *f, gconstpointer data)
{
  guint8 buffer[10000];
  guint64 got = 0;

  f->to_send = 3000000;
  f->end_when_sent = TRUE;
  creel_stream_resume (f->stream);
  for (;;)
    {
      g_autoptr (GError) error = NULL;
      gssize n = read_some (f, buffer, sizeof buffer, &error);

      if (n == 0)
        break;
      if (n < 0)
        g_assert_error (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK);
      for (gssize i = 0; i < n; i++)
        g_assert_cmpuint (buffer[i], ==, (guint8) (got + i));
      got += MAX (n, 0);
      step (f);
    }
  g_assert_cmpuint (got, ==, 3000000);
  g_assert_false (f->closed);

  /* our side is still open */
  g_assert_cmpint (write_some (f, "late", 4, NULL), ==, 4);
  g_assert_true (g_output_stream_close (g_io_stream_get_output_stream (f->io), NULL, NULL));
  STEP_UNTIL (f->closed);
  g_assert_cmpmem (f->in->data, f->in->len, "late", 4);
  g_assert_true (f->in_end);
  g_assert_cmpuint (f->code, ==, CREEL_STREAM_NO_ERROR);
}

/* What is not read holds the guest back. */
static void
test_unread (Fixture *f, gconstpointer data)
{
  guint64 stuck;

  f->to_send = 100000000;
  creel_stream_resume (f->stream);
  for (int i = 0; i < 100; i++)
    step (f);
  stuck = f->pulled;
  g_assert_cmpuint (stuck, <, 4 * 1024 * 1024);
  for (int i = 0; i < 20; i++)
    step (f);
  g_assert_cmpuint (f->pulled, ==, stuck);
  g_assert_true (g_pollable_input_stream_is_readable (G_POLLABLE_INPUT_STREAM (g_io_stream_get_input_stream (f->io))));
}

static void
test_unwritable (Fixture *f, gconstpointer data)
{
  g_autofree char *buffer = g_malloc0 (100000);
  guint64 written = 0;
  GPollableOutputStream *output = G_POLLABLE_OUTPUT_STREAM (g_io_stream_get_output_stream (f->io));

  f->take = FALSE;
  for (int i = 0; i < 200; i++)
    {
      gssize n = write_some (f, buffer, 100000, NULL);

      written += MAX (n, 0);
      step (f);
    }
  g_assert_cmpuint (written, <, 4 * 1024 * 1024);
  g_assert_false (g_pollable_output_stream_is_writable (output));

  f->take = TRUE;
  creel_stream_receive (f->stream);
  STEP_UNTIL (f->in->len == written && g_pollable_output_stream_is_writable (output));
}

/* Above the budget of all it takes a little, and all of it arrives. */
static void
test_budget (Fixture *f, gconstpointer data)
{
  g_autofree char *buffer = g_malloc0 (100000);
  GPollableOutputStream *output = G_POLLABLE_OUTPUT_STREAM (g_io_stream_get_output_stream (f->io));
  guint64 written;

  creel_account_set_budget (1);
  creel_account_add (1);
  written = write_some (f, buffer, 100000, NULL);
  g_assert_cmpuint (written, ==, 8192);
  g_assert_cmpint (write_some (f, buffer, 1, NULL), ==, -1);
  g_assert_false (g_pollable_output_stream_is_writable (output));
  g_assert_cmpuint (creel_account_get_held (), >, 8192);
  STEP_UNTIL (f->in->len == written && g_pollable_output_stream_is_writable (output));
  creel_account_drop (1);
  g_assert_cmpuint (creel_account_get_held (), ==, 0);
  creel_account_set_budget (G_MAXSIZE);
  g_assert_cmpint (write_some (f, buffer, 100000, NULL), ==, 65536);
  STEP_UNTIL (f->in->len == written + 65536);
}

static gboolean
on_readable (GObject *object, gpointer user_data)
{
  (*(int *) user_data)++;
  return G_SOURCE_CONTINUE;
}

static void
test_source (Fixture *f, gconstpointer data)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  GInputStream *input = g_io_stream_get_input_stream (f->io);
  g_autoptr (GSource) source =
      g_pollable_input_stream_create_source (G_POLLABLE_INPUT_STREAM (input), cancellable);
  int n_calls = 0;
  char buffer[16];

  g_source_set_callback (source, (GSourceFunc) (void (*) (void)) on_readable, &n_calls, NULL);
  g_source_attach (source, NULL);
  step (f);
  g_assert_cmpint (n_calls, ==, 0);
  f->to_send = 5;
  creel_stream_resume (f->stream);
  STEP_UNTIL (n_calls > 0);
  g_assert_cmpint (read_some (f, buffer, sizeof buffer, NULL), ==, 5);
  g_assert_cmpint (read_some (f, buffer, sizeof buffer, NULL), ==, -1);
  n_calls = 0;
  step (f);
  g_assert_cmpint (n_calls, ==, 0);
  g_cancellable_cancel (cancellable);
  step (f);
  g_assert_cmpint (n_calls, >, 0);
  g_source_destroy (source);
}

static void
test_reset_by_guest (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  char buffer[16];

  creel_stream_reset (f->stream, CREEL_STREAM_CANCEL);
  f->stream = NULL;
  STEP_UNTIL (creel_channel_stream_get_n_alive () == 0);
  g_assert_cmpint (read_some (f, buffer, sizeof buffer, &error), ==, -1);
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CONNECTION_CLOSED);
  g_clear_error (&error);
  g_assert_cmpint (write_some (f, "x", 1, &error), ==, -1);
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CONNECTION_CLOSED);
}

static void
test_channel_lost (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  char buffer[16];

  creel_channel_free (f->guest);
  f->guest = NULL;
  close (f->fd);
  STEP_UNTIL (creel_channel_stream_get_n_alive () == 0);
  g_assert_cmpint (read_some (f, buffer, sizeof buffer, &error), ==, -1);
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CONNECTION_CLOSED);
}

static void
test_abort (Fixture *f, gconstpointer data)
{
  g_assert_cmpint (write_some (f, "x", 1, NULL), ==, 1);
  creel_channel_stream_abort (CREEL_CHANNEL_STREAM (f->io));
  STEP_UNTIL (f->closed);
  g_assert_cmpuint (f->code, ==, CREEL_STREAM_CANCEL);
}

/* The guest gets what was written, and sees that it is not all. */
static void
test_abort_last_bytes (Fixture *f, gconstpointer data)
{
  g_autofree char *buffer = g_malloc0 (60000);

  f->to_send = 5000000;
  creel_stream_resume (f->stream);
  g_assert_cmpint (write_some (f, buffer, 60000, NULL), ==, 60000);
  creel_channel_stream_abort (CREEL_CHANNEL_STREAM (f->io));
  g_assert_cmpint (write_some (f, "x", 1, NULL), ==, -1);
  g_assert_true (g_io_stream_close (f->io, NULL, NULL));
  g_clear_object (&f->io);
  STEP_UNTIL (f->closed);
  g_assert_cmpuint (f->in->len, ==, 60000);
  g_assert_false (f->in_end);
  g_assert_cmpuint (f->code, ==, CREEL_STREAM_CANCEL);
  g_assert_cmpuint (creel_channel_stream_get_n_alive (), ==, 0);
}

/* Written, closed and dropped at once: the guest gets all of it and the end, though it goes on sending. */
static void
test_last_bytes (Fixture *f, gconstpointer data)
{
  g_autofree char *buffer = g_malloc0 (60000);

  f->to_send = 5000000;
  creel_stream_resume (f->stream);
  g_assert_cmpint (write_some (f, buffer, 60000, NULL), ==, 60000);
  g_assert_true (g_io_stream_close (f->io, NULL, NULL));
  g_clear_object (&f->io);
  STEP_UNTIL (f->in_end);
  g_assert_cmpuint (f->in->len, ==, 60000);
  f->end_when_sent = TRUE;
  creel_stream_resume (f->stream);
  STEP_UNTIL (f->closed);
  g_assert_cmpuint (f->code, ==, CREEL_STREAM_NO_ERROR);
}

/* A peer that never ends does not keep a closed stream for ever. */
static void
test_linger (Fixture *f, gconstpointer data)
{
  g_clear_object (&f->io);
  STEP_UNTIL (f->in_end);
  g_assert_cmpuint (creel_channel_stream_get_n_alive (), ==, 1);
  STEP_UNTIL (f->closed);
  g_assert_cmpuint (f->code, ==, CREEL_STREAM_CANCEL);
}

static gboolean
on_wake (GObject *stream, gpointer user_data)
{
  (*(guint *) user_data)++;
  return G_SOURCE_CONTINUE;
}

/* A TLS stream waits with a source that has ours for a child: it wakes as often as ours does. */
static void
test_child_source (Fixture *f, gconstpointer data)
{
  GOutputStream *out = g_io_stream_get_output_stream (f->io);
  g_autoptr (GSource) child = g_pollable_output_stream_create_source (G_POLLABLE_OUTPUT_STREAM (out), NULL);
  g_autoptr (GSource) source = g_pollable_source_new_full (out, child, NULL);
  guint woken = 0;

  g_source_set_callback (source, G_SOURCE_FUNC (on_wake), &woken, NULL);
  g_source_attach (source, NULL);
  STEP_UNTIL (woken > 3);
  g_source_destroy (source);
}

int
main (int argc, char **argv)
{
  signal (SIGPIPE, SIG_IGN);
  g_test_init (&argc, &argv, NULL);
#define ADD(path, func) g_test_add ("/channel-stream/" path, Fixture, NULL, set_up, func, tear_down)
  ADD ("from-guest", test_from_guest);
  ADD ("unread", test_unread);
  ADD ("unwritable", test_unwritable);
  ADD ("budget", test_budget);
  ADD ("source", test_source);
  ADD ("reset-by-guest", test_reset_by_guest);
  ADD ("channel-lost", test_channel_lost);
  ADD ("abort", test_abort);
  ADD ("abort-last-bytes", test_abort_last_bytes);
  ADD ("last-bytes", test_last_bytes);
  ADD ("linger", test_linger);
  ADD ("child-source", test_child_source);
  return g_test_run ();
}
