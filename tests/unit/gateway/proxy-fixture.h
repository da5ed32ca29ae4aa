/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

#include "creel-proxy-private.h"

/* The whole proxy over a socket pair, with an origin on the loopback that answers as each test says. */
typedef struct
{
  CreelCa *ca;
  CreelAudit *audit;
  CreelProxy *proxy;
  GSocketService *origin;
  guint16 port;
  GByteArray *origin_got;
  const char *origin_says;
  gboolean origin_closes;
  gboolean origin_broke; /* a connection to it did not end in order */
  GPtrArray *origin_connections;
  char *directory, *journal;
  int journal_fd;
  GIOStream *client;
  int client_fd;
} Fixture;

void set_up (Fixture *f, gconstpointer unused);
void tear_down (Fixture *f, gconstpointer unused);
/* allow: the rule up to the port of the origin, or NULL for none */
void set_rules (Fixture *f, const char *allow);
/* authority NULL: to the explicit proxy. Closes the last one. */
void start_client (Fixture *f, const char *authority);
/* Runs the loop until `wanted` came, the end came, or time is up; what came. */
char *talk (Fixture *f, const char *say, const char *wanted, gboolean *ret_ended);
/* PORT is the origin's */
char *make_request (Fixture *f, const char *format);
