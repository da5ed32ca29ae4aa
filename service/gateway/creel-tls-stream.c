/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-tls-stream.h"

#include <errno.h>
#include <string.h>

#include "creel-account.h"
#include "creel-socket-source.h"

/* The record layer asks for the five bytes of a header, then for the record; a socket is read in larger pieces. */
#define AHEAD_SIZE (32 * 1024)
#define AHEAD_LITTLE (4 * 1024)
/* Records in a row that are no data: a server has a ticket or two, and one that has no end of them would never let us go on */
#define SILENT_MAX 100

/* X25519 is the group with the least to compute here, and the one that nearly all know */
#define PRIORITY "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-GROUP-ALL:+GROUP-X25519:+GROUP-ALL:%SAFE_RENEGOTIATION:%NO_SESSION_HASH"

struct _CreelTlsStream
{
  GIOStream parent;
  GIOStream *base;
  int fd; /* of a base that is a socket, else -1 */
  GPollableInputStream *base_in;
  GPollableOutputStream *base_out;
  GInputStream *in;
  GOutputStream *out;
  gnutls_session_t session;
  guint8 *ahead; /* read and not yet asked for, NULL: none */
  gsize ahead_start, ahead_end, ahead_size;
  guint64 pulled; /* bytes of all that the record layer got */
  gboolean drained; /* the socket gave less than it was asked for, so it has no more */
  GByteArray *held;      /* what a handshake says, until it waits for the peer: one packet for what GnuTLS makes three of; NULL: nothing is held */
  gboolean send_pending; /* the record layer holds bytes of an earlier write */
  gboolean eof;
  gboolean bye_sent;
};

typedef struct { GInputStream parent; CreelTlsStream *tls; } CreelTlsInput;
typedef struct { GInputStreamClass parent_class; } CreelTlsInputClass;
typedef struct { GOutputStream parent; CreelTlsStream *tls; } CreelTlsOutput;
typedef struct { GOutputStreamClass parent_class; } CreelTlsOutputClass;

static void input_pollable_init (GPollableInputStreamInterface *iface);
static void output_pollable_init (GPollableOutputStreamInterface *iface);
GType creel_tls_input_get_type (void);
GType creel_tls_output_get_type (void);

G_DEFINE_TYPE (CreelTlsStream, creel_tls_stream, G_TYPE_IO_STREAM)
G_DEFINE_TYPE_WITH_CODE (CreelTlsInput, creel_tls_input, G_TYPE_INPUT_STREAM,
                         G_IMPLEMENT_INTERFACE (G_TYPE_POLLABLE_INPUT_STREAM, input_pollable_init))
G_DEFINE_TYPE_WITH_CODE (CreelTlsOutput, creel_tls_output, G_TYPE_OUTPUT_STREAM,
                         G_IMPLEMENT_INTERFACE (G_TYPE_POLLABLE_OUTPUT_STREAM, output_pollable_init))

static gssize
fail_session (CreelTlsStream *self, int error_number)
{
  gnutls_transport_set_errno (self->session, error_number);
  return -1;
}

static gboolean
has_ahead (CreelTlsStream *self)
{
  return self->ahead_start < self->ahead_end;
}

static void
make_ahead (CreelTlsStream *self, gsize size)
{
  self->ahead = g_malloc (size);
  self->ahead_size = size;
  creel_account_add (size);
}

static void
free_ahead (CreelTlsStream *self)
{
  if (self->ahead != NULL)
    creel_account_drop (self->ahead_size);
  g_clear_pointer (&self->ahead, g_free);
}

static void
drop_ahead (CreelTlsStream *self)
{
  if (!has_ahead (self))
    free_ahead (self);
}

/* 0: at its end, -1: as errno says */
static gssize
read_base (CreelTlsStream *self, void *buffer, gsize size)
{
  g_autoptr (GError) error = NULL;
  gssize n;

  if (self->fd >= 0)
    return creel_socket_read (self->fd, buffer, size);
  n = g_pollable_input_stream_read_nonblocking (self->base_in, buffer, size, NULL, &error);
  if (n < 0)
    errno = g_error_matches (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK) ? EAGAIN : ECONNRESET;
  return n;
}

static gssize
pull (gnutls_transport_ptr_t data, void *buffer, gsize size)
{
  CreelTlsStream *self = data;

  if (!has_ahead (self))
    {
      gssize n;

      if (self->drained)
        {
          /* once: whoever waits now is woken by the socket if it has more after all */
          self->drained = FALSE;
          return fail_session (self, EAGAIN);
        }
      if (self->ahead == NULL)
        make_ahead (self, creel_account_choose (AHEAD_SIZE, AHEAD_LITTLE));
      n = read_base (self, self->ahead, self->ahead_size);
      if (n <= 0)
        return n == 0 ? 0 : fail_session (self, errno == EAGAIN ? EAGAIN : ECONNRESET);
      self->drained = self->fd >= 0 && (gsize) n < self->ahead_size;
      self->ahead_start = 0;
      self->ahead_end = (gsize) n;
    }
  size = MIN (size, self->ahead_end - self->ahead_start);
  memcpy (buffer, self->ahead + self->ahead_start, size);
  self->ahead_start += size;
  self->pulled += size;
  return (gssize) size;
}

/* -1: as errno says */
static gssize
write_base (CreelTlsStream *self, const giovec_t *pieces, int n_pieces)
{
  g_autoptr (GError) error = NULL;
  gsize n = 0;

  if (self->fd >= 0)
    return creel_socket_write_pieces (self->fd, pieces, n_pieces);
  switch (g_pollable_output_stream_writev_nonblocking (self->base_out, (const GOutputVector *) pieces, (gsize) n_pieces, &n, NULL, &error))
    {
    case G_POLLABLE_RETURN_OK:
      return (gssize) n;
    case G_POLLABLE_RETURN_WOULD_BLOCK:
      errno = EAGAIN;
      return -1;
    case G_POLLABLE_RETURN_FAILED:
    default:
      errno = EPIPE;
      return -1;
    }
}

static gssize
push (gnutls_transport_ptr_t data, const giovec_t *pieces, int n_pieces)
{
  CreelTlsStream *self = data;
  gssize n = 0;

  if (self->held == NULL)
    {
      n = write_base (self, pieces, n_pieces);
      return n >= 0 ? n : fail_session (self, errno == EAGAIN ? EAGAIN : EPIPE);
    }
  for (int i = 0; i < n_pieces; i++)
    {
      g_byte_array_append (self->held, pieces[i].iov_base, (guint) pieces[i].iov_len);
      n += (gssize) pieces[i].iov_len;
    }
  return n;
}

/* FALSE: some is left, as errno says */
static gboolean
send_held (CreelTlsStream *self)
{
  while (self->held->len > 0)
    {
      giovec_t piece = { self->held->data, self->held->len };
      gssize n = write_base (self, &piece, 1);

      if (n < 0)
        return FALSE;
      g_byte_array_remove_range (self->held, 0, (guint) n);
    }
  return TRUE;
}

/* only asked for by gnutls_handshake() with a time limit, which is not used */
static int
pull_timeout (gnutls_transport_ptr_t data, unsigned int milliseconds)
{
  return 1;
}

static CreelTlsStream *
stream_new (GIOStream *base, gconstpointer prefix, gsize prefix_size, guint flags, gnutls_certificate_credentials_t credentials)
{
  static const gnutls_datum_t alpn = { (void *) "http/1.1", 8 };
  static gnutls_priority_t priority; /* of all sessions, for good */
  CreelTlsStream *self = g_object_new (CREEL_TYPE_TLS_STREAM, NULL);

  self->base = g_object_ref (base);
  self->fd = creel_socket_get_fd (base);
  self->base_in = G_POLLABLE_INPUT_STREAM (g_io_stream_get_input_stream (base));
  self->base_out = G_POLLABLE_OUTPUT_STREAM (g_io_stream_get_output_stream (base));
  if (prefix_size > 0)
    {
      make_ahead (self, MAX (prefix_size, AHEAD_LITTLE));
      memcpy (self->ahead, prefix, prefix_size);
      self->ahead_end = prefix_size;
    }
  if (priority == NULL && gnutls_priority_init (&priority, PRIORITY, NULL) < 0)
    g_error ("GnuTLS does not know the algorithms");
  /* a share for one group: those for others are seldom asked for */
  if (gnutls_init (&self->session, flags | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL | GNUTLS_KEY_SHARE_TOP) < 0)
    g_error ("Out of memory for a TLS session");
  gnutls_transport_set_ptr (self->session, self);
  gnutls_transport_set_pull_function (self->session, pull);
  gnutls_transport_set_vec_push_function (self->session, push);
  gnutls_transport_set_pull_timeout_function (self->session, pull_timeout);
  gnutls_priority_set (self->session, priority);
  gnutls_credentials_set (self->session, GNUTLS_CRD_CERTIFICATE, credentials);
  gnutls_alpn_set_protocols (self->session, &alpn, 1, 0);
  return self;
}

CreelTlsStream *
creel_tls_stream_new_server (GIOStream *base, gconstpointer prefix, gsize prefix_size,
                             gnutls_certificate_credentials_t credentials, const gnutls_datum_t *ticket_key)
{
  CreelTlsStream *self = stream_new (base, prefix, prefix_size, GNUTLS_SERVER, credentials);

  gnutls_certificate_server_set_request (self->session, GNUTLS_CERT_IGNORE);
  if (ticket_key != NULL)
    gnutls_session_ticket_enable_server (self->session, ticket_key);
  return self;
}

CreelTlsStream *
creel_tls_stream_new_client (GIOStream *base, const char *host, gboolean is_address,
                             gnutls_certificate_credentials_t credentials)
{
  CreelTlsStream *self = stream_new (base, NULL, 0, GNUTLS_CLIENT, credentials);

  if (!is_address)
    gnutls_server_name_set (self->session, GNUTLS_NAME_DNS, host, strlen (host));
  gnutls_session_set_verify_cert (self->session, host, 0);
  return self;
}

static GInputStream *
get_input_stream (GIOStream *stream)
{
  return CREEL_TLS_STREAM (stream)->in;
}

static GOutputStream *
get_output_stream (GIOStream *stream)
{
  return CREEL_TLS_STREAM (stream)->out;
}

static gboolean
close_stream (GIOStream *stream, GCancellable *cancellable, GError **error)
{
  CreelTlsStream *self = CREEL_TLS_STREAM (stream);

  if (!self->bye_sent && self->session != NULL)
    {
      self->bye_sent = TRUE;
      gnutls_bye (self->session, GNUTLS_SHUT_WR);
    }
  self->fd = -1; /* the number will be another's */
  return g_io_stream_close (self->base, NULL, error);
}

GIOStream *
creel_tls_stream_get_base (CreelTlsStream *self)
{
  return self->base;
}

void
creel_tls_stream_cut (CreelTlsStream *self)
{
  self->bye_sent = TRUE;
}

static void
creel_tls_stream_finalize (GObject *object)
{
  CreelTlsStream *self = CREEL_TLS_STREAM (object);

  g_clear_pointer (&self->session, gnutls_deinit);
  free_ahead (self);
  g_clear_pointer (&self->held, g_byte_array_unref);
  g_clear_object (&self->in);
  g_clear_object (&self->out);
  g_clear_object (&self->base);
  G_OBJECT_CLASS (creel_tls_stream_parent_class)->finalize (object);
}

static void
creel_tls_stream_class_init (CreelTlsStreamClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = creel_tls_stream_finalize;
  G_IO_STREAM_CLASS (klass)->get_input_stream = get_input_stream;
  G_IO_STREAM_CLASS (klass)->get_output_stream = get_output_stream;
  G_IO_STREAM_CLASS (klass)->close_fn = close_stream;
}

static void
creel_tls_stream_init (CreelTlsStream *self)
{
  CreelTlsInput *in = g_object_new (creel_tls_input_get_type (), NULL);
  CreelTlsOutput *out = g_object_new (creel_tls_output_get_type (), NULL);

  /* the ends live no longer than the stream */
  in->tls = self;
  out->tls = self;
  self->in = G_INPUT_STREAM (in);
  self->out = G_OUTPUT_STREAM (out);
}

static gssize
would_block (GError **error)
{
  g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK, "Would block");
  return -1;
}

static gssize
input_read_nonblocking (GPollableInputStream *stream, void *buffer, gsize size, GError **error)
{
  CreelTlsStream *self = ((CreelTlsInput *) stream)->tls;
  guint64 before;
  guint silent = 0;
  gssize n;

  if (self->eof)
    return 0;
  do
    {
      before = self->pulled;
      n = silent++ < SILENT_MAX ? gnutls_record_recv (self->session, buffer, size) : GNUTLS_E_TOO_MANY_HANDSHAKE_PACKETS;
    }
  /* a ticket is "again" too, and no socket would wake us for what was read with it */
  while (n == GNUTLS_E_INTERRUPTED || (n == GNUTLS_E_AGAIN && has_ahead (self) && self->pulled != before));
  drop_ahead (self);
  if (n == GNUTLS_E_AGAIN)
    return would_block (error);
  if (n > 0)
    return n;
  if (n == 0)
    {
      self->eof = TRUE;
      return 0;
    }
  /* a missing close_notify is an error: whoever needs the end of the stream as a mark must not trust this one */
  g_set_error (error, G_TLS_ERROR, n == GNUTLS_E_PREMATURE_TERMINATION ? G_TLS_ERROR_EOF : G_TLS_ERROR_MISC, "%s",
               gnutls_strerror ((int) n));
  return -1;
}

static gboolean
input_is_readable (GPollableInputStream *stream)
{
  CreelTlsStream *self = ((CreelTlsInput *) stream)->tls;

  return self->eof || has_ahead (self) || gnutls_record_check_pending (self->session) > 0 ||
         g_pollable_input_stream_is_readable (self->base_in);
}

static GSource *
input_create_source (GPollableInputStream *stream, GCancellable *cancellable)
{
  CreelTlsStream *self = ((CreelTlsInput *) stream)->tls;
  GSource *child;

  if (self->eof || has_ahead (self) || gnutls_record_check_pending (self->session) > 0)
    child = g_timeout_source_new (0);
  else if (self->fd >= 0 && cancellable == NULL)
    return creel_socket_source_new (G_OBJECT (stream), self->fd, G_IO_IN);
  else
    child = g_pollable_input_stream_create_source (self->base_in, NULL);
  GSource *source = g_pollable_source_new_full (stream, child, cancellable);
  g_source_unref (child);
  return source;
}

static gboolean
input_close (GInputStream *stream, GCancellable *cancellable, GError **error)
{
  return TRUE;
}

static void
creel_tls_input_class_init (CreelTlsInputClass *klass)
{
  G_INPUT_STREAM_CLASS (klass)->close_fn = input_close;
}

static void
creel_tls_input_init (CreelTlsInput *self)
{
}

static void
input_pollable_init (GPollableInputStreamInterface *iface)
{
  iface->is_readable = input_is_readable;
  iface->create_source = input_create_source;
  iface->read_nonblocking = input_read_nonblocking;
}

static gssize
output_write_nonblocking (GPollableOutputStream *stream, const void *buffer, gsize size, GError **error)
{
  CreelTlsStream *self = ((CreelTlsOutput *) stream)->tls;
  gssize n;

  do
    /* after EAGAIN the record is made already: NULL sends the rest and gives the count of the first call */
    n = gnutls_record_send (self->session, self->send_pending ? NULL : buffer, self->send_pending ? 0 : size);
  while (n == GNUTLS_E_INTERRUPTED);
  self->send_pending = n == GNUTLS_E_AGAIN;
  if (n == GNUTLS_E_AGAIN)
    return would_block (error);
  if (n >= 0)
    return n;
  g_set_error (error, G_TLS_ERROR, G_TLS_ERROR_MISC, "%s", gnutls_strerror ((int) n));
  return -1;
}

static gboolean
output_is_writable (GPollableOutputStream *stream)
{
  return g_pollable_output_stream_is_writable (((CreelTlsOutput *) stream)->tls->base_out);
}

static GSource *
output_create_source (GPollableOutputStream *stream, GCancellable *cancellable)
{
  CreelTlsStream *self = ((CreelTlsOutput *) stream)->tls;
  GSource *child, *source;

  if (self->fd >= 0 && cancellable == NULL)
    return creel_socket_source_new (G_OBJECT (stream), self->fd, G_IO_OUT);
  child = g_pollable_output_stream_create_source (self->base_out, NULL);
  source = g_pollable_source_new_full (stream, child, cancellable);
  g_source_unref (child);
  return source;
}

/* half-close: close_notify, then the end of the stream below */
static gboolean
output_close (GOutputStream *stream, GCancellable *cancellable, GError **error)
{
  CreelTlsStream *self = ((CreelTlsOutput *) stream)->tls;

  if (!self->bye_sent && self->session != NULL)
    {
      self->bye_sent = TRUE;
      gnutls_bye (self->session, GNUTLS_SHUT_WR);
    }
  return TRUE;
}

static void
creel_tls_output_class_init (CreelTlsOutputClass *klass)
{
  G_OUTPUT_STREAM_CLASS (klass)->close_fn = output_close;
}

static void
creel_tls_output_init (CreelTlsOutput *self)
{
}

static void
output_pollable_init (GPollableOutputStreamInterface *iface)
{
  iface->is_writable = output_is_writable;
  iface->create_source = output_create_source;
  iface->write_nonblocking = output_write_nonblocking;
}

typedef struct
{
  GSource *io;
  GSource *timeout;
  GSource *cancel;
  int result; /* of gnutls_handshake(): GNUTLS_E_AGAIN until it has ended; what it said last may have to be sent still */
} Handshake;

static void
clear_source (GSource **source)
{
  if (*source == NULL)
    return;
  g_source_destroy (*source);
  g_clear_pointer (source, g_source_unref);
}

static void
handshake_free (gpointer data)
{
  Handshake *handshake = data;

  clear_source (&handshake->io);
  clear_source (&handshake->timeout);
  clear_source (&handshake->cancel);
  g_free (handshake);
}

static void handshake_step (GTask *task);

static void
handshake_return (GTask *task, GError *error)
{
  CreelTlsStream *self = g_task_get_source_object (task);
  Handshake *handshake = g_task_get_task_data (task);

  /* the peer may have the first part of it: nothing that came after would be understood */
  self->bye_sent = self->bye_sent || self->held->len > 0;
  g_clear_pointer (&self->held, g_byte_array_unref);
  clear_source (&handshake->io);
  clear_source (&handshake->timeout);
  clear_source (&handshake->cancel);
  if (error != NULL)
    g_task_return_error (task, error);
  else
    g_task_return_boolean (task, TRUE);
  g_object_unref (task);
}

static gboolean
on_handshake_ready (GObject *stream, gpointer user_data)
{
  handshake_step (user_data);
  return G_SOURCE_REMOVE;
}

static gboolean
on_handshake_timeout (gpointer user_data)
{
  handshake_return (user_data, g_error_new_literal (G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "The TLS handshake took too long"));
  return G_SOURCE_REMOVE;
}

static gboolean
on_handshake_cancelled (GCancellable *cancellable, gpointer user_data)
{
  handshake_return (user_data, g_error_new_literal (G_IO_ERROR, G_IO_ERROR_CANCELLED, "Cancelled"));
  return G_SOURCE_REMOVE;
}

static void
handshake_wait (GTask *task, GIOCondition condition)
{
  CreelTlsStream *self = g_task_get_source_object (task);
  Handshake *handshake = g_task_get_task_data (task);

  if (self->fd >= 0)
    handshake->io = creel_socket_source_new (G_OBJECT (self), self->fd, condition);
  else if (condition == G_IO_IN)
    /* bytes handed over with the stream are read before the stream itself, so waiting is for the stream only */
    handshake->io = g_pollable_input_stream_create_source (self->base_in, NULL);
  else
    handshake->io = g_pollable_output_stream_create_source (self->base_out, NULL);
  g_source_set_callback (handshake->io, G_SOURCE_FUNC (on_handshake_ready), task, NULL);
  g_source_attach (handshake->io, NULL);
}

static GError *
handshake_error (CreelTlsStream *self, int result)
{
  gnutls_datum_t text = { 0 };
  GError *error;

  if (result != GNUTLS_E_CERTIFICATE_VERIFICATION_ERROR)
    return g_error_new_literal (G_TLS_ERROR, G_TLS_ERROR_HANDSHAKE, gnutls_strerror (result));
  gnutls_certificate_verification_status_print (gnutls_session_get_verify_cert_status (self->session), GNUTLS_CRT_X509, &text, 0);
  error = g_error_new_literal (G_TLS_ERROR, G_TLS_ERROR_BAD_CERTIFICATE, text.data != NULL ? (const char *) text.data : "not verified");
  gnutls_free (text.data);
  return error;
}

static void
handshake_step (GTask *task)
{
  CreelTlsStream *self = g_task_get_source_object (task);
  Handshake *handshake = g_task_get_task_data (task);
  guint64 before;

  clear_source (&handshake->io);
  if (handshake->result == GNUTLS_E_AGAIN)
    {
      do
        {
          before = self->pulled;
          handshake->result = gnutls_handshake (self->session);
        }
      while (handshake->result < 0 && !gnutls_error_is_fatal (handshake->result) &&
             (handshake->result != GNUTLS_E_AGAIN || (has_ahead (self) && self->pulled != before)));
      drop_ahead (self);
      if (handshake->result < 0 && handshake->result != GNUTLS_E_AGAIN)
        gnutls_alert_send_appropriate (self->session, handshake->result);
    }
  if (!send_held (self) && errno == EAGAIN)
    handshake_wait (task, G_IO_OUT);
  else if (self->held->len == 0 && handshake->result == GNUTLS_E_AGAIN)
    handshake_wait (task, G_IO_IN);
  else if (self->held->len == 0 && handshake->result == GNUTLS_E_SUCCESS)
    handshake_return (task, NULL);
  else
    handshake_return (task, handshake_error (self, handshake->result < 0 && handshake->result != GNUTLS_E_AGAIN ? handshake->result : GNUTLS_E_PUSH_ERROR));
}

void
creel_tls_stream_handshake_async (CreelTlsStream *stream, guint timeout_seconds, GCancellable *cancellable,
                                  GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (stream, NULL, callback, user_data);
  Handshake *handshake = g_new0 (Handshake, 1);

  g_task_set_task_data (task, handshake, handshake_free);
  handshake->result = GNUTLS_E_AGAIN;
  stream->held = g_byte_array_new ();
  handshake->timeout = g_timeout_source_new_seconds (timeout_seconds);
  g_source_set_callback (handshake->timeout, on_handshake_timeout, task, NULL);
  g_source_attach (handshake->timeout, NULL);
  if (cancellable != NULL)
    {
      handshake->cancel = g_cancellable_source_new (cancellable);
      g_source_set_callback (handshake->cancel, G_SOURCE_FUNC (on_handshake_cancelled), task, NULL);
      g_source_attach (handshake->cancel, NULL);
    }
  handshake_step (task);
}

gboolean
creel_tls_stream_handshake_finish (CreelTlsStream *stream, GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}
