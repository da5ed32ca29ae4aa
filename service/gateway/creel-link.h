/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "creel-channel.h"

/* One channel of the guest on the main loop: a listening socket, the one connection that QEMU has made to it, and the
 * HTTP/2 session over that. A connection that ends is freed and the next one starts over. */
typedef struct _CreelLink CreelLink;

typedef struct
{
  void (*opened) (CreelLink *link, gpointer user_data);
  /* Streams were told before. A connection made after this starts over by itself. */
  void (*closed) (CreelLink *link, const char *reason, gpointer user_data);
  void (*request) (CreelLink *link, CreelStream *stream, const CreelHead *head, gpointer user_data);
} CreelLinkHandler;

/* Takes listen_fd, which may be -1: then creel_link_take_connection() is the only way in. `handler` must stay valid. */
CreelLink *creel_link_new (int listen_fd, gboolean http_client, const CreelLinkHandler *handler, gpointer user_data);
/* Not from its callbacks. */
void creel_link_free (CreelLink *link);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CreelLink, creel_link_free)

/* Takes fd; closes it at once and returns FALSE when there is a connection already. */
gboolean creel_link_take_connection (CreelLink *link, int fd);
/* The channel while its session is open, else NULL. */
CreelChannel *creel_link_get_channel (CreelLink *link);
gboolean creel_link_is_connected (CreelLink *link);
/* Ends the connection; `closed` is called with `reason`. */
void creel_link_drop (CreelLink *link, const char *reason);
