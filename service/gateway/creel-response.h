/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "creel-request.h"
#include "creel-scrub.h"

/* How the final answer comes, and how it goes to the guest. */
typedef struct
{
  guint status;
  CreelBodyKind body_kind;
  guint64 body_length;
  gboolean upgrade;        /* to the WebSocket that was asked for */
  gboolean upstream_keeps; /* its connection can serve another request */
  gboolean guest_keeps, chunked;
} CreelResponse;

/* NULL when it is a proper answer to the request, else the reason of the refusal with ret_message (static). */
const char *creel_response_resolve (const CreelHttpHead *head, const CreelRequest *request, CreelResponse *ret_response,
                                    const char **ret_message);
/* The head as it is sent to the guest; takes what is for one hop out of it. scrub may be NULL. */
GString *creel_response_format (const CreelResponse *response, CreelHttpHead *head, CreelScrub *scrub);
