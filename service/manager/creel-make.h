/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "creel-daemon.h"

/* A sandbox from its definition, which is right in all that can be known: whoever asks for it, a client or a job of ours. */

/* Takes the name, until _run is done or _release. SANDBOX_EXISTS, LIMITS_EXCEEDED. */
gboolean creel_make_reserve (CreelDaemon *daemon, const CreelDefinition *definition, GError **error);
void creel_make_release (CreelDaemon *daemon, const char *name);
/* Makes disk and definition, has systemd read it, and starts it when wanted. drop_in: text of a further drop-in of its unit, or
 * NULL. When something but the start fails nothing stays behind, and of an ephemeral one then neither. */
void creel_make_run (CreelDaemon *daemon, const CreelDefinition *definition, const char *drop_in, gboolean start, CreelUnitFunc done,
                     gpointer user_data);
