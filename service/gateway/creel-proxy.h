/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

#include "creel-audit.h"
#include "creel-ca.h"
#include "creel-definition.h"
#include "creel-parent-proxy.h"
#include "creel-policy.h"
#include "creel-questions.h"

/* The proxy of one sandbox: takes the guest's connections, decides, announces each request to the journal and only
 * then lets it out. One GMainContext, the default one. Until a policy is set everything is refused (not-ready). */
#define CREEL_TYPE_PROXY (creel_proxy_get_type ())
G_DECLARE_FINAL_TYPE (CreelProxy, creel_proxy, CREEL, PROXY, GObject)

typedef enum
{
  CREEL_WAY_PROXY,       /* the guest's explicit proxy: HTTP with absolute-form and CONNECT */
  CREEL_WAY_TRANSPARENT, /* bytes of a program that knows of no proxy */
} CreelWay;

CreelProxy *creel_proxy_new (const char *sandbox, CreelCa *ca, CreelAudit *audit);

/* Counts at once: new requests, kept connections and open tunnels; what is now denied is cut. NULL denies all.
 * bypass: HOST[:PORT] (port 443 by default), tunnelled and never intercepted; NULL for none. */
void creel_proxy_set_policy (CreelProxy *proxy, CreelPolicy *policy, char **bypass);

/* Counts for new connections and requests at once; until then, what a definition has that says nothing. */
void creel_proxy_set_limits (CreelProxy *proxy, const CreelLimits *limits);

/* The proxy by which the internet is reached; NULL: none. Its credential comes from the secret function. */
void creel_proxy_set_parent (CreelProxy *proxy, CreelParentProxy *parent);

/* credentials: of CreelCredential, referenced. placeholders: name of the credential -> the placeholder of this start;
 * it is known only as text to the guest and is never required: what the guest sends as key is removed in any case. */
void creel_proxy_set_credentials (CreelProxy *proxy, GPtrArray *credentials, GHashTable *placeholders);

/* Asked for a key when a request needs one that is not cached. Answer `reply`, from the same main context, with
 * g_task_return_pointer (reply, GBytes, g_bytes_unref) or an error (CREEL_ERROR_NO_AGENT, KEYRING_LOCKED,
 * NO_SUCH_SECRET); takes a reference of it for that long. The bytes are copied into locked memory; the caller wipes its
 * own. Without a function, and after 30 s, requests that need a key are refused with 503. */
typedef void (*CreelSecretFunc) (const char *credential, GTask *reply, gpointer user_data);
void creel_proxy_set_secret_func (CreelProxy *proxy, CreelSecretFunc func, gpointer user_data);

/* Wipes cached keys; NULL or empty: all. */
void creel_proxy_forget (CreelProxy *proxy, const char *const *credentials);

/* What waits for a person; borrowed. */
CreelQuestions *creel_proxy_get_questions (CreelProxy *proxy);

/* Takes `stream` over, whose two ends implement GPollable*. For CREEL_WAY_TRANSPARENT, authority is "host:port" as the
 * guest says (checked here); for CREEL_WAY_PROXY it is ignored. */
void creel_proxy_accept (CreelProxy *proxy, GIOStream *stream, const char *authority, CreelWay way);

/* Closes everything that is open. */
void creel_proxy_abort_all (CreelProxy *proxy);
guint creel_proxy_get_n_connections (CreelProxy *proxy);
