/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gnutls/gnutls.h>

#include "creel-credential-store.h"
#include "creel-parent-proxy.h"

/* Connections by way of the parent proxy: with CONNECT (RFC 9110 section 9.3.6) or SOCKS5 (RFC 1928, 1929). */

/* secret: "USER:PASSWORD" or NULL. bare: a connection to the proxy itself, for requests with absolute URLs; not for SOCKS5.
 * credentials verify a proxy that speaks TLS. credentials must outlive the call. */
void creel_parent_open_async (CreelParentProxy *parent, CreelSecret *secret, gnutls_certificate_credentials_t credentials, const CreelHost *host,
                              guint16 port, gboolean bare, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
/* Owned by the caller. */
GIOStream *creel_parent_open_finish (GAsyncResult *result, GError **error);
/* The line Proxy-Authorization, with CRLF (RFC 7617); the caller wipes and frees it. */
char *creel_parent_format_authorization (CreelSecret *secret);
/* What must not be seen in an error page of the proxy, which may show what it was asked. Owned by the caller. */
CreelKeyForms *creel_parent_get_forms (CreelSecret *secret);
#define CREEL_PARENT_WANTS_PASSWORD \
  "the proxy of this network wants a user and password: ProxyCredential= in section [Network] of /etc/creel/creel.conf"
