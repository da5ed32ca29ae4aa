/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "creel-daemon.h"

/* Private D-Bus connection to one sandbox's gateway, kept while the sandbox runs and made again when it breaks. Our
 * Broker is exported on it. */
typedef struct _CreelGatewayLink CreelGatewayLink;

CreelGatewayLink *creel_gateway_link_new (CreelDaemon *daemon, const char *sandbox);
void creel_gateway_link_free (CreelGatewayLink *link);

gboolean creel_gateway_link_is_connected (CreelGatewayLink *link);
/* What the guest says of itself, a{sv}, cut to size; borrowed, NULL before it said anything. */
GVariant *creel_gateway_link_get_guest (CreelGatewayLink *link);
/* Why the gateway denies everything or lost its guest, one printable line; borrowed, NULL when all is well. */
const char *creel_gateway_link_get_problem (CreelGatewayLink *link);
/* What waits for a person there, aa{sv} as creel_question_clean() makes it; borrowed, NULL when there is nothing. */
GVariant *creel_gateway_link_get_questions (CreelGatewayLink *link);
/* It was answered: not to be seen any more, though the gateway has not told yet. */
void creel_gateway_link_drop_question (CreelGatewayLink *link, guint64 id);
/* Has the gateway read definition and ceiling again; a failure is logged, and the gateway then denies everything. */
void creel_gateway_link_reload (CreelGatewayLink *link);

/* `reply` and `fds` are borrowed and NULL with an error. */
typedef void (*CreelGatewayFunc) (GVariant *reply, GUnixFDList *fds, gpointer user_data, GError *error);
/* CREEL_ERROR_NOT_RUNNING without a connection. timeout in ms, -1 for the default. */
void creel_gateway_link_call (CreelGatewayLink *link, const char *method, GVariant *parameters, const char *reply_type,
                              int timeout, CreelGatewayFunc done, gpointer user_data);
/* The same with descriptors for the handles in `parameters`; borrowed, may be NULL. */
void creel_gateway_link_call_with_fds (CreelGatewayLink *link, const char *method, GVariant *parameters, GUnixFDList *fds,
                                       const char *reply_type, int timeout, CreelGatewayFunc done, gpointer user_data);
