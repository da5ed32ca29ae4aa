/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "creel-credential-store.h"
#include "creel-endpoint.h"
#include "creel-http-body.h"
#include "creel-request.h"

/* Moves what there is of a request's body and fits; activity is set to now when anything moved. FALSE: it is framed wrongly. */
gboolean creel_send_body (CreelHttpBody *body, CreelEndpoint *from, CreelEndpoint *to, gint64 *activity);

/* Writes the head of a request, with the key that it gets (secret; NULL: none) and, where a parent proxy is at the other end
 * (absolute), with the whole URL and the proxy's authorization (parent_secret; NULL: none). The request itself stays free of all
 * these: a fresh connection may need it again. */
void creel_send_head (CreelRequest *request, CreelEndpoint *to, const CreelCredential *credential, CreelSecret *secret, gboolean absolute,
                      CreelSecret *parent_secret);
