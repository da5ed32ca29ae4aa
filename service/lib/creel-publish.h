/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

/* A published port: a TCP port of this machine whose connections go to a port of the guest. Immutable. */
typedef struct
{
  GInetAddress *address; /* that is listened on; 0.0.0.0 or :: is every one of its family */
  guint16 port;
  guint16 guest;
} CreelPublish;

#define CREEL_MAX_PUBLISH 64 /* of one sandbox */

/* "[[IP:]HOST:]GUEST", IPv6 in brackets: loopback when there is no IP, HOST as GUEST when it is 0, empty or not there; "/tcp" may
 * follow. NULL with G_DBUS_ERROR_INVALID_ARGS and a text that says how it is written. */
CreelPublish *creel_publish_parse (const char *text, GError **error);
void creel_publish_free (CreelPublish *publish);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CreelPublish, creel_publish_free)

/* "127.0.0.1:8080:80", "[::1]:8080:80": the one spelling of it; "127.0.0.1:8080" of its socket. Owned by the caller. */
char *creel_publish_format (const CreelPublish *publish);
char *creel_publish_format_socket (const CreelPublish *publish);
/* Of the socket unit: "creel-port@NAME:127.0.0.1:8080:80.socket"; an IPv6 address has no brackets there. */
char *creel_publish_unit (const CreelPublish *publish, const char *name);

/* Loopback and a port that any user may listen on: nobody needs to be asked. */
gboolean creel_publish_is_plain (const CreelPublish *publish);
/* Whether one machine cannot have both sockets. */
gboolean creel_publish_overlaps (const CreelPublish *a, const CreelPublish *b);
gboolean creel_publish_is_socket (const CreelPublish *publish, GSocketAddress *address);

/* The entries of `list` (canonical texts) that "[IP:]HOST[:GUEST]" names. NULL with INVALID_ARGS when it cannot be read; an
 * empty list when it names none. Owned by the caller. */
char **creel_publish_find (char **list, const char *text, GError **error);
