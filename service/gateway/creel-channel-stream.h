/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

#include "creel-channel.h"

/* One stream of a channel as a GIOStream, whose halves are GPollableInputStream and GPollableOutputStream; for the thread
 * of the channel, and never blocking: a call that would have to wait gives G_IO_ERROR_WOULD_BLOCK.
 *
 * Back-pressure is the channel's: the peer's window opens as bytes are read; at most 64 KiB written wait for the peer's.
 * A stream that the peer reset, or whose channel is lost, gives G_IO_ERROR_CONNECTION_CLOSED to reads and writes.
 * Closing the output half is END_STREAM; closing both halves lets what was written go out (at most 5 s without
 * progress) and takes no more from the peer. */
#define CREEL_TYPE_CHANNEL_STREAM (creel_channel_stream_get_type ())
G_DECLARE_FINAL_TYPE (CreelChannelStream, creel_channel_stream, CREEL, CHANNEL_STREAM, GIOStream)

/* Takes over a stream that was just offered (its handler is set here); respond to it before or after. */
CreelChannelStream *creel_channel_stream_new (CreelStream *stream);
/* RST_STREAM instead of an orderly end, after what was written (at most 5 s without progress). Nothing more can be read or written. */
void creel_channel_stream_abort (CreelChannelStream *self);
/* See creel_hangup_source_new(). */
GSource *creel_channel_stream_create_hangup_source (CreelChannelStream *self);
/* Streams that still exist on a channel, with those that only finish writing. */
guint creel_channel_stream_get_n_alive (void);
