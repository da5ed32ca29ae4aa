/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-channel-stream.h"

#include <string.h>

#include "creel-account.h"
#include "creel-socket-source.h"

#define OUT_MAX (64 * 1024)
#define OUT_LITTLE (8 * 1024)
#define LINGER_SECONDS 5

/* The state that the two halves and the channel's callbacks share. It outlives the GObjects while bytes wait to leave. */
typedef struct
{
  gatomicrefcount refs;
  CreelStream *stream; /* NULL: over */
  guint32 code;        /* how it ended */
  gboolean readable;   /* the channel has bytes for us, as far as we know */
  gboolean in_end;     /* the peer ended */
  gboolean in_closed, out_closed;
  gboolean broken;     /* out is to end with a reset */
  GByteArray *out;     /* not yet pulled; NULL when empty, so that an idle stream costs nothing */
  gsize out_start, out_counted; /* counted: in the account */
  guint linger_id;
} Pipe;

static guint n_alive;

static gsize
get_out_max (void)
{
  return creel_account_choose (OUT_MAX, OUT_LITTLE);
}

/* A GByteArray has a power of two, and never less than before. */
static void
count_out (Pipe *pipe)
{
  gsize size = pipe->out == NULL ? 0 : MAX (pipe->out_counted, (gsize) 1 << g_bit_storage (pipe->out->len));

  creel_account_add (size);
  creel_account_drop (pipe->out_counted);
  pipe->out_counted = size;
}

static void
drop_out (Pipe *pipe)
{
  g_clear_pointer (&pipe->out, g_byte_array_unref);
  pipe->out_start = 0;
  count_out (pipe);
}

static void
pipe_unref (Pipe *pipe)
{
  if (!g_atomic_ref_count_dec (&pipe->refs))
    return;
  g_clear_handle_id (&pipe->linger_id, g_source_remove);
  drop_out (pipe);
  g_free (pipe);
}

static Pipe *
pipe_ref (Pipe *pipe)
{
  g_atomic_ref_count_inc (&pipe->refs);
  return pipe;
}

static gsize
pipe_pending (Pipe *pipe)
{
  return pipe->out == NULL ? 0 : pipe->out->len - pipe->out_start;
}

static gboolean
pipe_is_readable (Pipe *pipe)
{
  return pipe->readable || pipe->in_end || pipe->stream == NULL || pipe->in_closed;
}

static gboolean
pipe_is_writable (Pipe *pipe)
{
  /* half of the buffer: a writer woken for a few bytes each time would send tiny frames */
  return pipe->stream == NULL || pipe->out_closed || pipe_pending (pipe) <= get_out_max () / 2;
}

static gboolean
pipe_is_over (Pipe *pipe)
{
  return pipe->stream == NULL || creel_stream_is_closed (pipe->stream);
}

static void
pipe_over (Pipe *pipe, guint32 code)
{
  pipe->stream = NULL;
  pipe->code = code;
  drop_out (pipe);
  g_clear_handle_id (&pipe->linger_id, g_source_remove);
  n_alive--;
  pipe_unref (pipe); /* the channel's reference */
}

static void
pipe_reset (Pipe *pipe, guint32 code)
{
  if (pipe->stream == NULL)
    return;
  creel_stream_reset (pipe->stream, code);
  pipe_over (pipe, code);
}

static gboolean
on_linger (gpointer user_data)
{
  Pipe *pipe = user_data;

  pipe->linger_id = 0;
  pipe_reset (pipe, CREEL_STREAM_CANCEL);
  return G_SOURCE_REMOVE;
}

static void
start_linger (Pipe *pipe)
{
  g_clear_handle_id (&pipe->linger_id, g_source_remove);
  pipe->linger_id = g_timeout_add_seconds (LINGER_SECONDS, on_linger, pipe);
}

static size_t
on_data (CreelStream *stream, const uint8_t *bytes, size_t n_bytes, void *user_data)
{
  Pipe *pipe = user_data;

  if (pipe->in_closed)
    return n_bytes; /* nobody reads any more, but the peer may have to send to get our bytes */
  pipe->readable = TRUE;
  return 0;
}

static void
on_end (CreelStream *stream, void *user_data)
{
  Pipe *pipe = user_data;

  pipe->in_end = TRUE;
}

static ssize_t
on_pull (CreelStream *stream, uint8_t *buffer, size_t size, bool *ret_end, void *user_data)
{
  Pipe *pipe = user_data;
  gsize n = MIN (size, pipe_pending (pipe));

  if (n > 0)
    {
      memcpy (buffer, pipe->out->data + pipe->out_start, n);
      pipe->out_start += n;
      if (pipe->out_start == pipe->out->len)
        drop_out (pipe);
      if (pipe->linger_id != 0)
        start_linger (pipe);
    }
  else if (pipe->broken)
    {
      pipe_reset (pipe, CREEL_STREAM_CANCEL);
      return 0;
    }
  *ret_end = pipe->out_closed && !pipe->broken && pipe_pending (pipe) == 0;
  return n;
}

static void
on_closed (CreelStream *stream, uint32_t code, void *user_data)
{
  pipe_over (user_data, code);
}

static const CreelStreamHandler stream_handler = { NULL, on_data, on_end, on_pull, on_closed };

static void
pipe_close_input (Pipe *pipe)
{
  if (pipe->in_closed)
    return;
  pipe->in_closed = TRUE;
  pipe->readable = FALSE;
  if (pipe->stream == NULL)
    return;
  if (pipe->out_closed)
    start_linger (pipe);
  creel_stream_receive (pipe->stream);
}

static void
pipe_close_output (Pipe *pipe)
{
  if (pipe->out_closed)
    return;
  pipe->out_closed = TRUE;
  if (pipe->stream == NULL)
    return;
  if (pipe->in_closed)
    start_linger (pipe);
  creel_stream_resume (pipe->stream);
}

/* A source that is ready as long as its half is; only flags are looked at, so a thousand idle ones cost little. */
typedef struct
{
  GSource source;
  Pipe *pipe;
  GObject *half;
  gboolean (*ready) (Pipe *pipe);
} HalfSource;

static gboolean
half_prepare (GSource *source, int *ret_timeout)
{
  HalfSource *self = (HalfSource *) source;

  return self->ready (self->pipe);
}

static gboolean
half_check (GSource *source)
{
  return half_prepare (source, NULL);
}

static gboolean
half_dispatch (GSource *source, GSourceFunc callback, gpointer user_data)
{
  HalfSource *self = (HalfSource *) source;
  GPollableSourceFunc func = (GPollableSourceFunc) (void (*) (void)) callback;

  return func == NULL ? G_SOURCE_REMOVE : func (self->half, user_data);
}

static void
half_finalize (GSource *source)
{
  HalfSource *self = (HalfSource *) source;

  pipe_unref (self->pipe);
  g_object_unref (self->half);
}

static GSourceFuncs half_source_funcs = {
  half_prepare, half_check, half_dispatch, half_finalize, (GSourceFunc) (void (*) (void)) creel_socket_source_call_closure, NULL
};

static GSource *
half_source_new (Pipe *pipe, gpointer half, gboolean (*ready) (Pipe *pipe), GCancellable *cancellable)
{
  GSource *source = g_source_new (&half_source_funcs, sizeof (HalfSource));
  HalfSource *self = (HalfSource *) source;

  g_source_set_static_name (source, "creel-channel-stream");
  self->pipe = pipe_ref (pipe);
  self->half = g_object_ref (half);
  self->ready = ready;
  if (cancellable != NULL)
    {
      g_autoptr (GSource) child = g_cancellable_source_new (cancellable);

      g_source_set_dummy_callback (child);
      g_source_add_child_source (source, child);
    }
  return source;
}

static void
set_lost (Pipe *pipe, GError **error)
{
  g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_CONNECTION_CLOSED,
                       pipe->code == CREEL_STREAM_LOST ? "The guest's channel was lost" : "The guest reset the stream");
}

/* the input half */

typedef struct { GInputStream parent; Pipe *pipe; } CreelChannelInput;
typedef struct { GInputStreamClass parent; } CreelChannelInputClass;
static GType creel_channel_input_get_type (void);
static void creel_channel_input_pollable_init (GPollableInputStreamInterface *iface);
G_DEFINE_TYPE_WITH_CODE (CreelChannelInput, creel_channel_input, G_TYPE_INPUT_STREAM,
                         G_IMPLEMENT_INTERFACE (G_TYPE_POLLABLE_INPUT_STREAM, creel_channel_input_pollable_init))

static gssize
input_read_nonblocking (GPollableInputStream *stream, void *buffer, gsize count, GError **error)
{
  Pipe *pipe = ((CreelChannelInput *) stream)->pipe;
  size_t n = 0;

  if (pipe->stream != NULL && !pipe->in_end && count > 0)
    n = creel_stream_read (pipe->stream, buffer, count);
  if (n > 0)
    return n;
  pipe->readable = FALSE;
  if (pipe->in_end || (pipe->stream != NULL && creel_stream_at_end (pipe->stream)))
    return 0;
  if (pipe->stream == NULL)
    {
      if (pipe->code == CREEL_STREAM_NO_ERROR)
        return 0;
      set_lost (pipe, error);
      return -1;
    }
  g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK, "Nothing to read yet");
  return -1;
}

static gssize
input_read (GInputStream *stream, void *buffer, gsize count, GCancellable *cancellable, GError **error)
{
  return input_read_nonblocking (G_POLLABLE_INPUT_STREAM (stream), buffer, count, error);
}

static gboolean
input_is_readable (GPollableInputStream *stream)
{
  return pipe_is_readable (((CreelChannelInput *) stream)->pipe);
}

static GSource *
input_create_source (GPollableInputStream *stream, GCancellable *cancellable)
{
  return half_source_new (((CreelChannelInput *) stream)->pipe, stream, pipe_is_readable, cancellable);
}

static gboolean
input_close (GInputStream *stream, GCancellable *cancellable, GError **error)
{
  pipe_close_input (((CreelChannelInput *) stream)->pipe);
  return TRUE;
}

static void
input_close_async (GInputStream *stream, int priority, GCancellable *cancellable, GAsyncReadyCallback callback,
                   gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (stream, cancellable, callback, user_data);

  input_close (stream, cancellable, NULL);
  g_task_return_boolean (task, TRUE);
}

static gboolean
input_close_finish (GInputStream *stream, GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

static void
creel_channel_input_finalize (GObject *object)
{
  pipe_unref (((CreelChannelInput *) object)->pipe);
  G_OBJECT_CLASS (creel_channel_input_parent_class)->finalize (object);
}

static void
creel_channel_input_class_init (CreelChannelInputClass *klass)
{
  GInputStreamClass *stream_class = G_INPUT_STREAM_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = creel_channel_input_finalize;
  stream_class->read_fn = input_read;
  stream_class->close_fn = input_close;
  stream_class->close_async = input_close_async;
  stream_class->close_finish = input_close_finish;
}

static void
creel_channel_input_pollable_init (GPollableInputStreamInterface *iface)
{
  iface->is_readable = input_is_readable;
  iface->create_source = input_create_source;
  iface->read_nonblocking = input_read_nonblocking;
}

static void
creel_channel_input_init (CreelChannelInput *self)
{
}

/* the output half */

typedef struct { GOutputStream parent; Pipe *pipe; } CreelChannelOutput;
typedef struct { GOutputStreamClass parent; } CreelChannelOutputClass;
static GType creel_channel_output_get_type (void);
static void creel_channel_output_pollable_init (GPollableOutputStreamInterface *iface);
G_DEFINE_TYPE_WITH_CODE (CreelChannelOutput, creel_channel_output, G_TYPE_OUTPUT_STREAM,
                         G_IMPLEMENT_INTERFACE (G_TYPE_POLLABLE_OUTPUT_STREAM, creel_channel_output_pollable_init))

static gssize
output_write_nonblocking (GPollableOutputStream *stream, const void *buffer, gsize count, GError **error)
{
  Pipe *pipe = ((CreelChannelOutput *) stream)->pipe;
  gsize n;

  if (pipe->stream == NULL || pipe->out_closed)
    {
      set_lost (pipe, error);
      return -1;
    }
  n = MIN (count, MAX (get_out_max (), pipe_pending (pipe)) - pipe_pending (pipe));
  if (n == 0 && count > 0)
    {
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK, "No room to write yet");
      return -1;
    }
  if (pipe->out == NULL)
    pipe->out = g_byte_array_new ();
  else if (pipe->out_start > 0 && pipe->out->len + n > get_out_max ())
    {
      g_byte_array_remove_range (pipe->out, 0, pipe->out_start);
      pipe->out_start = 0;
    }
  g_byte_array_append (pipe->out, buffer, n);
  count_out (pipe);
  creel_stream_resume (pipe->stream);
  return n;
}

static gssize
output_write (GOutputStream *stream, const void *buffer, gsize count, GCancellable *cancellable, GError **error)
{
  return output_write_nonblocking (G_POLLABLE_OUTPUT_STREAM (stream), buffer, count, error);
}

static gboolean
output_is_writable (GPollableOutputStream *stream)
{
  return pipe_is_writable (((CreelChannelOutput *) stream)->pipe);
}

static GSource *
output_create_source (GPollableOutputStream *stream, GCancellable *cancellable)
{
  return half_source_new (((CreelChannelOutput *) stream)->pipe, stream, pipe_is_writable, cancellable);
}

static gboolean
output_close (GOutputStream *stream, GCancellable *cancellable, GError **error)
{
  pipe_close_output (((CreelChannelOutput *) stream)->pipe);
  return TRUE;
}

static void
output_close_async (GOutputStream *stream, int priority, GCancellable *cancellable, GAsyncReadyCallback callback,
                    gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (stream, cancellable, callback, user_data);

  output_close (stream, cancellable, NULL);
  g_task_return_boolean (task, TRUE);
}

static gboolean
output_close_finish (GOutputStream *stream, GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

static void
creel_channel_output_finalize (GObject *object)
{
  pipe_unref (((CreelChannelOutput *) object)->pipe);
  G_OBJECT_CLASS (creel_channel_output_parent_class)->finalize (object);
}

static void
creel_channel_output_class_init (CreelChannelOutputClass *klass)
{
  GOutputStreamClass *stream_class = G_OUTPUT_STREAM_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = creel_channel_output_finalize;
  stream_class->write_fn = output_write;
  stream_class->close_fn = output_close;
  stream_class->close_async = output_close_async;
  stream_class->close_finish = output_close_finish;
}

static void
creel_channel_output_pollable_init (GPollableOutputStreamInterface *iface)
{
  iface->is_writable = output_is_writable;
  iface->create_source = output_create_source;
  iface->write_nonblocking = output_write_nonblocking;
}

static void
creel_channel_output_init (CreelChannelOutput *self)
{
}

/* the whole */

struct _CreelChannelStream
{
  GIOStream parent;
  Pipe *pipe;
  GInputStream *input;
  GOutputStream *output;
};

G_DEFINE_FINAL_TYPE (CreelChannelStream, creel_channel_stream, G_TYPE_IO_STREAM)

static GInputStream *
stream_get_input (GIOStream *stream)
{
  return CREEL_CHANNEL_STREAM (stream)->input;
}

static GOutputStream *
stream_get_output (GIOStream *stream)
{
  return CREEL_CHANNEL_STREAM (stream)->output;
}

/* GIOStream's own would close the halves in a thread */
static void
stream_close_async (GIOStream *stream, int priority, GCancellable *cancellable, GAsyncReadyCallback callback,
                    gpointer user_data)
{
  CreelChannelStream *self = CREEL_CHANNEL_STREAM (stream);
  g_autoptr (GTask) task = g_task_new (stream, cancellable, callback, user_data);

  g_output_stream_close (self->output, NULL, NULL);
  g_input_stream_close (self->input, NULL, NULL);
  g_task_return_boolean (task, TRUE);
}

static gboolean
stream_close_finish (GIOStream *stream, GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

static void
creel_channel_stream_finalize (GObject *object)
{
  CreelChannelStream *self = CREEL_CHANNEL_STREAM (object);

  g_clear_object (&self->input);
  g_clear_object (&self->output);
  pipe_unref (self->pipe);
  G_OBJECT_CLASS (creel_channel_stream_parent_class)->finalize (object);
}

static void
creel_channel_stream_class_init (CreelChannelStreamClass *klass)
{
  GIOStreamClass *stream_class = G_IO_STREAM_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = creel_channel_stream_finalize;
  stream_class->get_input_stream = stream_get_input;
  stream_class->get_output_stream = stream_get_output;
  stream_class->close_async = stream_close_async;
  stream_class->close_finish = stream_close_finish;
}

static void
creel_channel_stream_init (CreelChannelStream *self)
{
}

CreelChannelStream *
creel_channel_stream_new (CreelStream *stream)
{
  CreelChannelStream *self = g_object_new (CREEL_TYPE_CHANNEL_STREAM, NULL);
  Pipe *pipe = g_new0 (Pipe, 1);
  CreelChannelInput *input = g_object_new (creel_channel_input_get_type (), NULL);
  CreelChannelOutput *output = g_object_new (creel_channel_output_get_type (), NULL);

  g_atomic_ref_count_init (&pipe->refs); /* the channel's, until pipe_over */
  pipe->stream = stream;
  n_alive++;
  self->pipe = pipe_ref (pipe);
  input->pipe = pipe_ref (pipe);
  output->pipe = pipe_ref (pipe);
  self->input = G_INPUT_STREAM (input);
  self->output = G_OUTPUT_STREAM (output);
  creel_stream_set_handler (stream, &stream_handler, pipe);
  return self;
}

void
creel_channel_stream_abort (CreelChannelStream *self)
{
  Pipe *pipe = self->pipe;

  if (pipe_pending (pipe) == 0)
    {
      pipe_reset (pipe, CREEL_STREAM_CANCEL);
      return;
    }
  pipe->broken = TRUE;
  pipe_close_output (pipe);
  pipe_close_input (pipe);
}

GSource *
creel_channel_stream_create_hangup_source (CreelChannelStream *self)
{
  return half_source_new (self->pipe, self, pipe_is_over, NULL);
}

guint
creel_channel_stream_get_n_alive (void)
{
  return n_alive;
}
