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

/* A server's tickets are no data, and neither hide nor hold up what comes in one piece with them, whatever their sizes are. */
static void
test_tickets (void)
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
  gnutls_deinit (server);
  gnutls_free (key.data);
  close (fds[1]);
  turn ();
  g_assert_true (creel_endpoint_at_eof (endpoint));
  creel_endpoint_close (endpoint);
  creel_leaf_unref (leaf);
  gnutls_certificate_free_credentials (trust);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/tls-stream/tickets", test_tickets);
  return g_test_run ();
}
