/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "creel-registry.h"

#include <libsoup/soup.h>

#define CREEL_REGISTRY_TEXT_MAX (1024 * 1024)

/* ---- creel-registry-trust: certificates and proxies ---- */

/* The certificates that vouch for a host: SSL_CERT_FILE or the system's, SSL_CERT_DIR, and what
 * /etc/containers/certs.d has for it. NULL: the system's. */
GTlsDatabase *creel_registry_trust_load (const char *host, GError **error);
/* The variables HTTP_PROXY, HTTPS_PROXY, NO_PROXY; never for this machine. */
GProxyResolver *creel_registry_trust_proxies (void);
/* Whether a host of a URI is this machine, which may do without TLS. */
gboolean creel_registry_is_local (const char *host);

/* ---- creel-registry-auth: who we are ---- */

typedef enum
{
  CREEL_CHALLENGE_NONE,
  CREEL_CHALLENGE_BASIC,
  CREEL_CHALLENGE_BEARER,
} CreelChallengeKind;

/* What a registry wants to see, from its header WWW-Authenticate. */
typedef struct
{
  CreelChallengeKind kind;
  char *realm, *service, *scope; /* of Bearer; realm is a URI, the others may be NULL */
} CreelChallenge;
void creel_challenge_free (CreelChallenge *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CreelChallenge, creel_challenge_free)

/* One value of the header; fuzzed. */
CreelChallenge *creel_challenge_parse (const char *value);
/* The URI that gives a token; NULL when the realm is none that may be asked: no https, unless it
 * and the registry are this machine. */
char *creel_challenge_token_uri (const CreelChallenge *self, gboolean registry_is_local,
                                 const char *scope);
/* The token of an answer, or NULL; fuzzed. */
char *creel_challenge_take_token (GBytes *answer);

/* "Basic …" for a credential in a file; NULL without error: there is none. */
char *creel_registry_read_credential (const CreelImageRemote *remote, int fd, GError **error);
