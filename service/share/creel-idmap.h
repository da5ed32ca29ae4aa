/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Whose uid a guest's uid is on the host. CREEL_SHARE_UID of the guest is the owner; every other one of the 65536 is
 * a subordinate id of the owner, which nobody else uses. */

#define CREEL_SHARE_UID 1000 /* = CREEL_GUEST_UID */
#define CREEL_SHARE_IDS 65536u

/* First id of the owner's range in the text of /etc/subuid or /etc/subgid (lines NAME-OR-UID:FIRST:COUNT, COUNT at least
 * 65536). Without one: a range of this owner between 0x70000000 and 0x7ffdffff, which systemd keeps free of users
 * and containers (systemd.io/UIDS-GIDS). */
uint32_t creel_idmap_find_range (const char *text, const char *user_name, uid_t owner);

/* The text for uid_map or gid_map; returns its length. `buffer` has at least 128 bytes. */
size_t creel_idmap_format (uint32_t owner_id, uint32_t first, char *buffer, size_t size);
