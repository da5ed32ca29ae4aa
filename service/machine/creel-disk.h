/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>
#include <sys/types.h>

/* Makes the upper disk of a sandbox ready at `path`: a sparse file of `size` bytes that holds an ext4 filesystem and
 * belongs to `uid` (QEMU's), and to the caller's group: so both may write it, without any capability. One with a filesystem keeps it; one that is smaller grows, and the guest grows the
 * filesystem. It is never made smaller and never mounted here. Blocks. CREEL_ERROR_NO_SPACE, CREEL_ERROR_FAILED. */
gboolean creel_disk_prepare (const char *path, guint64 size, uid_t uid, GError **error);
