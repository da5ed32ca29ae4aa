/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>
#include <gnutls/gnutls.h>

/* A TLS session of GnuTLS as a GIOStream with pollable ends over another such stream, which it owns. For both sides;
 * offers ALPN http/1.1 only, TLS 1.2 and later, no renegotiation. Never blocks: only the nonblocking calls of
 * GPollable* work. */
#define CREEL_TYPE_TLS_STREAM (creel_tls_stream_get_type ())
G_DECLARE_FINAL_TYPE (CreelTlsStream, creel_tls_stream, CREEL, TLS_STREAM, GIOStream)

/* Server for the guest. prefix: bytes already read from base. credentials must outlive the stream. ticket_key: clients may resume
 * sessions (RFC 8446 section 2.2, RFC 5077), without early data; NULL: they cannot. */
CreelTlsStream *creel_tls_stream_new_server (GIOStream *base, gconstpointer prefix, gsize prefix_size,
                                             gnutls_certificate_credentials_t credentials, const gnutls_datum_t *ticket_key);
/* Client for the internet: sends `host` as SNI (not for addresses) and verifies the certificate for it. */
CreelTlsStream *creel_tls_stream_new_client (GIOStream *base, const char *host, gboolean is_address,
                                             gnutls_certificate_credentials_t credentials);

/* Finishes with FALSE and G_TLS_ERROR_BAD_CERTIFICATE when the peer cannot be believed, else another error. */
void creel_tls_stream_handshake_async (CreelTlsStream *stream, guint timeout_seconds, GCancellable *cancellable,
                                       GAsyncReadyCallback callback, gpointer user_data);
gboolean creel_tls_stream_handshake_finish (CreelTlsStream *stream, GAsyncResult *result, GError **error);
/* What it lies over; borrowed. */
GIOStream *creel_tls_stream_get_base (CreelTlsStream *stream);
/* Closing will not say goodbye: the peer shall see that something is missing. */
void creel_tls_stream_cut (CreelTlsStream *stream);
