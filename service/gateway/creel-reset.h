/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

/* Makes the close of a TCP connection, or of one in a channel, a reset: for the peer it is no end in order then, whatever was
 * sent. Nothing for other streams. Call it right before the close. */
void creel_reset (GIOStream *stream);
