/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

/* The bus face of creel-agent: exports org.creel.Creel1.Agent on the system bus, registers with whoever owns org.creel.Creel1
 * (without activating it), answers that owner only, and revokes what the keyring takes back. */
#define CREEL_TYPE_SECRET_AGENT (creel_secret_agent_get_type ())
G_DECLARE_FINAL_TYPE (CreelSecretAgent, creel_secret_agent, CREEL, SECRET_AGENT, GObject)

/* Both connections must outlive nothing: references are taken. `session_bus` is where the keyring's signals come from. */
CreelSecretAgent *creel_secret_agent_new (GDBusConnection *system_bus, GDBusConnection *session_bus);
/* Starts to serve; FALSE when the object cannot be exported. */
gboolean creel_secret_agent_start (CreelSecretAgent *self, GError **error);
/* Leaves the bus; no secret is given out after it. Also done by dispose. */
void creel_secret_agent_stop (CreelSecretAgent *self);
