/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

/* The one canonical form of "whom do we talk to": made once from outside bytes, then used for rules,
 * resolution, dialling, SNI, Host and log. A name is lower case ASCII (IDNA applied), without a trailing
 * dot, LDH labels of 1..63 bytes, at most 253 bytes; every spelling of an address that some resolver would
 * take for one (decimal, octal, hex, short, v4-mapped) is parsed to bytes or refused. Immutable. */
typedef struct _CreelHost CreelHost;

/* Parses `text` (a name, or an address, v6 with or without brackets). NULL with G_DBUS_ERROR_INVALID_ARGS
 * when it cannot be made canonical: empty, NUL, control bytes, userinfo, zone id, underscores at the edge, ... */
CreelHost *creel_host_parse (const char *text, gssize length, GError **error);
/* Parses "host:port", "[v6]:port" or, when default_port is not 0, a bare host. Ports are 1..65535, plain decimal. */
CreelHost *creel_host_parse_authority (const char *text, gssize length, guint16 default_port,
                                       guint16 *ret_port, GError **error);
CreelHost *creel_host_from_inet_address (GInetAddress *address);
CreelHost *creel_host_ref (CreelHost *host);
void creel_host_unref (CreelHost *host);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CreelHost, creel_host_unref)

/* Canonical text, no brackets; borrowed. */
const char *creel_host_get_text (const CreelHost *host);
/* The address when the host is one, else NULL; borrowed. */
GInetAddress *creel_host_get_address (const CreelHost *host);
gboolean creel_host_equal (const CreelHost *a, const CreelHost *b);
guint creel_host_hash (const CreelHost *host);
/* "host:port", brackets where needed; owned by the caller. */
char *creel_host_format_authority (const CreelHost *host, guint16 port);
