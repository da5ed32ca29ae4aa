/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-publish.h"

#include <arpa/inet.h>
#include <string.h>

#include "creel-address.h"

#define PRIVILEGED_BELOW 1024
#define SHOWN_MAX 80
#define HOW "write [[IP:]HOST:]GUEST, for example 8080:80 or 127.0.0.1:8080:80"

static gpointer
fail (GError **error, const char *text, const char *why)
{
  g_autofree char *shown = g_utf8_make_valid (text, (gssize) MIN (strlen (text), SHOWN_MAX));

  g_set_error (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS, "“%s” is not a port to publish: %s", shown, why);
  return NULL;
}

/* 0: not a port. Plain decimal: no sign, no space, no more digits than it needs. */
static guint16
parse_port (const char *text)
{
  guint64 number;

  if (text[0] == '0' || strlen (text) > 5 || !g_ascii_string_to_unsigned (text, 10, 1, G_MAXUINT16, &number, NULL))
    return 0;
  return (guint16) number;
}

/* One spelling only: getaddrinfo's short, octal and scoped forms are not what the eye reads. */
static GInetAddress *
parse_address (const char *text)
{
  guint8 bytes[16];
  g_autoptr (GInetAddress) address = NULL;

  if (inet_pton (AF_INET, text, bytes) == 1)
    return g_inet_address_new_from_bytes (bytes, G_SOCKET_FAMILY_IPV4);
  if (inet_pton (AF_INET6, text, bytes) != 1)
    return NULL;
  address = g_inet_address_new_from_bytes (bytes, G_SOCKET_FAMILY_IPV6);
  return creel_address_unmap (address);
}

static const char *
find_problem (GInetAddress *address)
{
  static const guint8 broadcast[4] = { 255, 255, 255, 255 };

  if (g_inet_address_get_is_multicast (address) ||
      (g_inet_address_get_family (address) == G_SOCKET_FAMILY_IPV4 && memcmp (g_inet_address_to_bytes (address), broadcast, 4) == 0))
    return "nobody can listen on a multicast or broadcast address";
  if (g_inet_address_get_family (address) == G_SOCKET_FAMILY_IPV6 && g_inet_address_get_is_link_local (address))
    return "a link-local address depends on an interface; use another address";
  return NULL;
}

/* Cuts "ADDRESS:rest" or "[ADDRESS]:rest" off; n_colons is how many the rest without an address may have. FALSE: it cannot be read. */
static gboolean
take_address (const char *text, guint n_colons, GInetAddress **ret_address, char **ret_rest)
{
  const char *rest = text, *end;
  g_autofree char *address = NULL;
  guint colons = 0;

  if (text[0] == '[')
    {
      end = strchr (text, ']');
      if (end == NULL || end[1] != ':')
        return FALSE;
      address = g_strndup (text + 1, end - text - 1);
      rest = end + 2;
    }
  else
    {
      for (const char *p = text; *p != '\0'; p++)
        colons += *p == ':';
      if (colons > n_colons || (colons > 0 && memchr (text, '.', strchr (text, ':') - text) != NULL))
        {
          end = strchr (text, ':');
          address = g_strndup (text, end - text);
          rest = end + 1;
        }
    }
  if (address == NULL)
    *ret_address = NULL;
  else if ((*ret_address = parse_address (address)) == NULL)
    return FALSE;
  *ret_rest = g_strdup (rest);
  return TRUE;
}

CreelPublish *
creel_publish_parse (const char *text, GError **error)
{
  g_autoptr (CreelPublish) publish = g_new0 (CreelPublish, 1);
  const char *slash = strchr (text, '/');
  g_autofree char *bare = g_strndup (text, slash != NULL ? (gsize) (slash - text) : strlen (text));
  g_autofree char *rest = NULL;
  const char *problem;
  char *colon;

  if (slash != NULL && !g_str_equal (slash, "/tcp"))
    return fail (error, text, "only TCP ports are published");
  if (!take_address (bare, 1, &publish->address, &rest))
    return fail (error, text, strchr (bare, '[') == NULL && strchr (bare, '.') == NULL ? HOW "; an IPv6 address stands in brackets" : HOW);
  colon = strchr (rest, ':');
  if (publish->address != NULL && colon == NULL)
    return fail (error, text, HOW);
  publish->guest = parse_port (colon != NULL ? colon + 1 : rest);
  if (publish->guest == 0)
    return fail (error, text, strchr (bare, ':') == NULL ? "a port is a number from 1 to 65535" : HOW);
  if (colon != NULL)
    *colon = '\0';
  if (colon == NULL || rest[0] == '\0' || g_str_equal (rest, "0"))
    publish->port = publish->guest;
  else if ((publish->port = parse_port (rest)) == 0)
    return fail (error, text, HOW);
  if (publish->address == NULL)
    publish->address = g_inet_address_new_loopback (G_SOCKET_FAMILY_IPV4);
  problem = find_problem (publish->address);
  return problem == NULL ? g_steal_pointer (&publish) : fail (error, text, problem);
}

void
creel_publish_free (CreelPublish *publish)
{
  g_clear_object (&publish->address);
  g_free (publish);
}

char *
creel_publish_format_socket (const CreelPublish *publish)
{
  g_autofree char *address = g_inet_address_to_string (publish->address);
  gboolean v6 = g_inet_address_get_family (publish->address) == G_SOCKET_FAMILY_IPV6;

  return g_strdup_printf (v6 ? "[%s]:%u" : "%s:%u", address, publish->port);
}

char *
creel_publish_format (const CreelPublish *publish)
{
  g_autofree char *socket = creel_publish_format_socket (publish);

  return g_strdup_printf ("%s:%u", socket, publish->guest);
}

char *
creel_publish_unit (const CreelPublish *publish, const char *name)
{
  g_autofree char *address = g_inet_address_to_string (publish->address);

  return g_strdup_printf ("creel-port@%s:%s:%u:%u.socket", name, address, publish->port, publish->guest);
}

gboolean
creel_publish_is_plain (const CreelPublish *publish)
{
  return publish->port >= PRIVILEGED_BELOW && g_inet_address_get_is_loopback (publish->address);
}

gboolean
creel_publish_overlaps (const CreelPublish *a, const CreelPublish *b)
{
  if (a->port != b->port || g_inet_address_get_family (a->address) != g_inet_address_get_family (b->address))
    return FALSE;
  return g_inet_address_get_is_any (a->address) || g_inet_address_get_is_any (b->address) ||
         g_inet_address_equal (a->address, b->address);
}

gboolean
creel_publish_is_socket (const CreelPublish *publish, GSocketAddress *address)
{
  return G_IS_INET_SOCKET_ADDRESS (address) &&
         g_inet_socket_address_get_port (G_INET_SOCKET_ADDRESS (address)) == publish->port &&
         g_inet_address_equal (g_inet_socket_address_get_address (G_INET_SOCKET_ADDRESS (address)), publish->address);
}

char **
creel_publish_find (char **list, const char *text, GError **error)
{
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  g_autoptr (GInetAddress) address = NULL;
  g_autofree char *rest = NULL;
  guint16 port = 0, guest = 0;
  char *colon = NULL;

  if (take_address (text, 1, &address, &rest))
    {
      colon = strchr (rest, ':');
      if (colon != NULL)
        {
          *colon = '\0';
          guest = parse_port (colon + 1);
        }
      port = parse_port (rest);
    }
  if (port == 0 || (colon != NULL && guest == 0))
    {
      g_autofree char *shown = g_utf8_make_valid (text, (gssize) MIN (strlen (text), SHOWN_MAX));

      g_set_error (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS,
                   "“%s” names no published port: write [IP:]HOST[:GUEST], for example 8080", shown);
      return NULL;
    }
  for (char **entry = list; *entry != NULL; entry++)
    {
      g_autoptr (CreelPublish) publish = creel_publish_parse (*entry, NULL);

      if (publish != NULL && publish->port == port && (guest == 0 || publish->guest == guest) &&
          (address == NULL || g_inet_address_equal (address, publish->address)))
        g_strv_builder_add (builder, *entry);
    }
  return g_strv_builder_end (builder);
}
