/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>
#include <sys/types.h>

/* ManagementUsers= of section [Models] in creel.conf: whose programs may manage models through the port of the model runner. The front and
 * creeld both read it, anew for each request, so a change counts at once. */

/* Names and uids, as they stand there; nobody when the file cannot be read. Owned by the caller. */
char **creel_management_users_load (void);
/* Uids that are no person's are never in it, whatever it says: nobody's, and those that systemd makes up for services, of which gateways are. */
gboolean creel_management_users_contain (const char *const *users, uid_t uid);
