/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "creel-daemon.h"
#include "creel-gateway-link.h"

/* One sandbox as creeld sees it: its definition on disk, its unit in systemd, the link to its gateway. */
CreelSandbox *creel_sandbox_new (CreelDaemon *daemon, const char *name);
void creel_sandbox_free (CreelSandbox *sandbox);

const char *creel_sandbox_get_name (CreelSandbox *sandbox);
const char *creel_sandbox_get_path (CreelSandbox *sandbox);
const char *creel_sandbox_get_unit (CreelSandbox *sandbox);
uid_t creel_sandbox_get_owner (CreelSandbox *sandbox);
/* "stopped", "starting", "running", "stopping", "failed", "broken". */
const char *creel_sandbox_get_state (CreelSandbox *sandbox);
gboolean creel_sandbox_is_active (CreelSandbox *sandbox);
/* NULL with CREEL_ERROR_BAD_DEFINITION when it is broken. */
const CreelDefinition *creel_sandbox_get_definition (CreelSandbox *sandbox, GError **error);
CreelGatewayLink *creel_sandbox_get_link (CreelSandbox *sandbox);
/* Floating a{sv} of org.creel.Creel1.Sandbox. */
GVariant *creel_sandbox_get_properties (CreelSandbox *sandbox);

/* Reads the definition again and tells clients what changed. */
void creel_sandbox_reload (CreelSandbox *sandbox);
/* Asks systemd and tells clients what changed. `done` may be NULL. */
void creel_sandbox_refresh (CreelSandbox *sandbox, CreelUnitFunc done, gpointer user_data);
/* Tells clients of properties that changed since the last time. */
void creel_sandbox_emit_changed (CreelSandbox *sandbox);

/* Puts one into the daemon's table and tells clients; takes it out again and frees it. */
CreelSandbox *creel_sandbox_add (CreelDaemon *daemon, const char *name);
void creel_sandbox_drop (CreelDaemon *daemon, const char *name);

/* Just made and never started: an ephemeral one is kept then, though it does not run. */
void creel_sandbox_set_fresh (CreelSandbox *sandbox, gboolean fresh);

/* What systemd's words mean here. */
const char *creel_sandbox_state_from_unit (const char *active_state);
/* Why a start failed, from what creel-machine left behind: exit status 70 + CreelError, STATUS= one line. */
void creel_sandbox_explain_failure (const CreelUnitState *state, const char *name, GError **error);
