/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-reset.h"

#include <sys/socket.h>

#include "creel-channel-stream.h"

void
creel_reset (GIOStream *stream)
{
  const struct linger none = { 1, 0 };

  if (CREEL_IS_CHANNEL_STREAM (stream))
    creel_channel_stream_abort (CREEL_CHANNEL_STREAM (stream));
  else if (G_IS_SOCKET_CONNECTION (stream))
    setsockopt (g_socket_get_fd (g_socket_connection_get_socket (G_SOCKET_CONNECTION (stream))), SOL_SOCKET, SO_LINGER, &none, sizeof none);
}
