/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "creel-proxy-private.h"
#include "creel-scrub.h"

/* Which keys must not come back in an answer: the one that went out with the request, and every other of a credential for this host, as
 * a server may keep what it got and show it to a later request, of another credential, at another port or without a key. Keys that this
 * gateway never had in its hands are not fetched for that. */

/* TRUE when there are such credentials: the answers of this host must be such as can be looked into. */
gboolean creel_guard_is_for (CreelProxy *proxy, const CreelHost *host, guint16 port);
/* What looks for the keys; NULL: there are none. credential, secret: of the request, or NULL. parent_secret: of a proxy whose answer
 * this may be, or NULL. */
CreelScrub *creel_guard_make_scrub (CreelProxy *proxy, const CreelHost *host, guint16 port, const CreelCredential *credential,
                                    CreelSecret *secret, CreelSecret *parent_secret);
