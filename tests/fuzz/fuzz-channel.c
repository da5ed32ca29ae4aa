/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The host's ends of both channels, fed with what a hostile guest may send. The first byte chooses: bit 0 the role (client or server of
 * HTTP/2), bit 1 whether the bytes come after the handshake or instead of it, bit 2 whether the users read. */
#include "creel-channel.h"

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput (const uint8_t *bytes, size_t n_bytes);

static bool reads;

static size_t
on_data (CreelStream *stream, const uint8_t *bytes, size_t n, void *user_data)
{
  return reads ? n : 0;
}

static ssize_t
on_pull (CreelStream *stream, uint8_t *buffer, size_t size, bool *ret_end, void *user_data)
{
  size_t n = size < 5000 ? size : 5000;

  memset (buffer, 'x', n);
  *ret_end = true;
  return n;
}

static void
on_end (CreelStream *stream, void *user_data)
{
  creel_stream_resume (stream);
}

static const CreelStreamHandler stream_handler = { .data = on_data, .pull = on_pull, .end = on_end };

static void
on_request (CreelChannel *channel, CreelStream *stream, const CreelHead *head, void *user_data)
{
  if (head->authority != NULL && head->authority[0] == 'r')
    return;
  creel_stream_set_handler (stream, &stream_handler, NULL);
  creel_stream_respond (stream, 200, NULL, 0, true);
}

static void
on_opened (CreelChannel *channel, void *user_data)
{
  for (int i = 0; i < 3; i++)
    creel_channel_request (channel, "POST", "/exec/1", NULL, NULL, 0, true, &stream_handler, NULL);
}

static const CreelChannelHandler channel_handler = { .opened = on_opened, .request = on_request };

int
LLVMFuzzerTestOneInput (const uint8_t *bytes, size_t n_bytes)
{
  int fds[2];
  uint8_t choice;
  char line[46];
  CreelChannel *channel;
  uint8_t sink[65536];

  if (n_bytes < 1 || socketpair (AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) != 0)
    return 0;
  signal (SIGPIPE, SIG_IGN);
  choice = *bytes++;
  n_bytes--;
  reads = (choice & 4) != 0;
  channel = creel_channel_new (fds[0], CREEL_CHANNEL_HOST, (choice & 1) != 0, &channel_handler, NULL);
  creel_channel_dispatch (channel, 0);
  if (read (fds[1], line, sizeof line) == sizeof line && (choice & 2) != 0)
    {
      memcpy (line, "CREEL1 READY ", 13);
      if (write (fds[1], line, sizeof line) != sizeof line)
        return 0;
      creel_channel_dispatch (channel, POLLIN);
    }
  while (n_bytes > 0 && creel_channel_get_state (channel) != CREEL_CHANNEL_CLOSED)
    {
      ssize_t n = write (fds[1], bytes, n_bytes < 4096 ? n_bytes : 4096);

      if (n <= 0)
        break;
      bytes += n;
      n_bytes -= n;
      creel_channel_dispatch (channel, POLLIN | POLLOUT);
      while (read (fds[1], sink, sizeof sink) > 0)
        ;
    }
  creel_channel_free (channel);
  close (fds[0]);
  close (fds[1]);
  return 0;
}
