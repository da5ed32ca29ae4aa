/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <nghttp2/nghttp2.h>

#include "creel-byte-queue.h"
#include "creel-channel.h"

/* What creel-channel.c (the byte stream and the handshake) and creel-stream.c (HTTP/2) share. */

#define OUT_SIZE (256 * 1024)
#define OUT_ROOM_MIN (32 * 1024) /* room for any frame we make but DATA, which takes what there is */
#define IN_SIZE (128 * 1024)
#define FRAME_SIZE (64 * 1024)
#define FRAME_HEAD_SIZE 9
#define LINE_MAX_LENGTH (sizeof "CREEL1 HELLO " - 1 + CREEL_CHANNEL_NONCE_LENGTH)

/* A stream starts small, so that a thousand which nobody reads fit the connection's window, and grows when its user does read. */
#define STREAM_WINDOW_FIRST (64 * 1024)
#define STREAM_WINDOW (1024 * 1024)
#define CONNECTION_WINDOW (32 * 1024 * 1024)

struct CreelStream
{
  CreelChannel *channel;
  CreelStream *previous;
  CreelStream *next;
  int32_t id;

  const CreelStreamHandler *handler;
  void *user_data;

  CreelByteQueue kept; /* arrived, not taken */
  size_t taken_before_growth;

  char *head; /* of the message that arrives: name NUL value NUL ... */
  size_t head_length;
  size_t head_size;
  size_t n_headers;

  uint32_t close_code;
  bool head_done;
  bool peer_ended;
  bool end_told;
  bool http_closed; /* nghttp2 forgot it; it lives on for bytes that were not taken */
  bool detached;    /* no callback any more */
  bool retired;     /* on the list of those to free */
  bool answered;
  bool offering; /* inside `data` */
  bool waiting;  /* has something to tell at the next dispatch */
};

struct CreelChannel
{
  int fd;
  CreelChannelSide side;
  bool http_client;
  const CreelChannelHandler *handler;
  void *user_data;

  CreelChannelState state;
  char nonce[CREEL_CHANNEL_NONCE_LENGTH + 1]; /* host: ours; guest: that of the last HELLO, "" for none */
  char line[LINE_MAX_LENGTH + 1];
  size_t line_length;
  bool first_bytes; /* of the session are still to come */
  uint64_t noise;
  uint64_t hello_at;
  uint64_t hold_until; /* guest: nobody is at the other end, look again then; 0: not so */

  nghttp2_session *session;
  CreelStream *streams;
  CreelStream *retired;
  size_t n_streams;
  size_t buffered;
  bool some_waiting;

  bool dispatching;
  bool data_sent; /* a DATA frame was put into the buffer: mem_send's 0 does not mean "no more" */
  const char *close_reason;

  uint8_t *out;
  size_t out_start;
  size_t out_end;
  uint8_t *in;
};

/* creel-stream.c: a session begins, eats bytes, fills `out`, ends. Those that return bool say false when the session is lost. */
bool creel_session_begin (CreelChannel *channel);
bool creel_session_feed (CreelChannel *channel, const uint8_t *bytes, size_t n_bytes);
bool creel_session_fill (CreelChannel *channel);
void creel_session_settle (CreelChannel *channel);
void creel_session_end (CreelChannel *channel);

/* creel-head.c */
nghttp2_nv creel_head_make (const char *name, const char *value);
/* Appends the user's headers to those at nvs. Returns how many there are then, 0 when one is not valid or all are too long. */
size_t creel_head_add (nghttp2_nv *nvs, size_t n_nvs, const CreelHeader *headers, size_t n_headers);
