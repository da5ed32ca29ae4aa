/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "creel-daemon.h"

/* Watches the administrator's ceilings (/etc/creel/policy.d, creel.conf): a change counts at once, also in running sandboxes. */
CreelCeiling *creel_ceiling_new (CreelDaemon *daemon);
void creel_ceiling_free (CreelCeiling *ceiling);
