/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

/* The mount namespace of a share: a tmpfs that holds the shared directory at CREEL_SHARE_MOUNT, and read-only what a
 * program needs to be loaded. Called in a user and mount namespace of our own, as its root. */

#define CREEL_SHARE_MOUNT "/share"

/* `fd` is the directory, opened in this mount namespace. After it, `/` is the tmpfs. False after a line on stderr. */
bool creel_share_root_enter (int fd, bool read_only);

/* Gives up every capability that virtiofsd does not need to act for several users within the namespace. */
bool creel_share_root_drop_capabilities (void);
