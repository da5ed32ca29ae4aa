/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is read of a socket before the record layer asks for it is not forgotten there. */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "creel-ca.h"
#include "creel-endpoint.h"
#include "creel-tls-stream.h"

#define HOST "origin.test"

static void
on_handshake (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (creel_tls_stream_handshake_finish (CREEL_TLS_STREAM (source), result, &error));
  g_assert_no_error (error);
  *(gboolean *) user_data = TRUE;
}

static void
on_step (CreelEndpoint *endpoint, gpointer user_data)
{
}

static void
turn (void)
{
  for (int i = 0; i < 20; i++)
    g_main_context_iteration (NULL, FALSE);
}

/* A server's tickets are no data, and neither hide nor hold up what comes in one piece with them, whatever their sizes are (flood: a gboolean). */
static void
test_tickets (gconstpointer flood)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (CreelCa) ca = creel_ca_new ("test", &error);
  CreelLeaf *leaf = creel_ca_get_leaf (ca, HOST, &error);
  const char *pem = creel_ca_get_certificate (ca);
  gnutls_datum_t trusted = { (void *) pem, (unsigned) strlen (pem) }, key = { 0 };
  gnutls_certificate_credentials_t trust;
  gnutls_session_t server;
  gboolean done = FALSE;
  int fds[2], result = GNUTLS_E_AGAIN;

  g_assert_no_error (error);
  g_assert_cmpint (socketpair (AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), ==, 0);
  gnutls_certificate_allocate_credentials (&trust);
  g_assert_cmpint (gnutls_certificate_set_x509_trust_mem (trust, &trusted, GNUTLS_X509_FMT_PEM), ==, 1);
  gnutls_init (&server, GNUTLS_SERVER | GNUTLS_NONBLOCK | GNUTLS_NO_AUTO_SEND_TICKET);
  gnutls_priority_set_direct (server, "NORMAL:-VERS-ALL:+VERS-TLS1.3", NULL);
  gnutls_credentials_set (server, GNUTLS_CRD_CERTIFICATE, leaf->credentials);
  gnutls_session_ticket_key_generate (&key);
  gnutls_session_ticket_enable_server (server, &key);
  gnutls_transport_set_int (server, fds[1]);

  g_autoptr (GSocket) socket = g_socket_new_from_fd (fds[0], NULL);
  g_autoptr (GSocketConnection) connection = g_socket_connection_factory_create_connection (socket);
  g_autoptr (CreelTlsStream) client = creel_tls_stream_new_client (G_IO_STREAM (connection), HOST, FALSE, trust);
  creel_tls_stream_handshake_async (client, 10, NULL, on_handshake, &done);
  for (int i = 0; i < 100 && !(done && result == 0); i++)
    {
      turn ();
      result = result == 0 ? 0 : gnutls_handshake (server);
    }
  g_assert_true (done && result == 0);

  g_autoptr (CreelEndpoint) endpoint = creel_endpoint_new (G_IO_STREAM (client));
  creel_endpoint_set_func (endpoint, on_step, NULL);
  creel_endpoint_set_reading (endpoint, TRUE);
  for (unsigned tickets = 0; tickets < 4; tickets++)
    for (int apart = 0; apart < 2; apart++)
      {
        gsize size;

        if (tickets > 0)
          g_assert_cmpint (gnutls_session_ticket_send (server, tickets, 0), ==, 0);
        if (apart)
          turn ();
        /* the size that was read before once more, and data behind it */
        g_assert_cmpint (gnutls_session_ticket_send (server, MAX (tickets, 1), 0), ==, 0);
        g_assert_cmpint (gnutls_record_send (server, "data", 4), ==, 4);
        turn ();
        const guint8 *data = creel_endpoint_peek (endpoint, &size);
        g_assert_cmpmem (data, size, "data", 4);
        creel_endpoint_consume (endpoint, size);
      }
  /* who sends nothing else keeps nobody busy */
  while (flood != NULL && gnutls_session_ticket_send (server, 10, 0) == 0)
    ;
  turn ();
  g_assert_cmpint (creel_endpoint_has_failed (endpoint), ==, flood != NULL);
  g_assert_cmpint (creel_endpoint_at_eof (endpoint), ==, flood != NULL);
  gnutls_deinit (server);
  gnutls_free (key.data);
  close (fds[1]);
  turn ();
  g_assert_true (creel_endpoint_at_eof (endpoint));
  creel_endpoint_close (endpoint);
  creel_leaf_unref (leaf);
  gnutls_certificate_free_credentials (trust);
}

typedef struct
{
  int fd, n_packets;
  guint8 packet[4096];
  gsize start, end;
} Packets;

static ssize_t
pull_packet (gnutls_transport_ptr_t data, void *buffer, size_t size)
{
  Packets *self = data;

  if (self->start == self->end)
    {
      ssize_t n = recv (self->fd, self->packet, sizeof self->packet, 0);

      if (n <= 0)
        return n;
      self->n_packets++;
      self->start = 0;
      self->end = (gsize) n;
    }
  size = MIN (size, self->end - self->start);
  memcpy (buffer, self->packet + self->start, size);
  self->start += size;
  return (ssize_t) size;
}

static ssize_t
push_packet (gnutls_transport_ptr_t data, const void *buffer, size_t size)
{
  return send (((Packets *) data)->fd, buffer, size, MSG_NOSIGNAL);
}

/* What a server says in a row goes out in one packet, also to a peer that took nothing for a while (filled: a gboolean). */
static void
test_flight (gconstpointer filled)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (CreelCa) ca = creel_ca_new ("test", &error);
  CreelLeaf *leaf = creel_ca_get_leaf (ca, HOST, &error);
  gnutls_certificate_credentials_t nothing;
  gnutls_session_t client;
  gboolean done = FALSE;
  Packets packets = { 0 };
  char filler = 'x';
  int fds[2], n_fillers = 0;

  g_assert_no_error (error);
  g_assert_cmpint (socketpair (AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), ==, 0);
  gnutls_certificate_allocate_credentials (&nothing);
  gnutls_init (&client, GNUTLS_CLIENT | GNUTLS_NONBLOCK);
  gnutls_priority_set_direct (client, "NORMAL:-VERS-ALL:+VERS-TLS1.3", NULL);
  gnutls_credentials_set (client, GNUTLS_CRD_CERTIFICATE, nothing);
  packets.fd = fds[1];
  gnutls_transport_set_ptr (client, &packets);
  gnutls_transport_set_pull_function (client, pull_packet);
  gnutls_transport_set_push_function (client, push_packet);
  g_assert_cmpint (gnutls_handshake (client), ==, GNUTLS_E_AGAIN);
  while (filled != NULL && send (fds[0], &filler, 1, 0) == 1)
    n_fillers++;

  g_autoptr (GSocket) socket = g_socket_new_from_fd (fds[0], NULL);
  g_autoptr (GSocketConnection) connection = g_socket_connection_factory_create_connection (socket);
  g_autoptr (CreelTlsStream) server = creel_tls_stream_new_server (G_IO_STREAM (connection), NULL, 0, leaf->credentials, NULL);
  creel_tls_stream_handshake_async (server, 10, NULL, on_handshake, &done);
  turn ();
  g_assert_false (done);
  for (int i = 0; i < n_fillers; i++)
    g_assert_cmpint (recv (fds[1], &filler, 1, 0), ==, 1);
  turn ();
  g_assert_cmpint (gnutls_handshake (client), ==, 0);
  g_assert_cmpint (packets.n_packets, ==, 1);
  turn ();
  g_assert_true (done);
  gnutls_deinit (client);
  close (fds[1]);
  gnutls_certificate_free_credentials (nothing);
  creel_leaf_unref (leaf);
}

static void
on_cancelled (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;

  g_assert_false (creel_tls_stream_handshake_finish (CREEL_TLS_STREAM (source), result, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  *(gboolean *) user_data = TRUE;
}

/* Whoever gives up says so, but not in the middle of what it could not send (filled: a gboolean): nobody would understand that. */
static void
test_goodbye (gconstpointer filled)
{
  static const guint8 close_notify[] = { 1, 0 };
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  gnutls_certificate_credentials_t trust;
  gboolean done = FALSE;
  guint8 packet[4096];
  char filler = 'x';
  int fds[2], n_fillers = 0;
  gssize n;

  g_assert_cmpint (socketpair (AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), ==, 0);
  gnutls_certificate_allocate_credentials (&trust);
  while (filled != NULL && send (fds[0], &filler, 1, 0) == 1)
    n_fillers++;

  g_autoptr (GSocket) socket = g_socket_new_from_fd (fds[0], NULL);
  g_autoptr (GSocketConnection) connection = g_socket_connection_factory_create_connection (socket);
  g_autoptr (CreelTlsStream) client = creel_tls_stream_new_client (G_IO_STREAM (connection), HOST, FALSE, trust);
  creel_tls_stream_handshake_async (client, 10, cancellable, on_cancelled, &done);
  turn ();
  for (int i = 0; i < n_fillers; i++)
    g_assert_cmpint (recv (fds[1], &filler, 1, 0), ==, 1);
  g_cancellable_cancel (cancellable);
  while (!done)
    g_main_context_iteration (NULL, TRUE);
  g_io_stream_close (G_IO_STREAM (client), NULL, NULL);
  if (filled == NULL)
    {
      g_assert_cmpint (recv (fds[1], packet, sizeof packet, 0), >, 100);
      n = recv (fds[1], packet, sizeof packet, 0);
      g_assert_cmpint (n, ==, 7);
      g_assert_cmpmem (packet + 5, 2, close_notify, sizeof close_notify);
    }
  g_assert_cmpint (recv (fds[1], packet, sizeof packet, 0), ==, 0);
  close (fds[1]);
  gnutls_certificate_free_credentials (trust);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_data_func ("/tls-stream/tickets", NULL, test_tickets);
  g_test_add_data_func ("/tls-stream/tickets-without-end", GINT_TO_POINTER (TRUE), test_tickets);
  g_test_add_data_func ("/tls-stream/flight", NULL, test_flight);
  g_test_add_data_func ("/tls-stream/flight-later", GINT_TO_POINTER (TRUE), test_flight);
  g_test_add_data_func ("/tls-stream/goodbye", NULL, test_goodbye);
  g_test_add_data_func ("/tls-stream/goodbye-unsent", GINT_TO_POINTER (TRUE), test_goodbye);
  return g_test_run ();
}
