/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Writes into `directory`, for each port that a sandbox publishes, what its instances of creel-port@.socket and creel-port@.service
 * have of their own, and that creel@NAME.service wants them. FALSE: something could not be written, the rest was. */
gboolean creel_port_units_write (const char *directory, GError **error);
