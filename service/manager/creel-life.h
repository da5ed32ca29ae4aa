/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "creel-daemon.h"

/* Starting, stopping and removing. Also used by CreateSandbox. */

/* Done when the guest is ready; errors say why it is not. */
void creel_life_start (CreelDaemon *daemon, const char *name, CreelUnitFunc done, gpointer user_data);
/* Deletes what is left of a stopped sandbox: disk, definition, object. Does not wait. */
void creel_life_forget (CreelDaemon *daemon, const char *name);
/* Stops it, with force when that takes long, and removes it. Done (may be NULL), with an error when it is still there. */
void creel_life_discard (CreelDaemon *daemon, const char *name, CreelUnitFunc done, gpointer user_data);
