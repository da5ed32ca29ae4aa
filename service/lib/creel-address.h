/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

/* Which addresses are out of reach unless a rule names them: the address floor. Pure. */

/* A v4 address for ::ffff:a.b.c.d, else the same one; a new reference. */
GInetAddress *creel_address_unmap (GInetAddress *address);

/* NULL when the address is an ordinary public one, else what it is ("private", "loopback", ...), static. */
const char *creel_address_get_floor (GInetAddress *address);

/* The metadata services of the clouds: no range opens them, only a rule for exactly this address. */
gboolean creel_address_is_metadata (GInetAddress *address);

typedef struct
{
  GSocketFamily family;
  guint8 bytes[16]; /* bits after `length` are zero */
  guint length;
} CreelCidr;

/* "10.0.0.0/8", "fd00::/8"; host bits must be zero, so that a typing error is not a wider rule. */
gboolean creel_cidr_parse (const char *text, CreelCidr *ret_cidr, GError **error);
void creel_cidr_from_address (GInetAddress *address, CreelCidr *ret_cidr);
gboolean creel_cidr_contains (const CreelCidr *cidr, GInetAddress *address);
/* TRUE when the range names exactly one address. */
gboolean creel_cidr_is_single (const CreelCidr *cidr);
/* TRUE when the whole range lies within one range of the floor: only then was it meant to open it. */
gboolean creel_cidr_is_within_floor (const CreelCidr *cidr);
