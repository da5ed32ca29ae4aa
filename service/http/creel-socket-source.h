/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>
#include <sys/uio.h>

/* What GSocket makes of each wait and each try costs more than the bytes of a small request: a source below a source, an error with a text, and
 * with GLib 2.74 a write to wake a loop that is awake. So sockets are waited for, read and written directly. */

/* The socket of a stream that is nothing but one, for reading and writing beside the stream's own functions; -1 when there is none. */
int creel_socket_get_fd (GIOStream *stream);

/* A source for a GPollableSourceFunc, called with stream, a reference to which it holds. It is ready while the socket is, by
 * condition (G_IO_IN or G_IO_OUT; 0 for neither) or because it is broken. Destroy it before the socket is closed. Owned by the caller. */
GSource *creel_socket_source_new (GObject *stream, int fd, GIOCondition condition);

/* For GSourceFuncs.closure_callback of sources of pollable streams: as the child of another such source, a TLS stream's above all, a source has
 * a closure for a callback; without this it would be gone after its first dispatch, and the stream above would never be woken again. */
gboolean creel_socket_source_call_closure (GObject *stream, gpointer closure);

/* As recv() and send(), never waiting and without SIGPIPE: -1 with errno, EAGAIN for later. */
gssize creel_socket_read (int fd, void *buffer, gsize size);
gssize creel_socket_write (int fd, const void *data, gsize size);
gssize creel_socket_write_pieces (int fd, const struct iovec *pieces, int n_pieces);
