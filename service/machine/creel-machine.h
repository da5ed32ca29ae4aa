/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* One sandbox from its start to its end: disk, shares, domain, and what the gateway says of the guest. */

/* Runs sandbox `name` until it ends or SIGTERM; returns the exit status: 0 after an orderly end, else
 * CREEL_MACHINE_EXIT_BASE plus the CreelError, after one line in the journal and in the unit's status text. */
int creel_machine_run (const char *name);

/* Destroys what a creel-machine that was killed left behind: for ExecStopPost=. Returns an exit status. */
int creel_machine_cleanup (const char *name);

#define CREEL_MACHINE_EXIT_BASE 70
