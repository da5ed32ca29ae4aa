/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-inject.h"

#include <string.h>

#include "creel-rule.h"

#define KEY_MAX 8192

/* port 0: any */
static gboolean
is_for (const CreelCredential *credential, const CreelHost *host, guint16 port)
{
  for (char **text = credential->hosts; text != NULL && *text != NULL; text++)
    {
      guint16 its_port = 0;
      g_autoptr (CreelHost) its_host = creel_host_parse_authority (*text, -1, 443, &its_port, NULL);

      if (its_host != NULL && (port == 0 || its_port == port) && creel_host_equal (its_host, host))
        return TRUE;
    }
  return FALSE;
}

gboolean
creel_inject_matches (const CreelCredential *credential, const CreelHost *host, guint16 port)
{
  return port != 0 && is_for (credential, host, port);
}

gboolean
creel_inject_knows_key (const CreelCredential *credential, const CreelHost *host, guint16 port)
{
  return is_for (credential, host, creel_rule_is_localhost_name (host) ? port : 0);
}

gboolean
creel_inject_key_is_valid (const char *key, gsize size)
{
  if (size == 0 || size > KEY_MAX)
    return FALSE;
  for (gsize i = 0; i < size; i++)
    if (key[i] <= ' ' || key[i] == 0x7f)
      return FALSE;
  return TRUE;
}

static gboolean
parameter_is (const char *parameter, const CreelCredential *credential)
{
  gsize length = strcspn (parameter, "=");
  g_autofree char *raw = g_strndup (parameter, length);
  g_autofree char *name = g_uri_unescape_string (raw, NULL);
  const char *text = name != NULL ? name : raw;

  if (g_strcmp0 (text, credential->parameter) == 0)
    return TRUE;
  return credential->strip_parameters != NULL &&
         g_strv_contains ((const char *const *) credential->strip_parameters, text);
}

static void
strip_target (const CreelCredential *credential, CreelHttpHead *head)
{
  char *question = strchr (head->target, '?');
  g_autoptr (GString) kept = NULL;
  g_auto (GStrv) parts = NULL;

  if (question == NULL || (credential->parameter == NULL &&
                           (credential->strip_parameters == NULL || credential->strip_parameters[0] == NULL)))
    return;
  kept = g_string_new_len (head->target, question - head->target);
  parts = g_strsplit (question + 1, "&", -1);
  for (guint i = 0, n = 0; parts[i] != NULL; i++)
    if (!parameter_is (parts[i], credential))
      g_string_append_printf (kept, "%c%s", n++ == 0 ? '?' : '&', parts[i]);
  g_free (head->target);
  head->target = g_string_free (g_steal_pointer (&kept), FALSE);
}

/* CGI and its heirs take X_Api_Key for X-Api-Key. */
static void
strip_header (CreelHttpHead *head, const char *name)
{
  g_autoptr (GPtrArray) alike = g_ptr_array_new_with_free_func (g_free);
  SoupMessageHeadersIter iter;
  const char *there, *value;

  soup_message_headers_iter_init (&iter, head->headers);
  while (soup_message_headers_iter_next (&iter, &there, &value))
    if (creel_http_name_is_like (there, strlen (there), name))
      g_ptr_array_add (alike, g_strdup (there));
  for (guint i = 0; i < alike->len; i++)
    soup_message_headers_remove (head->headers, alike->pdata[i]);
}

void
creel_inject_ask_plainly (CreelHttpHead *head)
{
  if (soup_message_headers_get_list (head->headers, "Accept-Encoding") != NULL)
    soup_message_headers_replace (head->headers, "Accept-Encoding", "identity");
  soup_message_headers_remove (head->headers, "Range");
  soup_message_headers_remove (head->headers, "If-Range");
  soup_message_headers_remove (head->headers, "A-IM");
  soup_message_headers_remove (head->headers, "Sec-WebSocket-Extensions");
}

void
creel_inject_strip (const CreelCredential *credential, CreelHttpHead *head)
{
  static const char *const always[] = { "Authorization", "Proxy-Authorization", "X-Api-Key", "Api-Key", "X-Goog-Api-Key",
                                        "X-Auth-Token", "Private-Token" };

  for (gsize i = 0; i < G_N_ELEMENTS (always); i++)
    strip_header (head, always[i]);
  if (credential->header != NULL)
    strip_header (head, credential->header);
  for (char **name = credential->strip_headers; name != NULL && *name != NULL; name++)
    strip_header (head, *name);
  strip_target (credential, head);
  creel_inject_ask_plainly (head);
  soup_message_headers_replace (head->headers, "Accept-Encoding", "identity");
}

static char *
make_basic (const CreelCredential *credential, const char *key)
{
  g_autofree char *pair = g_strdup_printf ("%s:%s", credential->format + strlen ("basic:"), key);
  char *encoded = g_base64_encode ((const guint8 *) pair, strlen (pair));

  explicit_bzero (pair, strlen (pair));
  return encoded;
}

static gboolean
is_basic (const CreelCredential *credential)
{
  return credential->header != NULL && credential->format != NULL && g_str_has_prefix (credential->format, "basic:");
}

CreelKeyForms *
creel_inject_get_forms (const CreelCredential *credential, const char *key)
{
  /* the key itself is found in base64, but without the characters that it shares with its neighbours, and not in base64 of that */
  char *other = is_basic (credential) ? make_basic (credential, key) : credential->header == NULL ? g_uri_escape_string (key, NULL, FALSE) : NULL;
  const char *secrets[] = { key, g_strcmp0 (other, key) != 0 ? other : NULL, NULL };
  CreelKeyForms *forms;

  if (is_basic (credential))
    other[strcspn (other, "=")] = '\0';
  forms = creel_key_forms_new (secrets);
  if (other != NULL)
    explicit_bzero (other, strlen (other));
  g_free (other);
  return forms;
}

char *
creel_inject_format (const CreelCredential *credential, const char *key, char **target)
{
  if (credential->header == NULL)
    {
      g_autofree char *escaped = g_uri_escape_string (key, NULL, FALSE);
      char *with = g_strdup_printf ("%s%c%s=%s", *target, strchr (*target, '?') != NULL ? '&' : '?', credential->parameter, escaped);

      explicit_bzero (escaped, strlen (escaped));
      g_free (*target);
      *target = with;
      return g_strdup ("");
    }
  if (is_basic (credential))
    {
      g_autofree char *encoded = make_basic (credential, key);
      char *line = g_strdup_printf ("%s: Basic %s\r\n", credential->header, encoded);

      explicit_bzero (encoded, strlen (encoded));
      return line;
    }
  const char *format = credential->format != NULL ? credential->format : "{}";
  const char *place = strstr (format, "{}");
  if (place == NULL)
    return g_strdup_printf ("%s: %s%s\r\n", credential->header, format, key);
  return g_strdup_printf ("%s: %.*s%s%s\r\n", credential->header, (int) (place - format), format, key, place + 2);
}
