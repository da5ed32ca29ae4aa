/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

/* A source for a GPollableSourceFunc, ready when the other end of the stream is gone: it closed both ways or made a reset, or its channel is lost.
 * It need not read to know that, and one that only ended its sending is not gone. The end of a TCP connection in order looks like that too.
 * For TLS it is about the stream below. NULL for a stream that cannot tell. Destroy it before the stream is closed. Owned by the caller. */
GSource *creel_hangup_source_new (GIOStream *stream);
