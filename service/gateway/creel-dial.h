/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

/* One TCP connection to whichever of several addresses takes it first (Happy Eyeballs, RFC 8305 section 5): the families
 * take turns, the next attempt starts when one failed or after 250 ms, and each ends after 10 s. */

/* addresses: of GInetAddress, not empty, in the order of preference; copied. In the default main context. */
void creel_dial_async (GList *addresses, guint16 port, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
/* Owned by the caller, not blocking, without Nagle's delay. The error is the last attempt's. */
GSocketConnection *creel_dial_finish (GAsyncResult *result, GError **error);
