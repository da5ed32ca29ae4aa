/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

#include "creel-proxy.h"
#include "creel-save.h"
#include "creel-session.h"

/* The gateway of one sandbox: definition, proxy, and the two channels. Its D-Bus face is creel-gateway-bus. */
typedef struct _CreelGateway CreelGateway;

/* Takes the fds: the listening sockets, and the kept state of a gateway that died (or -1). Reads the definition; what
 * cannot be read denies all and shows in the status text. NULL only when no CA could be made. */
CreelGateway *creel_gateway_new (const char *name, int egress_fd, int control_fd, int keepsake_fd, GError **error);
void creel_gateway_free (CreelGateway *gateway);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CreelGateway, creel_gateway_free)

/* `changed`: one of the three below may have another value. */
void creel_gateway_set_changed_func (CreelGateway *gateway, void (*changed) (gpointer user_data), gpointer user_data);
const char *creel_gateway_get_state (CreelGateway *gateway);
/* Owned by the caller. */
char *creel_gateway_make_status_text (CreelGateway *gateway);
GVariant *creel_gateway_make_guest (CreelGateway *gateway);
CreelProxy *creel_gateway_get_proxy (CreelGateway *gateway);

/* Reads the definition again; failure leaves deny-all. */
gboolean creel_gateway_reload (CreelGateway *gateway, GError **error);
/* As creel_network_check_answered(), with this sandbox's policy and the answers for this run. */
GVariant *creel_gateway_check (CreelGateway *gateway, const char *url, const char *method, GError **error);
/* As creel_questions_answer(); an answer for this run outlives this process. */
gboolean creel_gateway_answer (CreelGateway *gateway, guint64 id, const char *choice, const char *by, GError **error);
/* The command when none is given, owned by the caller. */
char **creel_gateway_make_default_command (CreelGateway *gateway);
/* As creel_session_start(), with an id of its own. */
CreelSession *creel_gateway_start_session (CreelGateway *gateway, CreelExec *exec, int output, int ret_fds[3],
                                           const CreelSessionHandler *handler, gpointer user_data, GError **error);
/* As creel_save_start(). */
CreelSave *creel_gateway_start_save (CreelGateway *gateway, const CreelSaveHandler *handler, gpointer user_data, GError **error);
/* As creel_ports_add(), but takes fd in any case, and a definition that does not publish it is read again first. */
gboolean creel_gateway_publish (CreelGateway *gateway, int fd, guint16 guest_port, gpointer holder, GError **error);
void creel_gateway_unpublish (CreelGateway *gateway, gpointer holder);
void creel_gateway_shutdown_async (CreelGateway *gateway, GAsyncReadyCallback callback, gpointer user_data);
gboolean creel_gateway_shutdown_finish (GAsyncResult *result, GError **error);
/* Ends sessions and streams, each with its own last words. */
void creel_gateway_stop (CreelGateway *gateway, const char *reason);
