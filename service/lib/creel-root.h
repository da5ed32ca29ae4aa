/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* An absolute path below $CREEL_ROOT, which tests set; the path itself without it, or when the process gained
 * privileges by being executed (secure_getenv). Owned by the caller. */
char *creel_root_path (const char *path);
