/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-error.h"
#include "creel-image-json.h"
#include "creel-image-skopeo.h"
#include "creel-registry-private.h"
#include <string.h>

#define TOKEN_MAX (64 * 1024)

void
creel_challenge_free (CreelChallenge *self)
{
  g_free (self->realm);
  g_free (self->service);
  g_free (self->scope);
  g_free (self);
}

CreelChallenge *
creel_challenge_parse (const char *value)
{
  CreelChallenge *self = g_new0 (CreelChallenge, 1);
  g_autoptr (GHashTable) parameters = NULL;

  if (g_ascii_strncasecmp (value, "Basic", 5) == 0 && (value[5] == ' ' || value[5] == '\0'))
    self->kind = CREEL_CHALLENGE_BASIC;
  else if (g_ascii_strncasecmp (value, "Bearer ", 7) == 0)
    {
      parameters = soup_header_parse_param_list_strict (value + 7);
      if (parameters == NULL || g_hash_table_lookup (parameters, "realm") == NULL)
        return self;
      self->kind = CREEL_CHALLENGE_BEARER;
      self->realm = g_strdup (g_hash_table_lookup (parameters, "realm"));
      self->service = g_strdup (g_hash_table_lookup (parameters, "service"));
      self->scope = g_strdup (g_hash_table_lookup (parameters, "scope"));
    }
  g_clear_pointer (&parameters, soup_header_free_param_list);
  return self;
}

char *
creel_challenge_token_uri (const CreelChallenge *self, gboolean registry_is_local,
                           const char *scope)
{
  g_autoptr (GUri) uri = g_uri_parse (self->realm, SOUP_HTTP_URI_FLAGS, NULL);
  g_autoptr (GString) query = g_string_new (NULL);
  g_autoptr (GUri) whole = NULL;

  /* The password goes there: in the clear only where nobody else can listen. */
  if (uri == NULL || g_uri_get_host (uri) == NULL || g_uri_get_userinfo (uri) != NULL ||
      (!g_str_equal (g_uri_get_scheme (uri), "https") &&
       !(g_str_equal (g_uri_get_scheme (uri), "http") && registry_is_local &&
         creel_registry_is_local (g_uri_get_host (uri)))))
    return NULL;
  if (g_uri_get_query (uri) != NULL)
    g_string_append_printf (query, "%s&", g_uri_get_query (uri));
  if (self->service != NULL)
    {
      g_string_append (query, "service=");
      g_string_append_uri_escaped (query, self->service, NULL, FALSE);
      g_string_append_c (query, '&');
    }
  g_string_append (query, "scope=");
  g_string_append_uri_escaped (query, scope, NULL, FALSE);
  whole = g_uri_build (SOUP_HTTP_URI_FLAGS, g_uri_get_scheme (uri), NULL, g_uri_get_host (uri),
                       g_uri_get_port (uri), g_uri_get_path (uri), query->str, NULL);
  return g_uri_to_string (whole);
}

char *
creel_challenge_take_token (GBytes *answer)
{
  g_autoptr (JsonNode) node = creel_image_json_parse (answer, "The answer", NULL);
  JsonObject *object =
      node != NULL && JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
  const char *token = creel_image_json_string (object, "token");

  if (token == NULL || *token == '\0')
    token = creel_image_json_string (object, "access_token");
  if (token == NULL || *token == '\0' || strlen (token) > TOKEN_MAX)
    return NULL;
  /* It goes into a header. */
  for (const char *p = token; *p != '\0'; p++)
    if (!g_ascii_isgraph (*p))
      return NULL;
  return g_strdup (token);
}

char *
creel_registry_read_credential (const CreelImageRemote *remote, int fd, GError **error)
{
  g_autofree char *credential = NULL;
  g_autofree char *checked = NULL;
  g_autofree char *pair = NULL;
  g_autofree char *encoded = NULL;
  char *header;
  gsize length;

  if (!creel_image_skopeo_read_credential (fd, &credential, &length, error) || credential == NULL)
    return NULL;
  checked = creel_image_skopeo_auth (remote->host, credential, length, error);
  if (checked == NULL)
    {
      explicit_bzero (credential, length);
      return NULL;
    }
  explicit_bzero (checked, strlen (checked));
  if (credential[length - 1] == '\n')
    credential[length - 1] = '\0';
  pair = strchr (credential, ':') != NULL ? g_strdup (credential)
                                          : g_strconcat ("token:", credential, NULL);
  encoded = g_base64_encode ((const guchar *)pair, strlen (pair));
  header = g_strconcat ("Basic ", encoded, NULL);
  explicit_bzero (credential, length);
  explicit_bzero (pair, strlen (pair));
  explicit_bzero (encoded, strlen (encoded));
  return header;
}
