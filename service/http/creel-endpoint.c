/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-endpoint.h"

#include <errno.h>
#include <string.h>

#include "creel-account.h"
#include "creel-socket-source.h"

#define READ_SIZE (16 * 1024)
/* Of a step towards a whole, when there is no room for more: what comes after it stays with the sender */
#define STEP_SIZE (4 * 1024)
/* What is at least that much goes out at once, without a copy, when nothing waits before it */
#define DIRECT_MIN (16 * 1024)
/* A socket that has more than one reading takes has so many in a row: the same memory is still in the processor's cache. Others wait that long. */
#define ROUNDS_MAX 8

typedef struct
{
  guint8 *data;
  gsize start, end, allocated;
  gsize used; /* never had more in it */
} Buffer;

struct _CreelEndpoint
{
  grefcount ref_count;
  GIOStream *stream;
  int fd; /* of a stream that is a socket, else -1 */
  GPollableInputStream *in;
  GPollableOutputStream *out;
  Buffer unread, unsent;
  GSource *in_source, *out_source;
  CreelEndpointFunc func;
  gpointer user_data;
  guint64 bytes_read, bytes_written;
  gboolean reading, eof, failed, reads_much, wants_more;
  gboolean full; /* somebody found no room, and has not been told of any since */
  gboolean drained; /* the stream had no more when it was read */
  gboolean source_is_steady, source_is_spared;
  gboolean shutdown_wanted, shutdown_done, closed;
};

/* Both buffers may hold a key for a while: they are wiped when they are given up. */
static void
buffer_release (Buffer *buffer)
{
  if (buffer->data != NULL)
    explicit_bzero (buffer->data, buffer->used);
  g_clear_pointer (&buffer->data, g_free);
  creel_account_drop (buffer->allocated);
  buffer->start = buffer->end = buffer->allocated = buffer->used = 0;
}

static void
buffer_added (Buffer *buffer, gsize size)
{
  buffer->end += size;
  buffer->used = MAX (buffer->used, buffer->end);
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
  gsize allocated = MAX (creel_account_choose (buffer->allocated * 2, 0), MAX (used + room, 4096));
  data = g_malloc (allocated);
  if (used > 0)
    memcpy (data, buffer->data + buffer->start, used);
  buffer_release (buffer);
  creel_account_add (allocated);
  *buffer = (Buffer){ data, 0, used, allocated, used };
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
  endpoint->fd = creel_socket_get_fd (stream);
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

/* -1: broken, or nothing for now, which ret_later says */
static gssize
read_some (CreelEndpoint *endpoint, void *buffer, gsize size, gboolean *ret_later)
{
  g_autoptr (GError) error = NULL;
  gssize n;

  if (endpoint->fd >= 0)
    {
      n = creel_socket_read (endpoint->fd, buffer, size);
      *ret_later = n < 0 && errno == EAGAIN;
      return n;
    }
  n = g_pollable_input_stream_read_nonblocking (endpoint->in, buffer, size, NULL, &error);
  *ret_later = n < 0 && g_error_matches (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK);
  return n;
}

static gssize
write_some (CreelEndpoint *endpoint, const void *data, gsize size, gboolean *ret_later)
{
  g_autoptr (GError) error = NULL;
  gssize n;

  if (endpoint->fd >= 0)
    {
      n = creel_socket_write (endpoint->fd, data, size);
      *ret_later = n < 0 && errno == EAGAIN;
    }
  else
    {
      n = g_pollable_output_stream_write_nonblocking (endpoint->out, data, size, NULL, &error);
      *ret_later = n < 0 && g_error_matches (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK);
    }
  if (n >= 0)
    endpoint->bytes_written += (guint64) n;
  else if (!*ret_later)
    endpoint->failed = endpoint->eof = TRUE;
  return n;
}

/* Little is never nothing: who has read less goes on whatever others hold. */
static gsize
get_read_max (CreelEndpoint *endpoint)
{
  gsize little = endpoint->wants_more ? MAX (CREEL_ENDPOINT_LITTLE, get_unread (endpoint) + STEP_SIZE) : CREEL_ENDPOINT_LITTLE;

  return creel_account_choose (CREEL_ENDPOINT_READ_MAX, MIN (little, CREEL_ENDPOINT_READ_MAX));
}

/* Reads until the stream has no more or the buffer is full; TRUE when it has no more for now. */
static gboolean
fill (CreelEndpoint *endpoint)
{
  gsize max = get_read_max (endpoint);

  endpoint->wants_more = FALSE;
  while (!endpoint->eof && get_unread (endpoint) < max)
    {
      gsize room = MIN (endpoint->reads_much ? CREEL_ENDPOINT_READ_MAX : READ_SIZE, max - get_unread (endpoint));
      gboolean later;
      gssize n;

      buffer_reserve (&endpoint->unread, room);
      n = read_some (endpoint, endpoint->unread.data + endpoint->unread.end, room, &later);
      if (n > 0)
        {
          buffer_added (&endpoint->unread, (gsize) n);
          endpoint->bytes_read += (guint64) n;
          endpoint->reads_much = n >= READ_SIZE;
          continue;
        }
      if (later)
        return TRUE;
      endpoint->eof = TRUE;
      if (n < 0)
        endpoint->failed = TRUE;
    }
  return FALSE;
}

static gboolean
is_input_wanted (CreelEndpoint *endpoint)
{
  return endpoint->reading && endpoint->func != NULL && !endpoint->eof && !endpoint->closed && get_unread (endpoint) < get_read_max (endpoint);
}

/* Not when only we hold it any more: who gave it up does not want to hear of it. */
static gboolean
has_next_round (CreelEndpoint *endpoint)
{
  return !g_ref_count_compare (&endpoint->ref_count, 1) && endpoint->fd >= 0 && !endpoint->drained && get_unread (endpoint) == 0 &&
         is_input_wanted (endpoint);
}

static gboolean
on_readable (GObject *stream, gpointer user_data)
{
  g_autoptr (CreelEndpoint) endpoint = creel_endpoint_ref (user_data);

  if (!endpoint->eof && !is_input_wanted (endpoint))
    {
      /* what ends one request and waits for the next comes right after us */
      if (endpoint->source_is_spared)
        clear_source (&endpoint->in_source);
      endpoint->source_is_spared = !endpoint->source_is_spared;
      return G_SOURCE_CONTINUE;
    }
  endpoint->source_is_spared = FALSE;
  endpoint->drained = fill (endpoint);
  /* a source made while a TLS record was pending fires at once and for ever: make a new one */
  if (endpoint->fd < 0 && (!endpoint->drained || !endpoint->source_is_steady))
    clear_source (&endpoint->in_source);
  notify (endpoint);
  for (guint i = 1; i < ROUNDS_MAX && has_next_round (endpoint); i++)
    {
      endpoint->drained = fill (endpoint);
      notify (endpoint);
    }
  if (endpoint->drained && get_unread (endpoint) == 0)
    buffer_release (&endpoint->unread);
  if (!endpoint->closed)
    arm_input (endpoint);
  return G_SOURCE_CONTINUE;
}

/* What is not wanted for a while is not taken from the loop before it is ready: mostly it is wanted again by then. */
static void
arm_input (CreelEndpoint *endpoint)
{
  if (endpoint->eof || endpoint->closed)
    clear_source (&endpoint->in_source);
  else if (endpoint->in_source == NULL && is_input_wanted (endpoint))
    {
      endpoint->in_source = endpoint->fd >= 0 ? creel_socket_source_new (G_OBJECT (endpoint->in), endpoint->fd, G_IO_IN)
                                              : g_pollable_input_stream_create_source (endpoint->in, NULL);
      endpoint->source_is_steady = endpoint->drained || endpoint->fd >= 0;
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

void
creel_endpoint_want_more (CreelEndpoint *endpoint)
{
  endpoint->wants_more = TRUE;
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
  endpoint->wants_more = FALSE;
  if (get_unread (endpoint) == 0 && creel_account_is_tight ())
    buffer_release (&endpoint->unread);
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
  const guint8 *at = data;
  gssize n = 0;
  gboolean later;

  while (!endpoint->closed && !endpoint->failed && n >= 0 && size >= DIRECT_MIN && creel_endpoint_get_pending (endpoint) == 0)
    {
      n = write_some (endpoint, at, size, &later);
      if (n > 0)
        {
          at += n;
          size -= (gsize) n;
        }
    }
  if (endpoint->closed || endpoint->failed || size == 0)
    return;
  buffer_reserve (&endpoint->unsent, size);
  memcpy (endpoint->unsent.data + endpoint->unsent.end, at, size);
  buffer_added (&endpoint->unsent, size);
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

  endpoint->full = FALSE;
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
      gboolean later;
      gssize n = write_some (endpoint, endpoint->unsent.data + endpoint->unsent.start, creel_endpoint_get_pending (endpoint), &later);

      if (n >= 0)
        buffer_drop (&endpoint->unsent, (gsize) n);
      else if (later)
        {
          if (endpoint->out_source == NULL)
            {
              endpoint->out_source = endpoint->fd >= 0 ? creel_socket_source_new (G_OBJECT (endpoint->out), endpoint->fd, G_IO_OUT)
                                                       : g_pollable_output_stream_create_source (endpoint->out, NULL);
              g_source_set_callback (endpoint->out_source, G_SOURCE_FUNC (on_writable), endpoint, NULL);
              g_source_attach (endpoint->out_source, NULL);
            }
          return;
        }
    }
  /* the source of who waits for room is ready now, and tells */
  if (!endpoint->full || endpoint->failed)
    clear_source (&endpoint->out_source);
  buffer_release (&endpoint->unsent);
  if (endpoint->shutdown_wanted && !endpoint->shutdown_done && !endpoint->closed && !endpoint->failed)
    send_end (endpoint);
}

gsize
creel_endpoint_get_room (CreelEndpoint *endpoint)
{
  gsize max = creel_account_choose (CREEL_ENDPOINT_HIGH_WATER, CREEL_ENDPOINT_LITTLE);

  if (creel_endpoint_get_pending (endpoint) >= max)
    creel_endpoint_flush (endpoint);
  endpoint->full = creel_endpoint_get_pending (endpoint) >= max;
  if (endpoint->full)
    return 0;
  /* not crumb by crumb */
  return MAX (max - creel_endpoint_get_pending (endpoint), STEP_SIZE);
}

gboolean
creel_endpoint_has_room (CreelEndpoint *endpoint)
{
  return creel_endpoint_get_room (endpoint) > 0;
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
  endpoint->fd = -1;
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
