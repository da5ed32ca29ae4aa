/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "creel-credential-store.h"
#include "creel-endpoint.h"
#include "creel-parent-proxy.h"
#include "creel-policy.h"

/* Connections of one sandbox to the internet: a name is resolved once, every address is checked, and these very
 * addresses are dialled. Connections that are done are kept for the next request to the same origin. */
typedef struct _CreelUpstream CreelUpstream;

/* trust_dir: certificates (*.pem) trusted besides the system's; NULL: /etc/creel/ca.d. */
CreelUpstream *creel_upstream_new (const char *trust_dir);
void creel_upstream_free (CreelUpstream *upstream);

/* From now on by way of this proxy, NULL: directly. What this machine can resolve is checked as before, so a name goes to the
 * proxy only when all its addresses may be dialled. store: of the proxy's user and password; must outlive upstream. */
void creel_upstream_set_parent (CreelUpstream *upstream, CreelParentProxy *parent, CreelCredentialStore *store);

typedef enum
{
  CREEL_UPSTREAM_BYTES, /* nobody reads them */
  CREEL_UPSTREAM_HTTP,  /* requests, not encrypted */
  CREEL_UPSTREAM_TLS,   /* anything in TLS */
} CreelUpstreamUse;

/* asked: as for creel_policy_address_allowed(). max_idle_seconds: take a kept connection that is not older than this; 0: always a new one. With TLS the certificate
 * was verified for `host`. */
void creel_upstream_open_async (CreelUpstream *upstream, CreelPolicy *policy, CreelHost *host, guint16 port, gboolean asked, CreelUpstreamUse use,
                                guint max_idle_seconds, GCancellable *cancellable, GAsyncReadyCallback callback,
                                gpointer user_data);
/* A kept connection that can be used at once, or NULL: then one can be opened. It is reused, and not the parent proxy's. */
CreelEndpoint *creel_upstream_take (CreelUpstream *upstream, const CreelHost *host, guint16 port, CreelUpstreamUse use, guint max_idle_seconds);
typedef struct
{
  gboolean reused;
  const char *reason;  /* of the refusal, on failure; static */
  gboolean absolute;   /* the parent proxy is at the other end: it wants the whole URL, and its authorization */
  CreelSecret *secret; /* of that, or NULL; to be unreferenced */
} CreelUpstreamResult;
CreelEndpoint *creel_upstream_open_finish (GAsyncResult *result, CreelUpstreamResult *ret, GError **error);
/* Hands a connection back. */
void creel_upstream_keep (CreelUpstream *upstream, CreelEndpoint *endpoint, const CreelHost *host, guint16 port, CreelUpstreamUse use);
/* Closes what is kept; to be done whenever the policy changes. */
void creel_upstream_drop_kept (CreelUpstream *upstream);
