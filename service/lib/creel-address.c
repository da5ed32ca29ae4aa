/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-address.h"

#include <arpa/inet.h>
#include <string.h>

typedef struct
{
  const char *text;
  guint length;
  const char *what;
} Range;

static const Range v4_floor[] = {
  { "0.0.0.0", 8, "this network" },
  { "10.0.0.0", 8, "private" },
  { "100.64.0.0", 10, "carrier-grade NAT" },
  { "127.0.0.0", 8, "loopback" },
  { "168.63.129.16", 32, "metadata" }, /* Azure's wire server sits on a public address */
  { "169.254.0.0", 16, "link-local" },
  { "172.16.0.0", 12, "private" },
  { "192.0.0.0", 24, "reserved" },
  { "192.0.2.0", 24, "documentation" },
  { "192.31.196.0", 24, "reserved" },
  { "192.52.193.0", 24, "reserved" },
  { "192.88.99.0", 24, "6to4 relay" },
  { "192.168.0.0", 16, "private" },
  { "192.175.48.0", 24, "reserved" },
  { "198.18.0.0", 15, "benchmark" },
  { "198.51.100.0", 24, "documentation" },
  { "203.0.113.0", 24, "documentation" },
  { "224.0.0.0", 4, "multicast" },
  { "240.0.0.0", 4, "reserved" },
};

/* Only 2000::/3 is public at all. These say what the rest is, and cut out what carries a v4 address inside:
 * such an address could smuggle 127.0.0.1 past a check of the outer form. */
static const Range v6_floor[] = {
  { "::1", 128, "loopback" },
  { "::", 96, "IPv4-compatible" },
  { "::ffff:0:0", 96, "IPv4-mapped" },
  { "::ffff:0:0:0", 96, "IPv4-translated" },
  { "64:ff9b::", 96, "NAT64" },
  { "64:ff9b:1::", 48, "NAT64" },
  { "100::", 64, "discard" },
  { "2001::", 23, "reserved" }, /* Teredo, ORCHID, benchmarking */
  { "2001:db8::", 32, "documentation" },
  { "2002::", 16, "6to4" },
  { "3fff::", 20, "documentation" },
  { "5f00::", 16, "reserved" },
  { "fc00::", 7, "unique local" },
  { "fe80::", 10, "link-local" },
  { "fec0::", 10, "site-local" },
  { "ff00::", 8, "multicast" },
};

static const char *const metadata[] = {
  "169.254.169.254", "169.254.170.2", "169.254.170.23", "169.254.169.123", "169.254.169.253",
  "169.254.0.23", "168.63.129.16", "100.100.100.200", "192.0.0.192", "169.254.42.42",
  "fd00:ec2::254", "fd00:ec2::23", "fd00:ec2::123", "fd00:ec2::253", "fd20:ce::254", "fd00:42::42",
};

static gboolean
bits_match (const guint8 *a, const guint8 *b, guint length)
{
  guint whole = length / 8, rest = length % 8;

  if (memcmp (a, b, whole) != 0)
    return FALSE;
  return rest == 0 || ((a[whole] ^ b[whole]) >> (8 - rest)) == 0;
}

static const Range *
find_range (GSocketFamily family, const guint8 *bytes, guint length)
{
  const Range *ranges = family == G_SOCKET_FAMILY_IPV4 ? v4_floor : v6_floor;
  gsize n = family == G_SOCKET_FAMILY_IPV4 ? G_N_ELEMENTS (v4_floor) : G_N_ELEMENTS (v6_floor);

  for (gsize i = 0; i < n; i++)
    {
      guint8 range[16];

      if (inet_pton (family == G_SOCKET_FAMILY_IPV4 ? AF_INET : AF_INET6, ranges[i].text, range) == 1 &&
          length >= ranges[i].length && bits_match (bytes, range, ranges[i].length))
        return &ranges[i];
    }
  return NULL;
}

GInetAddress *
creel_address_unmap (GInetAddress *address)
{
  static const guint8 mapped[12] = { [10] = 0xff, [11] = 0xff };
  const guint8 *bytes = g_inet_address_to_bytes (address);

  if (g_inet_address_get_family (address) == G_SOCKET_FAMILY_IPV6 && memcmp (bytes, mapped, 12) == 0)
    return g_inet_address_new_from_bytes (bytes + 12, G_SOCKET_FAMILY_IPV4);
  return g_object_ref (address);
}

const char *
creel_address_get_floor (GInetAddress *original)
{
  g_autoptr (GInetAddress) address = creel_address_unmap (original);
  GSocketFamily family = g_inet_address_get_family (address);
  const guint8 *bytes = g_inet_address_to_bytes (address);
  const Range *range = find_range (family, bytes, family == G_SOCKET_FAMILY_IPV4 ? 32 : 128);

  if (creel_address_is_metadata (address))
    return "metadata";
  if (range != NULL)
    return range->what;
  if (family == G_SOCKET_FAMILY_IPV6 && (bytes[0] & 0xe0) != 0x20)
    return "not global";
  return NULL;
}

gboolean
creel_address_is_metadata (GInetAddress *original)
{
  g_autoptr (GInetAddress) address = creel_address_unmap (original);
  g_autofree char *text = g_inet_address_to_string (address);

  for (gsize i = 0; i < G_N_ELEMENTS (metadata); i++)
    if (g_str_equal (text, metadata[i]))
      return TRUE;
  return FALSE;
}

gboolean
creel_cidr_parse (const char *text, CreelCidr *ret_cidr, GError **error)
{
  const char *slash = strchr (text, '/');
  g_autofree char *address = slash != NULL ? g_strndup (text, (gsize) (slash - text)) : NULL;
  CreelCidr cidr = { 0 };
  guint64 length;

  if (address != NULL && inet_pton (AF_INET, address, cidr.bytes) == 1)
    cidr.family = G_SOCKET_FAMILY_IPV4;
  else if (address != NULL && inet_pton (AF_INET6, address, cidr.bytes) == 1)
    cidr.family = G_SOCKET_FAMILY_IPV6;
  if (cidr.family == 0 ||
      !g_ascii_string_to_unsigned (slash + 1, 10, 0, cidr.family == G_SOCKET_FAMILY_IPV4 ? 32 : 128, &length, NULL) ||
      (slash[1] == '0' && slash[2] != '\0'))
    {
      g_set_error (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS,
                   "“%s” is not an address range; write it as 10.0.0.0/8 or fd00::/8", text);
      return FALSE;
    }
  cidr.length = (guint) length;
  for (guint bit = cidr.length; bit < (cidr.family == G_SOCKET_FAMILY_IPV4 ? 32u : 128u); bit++)
    if (cidr.bytes[bit / 8] & (0x80 >> bit % 8))
      {
        g_set_error (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS,
                     "“%s” has bits set after its first %u; write the address of the range itself", text, cidr.length);
        return FALSE;
      }
  *ret_cidr = cidr;
  return TRUE;
}

void
creel_cidr_from_address (GInetAddress *original, CreelCidr *ret_cidr)
{
  g_autoptr (GInetAddress) address = creel_address_unmap (original);
  gsize size = g_inet_address_get_native_size (address);

  memset (ret_cidr, 0, sizeof *ret_cidr);
  ret_cidr->family = g_inet_address_get_family (address);
  ret_cidr->length = (guint) size * 8;
  memcpy (ret_cidr->bytes, g_inet_address_to_bytes (address), size);
}

gboolean
creel_cidr_contains (const CreelCidr *cidr, GInetAddress *original)
{
  g_autoptr (GInetAddress) address = creel_address_unmap (original);

  return g_inet_address_get_family (address) == cidr->family &&
         bits_match (g_inet_address_to_bytes (address), cidr->bytes, cidr->length);
}

gboolean
creel_cidr_is_single (const CreelCidr *cidr)
{
  return cidr->length == (cidr->family == G_SOCKET_FAMILY_IPV4 ? 32u : 128u);
}

gboolean
creel_cidr_is_within_floor (const CreelCidr *cidr)
{
  if (find_range (cidr->family, cidr->bytes, cidr->length) != NULL)
    return TRUE;
  return cidr->family == G_SOCKET_FAMILY_IPV6 && cidr->length >= 3 && (cidr->bytes[0] & 0xe0) != 0x20;
}
