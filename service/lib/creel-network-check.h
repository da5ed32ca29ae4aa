/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "creel-policy.h"

/* What the policy says about a URL as a person writes it: "https://host/path", "http://…", "wss://…", "ws://…",
 * "tcp://host:port", "host:port" or "host" (443), in a request with `method` ("": GET). a{sv}: verdict s ("allow", "ask",
 * "deny"), rule s, origin s, reason s, pattern s (a rule for just this host and port would name it). Names are not
 * resolved here, so the address floor may still refuse. Floating. G_DBUS_ERROR_INVALID_ARGS for what is no URL. */
GVariant *creel_network_check (const CreelPolicy *policy, const char *url, const char *method, GError **error);

/* What a person answered for this run when the policy asked about it: "run", "deny-run", or NULL; path NULL: none. */
typedef const char *(*CreelAnsweredFunc) (const CreelHost *host, guint16 port, CreelScheme scheme, const char *method, const char *path,
                                          const CreelDecision *decision, gpointer user_data);
/* The same with answers: where there is one, the verdict is what came of it, and answer s says so. */
GVariant *creel_network_check_answered (const CreelPolicy *policy, const char *url, const char *method, CreelAnsweredFunc answered,
                                        gpointer user_data, GError **error);
