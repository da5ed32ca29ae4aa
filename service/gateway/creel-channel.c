/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-channel-private.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

/* Per dispatch, so that one busy channel does not starve its loop. A virtio port gives 4 KiB per read. */
#define DISPATCH_BYTES (256 * 1024)
#define HOLD_USEC (50 * 1000)

uint64_t
creel_channel_now (void)
{
  struct timespec now;

  clock_gettime (CLOCK_MONOTONIC, &now);
  return (uint64_t) now.tv_sec * 1000000 + (uint64_t) now.tv_nsec / 1000;
}

static bool
make_nonce (char nonce[CREEL_CHANNEL_NONCE_LENGTH + 1])
{
  uint8_t bytes[CREEL_CHANNEL_NONCE_LENGTH / 2];

  if (getrandom (bytes, sizeof bytes, 0) != (ssize_t) sizeof bytes)
    return false;
  for (size_t i = 0; i < sizeof bytes; i++)
    snprintf (nonce + 2 * i, 3, "%02x", bytes[i]);
  return true;
}

CreelChannel *
creel_channel_new (int fd, CreelChannelSide side, bool http_client, const CreelChannelHandler *handler, void *user_data)
{
  CreelChannel *channel = calloc (1, sizeof *channel);

  if (channel == NULL)
    return NULL;
  channel->fd = fd;
  channel->side = side;
  channel->http_client = http_client;
  channel->handler = handler;
  channel->user_data = user_data;
  channel->out = malloc (OUT_SIZE);
  channel->in = malloc (IN_SIZE);
  if (channel->out == NULL || channel->in == NULL || (side == CREEL_CHANNEL_HOST && !make_nonce (channel->nonce)))
    {
      creel_channel_free (channel);
      return NULL;
    }
  return channel;
}

void
creel_channel_free (CreelChannel *channel)
{
  if (channel == NULL)
    return;
  creel_session_end (channel);
  free (channel->out);
  free (channel->in);
  free (channel);
}

CreelChannelState
creel_channel_get_state (CreelChannel *channel)
{
  return channel->state;
}

void *
creel_channel_get_user_data (CreelChannel *channel)
{
  return channel->user_data;
}

uint64_t
creel_channel_get_noise (CreelChannel *channel)
{
  return channel->noise;
}

size_t
creel_channel_get_n_streams (CreelChannel *channel)
{
  return channel->n_streams;
}

size_t
creel_channel_get_buffered (CreelChannel *channel)
{
  return channel->buffered;
}

short
creel_channel_get_events (CreelChannel *channel)
{
  short events = POLLIN;

  if (channel->state == CREEL_CHANNEL_CLOSED || channel->hold_until != 0)
    return 0;
  if (channel->out_end > channel->out_start)
    events |= POLLOUT;
  else if (channel->session != NULL && nghttp2_session_want_write (channel->session))
    events |= POLLOUT;
  return events;
}

uint64_t
creel_channel_get_deadline (CreelChannel *channel)
{
  if (channel->some_waiting || channel->retired != NULL || channel->close_reason != NULL)
    return 0;
  if (channel->state == CREEL_CHANNEL_HANDSHAKE && channel->side == CREEL_CHANNEL_HOST)
    return channel->hello_at;
  if (channel->hold_until != 0)
    return channel->hold_until;
  return UINT64_MAX;
}

/* Ends the session. For the guest a new life begins, for the host's end this was all. */
static void
end_session (CreelChannel *channel, const char *reason)
{
  bool was_handshake = channel->state == CREEL_CHANNEL_HANDSHAKE;

  channel->close_reason = NULL;
  creel_session_end (channel);
  channel->out_start = channel->out_end = 0;
  channel->line_length = 0;
  if (channel->side == CREEL_CHANNEL_GUEST)
    {
      channel->state = CREEL_CHANNEL_HANDSHAKE;
      channel->nonce[0] = '\0';
      if (was_handshake)
        return;
    }
  else
    {
      if (channel->state == CREEL_CHANNEL_CLOSED)
        return;
      channel->state = CREEL_CHANNEL_CLOSED;
    }
  if (channel->handler->closed != NULL)
    channel->handler->closed (channel, reason, channel->user_data);
}

void
creel_channel_close (CreelChannel *channel, const char *reason)
{
  if (channel->dispatching)
    {
      if (channel->close_reason == NULL)
        channel->close_reason = reason;
      return;
    }
  if (channel->session != NULL)
    {
      nghttp2_session_terminate_session (channel->session, NGHTTP2_NO_ERROR);
      channel->dispatching = true;
      if (creel_session_fill (channel) && channel->out_end > channel->out_start)
        {
          ssize_t n = write (channel->fd, channel->out + channel->out_start, channel->out_end - channel->out_start);

          (void) n; /* tried is enough: the other end also sees the hang-up or the next HELLO */
        }
      channel->dispatching = false;
    }
  end_session (channel, reason);
}

static void
queue_line (CreelChannel *channel, const char *word)
{
  char line[LINE_MAX_LENGTH + 2];
  int length = snprintf (line, sizeof line, "CREEL1 %s %s\n", word, channel->nonce);

  if (OUT_SIZE - channel->out_end < (size_t) length)
    return;
  memcpy (channel->out + channel->out_end, line, length);
  channel->out_end += length;
}

static void
open_session (CreelChannel *channel)
{
  channel->hello_at = UINT64_MAX;
  if (!creel_session_begin (channel))
    {
      channel->close_reason = "cannot begin an HTTP/2 session: no memory";
      return;
    }
  channel->state = CREEL_CHANNEL_OPEN;
  channel->first_bytes = true;
  if (channel->handler->opened != NULL)
    channel->handler->opened (channel, channel->user_data);
}

static bool
is_nonce (const char *text)
{
  return strlen (text) == CREEL_CHANNEL_NONCE_LENGTH && strspn (text, "0123456789abcdef") == CREEL_CHANNEL_NONCE_LENGTH;
}

/* One line of the handshake arrived. Returns whether HTTP/2 begins with the next byte. */
static bool
take_line (CreelChannel *channel, bool *ret_ready)
{
  const char *nonce = channel->line + sizeof "CREEL1 HELLO " - 1;

  channel->line[channel->line_length] = '\0';
  if (channel->line_length != LINE_MAX_LENGTH || !is_nonce (nonce))
    return false;
  if (channel->side == CREEL_CHANNEL_HOST)
    {
      if (strncmp (channel->line, "CREEL1 READY ", sizeof "CREEL1 READY " - 1) != 0 || strcmp (nonce, channel->nonce) != 0)
        return false;
      queue_line (channel, "START");
      return true;
    }
  if (strncmp (channel->line, "CREEL1 HELLO ", sizeof "CREEL1 HELLO " - 1) == 0)
    {
      memcpy (channel->nonce, nonce, sizeof channel->nonce);
      *ret_ready = true;
      return false;
    }
  return strncmp (channel->line, "CREEL1 START ", sizeof "CREEL1 START " - 1) == 0 && strcmp (nonce, channel->nonce) == 0;
}

/* Looks for the line this end waits for in whatever arrives. 'C' is nowhere in a line but at its start, so a 'C' always begins anew. */
static size_t
take_handshake (CreelChannel *channel, const uint8_t *bytes, size_t n_bytes)
{
  bool ready = false;
  size_t used = 0;
  bool start = false;

  while (used < n_bytes && !start)
    {
      char c = (char) bytes[used++];

      channel->noise++;
      if (c == 'C')
        {
          channel->line[0] = c;
          channel->line_length = 1;
        }
      else if (c == '\n')
        {
          start = take_line (channel, &ready);
          if (start || ready)
            channel->noise -= channel->line_length + 1;
          channel->line_length = 0;
        }
      else if (channel->line_length > 0)
        {
          if (channel->line_length < LINE_MAX_LENGTH)
            channel->line[channel->line_length++] = c;
          else
            channel->line_length = 0;
        }
    }

  /* Many HELLOs wait for a guest that boots: one answer is enough. None when START is there too. */
  if (ready && !start)
    queue_line (channel, "READY");
  if (start)
    open_session (channel);
  else if (channel->side == CREEL_CHANNEL_HOST && channel->noise > CREEL_CHANNEL_NOISE_MAX)
    channel->close_reason = "the guest sent too much noise before READY";
  return used;
}

/* Host: READYs for HELLOs that were under way may precede the guest's HTTP/2, which never begins with 'C'. Returns the bytes skipped. */
static size_t
skip_late_ready (CreelChannel *channel, const uint8_t *bytes, size_t n_bytes)
{
  size_t used = 0;

  while (channel->first_bytes && used < n_bytes)
    {
      char c = (char) bytes[used];

      if (channel->line_length == 0 && c != 'C')
        {
          channel->first_bytes = false;
          break;
        }
      used++;
      channel->noise++;
      if (c == '\n')
        channel->line_length = 0;
      else if (channel->line_length < LINE_MAX_LENGTH)
        channel->line[channel->line_length++] = c;
      else
        {
          channel->close_reason = "the guest sent something else than HTTP/2";
          return n_bytes;
        }
      if (channel->noise > CREEL_CHANNEL_NOISE_MAX)
        {
          channel->close_reason = "the guest sent too much noise after READY";
          return n_bytes;
        }
    }
  return used;
}

static void
take_bytes (CreelChannel *channel, const uint8_t *bytes, size_t n_bytes)
{
  while (n_bytes > 0 && channel->close_reason == NULL)
    {
      size_t used = n_bytes;

      if (channel->state == CREEL_CHANNEL_HANDSHAKE)
        used = take_handshake (channel, bytes, n_bytes);
      else if (channel->side == CREEL_CHANNEL_HOST && channel->first_bytes)
        used = skip_late_ready (channel, bytes, n_bytes);
      else if (!creel_session_feed (channel, bytes, n_bytes) && channel->close_reason == NULL)
        channel->close_reason = "HTTP/2 protocol error";
      bytes += used;
      n_bytes -= used;
    }
}

/* Reads what is there. Returns whether the other end is gone. */
static bool
read_some (CreelChannel *channel)
{
  for (size_t total = 0; total < DISPATCH_BYTES && channel->close_reason == NULL;)
    {
      size_t filled = 0;
      ssize_t n = 0;

      /* a virtio port gives a page per read: gather some, HTTP/2 is faster with more at once */
      while (filled < IN_SIZE)
        {
          n = read (channel->fd, channel->in + filled, IN_SIZE - filled);
          if (n < 0 && errno == EINTR)
            continue;
          if (n <= 0)
            break;
          filled += n;
        }
      int code = errno;

      take_bytes (channel, channel->in, filled);
      total += filled;
      if (n == 0)
        return true;
      if (n < 0)
        return code != EAGAIN;
    }
  return false;
}

static bool
write_some (CreelChannel *channel)
{
  for (size_t total = 0; total < DISPATCH_BYTES && channel->close_reason == NULL;)
    {
      ssize_t n;

      if (channel->session != NULL && !creel_session_fill (channel))
        {
          channel->close_reason = "HTTP/2 protocol error";
          return false;
        }
      if (channel->out_start == channel->out_end)
        return false;
      n = write (channel->fd, channel->out + channel->out_start, channel->out_end - channel->out_start);
      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0)
        return errno != EAGAIN;
      total += n;
      channel->out_start += n;
      if (channel->out_start == channel->out_end)
        channel->out_start = channel->out_end = 0;
    }
  return false;
}

void
creel_channel_dispatch (CreelChannel *channel, short revents)
{
  uint64_t now = creel_channel_now ();
  bool gone = false;

  if (channel->state == CREEL_CHANNEL_CLOSED)
    return;
  channel->dispatching = true;
  if (channel->state == CREEL_CHANNEL_HANDSHAKE && channel->side == CREEL_CHANNEL_HOST && now >= channel->hello_at)
    {
      channel->hello_at = now + CREEL_CHANNEL_HELLO_INTERVAL_USEC;
      if (channel->out_start == channel->out_end)
        queue_line (channel, "HELLO");
    }
  if (channel->hold_until != 0 && now >= channel->hold_until)
    channel->hold_until = 0;

  if ((revents & ~POLLOUT) != 0)
    gone = read_some (channel);
  creel_session_settle (channel);
  if (!gone && channel->close_reason == NULL)
    gone = write_some (channel);
  creel_session_settle (channel);
  if (channel->session != NULL && channel->close_reason == NULL && !nghttp2_session_want_read (channel->session) &&
      !nghttp2_session_want_write (channel->session) && channel->out_start == channel->out_end)
    channel->close_reason = "HTTP/2 session ended";
  channel->dispatching = false;

  if (gone && channel->close_reason == NULL)
    channel->close_reason = "the connection was closed";
  if (gone && channel->side == CREEL_CHANNEL_GUEST)
    channel->hold_until = now + HOLD_USEC;
  if (channel->close_reason != NULL)
    end_session (channel, channel->close_reason);
}

void
creel_stream_set_handler (CreelStream *stream, const CreelStreamHandler *handler, void *user_data)
{
  stream->handler = handler;
  stream->user_data = user_data;
}

void *
creel_stream_get_user_data (CreelStream *stream)
{
  return stream->user_data;
}

CreelChannel *
creel_stream_get_channel (CreelStream *stream)
{
  return stream->channel;
}

bool
creel_stream_is_closed (CreelStream *stream)
{
  return stream->http_closed;
}
