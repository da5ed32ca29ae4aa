/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "creel-call.h"

/* Exports everything on the daemon's bus connection. GLib's skeletons are not used: Properties.Get, GetAll,
 * GetManagedObjects and Introspect go past their authorization hook, and all of them must depend on the caller. */
gboolean creel_dispatch_export (CreelDaemon *daemon, GError **error);
void creel_dispatch_unexport (CreelDaemon *daemon);

/* Whether `uid` may see what belongs to `owner` without asking polkit. */
gboolean creel_dispatch_is_own (uid_t uid, uid_t owner);
/* The table's entry, or NULL. */
const CreelMethod *creel_dispatch_find_method (const char *interface, const char *method);
