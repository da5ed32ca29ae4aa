/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-channel.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Both ends of a channel over a socket pair. The host makes the requests, the guest serves: as on "control". */
typedef struct
{
  int fds[2];
  CreelChannel *host;
  CreelChannel *guest;
  guint host_opened;
  guint guest_opened;
  guint host_closed;
  guint guest_closed;
  char *last_reason;

  /* the server's stream */
  CreelStream *served;
  char *path;
  char *header;
  guint64 server_received;
  guint64 server_takes; /* how much `data` may take; G_MAXUINT64: all */
  gboolean server_end;
  gboolean server_closed;
  guint32 server_code;
  guint64 serve_bytes;
  guint64 served_bytes;

  /* the client's */
  CreelStream *stream;
  int status;
  guint64 send_bytes;
  guint64 sent_bytes;
  guint64 received;
  guint64 takes;
  gboolean end;
  gboolean closed;
  guint32 code;
  guint8 next_byte;
} Fixture;

static ssize_t
fill (guint64 total, guint64 *done, guint8 *buffer, gsize size, bool *ret_end)
{
  gsize n = MIN (total - *done, size);

  for (gsize i = 0; i < n; i++)
    buffer[i] = (guint8) ((*done + i) * 7);
  *done += n;
  *ret_end = *done == total;
  return n;
}

static void
server_end (CreelStream *stream, void *user_data)
{
  Fixture *f = user_data;

  f->server_end = TRUE;
}

static size_t
server_data (CreelStream *stream, const uint8_t *bytes, size_t n, void *user_data)
{
  Fixture *f = user_data;
  gsize taken = MIN (n, f->server_takes);

  if (f->server_takes != G_MAXUINT64)
    f->server_takes -= taken;
  f->server_received += taken;
  return taken;
}

static ssize_t
server_pull (CreelStream *stream, uint8_t *buffer, size_t size, bool *ret_end, void *user_data)
{
  Fixture *f = user_data;

  return fill (f->serve_bytes, &f->served_bytes, buffer, size, ret_end);
}

static void
server_closed (CreelStream *stream, uint32_t code, void *user_data)
{
  Fixture *f = user_data;

  f->server_closed = TRUE;
  f->server_code = code;
  f->served = NULL;
}

static const CreelStreamHandler server_handler = {
  .data = server_data, .end = server_end, .pull = server_pull, .closed = server_closed
};

static void
on_request (CreelChannel *channel, CreelStream *stream, const CreelHead *head, void *user_data)
{
  Fixture *f = user_data;

  g_free (f->path);
  f->path = g_strdup (head->path);
  if (g_strcmp0 (f->path, "/refuse") == 0)
    return;
  for (gsize i = 0; i < head->n_headers; i++)
    if (strcmp (head->headers[i].name, "creel-test") == 0)
      {
        g_free (f->header);
        f->header = g_strdup (head->headers[i].value);
      }
  f->served = stream;
  creel_stream_set_handler (stream, &server_handler, f);
  g_assert_cmpint (creel_stream_respond (stream, 200, NULL, 0, TRUE), ==, 0);
  g_assert_cmpint (creel_stream_respond (stream, 200, NULL, 0, TRUE), ==, -1);
}

static void
host_opened (CreelChannel *channel, void *user_data)
{
  ((Fixture *) user_data)->host_opened++;
}

static void
host_closed (CreelChannel *channel, const char *reason, void *user_data)
{
  Fixture *f = user_data;

  f->host_closed++;
  g_free (f->last_reason);
  f->last_reason = g_strdup (reason);
}

static void
guest_opened (CreelChannel *channel, void *user_data)
{
  ((Fixture *) user_data)->guest_opened++;
}

static void
guest_closed (CreelChannel *channel, const char *reason, void *user_data)
{
  ((Fixture *) user_data)->guest_closed++;
}

static const CreelChannelHandler host_handler = { .opened = host_opened, .closed = host_closed };
static const CreelChannelHandler guest_handler = { .opened = guest_opened, .closed = guest_closed, .request = on_request };

static void
client_response (CreelStream *stream, const CreelHead *head, void *user_data)
{
  ((Fixture *) user_data)->status = head->status;
}

static size_t
client_data (CreelStream *stream, const uint8_t *bytes, size_t n, void *user_data)
{
  Fixture *f = user_data;
  gsize taken = MIN (n, f->takes);

  for (gsize i = 0; i < taken; i++, f->next_byte += 7)
    if (bytes[i] != f->next_byte)
      g_error ("byte %" G_GUINT64_FORMAT " is wrong", f->received + i);
  if (f->takes != G_MAXUINT64)
    f->takes -= taken;
  f->received += taken;
  return taken;
}

static ssize_t
client_pull (CreelStream *stream, uint8_t *buffer, size_t size, bool *ret_end, void *user_data)
{
  Fixture *f = user_data;
  ssize_t n = fill (f->send_bytes, &f->sent_bytes, buffer, size, ret_end);

  if (f->send_bytes == G_MAXUINT64)
    *ret_end = FALSE;
  return n;
}

static void
client_end (CreelStream *stream, void *user_data)
{
  ((Fixture *) user_data)->end = TRUE;
}

static void
client_closed (CreelStream *stream, uint32_t code, void *user_data)
{
  Fixture *f = user_data;

  f->closed = TRUE;
  f->code = code;
  f->stream = NULL;
}

static const CreelStreamHandler client_handler = {
  .response = client_response, .data = client_data, .end = client_end, .pull = client_pull, .closed = client_closed
};

static void
fixture_connect (Fixture *f, gboolean new_guest)
{
  g_assert_cmpint (socketpair (AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, f->fds), ==, 0);
  f->host = creel_channel_new (f->fds[0], CREEL_CHANNEL_HOST, true, &host_handler, f);
  if (new_guest)
    f->guest = creel_channel_new (f->fds[1], CREEL_CHANNEL_GUEST, false, &guest_handler, f);
}

static void
setup (Fixture *f, gconstpointer unused)
{
  f->takes = f->server_takes = G_MAXUINT64;
  fixture_connect (f, TRUE);
}

static void
teardown (Fixture *f, gconstpointer unused)
{
  creel_channel_free (f->host);
  creel_channel_free (f->guest);
  close (f->fds[0]);
  close (f->fds[1]);
  g_free (f->path);
  g_free (f->header);
  g_free (f->last_reason);
}

/* One turn of a loop with both ends. Returns whether anything happened within timeout. */
static gboolean
turn (Fixture *f, int timeout)
{
  CreelChannel *channels[2] = { f->host, f->guest };
  struct pollfd polls[2];
  guint64 now = creel_channel_now ();

  for (int i = 0; i < 2; i++)
    {
      short events = channels[i] != NULL ? creel_channel_get_events (channels[i]) : 0;
      guint64 deadline = channels[i] != NULL ? creel_channel_get_deadline (channels[i]) : UINT64_MAX;

      polls[i] = (struct pollfd){ .fd = events != 0 ? f->fds[i] : -1, .events = events };
      if (deadline != UINT64_MAX)
        timeout = MIN (timeout, deadline <= now ? 0 : (int) ((deadline - now) / 1000) + 1);
    }
  int ready = poll (polls, 2, timeout);
  now = creel_channel_now ();
  for (int i = 0; i < 2; i++)
    if (channels[i] != NULL && (polls[i].revents != 0 || creel_channel_get_deadline (channels[i]) <= now))
      {
        creel_channel_dispatch (channels[i], polls[i].revents);
        ready++;
      }
  return ready > 0;
}

#define run_until(f, condition)                                                                                                   \
  G_STMT_START                                                                                                                    \
  {                                                                                                                               \
    guint64 limit = creel_channel_now () + 60 * G_USEC_PER_SEC;                                                                   \
    while (!(condition))                                                                                                          \
      {                                                                                                                           \
        g_assert_cmpuint (creel_channel_now (), <, limit);                                                                        \
        turn (f, 1000);                                                                                                           \
      }                                                                                                                           \
  }                                                                                                                               \
  G_STMT_END

static void
run_idle (Fixture *f)
{
  while (turn (f, 20))
    ;
}

static void
open_both (Fixture *f)
{
  guint host = f->host_opened + 1;
  guint guest = f->guest_opened + 1;

  run_until (f, f->host_opened == host && f->guest_opened == guest);
}

static void
request (Fixture *f, const char *path)
{
  CreelHeader headers[] = { { "creel-test", "value" } };

  f->stream = creel_channel_request (f->host, "POST", path, NULL, headers, 1, true, &client_handler, f);
  if (f->stream == NULL)
    g_error ("request: %s, %s", g_strerror (errno), f->last_reason);
}

static void
test_round_trip (Fixture *f, gconstpointer unused)
{
  g_assert_null (creel_channel_request (f->host, "POST", "/a", NULL, NULL, 0, true, &client_handler, f));
  g_assert_cmpint (errno, ==, ENOTCONN);
  open_both (f);
  f->send_bytes = 300000;
  f->serve_bytes = 200000;
  request (f, "/a/b");
  run_until (f, f->closed && f->server_closed);
  g_assert_cmpstr (f->path, ==, "/a/b");
  g_assert_cmpstr (f->header, ==, "value");
  g_assert_cmpint (f->status, ==, 200);
  g_assert_cmpuint (f->server_received, ==, 300000);
  g_assert_cmpuint (f->received, ==, 200000);
  g_assert_true (f->end && f->server_end);
  g_assert_cmpuint (f->code, ==, 0);
  g_assert_cmpuint (creel_channel_get_n_streams (f->host), ==, 0);
  g_assert_cmpuint (creel_channel_get_n_streams (f->guest), ==, 0);
}

/* A user who does not read costs the first window and no more, and gets everything when they do read. */
static void
test_slow_reader (Fixture *f, gconstpointer unused)
{
  open_both (f);
  f->serve_bytes = 50 * 1024 * 1024;
  f->takes = 0;
  request (f, "/slow");
  run_idle (f);
  g_assert_cmpuint (f->served_bytes, >, 0);
  g_assert_cmpuint (creel_channel_get_buffered (f->host), <=, 64 * 1024);
  g_assert_cmpuint (f->served_bytes, <=, 128 * 1024);
  f->takes = 10 * 1024 * 1024;
  creel_stream_receive (f->stream);
  run_idle (f);
  g_assert_cmpuint (f->received, ==, 10 * 1024 * 1024);
  g_assert_cmpuint (creel_channel_get_buffered (f->host), <=, 1024 * 1024);
  f->takes = G_MAXUINT64;
  creel_stream_receive (f->stream);
  run_until (f, f->closed);
  g_assert_cmpuint (f->received, ==, f->serve_bytes);
  g_assert_cmpuint (creel_channel_get_buffered (f->host), ==, 0);
}

/* The last bytes, the end and the close wait for a slow user, with creel_stream_read() too. */
static void
test_end_after_bytes (Fixture *f, gconstpointer unused)
{
  guint8 buffer[1000];
  guint64 total = 0;
  gsize n;

  open_both (f);
  f->serve_bytes = 5500;
  f->takes = 0;
  request (f, "/end");
  run_until (f, f->server_closed);
  run_idle (f);
  g_assert_false (f->end);
  g_assert_false (f->closed);
  while ((n = creel_stream_read (f->stream, buffer, sizeof buffer)) > 0)
    total += n;
  g_assert_cmpuint (total, ==, 5500);
  g_assert_true (creel_stream_at_end (f->stream));
  g_assert_false (f->end);
  run_until (f, f->closed);
  g_assert_true (f->end);
}

static void
test_half_close (Fixture *f, gconstpointer unused)
{
  open_both (f);
  f->serve_bytes = 0;
  f->send_bytes = G_MAXUINT64; /* never ends */
  f->server_takes = 100000;
  request (f, "/half");
  run_until (f, f->end && f->server_received == 100000);
  g_assert_false (f->closed);
  g_assert_false (f->server_end);
  creel_stream_reset (f->stream, CREEL_STREAM_CANCEL);
  run_until (f, f->server_closed);
  g_assert_cmpuint (f->server_code, ==, CREEL_STREAM_CANCEL);
  g_assert_false (f->closed); /* nothing is called after our own reset */
  run_idle (f);
  g_assert_cmpuint (creel_channel_get_buffered (f->guest), ==, 0);
  g_assert_cmpuint (creel_channel_get_n_streams (f->host), ==, 0);
}

static void
test_reset_by_server (Fixture *f, gconstpointer unused)
{
  open_both (f);
  f->send_bytes = G_MAXUINT64;
  f->server_takes = 0;
  request (f, "/reset");
  run_until (f, f->served != NULL);
  creel_stream_reset (f->served, CREEL_STREAM_CONNECT_ERROR);
  run_until (f, f->closed);
  g_assert_cmpuint (f->code, ==, CREEL_STREAM_CONNECT_ERROR);
  f->closed = FALSE;
  request (f, "/refuse");
  run_until (f, f->closed);
  g_assert_cmpuint (f->code, ==, CREEL_STREAM_REFUSED);
  /* a request that is taken back before it left */
  request (f, "/never");
  creel_stream_reset (f->stream, CREEL_STREAM_CANCEL);
  run_idle (f);
  g_assert_cmpuint (creel_channel_get_n_streams (f->host), ==, 0);
}

static void
test_many (Fixture *f, gconstpointer unused)
{
  CreelStream *streams[CREEL_CHANNEL_STREAMS_MAX];

  open_both (f);
  f->send_bytes = G_MAXUINT64;
  f->server_takes = 0;
  for (gsize i = 0; i < G_N_ELEMENTS (streams); i++)
    {
      request (f, "/many");
      streams[i] = f->stream;
      if (i % 256 == 0)
        run_idle (f);
    }
  g_assert_null (creel_channel_request (f->host, "POST", "/x", NULL, NULL, 0, true, &client_handler, f));
  g_assert_cmpint (errno, ==, EMFILE);
  run_idle (f);
  /* the connection's window bounds what nobody reads */
  g_assert_cmpuint (creel_channel_get_buffered (f->guest), <=, 32 * 1024 * 1024);
  g_assert_cmpuint (creel_channel_get_n_streams (f->guest), ==, CREEL_CHANNEL_STREAMS_MAX);
  for (gsize i = 0; i < G_N_ELEMENTS (streams); i++)
    creel_stream_reset (streams[i], CREEL_STREAM_CANCEL);
  run_idle (f);
  g_assert_cmpuint (creel_channel_get_n_streams (f->guest), ==, 0);
  g_assert_cmpuint (creel_channel_get_buffered (f->guest), ==, 0);
  f->server_takes = G_MAXUINT64;
  f->send_bytes = 1000000;
  f->sent_bytes = 0;
  f->server_end = FALSE;
  request (f, "/after");
  run_until (f, f->server_end);
}

static void
test_bad_headers (Fixture *f, gconstpointer unused)
{
  g_autofree char *big = g_strnfill (CREEL_CHANNEL_HEADERS_MAX, 'a');
  CreelHeader headers[][1] = { { { "new\nline", "x" } }, { { "x", "new\nline" } }, { { "x", big } } };

  open_both (f);
  for (gsize i = 0; i < G_N_ELEMENTS (headers); i++)
    {
      g_assert_null (creel_channel_request (f->host, "GET", "/", NULL, headers[i], 1, false, &client_handler, f));
      g_assert_cmpint (errno, ==, EINVAL);
    }
  g_assert_null (creel_channel_request (f->host, "GET", "/\r\n", NULL, NULL, 0, false, &client_handler, f));
}

/* The host dies and comes back: the guest's streams are lost, then it answers the new nonce, whatever was left in the pipe. */
static void
test_reconnect (Fixture *f, gconstpointer unused)
{
  open_both (f);
  f->send_bytes = G_MAXUINT64;
  f->server_takes = 0;
  request (f, "/lost");
  run_until (f, f->served != NULL);
  creel_channel_close (f->host, "test");
  g_assert_true (f->closed);
  g_assert_cmpuint (f->code, ==, CREEL_STREAM_LOST);
  g_assert_cmpint (creel_channel_get_state (f->host), ==, CREEL_CHANNEL_CLOSED);
  g_assert_cmpint (creel_channel_get_events (f->host), ==, 0);
  run_until (f, f->guest_closed == 1);
  g_assert_cmpuint (f->server_code, ==, CREEL_STREAM_LOST);
  creel_channel_free (f->host);
  g_assert_cmpint (send (f->fds[0], "half a frame CREEL1 HELL", 24, MSG_NOSIGNAL), ==, 24);
  f->host = creel_channel_new (f->fds[0], CREEL_CHANNEL_HOST, true, &host_handler, f);
  open_both (f);
  g_assert_cmpuint (f->guest_opened, ==, 2);
  f->closed = FALSE;
  f->server_takes = G_MAXUINT64;
  f->send_bytes = 10;
  f->sent_bytes = 0;
  request (f, "/again");
  run_until (f, f->closed);
  g_assert_cmpstr (f->path, ==, "/again");
}

/* A new HELLO without a hang-up between. */
static void
test_new_hello (Fixture *f, gconstpointer unused)
{
  open_both (f);
  creel_channel_free (f->host);
  f->host = creel_channel_new (f->fds[0], CREEL_CHANNEL_HOST, true, &host_handler, f);
  run_until (f, f->guest_opened == 2 && f->host_opened == 2);
  g_assert_cmpuint (f->guest_closed, ==, 1);
}

/* HELLOs that waited while the guest booted, and their READYs, do no harm. */
static void
test_late (Fixture *f, gconstpointer unused)
{
  creel_channel_free (f->guest);
  f->guest = NULL;
  for (int i = 0; i < 4; i++)
    {
      creel_channel_dispatch (f->host, 0);
      g_usleep (CREEL_CHANNEL_HELLO_INTERVAL_USEC + 1000);
    }
  char hello[46];
  g_assert_cmpint (read (f->fds[1], hello, sizeof hello), ==, sizeof hello);
  memcpy (hello, "CREEL1 READY ", 13);
  for (int i = 0; i < 3; i++)
    g_assert_cmpint (send (f->fds[1], hello, sizeof hello, MSG_NOSIGNAL), ==, sizeof hello);
  f->guest = creel_channel_new (f->fds[1], CREEL_CHANNEL_GUEST, false, &guest_handler, f);
  open_both (f);
  f->send_bytes = 10;
  request (f, "/late");
  run_until (f, f->closed);
  g_assert_cmpuint (f->host_closed, ==, 0);
}

static void
test_noise (Fixture *f, gconstpointer unused)
{
  g_autofree char *noise = g_strnfill (65536, 'C');

  g_assert_cmpint (send (f->fds[1], "console\nCREEL1 READY 00\nCREEL1 READY \xff\n", 38, MSG_NOSIGNAL), ==, 38);
  open_both (f);
  g_assert_cmpuint (creel_channel_get_noise (f->host), >=, 38);
  creel_channel_free (f->host);
  close (f->fds[0]);
  close (f->fds[1]);
  creel_channel_free (f->guest);
  fixture_connect (f, FALSE);
  f->guest = NULL;
  for (int i = 0; i < 40 && f->host_closed == 0; i++)
    {
      g_assert_cmpint (send (f->fds[1], noise, 65536, MSG_NOSIGNAL), ==, 65536);
      turn (f, 0);
    }
  g_assert_cmpuint (f->host_closed, ==, 1);
  g_assert_cmpstr (f->last_reason, ==, "the guest sent too much noise before READY");
}

/* Floods: settings, pings, resets. The session ends, memory does not grow. */
static void
test_flood (Fixture *f, gconstpointer kind)
{
  static const guint8 ping[17] = { 0, 0, 8, 6 };
  static const guint8 settings[9] = { 0, 0, 0, 4 };
  static const guint8 unknown_stream[13] = { 0, 0, 4, 3, 0, 0, 0, 0, 99 };
  const guint8 *frame = kind == GINT_TO_POINTER (0) ? ping : kind == GINT_TO_POINTER (1) ? settings : unknown_stream;
  gsize length = kind == GINT_TO_POINTER (0) ? sizeof ping : kind == GINT_TO_POINTER (1) ? sizeof settings : sizeof unknown_stream;
  g_autofree guint8 *many = g_malloc (length * 3000);

  for (int i = 0; i < 3000; i++)
    memcpy (many + i * length, frame, length);
  open_both (f);
  run_idle (f);
  creel_channel_free (f->guest);
  f->guest = NULL;
  for (int i = 0; i < 100 && f->host_closed == 0; i++)
    {
      ssize_t n = send (f->fds[1], many, length * 3000, MSG_NOSIGNAL);

      (void) n;
      turn (f, 0);
    }
  g_assert_cmpuint (f->host_closed, ==, 1);
}

/* 1 GiB out of the guest (64 MiB with a sanitizer): every byte right, memory flat. */
static void
test_long (Fixture *f, gconstpointer unused)
{
  gboolean slow = g_getenv ("CREEL_TEST_LONG") == NULL;
  gint64 began = g_get_monotonic_time ();
  gsize most = 0;

  open_both (f);
  f->serve_bytes = slow ? 64 * 1024 * 1024 : 1024 * 1024 * 1024;
  request (f, "/long");
  while (!f->closed)
    {
      turn (f, 1000);
      most = MAX (most, creel_channel_get_buffered (f->host) + creel_channel_get_buffered (f->guest));
    }
  g_assert_cmpuint (f->received, ==, f->serve_bytes);
  g_assert_cmpuint (most, <=, 1024 * 1024);
  g_test_message ("%.0f MB/s", (double) f->received / (g_get_monotonic_time () - began));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  signal (SIGPIPE, SIG_IGN);
#define ADD(path, data, function) g_test_add (path, Fixture, data, setup, function, teardown)
  ADD ("/channel/round-trip", NULL, test_round_trip);
  ADD ("/channel/slow-reader", NULL, test_slow_reader);
  ADD ("/channel/end-after-bytes", NULL, test_end_after_bytes);
  ADD ("/channel/half-close", NULL, test_half_close);
  ADD ("/channel/reset", NULL, test_reset_by_server);
  ADD ("/channel/many", NULL, test_many);
  ADD ("/channel/bad-headers", NULL, test_bad_headers);
  ADD ("/channel/reconnect", NULL, test_reconnect);
  ADD ("/channel/new-hello", NULL, test_new_hello);
  ADD ("/channel/late", NULL, test_late);
  ADD ("/channel/noise", NULL, test_noise);
  ADD ("/channel/flood/ping", GINT_TO_POINTER (0), test_flood);
  ADD ("/channel/flood/settings", GINT_TO_POINTER (1), test_flood);
  ADD ("/channel/flood/resets", GINT_TO_POINTER (2), test_flood);
  ADD ("/channel/long", NULL, test_long);
  return g_test_run ();
}
