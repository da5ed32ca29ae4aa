/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-hangup.h"

#include "creel-channel-stream.h"
#include "creel-socket-source.h"
#include "creel-tls-stream.h"

GSource *
creel_hangup_source_new (GIOStream *stream)
{
  int fd;

  while (CREEL_IS_TLS_STREAM (stream))
    stream = creel_tls_stream_get_base (CREEL_TLS_STREAM (stream));
  if (CREEL_IS_CHANNEL_STREAM (stream))
    return creel_channel_stream_create_hangup_source (CREEL_CHANNEL_STREAM (stream));
  fd = creel_socket_get_fd (stream);
  /* poll() always tells of POLLHUP and POLLERR, which a half-close is not */
  return fd >= 0 ? creel_socket_source_new (G_OBJECT (stream), fd, 0) : NULL;
}
