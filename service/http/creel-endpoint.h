/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

/* One end of a conversation: a pollable stream with a bounded buffer each way. Whoever owns it writes a step function
 * that looks at the buffers and moves what can be moved; it runs after every change. */
typedef struct _CreelEndpoint CreelEndpoint;
typedef void (*CreelEndpointFunc) (CreelEndpoint *endpoint, gpointer user_data);

/* Reading pauses with this much unread, so a peer feels the pressure. */
#define CREEL_ENDPOINT_READ_MAX (64 * 1024)
/* Nobody adds to the output while this much waits. */
#define CREEL_ENDPOINT_HIGH_WATER (256 * 1024)
/* Both, while the buffers of all connections are above their budget (creel-account.h). */
#define CREEL_ENDPOINT_LITTLE (16 * 1024)

CreelEndpoint *creel_endpoint_new (GIOStream *stream);
CreelEndpoint *creel_endpoint_ref (CreelEndpoint *endpoint);
void creel_endpoint_unref (CreelEndpoint *endpoint);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CreelEndpoint, creel_endpoint_unref)

/* func: called from the main loop only; NULL stops all watching. */
void creel_endpoint_set_func (CreelEndpoint *endpoint, CreelEndpointFunc func, gpointer user_data);
/* Whether to read on when there is room. */
void creel_endpoint_set_reading (CreelEndpoint *endpoint, gboolean reading);
/* What is unread is no whole of what is looked for (a head), so more of it is read even when it is not little. To be said again after each change. */
void creel_endpoint_want_more (CreelEndpoint *endpoint);

const guint8 *creel_endpoint_peek (CreelEndpoint *endpoint, gsize *ret_size);
void creel_endpoint_consume (CreelEndpoint *endpoint, gsize size);
/* The peer sent all it will; what is unread is still there. */
gboolean creel_endpoint_at_eof (CreelEndpoint *endpoint);
/* The stream broke in either direction. */
gboolean creel_endpoint_has_failed (CreelEndpoint *endpoint);

/* Queues; creel_endpoint_flush() sends. A large piece before which nothing waits may be sent at once. */
void creel_endpoint_write (CreelEndpoint *endpoint, gconstpointer data, gsize size);
void creel_endpoint_flush (CreelEndpoint *endpoint);
/* Whether more may be added; sends first when it must. When not, the step function runs again once some was sent. */
gboolean creel_endpoint_has_room (CreelEndpoint *endpoint);
/* How many bytes should be added at most, 0 when has_room says no; a few more do no harm. */
gsize creel_endpoint_get_room (CreelEndpoint *endpoint);
gsize creel_endpoint_get_pending (CreelEndpoint *endpoint);
/* Ends the sending direction when everything queued is sent. */
void creel_endpoint_shutdown (CreelEndpoint *endpoint);
void creel_endpoint_close (CreelEndpoint *endpoint);

/* Borrowed. */
GIOStream *creel_endpoint_get_stream (CreelEndpoint *endpoint);
guint64 creel_endpoint_get_bytes_read (CreelEndpoint *endpoint);
guint64 creel_endpoint_get_bytes_written (CreelEndpoint *endpoint);
/* The stream and what was read of it and not consumed, to put a layer on top; the endpoint is closed to further use. */
GIOStream *creel_endpoint_steal_stream (CreelEndpoint *endpoint, GBytes **ret_unread);
