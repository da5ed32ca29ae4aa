/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "creel-definition.h"
#include "creel-http-head.h"
#include "creel-key-forms.h"

/* TRUE when the credential is for exactly this host and port (443 unless it says another). */
gboolean creel_inject_matches (const CreelCredential *credential, const CreelHost *host, guint16 port);
/* TRUE when who answers there may have the key: it is for this host, at whatever port. On this machine each port is a server of its own. */
gboolean creel_inject_knows_key (const CreelCredential *credential, const CreelHost *host, guint16 port);
/* A key that can stand in a header: printable ASCII, 1 to 8192 bytes. */
gboolean creel_inject_key_is_valid (const char *key, gsize size);
/* Removes from the request whatever the client sent as a key, and asks for a plain answer; keeps the rest of the target as it is. */
void creel_inject_strip (const CreelCredential *credential, CreelHttpHead *head);
/* No more asks for an answer that is coded or not all there: else a key could leave in pieces. */
void creel_inject_ask_plainly (CreelHttpHead *head);
/* The line of the injected header with CR LF, "" for a parameter; to be wiped by the caller. Sets the parameter in
 * `target`. Call after creel_inject_strip(). */
char *creel_inject_format (const CreelCredential *credential, const char *key, char **target);
/* What must not come back: the key, and what else of the request is as good as it. */
CreelKeyForms *creel_inject_get_forms (const CreelCredential *credential, const char *key);
