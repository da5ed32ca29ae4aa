/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "creel-credential-store.h"
#include "creel-http-head.h"
#include "creel-limiter.h"
#include "creel-proxy.h"
#include "creel-upstream.h"

/* How long a connection may wait, in seconds. */
typedef struct
{
  guint head;  /* from the first byte of a request to the end of its header; a TLS handshake */
  guint idle;  /* for a request; for a guest that takes the last of an answer */
  guint body;  /* for the next of a request's body, while there is no answer */
  guint quiet; /* for anything else of a request or tunnel under way: a model may think long before it says its first word */
} CreelTimes;

/* What the parts of the proxy share. */
struct _CreelProxy
{
  GObject parent;
  char *sandbox;
  CreelCa *ca;
  CreelAudit *audit;
  CreelPolicy *policy;
  GHashTable *bypass;     /* set of "host:port" */
  GPtrArray *credentials; /* of CreelCredential */
  CreelCredentialStore *store;
  CreelUpstream *upstream;
  CreelQuestions *questions;
  GHashTable *connections; /* set of CreelConnection */
  GQueue half_open;        /* those without a whole first request, who came first at the head */
  guint n_turned_away;     /* those that only hear that there are too many */
  CreelLimiter limiter;
  CreelTimes times;
  guint tick;
  guint n_asking; /* requests to the model runner that are under way */
  gsize decoding; /* bytes that decoders of answers may take */
  guint64 next_request;
};

/* Trusts another directory than /etc/creel/ca.d; for tests. */
void creel_proxy_set_trust_directory (CreelProxy *proxy, const char *path);

gboolean creel_proxy_is_bypassed (CreelProxy *proxy, const CreelHost *host, guint16 port);
/* The credential for this origin, or NULL. head: a hint, when there are several: the one whose header the client sent. */
const CreelCredential *creel_proxy_find_credential (CreelProxy *proxy, const CreelHost *host, guint16 port,
                                                    const CreelHttpHead *head);
