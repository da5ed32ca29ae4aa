/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-channel-private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* -- life of a stream -- */

static CreelStream *
stream_new (CreelChannel *channel, int32_t id)
{
  CreelStream *stream = calloc (1, sizeof *stream);

  if (stream == NULL)
    return NULL;
  stream->channel = channel;
  stream->id = id;
  stream->next = channel->streams;
  if (stream->next != NULL)
    stream->next->previous = stream;
  channel->streams = stream;
  channel->n_streams++;
  return stream;
}

static void
head_free (CreelStream *stream)
{
  free (stream->head);
  stream->head = NULL;
  stream->head_length = stream->head_size = stream->n_headers = 0;
}

/* Tells the peer that n bytes more may come. The window grows once the user has shown that it reads. */
static void
stream_credit (CreelStream *stream, size_t n)
{
  CreelChannel *channel = stream->channel;

  if (n == 0 || channel->session == NULL)
    return;
  nghttp2_session_consume (channel->session, stream->id, n);
  if (stream->http_closed || stream->taken_before_growth >= STREAM_WINDOW_FIRST)
    return;
  stream->taken_before_growth += n;
  if (stream->taken_before_growth >= STREAM_WINDOW_FIRST && !stream->peer_ended)
    nghttp2_session_set_local_window_size (channel->session, NGHTTP2_FLAG_NONE, stream->id, STREAM_WINDOW);
}

static void
kept_drop (CreelStream *stream, size_t n)
{
  creel_byte_queue_drop (&stream->kept, n);
  stream->channel->buffered -= n;
  stream_credit (stream, n);
}

static bool
kept_add (CreelStream *stream, const uint8_t *bytes, size_t n)
{
  if (!creel_byte_queue_add (&stream->kept, bytes, n))
    return false;
  stream->channel->buffered += n;
  return true;
}

/* Nothing may be called back any more; freed when no caller can be inside. */
static void
stream_retire (CreelStream *stream)
{
  CreelChannel *channel = stream->channel;

  if (stream->retired)
    return;
  kept_drop (stream, stream->kept.length);
  head_free (stream);
  stream->retired = stream->detached = true;
  if (stream->previous != NULL)
    stream->previous->next = stream->next;
  else
    channel->streams = stream->next;
  if (stream->next != NULL)
    stream->next->previous = stream->previous;
  channel->n_streams--;
  stream->previous = NULL;
  stream->next = channel->retired;
  channel->retired = stream;
}

static void
stream_finish (CreelStream *stream, uint32_t code)
{
  bool tell = !stream->detached && stream->handler != NULL && stream->handler->closed != NULL;

  stream_retire (stream);
  if (tell)
    stream->handler->closed (stream, code, stream->user_data);
}

/* Tells what was waiting for the bytes before it. */
static void
stream_settle (CreelStream *stream)
{
  stream->waiting = false;
  if (stream->retired || stream->kept.length > 0)
    return;
  if (stream->peer_ended && !stream->end_told && !stream->detached && stream->handler != NULL)
    {
      stream->end_told = true;
      if (stream->handler->end != NULL)
        stream->handler->end (stream, stream->user_data);
    }
  if (stream->http_closed && !stream->retired)
    stream_finish (stream, stream->close_code);
}

static void
stream_set_waiting (CreelStream *stream)
{
  stream->waiting = true;
  stream->channel->some_waiting = true;
}

/* -- callbacks of nghttp2 -- */

static CreelStream *
find_stream (nghttp2_session *session, int32_t id)
{
  return nghttp2_session_get_stream_user_data (session, id);
}

static int
on_begin_headers (nghttp2_session *session, const nghttp2_frame *frame, void *user_data)
{
  CreelChannel *channel = user_data;
  CreelStream *stream;

  if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
    return 0;
  if (channel->n_streams >= 2 * CREEL_CHANNEL_STREAMS_MAX) /* closed ones whose bytes nobody takes count too */
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  stream = stream_new (channel, frame->hd.stream_id);
  if (stream == NULL)
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  nghttp2_session_set_stream_user_data (session, stream->id, stream);
  return 0;
}

static int
on_header (nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_length, const uint8_t *value,
           size_t value_length, uint8_t flags, void *user_data)
{
  CreelStream *stream = find_stream (session, frame->hd.stream_id);
  size_t more = name_length + value_length + 2;

  if (stream == NULL || stream->detached || stream->head_done) /* trailers have no use here */
    return 0;
  if (stream->head_length + more + 32 * (stream->n_headers + 1) > CREEL_CHANNEL_HEADERS_MAX)
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  if (stream->head_size - stream->head_length < more)
    {
      size_t size = stream->head_length + more < 512 ? 512 : CREEL_CHANNEL_HEADERS_MAX;
      char *grown = realloc (stream->head, size);

      if (grown == NULL)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
      stream->head = grown;
      stream->head_size = size;
    }
  memcpy (stream->head + stream->head_length, name, name_length);
  stream->head_length += name_length;
  stream->head[stream->head_length++] = '\0';
  memcpy (stream->head + stream->head_length, value, value_length);
  stream->head_length += value_length;
  stream->head[stream->head_length++] = '\0';
  stream->n_headers++;
  return 0;
}

/* A name or value that HTTP does not allow: the message is refused, not cleaned. */
static int
on_invalid_header (nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_length,
                   const uint8_t *value, size_t value_length, uint8_t flags, void *user_data)
{
  return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

static void
tell_head (CreelStream *stream)
{
  CreelChannel *channel = stream->channel;
  CreelHeader *headers = calloc (stream->n_headers + 1, sizeof *headers);
  CreelHead head = { .headers = headers };
  const char *at = stream->head;

  if (headers == NULL)
    {
      nghttp2_submit_rst_stream (channel->session, NGHTTP2_FLAG_NONE, stream->id, NGHTTP2_INTERNAL_ERROR);
      return;
    }
  for (size_t i = 0; i < stream->n_headers; i++)
    {
      const char *name = at;
      const char *value = name + strlen (name) + 1;

      at = value + strlen (value) + 1;
      if (strcmp (name, ":method") == 0)
        head.method = value;
      else if (strcmp (name, ":path") == 0)
        head.path = value;
      else if (strcmp (name, ":authority") == 0)
        head.authority = value;
      else if (strcmp (name, ":status") == 0)
        head.status = atoi (value);
      else if (name[0] != ':')
        headers[head.n_headers++] = (CreelHeader){ name, value };
    }
  if (channel->http_client && head.status >= 100 && head.status < 200)
    head_free (stream);
  else
    {
      stream->head_done = true;
      if (channel->http_client)
        {
          if (stream->handler != NULL && stream->handler->response != NULL)
            stream->handler->response (stream, &head, stream->user_data);
        }
      else
        {
          if (channel->handler->request != NULL)
            channel->handler->request (channel, stream, &head, channel->user_data);
          if (!stream->detached && stream->handler == NULL)
            creel_stream_reset (stream, CREEL_STREAM_REFUSED);
        }
      head_free (stream);
    }
  free (headers);
}

static int
on_frame_recv (nghttp2_session *session, const nghttp2_frame *frame, void *user_data)
{
  CreelChannel *channel = user_data;
  CreelStream *stream;

  if (frame->hd.type == NGHTTP2_GOAWAY && channel->close_reason == NULL)
    channel->close_reason = frame->goaway.error_code == NGHTTP2_NO_ERROR ? "the other end closed the session"
                                                                        : "the other end reported an HTTP/2 error";
  if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA)
    return 0;
  stream = find_stream (session, frame->hd.stream_id);
  if (stream == NULL)
    return 0;
  if (frame->hd.type == NGHTTP2_HEADERS && !stream->head_done && !stream->detached)
    tell_head (stream);
  if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0)
    {
      stream->peer_ended = true;
      stream_settle (stream);
    }
  return 0;
}

/* Offers bytes to the user. Returns how many were taken. */
static size_t
offer (CreelStream *stream, const uint8_t *bytes, size_t n)
{
  size_t taken;

  if (stream->handler == NULL || stream->handler->data == NULL || stream->offering)
    return 0;
  stream->offering = true;
  taken = stream->handler->data (stream, bytes, n, stream->user_data);
  stream->offering = false;
  return taken < n ? taken : n;
}

static int
on_data_chunk (nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *bytes, size_t n, void *user_data)
{
  CreelStream *stream = find_stream (session, id);
  size_t taken = 0;

  if (stream == NULL || stream->detached)
    {
      nghttp2_session_consume (session, id, n);
      return 0;
    }
  if (stream->kept.length == 0)
    taken = offer (stream, bytes, n);
  if (stream->detached)
    taken = n;
  if (taken < n && !kept_add (stream, bytes + taken, n - taken))
    return NGHTTP2_ERR_CALLBACK_FAILURE;
  stream_credit (stream, taken);
  return 0;
}

static void
http_closed (CreelStream *stream, uint32_t code)
{
  stream->http_closed = true;
  stream->close_code = code;
  if (stream->detached || code != NGHTTP2_NO_ERROR)
    stream_finish (stream, code);
  else
    stream_settle (stream);
}

static int
on_stream_close (nghttp2_session *session, int32_t id, uint32_t code, void *user_data)
{
  CreelStream *stream = find_stream (session, id);

  if (stream != NULL)
    {
      nghttp2_session_set_stream_user_data (session, id, NULL);
      http_closed (stream, code);
    }
  return 0;
}

/* A request that could not be sent never was a stream for nghttp2. */
static int
on_frame_not_send (nghttp2_session *session, const nghttp2_frame *frame, int code, void *user_data)
{
  CreelChannel *channel = user_data;

  if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
    return 0;
  for (CreelStream *stream = channel->streams; stream != NULL; stream = stream->next)
    if (stream->id == frame->hd.stream_id && !stream->http_closed)
      {
        http_closed (stream, NGHTTP2_REFUSED_STREAM);
        break;
      }
  return 0;
}

/* The bytes go to their final place in `out`, behind the frame head that on_send_data puts there right afterwards. */
static ssize_t
on_read (nghttp2_session *session, int32_t id, uint8_t *unused, size_t length, uint32_t *ret_flags, nghttp2_data_source *source,
         void *user_data)
{
  CreelChannel *channel = user_data;
  CreelStream *stream = source->ptr;
  size_t room = OUT_SIZE - channel->out_end - FRAME_HEAD_SIZE;
  bool end = false;
  ssize_t n;

  if (stream->detached)
    return NGHTTP2_ERR_DEFERRED;
  if (stream->handler == NULL || stream->handler->pull == NULL)
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  n = stream->handler->pull (stream, channel->out + channel->out_end + FRAME_HEAD_SIZE, length < room ? length : room, &end,
                             stream->user_data);
  if (stream->detached)
    return NGHTTP2_ERR_DEFERRED;
  if (n < 0 || (size_t) n > length || (size_t) n > room)
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  if (n == 0 && !end)
    return NGHTTP2_ERR_DEFERRED;
  *ret_flags = NGHTTP2_DATA_FLAG_NO_COPY | (end ? NGHTTP2_DATA_FLAG_EOF : 0);
  return n;
}

static int
on_send_data (nghttp2_session *session, nghttp2_frame *frame, const uint8_t *frame_head, size_t length,
              nghttp2_data_source *source, void *user_data)
{
  CreelChannel *channel = user_data;

  memcpy (channel->out + channel->out_end, frame_head, FRAME_HEAD_SIZE);
  channel->out_end += FRAME_HEAD_SIZE + length;
  channel->data_sent = true;
  return NGHTTP2_ERR_PAUSE; /* sent, but look at the room that is left before the next */
}

static ssize_t
on_read_length (nghttp2_session *session, uint8_t frame_type, int32_t id, int32_t session_window, int32_t stream_window,
                uint32_t max_frame_size, void *user_data)
{
  int32_t length = session_window < stream_window ? session_window : stream_window;

  if (length > (int32_t) max_frame_size)
    length = (int32_t) max_frame_size;
  return length < FRAME_SIZE ? length : FRAME_SIZE;
}

/* -- the session -- */

static void
set_callbacks (nghttp2_session_callbacks *callbacks)
{
  nghttp2_session_callbacks_set_on_begin_headers_callback (callbacks, on_begin_headers);
  nghttp2_session_callbacks_set_on_header_callback (callbacks, on_header);
  nghttp2_session_callbacks_set_on_invalid_header_callback (callbacks, on_invalid_header);
  nghttp2_session_callbacks_set_on_frame_recv_callback (callbacks, on_frame_recv);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback (callbacks, on_data_chunk);
  nghttp2_session_callbacks_set_on_stream_close_callback (callbacks, on_stream_close);
  nghttp2_session_callbacks_set_on_frame_not_send_callback (callbacks, on_frame_not_send);
  nghttp2_session_callbacks_set_send_data_callback (callbacks, on_send_data);
  nghttp2_session_callbacks_set_data_source_read_length_callback (callbacks, on_read_length);
}

static void
set_options (nghttp2_option *option)
{
  nghttp2_option_set_no_auto_window_update (option, 1);
  nghttp2_option_set_no_closed_streams (option, 1);
  nghttp2_option_set_peer_max_concurrent_streams (option, CREEL_CHANNEL_STREAMS_MAX);
  nghttp2_option_set_max_send_header_block_length (option, CREEL_CHANNEL_HEADERS_MAX * 2);
  nghttp2_option_set_max_outbound_ack (option, 256);
  nghttp2_option_set_max_settings (option, 16);
#if CREEL_HAVE_STREAM_RESET_RATE_LIMIT
  /* every connection that a program of the guest drops is a reset: a thousand a second is work, more is a flood */
  nghttp2_option_set_stream_reset_rate_limit (option, 10000, 1000);
#endif
#if CREEL_HAVE_MAX_CONTINUATIONS
  nghttp2_option_set_max_continuations (option, 4);
#endif
}

bool
creel_session_begin (CreelChannel *channel)
{
  nghttp2_settings_entry settings[] = {
    { NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, CREEL_CHANNEL_STREAMS_MAX },
    { NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW_FIRST },
    { NGHTTP2_SETTINGS_MAX_FRAME_SIZE, FRAME_SIZE },
    { NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, CREEL_CHANNEL_HEADERS_MAX },
    { NGHTTP2_SETTINGS_ENABLE_PUSH, 0 },
  };
  size_t n_settings = sizeof settings / sizeof settings[0] - (channel->http_client ? 0 : 1);
  nghttp2_session_callbacks *callbacks = NULL;
  nghttp2_option *option = NULL;
  int result = -1;

  if (nghttp2_session_callbacks_new (&callbacks) == 0 && nghttp2_option_new (&option) == 0)
    {
      set_callbacks (callbacks);
      set_options (option);
      if (channel->http_client)
        result = nghttp2_session_client_new2 (&channel->session, callbacks, channel, option);
      else
        result = nghttp2_session_server_new2 (&channel->session, callbacks, channel, option);
    }
  nghttp2_option_del (option);
  nghttp2_session_callbacks_del (callbacks);
  return result == 0 && nghttp2_submit_settings (channel->session, NGHTTP2_FLAG_NONE, settings, n_settings) == 0 &&
         nghttp2_session_set_local_window_size (channel->session, NGHTTP2_FLAG_NONE, 0, CONNECTION_WINDOW) == 0;
}

bool
creel_session_feed (CreelChannel *channel, const uint8_t *bytes, size_t n_bytes)
{
  ssize_t used = nghttp2_session_mem_recv (channel->session, bytes, n_bytes);

  return used >= 0 && (size_t) used == n_bytes;
}

/* Moves what nghttp2 has to send into `out` while there is room for any frame. */
bool
creel_session_fill (CreelChannel *channel)
{
  while (true)
    {
      const uint8_t *bytes;
      ssize_t n;

      if (OUT_SIZE - channel->out_end < OUT_ROOM_MIN)
        {
          size_t length = channel->out_end - channel->out_start;

          if (length > OUT_SIZE / 4)
            return true;
          memmove (channel->out, channel->out + channel->out_start, length);
          channel->out_start = 0;
          channel->out_end = length;
        }
      channel->data_sent = false;
      n = nghttp2_session_mem_send (channel->session, &bytes);
      if (n < 0 || (size_t) n > OUT_SIZE - channel->out_end)
        return false;
      if (n == 0 && !channel->data_sent)
        return true;
      if (n > 0)
        memcpy (channel->out + channel->out_end, bytes, n);
      channel->out_end += n;
    }
}

static void
free_retired (CreelChannel *channel)
{
  while (channel->retired != NULL)
    {
      CreelStream *stream = channel->retired;

      channel->retired = stream->next;
      free (stream);
    }
}

void
creel_session_settle (CreelChannel *channel)
{
  while (channel->some_waiting)
    {
      CreelStream *stream = channel->streams;

      /* from the start each time: a callback may end any stream */
      while (stream != NULL && !stream->waiting)
        stream = stream->next;
      if (stream == NULL)
        channel->some_waiting = false;
      else
        stream_settle (stream);
    }
  free_retired (channel);
}

void
creel_session_end (CreelChannel *channel)
{
  nghttp2_session *session = channel->session;

  /* No stream closes through nghttp2 from here, and no request starts. */
  channel->session = NULL;
  if (channel->state == CREEL_CHANNEL_OPEN)
    channel->state = CREEL_CHANNEL_HANDSHAKE;
  while (channel->streams != NULL)
    stream_finish (channel->streams, CREEL_STREAM_LOST);
  nghttp2_session_del (session);
  free_retired (channel);
  channel->some_waiting = false;
}

/* -- what users call -- */

CreelStream *
creel_channel_request (CreelChannel *channel, const char *method, const char *path, const char *authority, const CreelHeader *headers,
                       size_t n_headers, bool body, const CreelStreamHandler *handler, void *user_data)
{
  bool connect = strcmp (method, "CONNECT") == 0;
  nghttp2_data_provider provider = { .read_callback = on_read };
  nghttp2_nv nvs[64];
  size_t n_nvs = 0;
  CreelStream *stream;

  if (channel->state != CREEL_CHANNEL_OPEN || channel->session == NULL)
    return errno = ENOTCONN, NULL;
  if (channel->n_streams >= CREEL_CHANNEL_STREAMS_MAX)
    return errno = EMFILE, NULL;
  if (!channel->http_client || n_headers > sizeof nvs / sizeof nvs[0] - 4 || (connect ? authority : path) == NULL)
    return errno = EINVAL, NULL;
  nvs[n_nvs++] = creel_head_make (":method", method);
  if (!connect)
    {
      nvs[n_nvs++] = creel_head_make (":scheme", "http");
      nvs[n_nvs++] = creel_head_make (":path", path);
    }
  nvs[n_nvs++] = creel_head_make (":authority", authority != NULL ? authority : "creel"); /* HTTP wants one */
  n_nvs = creel_head_add (nvs, n_nvs, headers, n_headers);
  if (n_nvs == 0)
    return errno = EINVAL, NULL;
  stream = stream_new (channel, -1);
  if (stream == NULL)
    return NULL;
  stream->handler = handler;
  stream->user_data = user_data;
  provider.source.ptr = stream;
  stream->id = nghttp2_submit_request (channel->session, NULL, nvs, n_nvs, body ? &provider : NULL, stream);
  if (stream->id < 0)
    {
      stream_retire (stream);
      return errno = EMFILE, NULL;
    }
  return stream;
}

int
creel_stream_respond (CreelStream *stream, int status, const CreelHeader *headers, size_t n_headers, bool body)
{
  CreelChannel *channel = stream->channel;
  nghttp2_data_provider provider = { .source.ptr = stream, .read_callback = on_read };
  nghttp2_nv nvs[64];
  char text[16];
  size_t n_nvs = 0;

  if (channel->session == NULL || channel->http_client || stream->detached || stream->http_closed || stream->answered ||
      n_headers > sizeof nvs / sizeof nvs[0] - 1 || status < 200 || status > 999)
    return -1;
  snprintf (text, sizeof text, "%d", status);
  nvs[n_nvs++] = creel_head_make (":status", text);
  n_nvs = creel_head_add (nvs, n_nvs, headers, n_headers);
  if (n_nvs == 0 || nghttp2_submit_response (channel->session, stream->id, nvs, n_nvs, body ? &provider : NULL) != 0)
    return -1;
  stream->answered = true;
  return 0;
}

void
creel_stream_keep_small (CreelStream *stream)
{
  stream->taken_before_growth = STREAM_WINDOW_FIRST;
}

void
creel_stream_resume (CreelStream *stream)
{
  /* an error says that it is not deferred: `pull` comes anyway, or never */
  if (stream->channel->session != NULL && !stream->detached && !stream->http_closed)
    nghttp2_session_resume_data (stream->channel->session, stream->id);
}

void
creel_stream_receive (CreelStream *stream)
{
  while (!stream->detached && stream->kept.length > 0)
    {
      size_t n;
      const uint8_t *bytes = creel_byte_queue_peek (&stream->kept, &n);
      size_t taken = offer (stream, bytes, n);

      if (taken == 0 || stream->detached)
        break;
      kept_drop (stream, taken);
    }
  if (!stream->detached && !stream->offering)
    stream_settle (stream);
}

size_t
creel_stream_read (CreelStream *stream, uint8_t *buffer, size_t size)
{
  size_t done = 0;

  while (!stream->detached && done < size && stream->kept.length > 0)
    {
      size_t n;
      const uint8_t *bytes = creel_byte_queue_peek (&stream->kept, &n);

      if (n > size - done)
        n = size - done;
      memcpy (buffer + done, bytes, n);
      done += n;
      kept_drop (stream, n);
    }
  if (done > 0 && stream->kept.length == 0 && (stream->peer_ended || stream->http_closed))
    stream_set_waiting (stream);
  return done;
}

bool
creel_stream_at_end (CreelStream *stream)
{
  return stream->peer_ended && stream->kept.length == 0;
}

void
creel_stream_reset (CreelStream *stream, uint32_t code)
{
  CreelChannel *channel = stream->channel;

  if (stream->detached)
    return;
  stream->detached = true;
  kept_drop (stream, stream->kept.length);
  if (stream->http_closed || channel->session == NULL)
    stream_retire (stream);
  else if (nghttp2_submit_rst_stream (channel->session, NGHTTP2_FLAG_NONE, stream->id, code) != 0 && channel->close_reason == NULL)
    channel->close_reason = "no memory";
}
