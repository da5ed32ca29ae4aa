/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>
#include <gnutls/gnutls.h>

/* The sandbox's own certificate authority: P-256, made in memory at each start, never on a disk. Mints leaf
 * certificates for hosts that are intercepted; all leaves share one P-256 key of this process. */
typedef struct _CreelCa CreelCa;

CreelCa *creel_ca_new (const char *sandbox, GError **error);
/* From creel_ca_export(): a gateway that was restarted keeps the CA that the guest trusts. */
CreelCa *creel_ca_import (GBytes *state, GError **error);
CreelCa *creel_ca_ref (CreelCa *ca);
void creel_ca_unref (CreelCa *ca);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CreelCa, creel_ca_unref)

/* Certificate and key (PEM) for the service manager's file descriptor store (a sealed memfd), and nothing else. */
GBytes *creel_ca_export (CreelCa *ca);
/* The certificate for the guest's trust stores, PEM; borrowed. */
const char *creel_ca_get_certificate (CreelCa *ca);

/* Server credentials with a leaf for a host, and the key of the tickets by which its clients resume sessions: another one for each
 * host, so that no session of one resumes at another. */
typedef struct
{
  gnutls_certificate_credentials_t credentials;
  gnutls_datum_t ticket_key;
} CreelLeaf;
/* The leaf for `host` (canonical name or address), minted or from the cache; a new reference, to be kept as long as a
 * session uses it. */
CreelLeaf *creel_ca_get_leaf (CreelCa *ca, const char *host, GError **error);
void creel_leaf_unref (CreelLeaf *leaf);
