/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "creel-call.h"

/* Applies SetPorts' `changes` to a definition: creel_publish texts added and removed. G_DBUS_ERROR_INVALID_ARGS when something is
 * wrong with them, and then the definition is half changed. */
gboolean creel_ports_apply (CreelDefinition *definition, GVariant *changes, GError **error);
/* Those of `list` that are not in `before` (or NULL) and that somebody must be asked about; owned by the caller. */
char **creel_ports_find_guarded (char **list, char **before);
/* Adds each of them to what is asked, with its address and port. */
void creel_ports_need (CreelCall *call, char **guarded);
/* Stops ports that no definition publishes any more: with their drop-ins they lost their sandbox too. */
void creel_ports_sweep (CreelDaemon *daemon);
/* Why nobody listens on this port of sandbox `name`, for its owner's eyes: PORT_IN_USE. */
void creel_ports_explain (CreelDaemon *daemon, const char *name, uid_t owner, const CreelPublish *publish, GError **error);
