/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-endpoint.h"

#include <string.h>
#include <sys/socket.h>

typedef struct
{
  guint8 *data;
  gsize start, end, allocated;
} Buffer;

struct _CreelEndpoint
{
  grefcount ref_count;
  GIOStream *stream;
  GPollableInputStream *in;
  GPollableOutputStream *out;
  Buffer unread, unsent;
  GSource *in_source, *out_source;
  CreelEndpointFunc func;
  gpointer user_data;
  guint64 bytes_read, bytes_written;
  gboolean reading, eof, failed, source_is_steady;
  gboolean shutdown_wanted, shutdown_done, closed;
};

/* Both buffers may hold a key for a while: they are wiped when they are given up. */
static void
buffer_release (Buffer *buffer)
{
  if (buffer->data != NULL)
    explicit_bzero (buffer->data, buffer->allocated);
  g_clear_pointer (&buffer->data, g_free);
  buffer->start = buffer->end = buffer->allocated = 0;
}

static void
buffer_reserve (Buffer *buffer, gsize room)
{
  gsize used = buffer->end - buffer->start;
  guint8 *data;

  if (buffer->allocated - buffer->end >= room)
    return;
  if (buffer->allocated - used >= room)
    {
      memmove (buffer->data, buffer->data + buffer->start, used);
      buffer->start = 0;
      buffer->end = used;
      return;
    }
  gsize allocated = MAX (buffer->allocated * 2, MAX (used + room, 4096));
  data = g_malloc (allocated);
  if (used > 0)
    memcpy (data, buffer->data + buffer->start, used);
  buffer_release (buffer);
  *buffer = (Buffer){ data, 0, used, allocated };
}

static void
buffer_drop (Buffer *buffer, gsize size)
{
  buffer->start += size;
  if (buffer->start == buffer->end)
    buffer->start = buffer->end = 0;
}

static void
clear_source (GSource **source)
{
  if (*source == NULL)
    return;
  g_source_destroy (*source);
  g_clear_pointer (source, g_source_unref);
}

CreelEndpoint *
creel_endpoint_new (GIOStream *stream)
{
  CreelEndpoint *endpoint = g_new0 (CreelEndpoint, 1);

  g_ref_count_init (&endpoint->ref_count);
  endpoint->stream = g_object_ref (stream);
  endpoint->in = G_POLLABLE_INPUT_STREAM (g_io_stream_get_input_stream (stream));
  endpoint->out = G_POLLABLE_OUTPUT_STREAM (g_io_stream_get_output_stream (stream));
  return endpoint;
}

CreelEndpoint *
creel_endpoint_ref (CreelEndpoint *endpoint)
{
  g_ref_count_inc (&endpoint->ref_count);
  return endpoint;
}

void
creel_endpoint_unref (CreelEndpoint *endpoint)
{
  if (endpoint == NULL || !g_ref_count_dec (&endpoint->ref_count))
    return;
  creel_endpoint_close (endpoint);
  buffer_release (&endpoint->unread);
  buffer_release (&endpoint->unsent);
  g_clear_object (&endpoint->stream);
  g_free (endpoint);
}

static void
notify (CreelEndpoint *endpoint)
{
  if (endpoint->func != NULL)
    endpoint->func (endpoint, endpoint->user_data);
}

static gsize
get_unread (CreelEndpoint *endpoint)
{
  return endpoint->unread.end - endpoint->unread.start;
}

static void arm_input (CreelEndpoint *endpoint);

/* Reads until the stream has no more or the buffer is full; TRUE when it has no more for now. */
static gboolean
fill (CreelEndpoint *endpoint)
{
  while (!endpoint->eof && get_unread (endpoint) < CREEL_ENDPOINT_READ_MAX)
    {
      g_autoptr (GError) error = NULL;
      gsize room = MIN (16 * 1024, CREEL_ENDPOINT_READ_MAX - get_unread (endpoint));
      gssize n;

      buffer_reserve (&endpoint->unread, room);
      n = g_pollable_input_stream_read_nonblocking (endpoint->in, endpoint->unread.data + endpoint->unread.end, room,
                                                    NULL, &error);
      if (n > 0)
        {
          endpoint->unread.end += (gsize) n;
          endpoint->bytes_read += (guint64) n;
          continue;
        }
      if (n < 0 && g_error_matches (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK))
        {
          if (get_unread (endpoint) == 0)
            buffer_release (&endpoint->unread);
          return TRUE;
        }
      endpoint->eof = TRUE;
      if (n < 0)
        endpoint->failed = TRUE;
    }
  return FALSE;
}

static gboolean
on_readable (GObject *stream, gpointer user_data)
{
  g_autoptr (CreelEndpoint) endpoint = creel_endpoint_ref (user_data);
  gboolean drained = fill (endpoint);

  /* a source made while a TLS record was pending fires at once and for ever: make a new one */
  if (!drained || !endpoint->source_is_steady)
    {
      clear_source (&endpoint->in_source);
      endpoint->source_is_steady = drained;
    }
  notify (endpoint);
  if (!endpoint->closed)
    arm_input (endpoint);
  return G_SOURCE_CONTINUE;
}

static void
arm_input (CreelEndpoint *endpoint)
{
  gboolean wanted = endpoint->reading && endpoint->func != NULL && !endpoint->eof && !endpoint->closed &&
                    get_unread (endpoint) < CREEL_ENDPOINT_READ_MAX;

  if (!wanted)
    {
      clear_source (&endpoint->in_source);
      endpoint->source_is_steady = FALSE;
    }
  else if (endpoint->in_source == NULL)
    {
      endpoint->in_source = g_pollable_input_stream_create_source (endpoint->in, NULL);
      g_source_set_callback (endpoint->in_source, G_SOURCE_FUNC (on_readable), endpoint, NULL);
      g_source_attach (endpoint->in_source, NULL);
    }
}

void
creel_endpoint_set_func (CreelEndpoint *endpoint, CreelEndpointFunc func, gpointer user_data)
{
  endpoint->func = func;
  endpoint->user_data = user_data;
  arm_input (endpoint);
}

void
creel_endpoint_set_reading (CreelEndpoint *endpoint, gboolean reading)
{
  endpoint->reading = reading;
  arm_input (endpoint);
}

const guint8 *
creel_endpoint_peek (CreelEndpoint *endpoint, gsize *ret_size)
{
  *ret_size = get_unread (endpoint);
  return endpoint->unread.data + endpoint->unread.start;
}

void
creel_endpoint_consume (CreelEndpoint *endpoint, gsize size)
{
  buffer_drop (&endpoint->unread, size);
  arm_input (endpoint);
}

gboolean
creel_endpoint_at_eof (CreelEndpoint *endpoint)
{
  return endpoint->eof;
}

gboolean
creel_endpoint_has_failed (CreelEndpoint *endpoint)
{
  return endpoint->failed;
}

void
creel_endpoint_write (CreelEndpoint *endpoint, gconstpointer data, gsize size)
{
  if (endpoint->closed || endpoint->failed || size == 0)
    return;
  buffer_reserve (&endpoint->unsent, size);
  memcpy (endpoint->unsent.data + endpoint->unsent.end, data, size);
  endpoint->unsent.end += size;
}

gsize
creel_endpoint_get_pending (CreelEndpoint *endpoint)
{
  return endpoint->unsent.end - endpoint->unsent.start;
}

static gboolean
on_writable (GObject *stream, gpointer user_data)
{
  g_autoptr (CreelEndpoint) endpoint = creel_endpoint_ref (user_data);

  creel_endpoint_flush (endpoint);
  notify (endpoint);
  return G_SOURCE_CONTINUE;
}

static void
send_end (CreelEndpoint *endpoint)
{
  endpoint->shutdown_done = TRUE;
  if (G_IS_SOCKET_CONNECTION (endpoint->stream))
    g_socket_shutdown (g_socket_connection_get_socket (G_SOCKET_CONNECTION (endpoint->stream)), FALSE, TRUE, NULL);
  else
    g_output_stream_close (G_OUTPUT_STREAM (endpoint->out), NULL, NULL);
}

void
creel_endpoint_flush (CreelEndpoint *endpoint)
{
  while (!endpoint->closed && !endpoint->failed && creel_endpoint_get_pending (endpoint) > 0)
    {
      g_autoptr (GError) error = NULL;
      gssize n = g_pollable_output_stream_write_nonblocking (endpoint->out, endpoint->unsent.data + endpoint->unsent.start,
                                                             creel_endpoint_get_pending (endpoint), NULL, &error);
      if (n >= 0)
        {
          endpoint->bytes_written += (guint64) n;
          buffer_drop (&endpoint->unsent, (gsize) n);
          continue;
        }
      if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK))
        {
          if (endpoint->out_source == NULL)
            {
              endpoint->out_source = g_pollable_output_stream_create_source (endpoint->out, NULL);
              g_source_set_callback (endpoint->out_source, G_SOURCE_FUNC (on_writable), endpoint, NULL);
              g_source_attach (endpoint->out_source, NULL);
            }
          return;
        }
      endpoint->failed = TRUE;
      endpoint->eof = TRUE;
    }
  clear_source (&endpoint->out_source);
  buffer_release (&endpoint->unsent);
  if (endpoint->shutdown_wanted && !endpoint->shutdown_done && !endpoint->closed && !endpoint->failed)
    send_end (endpoint);
}

gboolean
creel_endpoint_has_room (CreelEndpoint *endpoint)
{
  if (creel_endpoint_get_pending (endpoint) >= CREEL_ENDPOINT_HIGH_WATER)
    creel_endpoint_flush (endpoint);
  return creel_endpoint_get_pending (endpoint) < CREEL_ENDPOINT_HIGH_WATER;
}

void
creel_endpoint_shutdown (CreelEndpoint *endpoint)
{
  endpoint->shutdown_wanted = TRUE;
  creel_endpoint_flush (endpoint);
}

static void
stop (CreelEndpoint *endpoint)
{
  endpoint->closed = TRUE;
  endpoint->func = NULL;
  clear_source (&endpoint->in_source);
  clear_source (&endpoint->out_source);
}

void
creel_endpoint_close (CreelEndpoint *endpoint)
{
  if (endpoint->closed)
    return;
  stop (endpoint);
  g_io_stream_close (endpoint->stream, NULL, NULL);
}

GIOStream *
creel_endpoint_get_stream (CreelEndpoint *endpoint)
{
  return endpoint->stream;
}

guint64
creel_endpoint_get_bytes_read (CreelEndpoint *endpoint)
{
  return endpoint->bytes_read;
}

guint64
creel_endpoint_get_bytes_written (CreelEndpoint *endpoint)
{
  return endpoint->bytes_written;
}

GIOStream *
creel_endpoint_steal_stream (CreelEndpoint *endpoint, GBytes **ret_unread)
{
  gsize size;
  const guint8 *data = creel_endpoint_peek (endpoint, &size);

  *ret_unread = g_bytes_new (data, size);
  stop (endpoint);
  return g_object_ref (endpoint->stream);
}
