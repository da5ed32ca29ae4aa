/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* HTTP/2 over a byte stream that survives the processes at its ends: one virtio-serial port. Shared by the gateway and by the guest's
 * init, so it is plain C with nghttp2 and knows no event loop: ask it for the poll events and the time it waits for, and dispatch.
 *
 * Memory is bounded on both ends whatever the peer does. What arrives is offered to `data`; what `data` does not take is kept, and
 * the peer's window opens only as bytes are taken. What leaves is pulled when the peer has room.
 *
 * The process must ignore SIGPIPE. Not for threads: a channel and its streams belong to one thread. Callbacks come from creel_channel_dispatch() only, except where
 * another function says so. Any function here may be called from a callback but creel_channel_free() and creel_channel_dispatch(). */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CREEL_CHANNEL_NONCE_LENGTH 32
#define CREEL_CHANNEL_HELLO_INTERVAL_USEC (250 * 1000)
#define CREEL_CHANNEL_NOISE_MAX (1024 * 1024)
#define CREEL_CHANNEL_STREAMS_MAX 4096
#define CREEL_CHANNEL_HEADERS_MAX (16 * 1024)

/* Codes of a stream's end: those of HTTP/2 (RFC 9113, 7), and one of ours for "the channel went away". */
enum
{
  CREEL_STREAM_NO_ERROR = 0x0,
  CREEL_STREAM_PROTOCOL_ERROR = 0x1,
  CREEL_STREAM_INTERNAL_ERROR = 0x2,
  CREEL_STREAM_REFUSED = 0x7,
  CREEL_STREAM_CANCEL = 0x8,
  CREEL_STREAM_CONNECT_ERROR = 0xa,
  CREEL_STREAM_ENHANCE_YOUR_CALM = 0xb,
  CREEL_STREAM_LOST = 0xffffffff,
};

typedef struct CreelChannel CreelChannel;
typedef struct CreelStream CreelStream;

typedef enum
{
  CREEL_CHANNEL_HOST,  /* says HELLO and START */
  CREEL_CHANNEL_GUEST, /* answers READY */
} CreelChannelSide;

typedef enum
{
  CREEL_CHANNEL_HANDSHAKE, /* no session yet, or (guest) no longer */
  CREEL_CHANNEL_OPEN,      /* requests may be made */
  CREEL_CHANNEL_CLOSED,    /* the host's end only: free it, close the fd, accept the next connection */
} CreelChannelState;

typedef struct
{
  const char *name; /* lower case */
  const char *value;
} CreelHeader;

/* The head of a message, valid during the callback that shows it. NUL-terminated, never with a NUL inside. Pseudo-headers that are
 * not there are NULL. */
typedef struct
{
  const char *method;
  const char *path;
  const char *authority;
  int status; /* of a response, else 0 */
  const CreelHeader *headers;
  size_t n_headers;
} CreelHead;

/* What a stream tells its user. Any may be NULL. */
typedef struct
{
  /* The final response head arrived (clients only; 1xx are dropped). */
  void (*response) (CreelStream *stream, const CreelHead *head, void *user_data);
  /* Bytes arrived. Returns how many of them were taken; the rest is kept (at most the stream's window, 1 MiB) and offered again by
   * creel_stream_receive(). NULL: nothing is taken, use creel_stream_read(). */
  size_t (*data) (CreelStream *stream, const uint8_t *bytes, size_t n_bytes, void *user_data);
  /* The peer has ended its side, and all its bytes were taken. */
  void (*end) (CreelStream *stream, void *user_data);
  /* Write up to size bytes of outgoing body into buffer. Returns how many; 0: none now, call creel_stream_resume() when there are;
   * -1: reset the stream (`closed` follows). Set *ret_end with the last bytes, or with 0, to end our side. Called only when the peer has room. */
  ssize_t (*pull) (CreelStream *stream, uint8_t *buffer, size_t size, bool *ret_end, void *user_data);
  /* The stream is over and its pointer becomes invalid. Last callback. code NO_ERROR comes only after both sides ended and all
   * bytes were taken. */
  void (*closed) (CreelStream *stream, uint32_t code, void *user_data);
} CreelStreamHandler;

/* What a channel tells its user. Any may be NULL. */
typedef struct
{
  /* The handshake is done. */
  void (*opened) (CreelChannel *channel, void *user_data);
  /* The session is over; all streams were closed with CREEL_STREAM_LOST before. reason: one line for a log, made by us. Guest: the
   * channel waits for the next HELLO by itself. Host: the channel is CREEL_CHANNEL_CLOSED. */
  void (*closed) (CreelChannel *channel, const char *reason, void *user_data);
  /* A request arrived (servers). Call creel_stream_set_handler() and creel_stream_respond(), now or later, or creel_stream_reset().
   * A request left without a handler is refused. */
  void (*request) (CreelChannel *channel, CreelStream *stream, const CreelHead *head, void *user_data);
} CreelChannelHandler;

/* Makes a channel over fd, a nonblocking byte stream that stays the caller's. http_client: this end makes the requests.
 * handler must stay valid. Returns NULL only when memory is gone. */
CreelChannel *creel_channel_new (int fd, CreelChannelSide side, bool http_client,
                                 const CreelChannelHandler *handler, void *user_data);

/* Closes all streams (`closed` with CREEL_STREAM_LOST is called, from here) and frees the channel. No callback `closed` of the channel. */
void creel_channel_free (CreelChannel *channel);

CreelChannelState creel_channel_get_state (CreelChannel *channel);
void *creel_channel_get_user_data (CreelChannel *channel);

/* Bytes skipped while waiting for the handshake, streams open now, bytes kept for users that do not take them. */
uint64_t creel_channel_get_noise (CreelChannel *channel);
size_t creel_channel_get_n_streams (CreelChannel *channel);
size_t creel_channel_get_buffered (CreelChannel *channel);

/* The poll(2) events to wait for. Changes with every call of a function here: ask before each wait. 0: do not poll the fd at all
 * (closed, or a port whose other end is away: poll would say POLLHUP again and again). */
short creel_channel_get_events (CreelChannel *channel);

/* When to dispatch even if nothing happened, in CLOCK_MONOTONIC microseconds; 0 at once, UINT64_MAX never. */
uint64_t creel_channel_get_deadline (CreelChannel *channel);

/* Reads, calls back, writes; a bounded amount per call. revents: what poll(2) said, 0 for the deadline. */
void creel_channel_dispatch (CreelChannel *channel, short revents);

/* Ends the session: a GOAWAY is tried, streams are lost, then as in `closed`. */
void creel_channel_close (CreelChannel *channel, const char *reason);

/* Makes a request (clients, when open). method CONNECT has an authority and no path, others may have none. body: `pull` provides one. NULL: not open, a header is not
 * valid, or CREEL_CHANNEL_STREAMS_MAX are in use; errno says which (ENOTCONN, EINVAL, EMFILE, ENOMEM). */
CreelStream *creel_channel_request (CreelChannel *channel, const char *method, const char *path, const char *authority,
                                    const CreelHeader *headers, size_t n_headers, bool body,
                                    const CreelStreamHandler *handler, void *user_data);

/* Answers a request (servers). body: `pull` provides one, else the response ends here. Returns 0, or -1 when the stream is gone or
 * was answered before. After the end of both sides the stream closes. */
int creel_stream_respond (CreelStream *stream, int status, const CreelHeader *headers, size_t n_headers, bool body);

void creel_stream_set_handler (CreelStream *stream, const CreelStreamHandler *handler, void *user_data);
void *creel_stream_get_user_data (CreelStream *stream);
CreelChannel *creel_stream_get_channel (CreelStream *stream);

/* The window of this stream stays at 64 KiB however fast it is read, so that 256 such streams which nobody reads leave half of the
 * connection's window to others. */
void creel_stream_keep_small (CreelStream *stream);

/* `pull` has bytes or the end now. */
void creel_stream_resume (CreelStream *stream);

/* Offers kept bytes to `data` again, and calls `end` and `closed` when they were waiting for that: the stream may be gone afterwards. */
void creel_stream_receive (CreelStream *stream);

/* Takes up to size kept bytes instead. Returns how many; 0: none are there. Never calls back: `end` and `closed` come from the next dispatch. */
size_t creel_stream_read (CreelStream *stream, uint8_t *buffer, size_t size);

/* Whether the peer ended its side and all bytes were taken. */
bool creel_stream_at_end (CreelStream *stream);

/* Whether the stream is over for the peer, by a reset too, and lives on only for bytes that were not taken. */
bool creel_stream_is_closed (CreelStream *stream);

/* RST_STREAM, and no callback of this stream ever again: the pointer is invalid after the call. */
void creel_stream_reset (CreelStream *stream, uint32_t code);

/* CLOCK_MONOTONIC in microseconds. */
uint64_t creel_channel_now (void);

#ifdef __cplusplus
}
#endif
