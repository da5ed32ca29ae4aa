/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

#define CREEL_ENGINE_MAX_FLAGS 64
#define CREEL_ENGINE_MAX_CONTEXT ((guint64) 1 << 26)

/* Words of llama-server's command line that a user may add. What names a file, an address, a key, another model or a program is not
 * in the list, and a value is a number or a word of a few. FALSE with G_DBUS_ERROR_INVALID_ARGS, which says which word. */
gboolean creel_engine_flags_check (const char *const *flags, GError **error);
