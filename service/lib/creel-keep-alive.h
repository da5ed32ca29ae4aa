/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

/* How long a model stays without a request, as people write it: 30s, 5m, 1h30m, a number of seconds, 0 (not at all), never or -1. In usec;
 * G_MAXUINT64 is never. FALSE with G_OPTION_ERROR. */
gboolean creel_keep_alive_parse (const char *text, guint64 *ret_usec, GError **error);
