/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "creel-endpoint.h"
#include "creel-policy.h"

/* Connections of one sandbox to the internet: a name is resolved once, every address is checked, and these very
 * addresses are dialled. Connections that are done are kept for the next request to the same origin. */
typedef struct _CreelUpstream CreelUpstream;

/* trust_dir: certificates (*.pem) trusted besides the system's; NULL: /etc/creel/ca.d. */
CreelUpstream *creel_upstream_new (const char *trust_dir);
void creel_upstream_free (CreelUpstream *upstream);

/* max_idle_seconds: take a kept connection that is not older than this; 0: always a new one. With tls the certificate
 * was verified for `host`. */
void creel_upstream_open_async (CreelUpstream *upstream, CreelPolicy *policy, CreelHost *host, guint16 port, gboolean tls,
                                guint max_idle_seconds, GCancellable *cancellable, GAsyncReadyCallback callback,
                                gpointer user_data);
/* On failure ret_reason is the reason of the refusal, static. */
CreelEndpoint *creel_upstream_open_finish (GAsyncResult *result, gboolean *ret_reused, const char **ret_reason,
                                           GError **error);
/* Hands a connection back. */
void creel_upstream_keep (CreelUpstream *upstream, CreelEndpoint *endpoint, const CreelHost *host, guint16 port, gboolean tls);
/* Closes what is kept; to be done whenever the policy changes. */
void creel_upstream_drop_kept (CreelUpstream *upstream);
