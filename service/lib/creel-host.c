/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-host.h"

#include <arpa/inet.h>
#include <string.h>

#include "creel-address.h"

#define NAME_MAX_BYTES 253
#define LABEL_MAX_BYTES 63
/* what a caller may hand in before IDNA shortens or lengthens it */
#define INPUT_MAX_BYTES 1024

struct _CreelHost
{
  gatomicrefcount ref_count;
  char *text;
  GInetAddress *address;
};

static CreelHost *
host_new_take (char *text, GInetAddress *address)
{
  CreelHost *host = g_new0 (CreelHost, 1);

  g_atomic_ref_count_init (&host->ref_count);
  host->text = text;
  host->address = address;
  return host;
}

CreelHost *
creel_host_ref (CreelHost *host)
{
  g_atomic_ref_count_inc (&host->ref_count);
  return host;
}

void
creel_host_unref (CreelHost *host)
{
  if (host == NULL || !g_atomic_ref_count_dec (&host->ref_count))
    return;
  g_free (host->text);
  g_clear_object (&host->address);
  g_free (host);
}

CreelHost *
creel_host_from_inet_address (GInetAddress *address)
{
  /* a v4-mapped address is dialled as v4 by the kernel, so it is v4 here too: one host, one spelling */
  GInetAddress *canonical = creel_address_unmap (address);

  return host_new_take (g_inet_address_to_string (canonical), canonical);
}

static CreelHost *
refuse (GError **error, const char *text, gsize length, const char *why)
{
  g_autofree char *copy = g_strndup (text, MIN (length, 80));
  g_autofree char *shown = g_strescape (copy, NULL);

  g_set_error (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS, "“%s” is not a host: %s", shown, why);
  return NULL;
}

static CreelHost *
parse_v6 (const char *text, gsize length, GError **error)
{
  char buffer[INET6_ADDRSTRLEN];
  guint8 bytes[16];

  if (memchr (text, '%', length) != NULL)
    return refuse (error, text, length, "zone identifiers are not accepted");
  if (length >= sizeof buffer)
    return refuse (error, text, length, "too long for an IPv6 address");
  memcpy (buffer, text, length);
  buffer[length] = '\0';
  if (inet_pton (AF_INET6, buffer, bytes) != 1)
    return refuse (error, text, length, "not an IPv6 address");
  g_autoptr (GInetAddress) address = g_inet_address_new_from_bytes (bytes, G_SOCKET_FAMILY_IPV6);
  return creel_host_from_inet_address (address);
}

/* TRUE for what inet_aton() and browsers read as a number: digits, or 0x with hex digits */
static gboolean
label_is_numeric (const char *label, gsize length)
{
  gboolean hex = length >= 2 && label[0] == '0' && (label[1] == 'x' || label[1] == 'X');

  for (gsize i = hex ? 2 : 0; i < length; i++)
    if (hex ? !g_ascii_isxdigit (label[i]) : !g_ascii_isdigit (label[i]))
      return FALSE;
  return TRUE;
}

static const char *
check_name (const char *name)
{
  const char *label = name;

  if (strlen (name) > NAME_MAX_BYTES)
    return "longer than 253 bytes";
  for (;;)
    {
      gsize length = strcspn (label, ".");

      if (length == 0)
        return "empty label";
      if (length > LABEL_MAX_BYTES)
        return "label longer than 63 bytes";
      for (gsize i = 0; i < length; i++)
        if (!g_ascii_isalnum (label[i]) && label[i] != '-' && label[i] != '_')
          return "only letters, digits, hyphens and dots are accepted";
      if (!g_ascii_isalnum (label[0]) || !g_ascii_isalnum (label[length - 1]))
        return "a label starts and ends with a letter or digit";
      if (label[length] == '\0')
        return label_is_numeric (label, length) ? "only plain a.b.c.d is accepted as an address" : NULL;
      label += length + 1;
    }
}

CreelHost *
creel_host_parse (const char *text, gssize signed_length, GError **error)
{
  gsize length = signed_length < 0 ? strlen (text) : (gsize) signed_length;
  g_autofree char *name = NULL;
  gboolean ascii = TRUE;
  guint8 bytes[4];
  const char *why;

  if (length == 0)
    return refuse (error, text, length, "empty");
  if (length > INPUT_MAX_BYTES)
    return refuse (error, text, length, "too long");
  for (gsize i = 0; i < length; i++)
    {
      if ((guchar) text[i] <= ' ' || text[i] == 0x7f)
        return refuse (error, text, length, "space or control byte");
      if ((guchar) text[i] >= 0x80)
        ascii = FALSE;
    }

  if (text[0] == '[')
    {
      if (text[length - 1] != ']')
        return refuse (error, text, length, "bracket not closed");
      return parse_v6 (text + 1, length - 2, error);
    }
  if (memchr (text, ':', length) != NULL)
    return parse_v6 (text, length, error);

  if (ascii)
    name = g_ascii_strdown (text, length);
  else
    {
      g_autofree char *copy = NULL;

      if (!g_utf8_validate (text, length, NULL))
        return refuse (error, text, length, "not UTF-8");
      copy = g_strndup (text, length);
      name = g_hostname_to_ascii (copy);
      if (name == NULL)
        return refuse (error, text, length, "not an internationalised name");
      for (char *p = name; *p != '\0'; p++)
        *p = g_ascii_tolower (*p);
    }

  /* inet_pton takes exactly four plain decimals; fullwidth digits that turn into an address are refused below */
  if (ascii && inet_pton (AF_INET, name, bytes) == 1)
    {
      g_autoptr (GInetAddress) address = g_inet_address_new_from_bytes (bytes, G_SOCKET_FAMILY_IPV4);

      return creel_host_from_inet_address (address);
    }

  if (g_str_has_suffix (name, "."))
    name[strlen (name) - 1] = '\0';
  why = check_name (name);
  if (why != NULL)
    return refuse (error, text, length, why);
  return host_new_take (g_steal_pointer (&name), NULL);
}

/* 1..65535 in plain decimal: no sign, no leading zero; 0 when it is not */
static guint16
parse_port (const char *text, gsize length)
{
  guint port = 0;

  if (length == 0 || length > 5 || text[0] == '0')
    return 0;
  for (gsize i = 0; i < length; i++)
    {
      if (!g_ascii_isdigit (text[i]))
        return 0;
      port = port * 10 + (guint) (text[i] - '0');
    }
  return port <= G_MAXUINT16 ? (guint16) port : 0;
}

CreelHost *
creel_host_parse_authority (const char *text, gssize signed_length, guint16 default_port, guint16 *ret_port,
                            GError **error)
{
  gsize length = signed_length < 0 ? strlen (text) : (gsize) signed_length;
  const char *colon = NULL;
  gsize host_length = length;
  guint16 port = default_port;

  if (length > 0 && text[0] == '[')
    {
      const char *bracket = memchr (text, ']', length);

      if (bracket == NULL)
        return refuse (error, text, length, "bracket not closed");
      host_length = (gsize) (bracket - text) + 1;
      if (host_length < length)
        colon = bracket + 1;
      if (colon != NULL && *colon != ':')
        return refuse (error, text, length, "rubbish after the bracket");
    }
  else
    {
      colon = length > 0 ? memchr (text, ':', length) : NULL;
      if (colon != NULL)
        host_length = (gsize) (colon - text);
    }

  if (colon != NULL)
    port = parse_port (colon + 1, length - host_length - 1);
  if (port == 0)
    return refuse (error, text, length,
                   colon == NULL ? "the port is missing" : "the port is not a decimal from 1 to 65535");
  g_autoptr (CreelHost) host = creel_host_parse (text, (gssize) host_length, error);
  if (host == NULL)
    return NULL;
  *ret_port = port;
  return g_steal_pointer (&host);
}

const char *
creel_host_get_text (const CreelHost *host)
{
  return host->text;
}

GInetAddress *
creel_host_get_address (const CreelHost *host)
{
  return host->address;
}

gboolean
creel_host_equal (const CreelHost *a, const CreelHost *b)
{
  return g_str_equal (a->text, b->text);
}

guint
creel_host_hash (const CreelHost *host)
{
  return g_str_hash (host->text);
}

char *
creel_host_format_authority (const CreelHost *host, guint16 port)
{
  gboolean brackets = strchr (host->text, ':') != NULL;

  return g_strdup_printf (brackets ? "[%s]:%u" : "%s:%u", host->text, port);
}
