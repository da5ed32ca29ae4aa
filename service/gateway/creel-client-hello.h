/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Looks into the first TLS records of a client without taking part in the handshake. */
typedef struct
{
  char *server_name;   /* as sent, or NULL; free of NUL, not canonical */
  gboolean has_ech;    /* an encrypted inner ClientHello (or its grease) is there */
  gboolean http1;      /* ALPN offers http/1.1, or there is no ALPN */
} CreelClientHello;
void creel_client_hello_clear (CreelClientHello *hello);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (CreelClientHello, creel_client_hello_clear)

typedef enum
{
  CREEL_HELLO_MORE, /* more bytes are needed */
  CREEL_HELLO_DONE,
  CREEL_HELLO_BAD,  /* not a ClientHello, or one that two servers would read differently */
} CreelHelloResult;

#define CREEL_CLIENT_HELLO_MAX 32768

CreelHelloResult creel_client_hello_parse (const guint8 *data, gsize size, CreelClientHello *ret_hello);
