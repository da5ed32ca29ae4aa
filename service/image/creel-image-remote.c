/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-image-remote.h"
#include "creel-error.h"
#include "creel-image-digest.h"
#include "creel-image-report.h"
#include <string.h>

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"
#define MAX_REFERENCE 512

void
creel_image_remote_free (CreelImageRemote *self)
{
  g_free (self->host);
  g_free (self->path);
  g_free (self->tag);
  g_free (self->digest);
  g_free (self);
}

static gboolean
consists_of (const char *text, const char *set)
{
  return *text != '\0' && text[strspn (text, set)] == '\0';
}

static gboolean
port_is_valid (const char *port)
{
  guint64 value;

  return consists_of (port, DIGITS) &&
         g_ascii_string_to_unsigned (port, 10, 1, 65535, &value, NULL);
}

/* A name or address with an optional port; *ret_name without it. */
static gboolean
host_is_valid (const char *host, char **ret_name)
{
  const char *end = *host == '[' ? strchr (host, ']') : NULL;
  const char *colon = strchr (end != NULL ? end : host, ':');
  g_autofree char *name = colon != NULL ? g_strndup (host, colon - host) : g_strdup (host);

  if (colon != NULL && !port_is_valid (colon + 1))
    return FALSE;
  if (*name == '[')
    {
      if (!g_str_has_suffix (name, "]") ||
          name[1 + strspn (name + 1, DIGITS "abcdefABCDEF:.")] != ']')
        return FALSE;
    }
  else if (!consists_of (name, LOWER UPPER DIGITS ".-") || !g_ascii_isalnum (*name) ||
           !g_ascii_isalnum (name[strlen (name) - 1]) || strstr (name, "..") != NULL ||
           /* Without one of these it is the first part of a path. */
           (colon == NULL && strchr (name, '.') == NULL && !g_str_equal (name, "localhost")))
    return FALSE;
  *ret_name = g_steal_pointer (&name);
  return TRUE;
}

static gboolean
path_is_valid (const char *path)
{
  g_auto (GStrv) parts = g_strsplit (path, "/", -1);

  for (guint i = 0; parts[i] != NULL; i++)
    if (!consists_of (parts[i], LOWER DIGITS "._-") || !g_ascii_isalnum (*parts[i]) ||
        !g_ascii_isalnum (parts[i][strlen (parts[i]) - 1]) || strstr (parts[i], "..") != NULL)
      return FALSE;
  return *path != '\0';
}

static gboolean
tag_is_valid (const char *tag)
{
  return consists_of (tag, LOWER UPPER DIGITS "._-") && strlen (tag) <= 128 && *tag != '.' &&
         *tag != '-';
}

CreelImageRemote *
creel_image_remote_parse (const char *reference, GError **error)
{
  g_autoptr (CreelImageRemote) self = g_new0 (CreelImageRemote, 1);
  g_autofree char *rest = NULL;
  g_autofree char *name = NULL;
  g_autofree char *quoted = NULL;
  char *at, *slash, *colon;

  rest = g_strndup (reference, MAX_REFERENCE);
  at = strchr (rest, '@');
  if (at != NULL)
    {
      *at = '\0';
      if (g_str_has_prefix (at + 1, "sha256:"))
        self->digest = g_strdup (at + 1 + strlen ("sha256:"));
    }
  slash = strchr (rest, '/');
  if (slash != NULL)
    {
      *slash = '\0';
      self->host = g_strdup (rest);
      colon = strrchr (slash + 1, ':');
      if (colon != NULL)
        {
          *colon = '\0';
          self->tag = g_strdup (colon + 1);
        }
      self->path = g_strdup (slash + 1);
    }
  if (strlen (reference) < MAX_REFERENCE && self->host != NULL &&
      host_is_valid (self->host, &name) && path_is_valid (self->path) &&
      (self->tag == NULL || tag_is_valid (self->tag)) &&
      (at == NULL || creel_image_digest_is_valid (self->digest)))
    {
      self->local = g_str_equal (name, "localhost") || g_str_equal (name, "127.0.0.1") ||
                    g_str_equal (name, "[::1]");
      return g_steal_pointer (&self);
    }
  quoted = creel_image_quote (reference);
  g_set_error (error, CREEL_ERROR, CREEL_ERROR_FAILED,
               "%s is not the full name of an image, HOST[:PORT]/PATH[:TAG][@sha256:DIGEST]",
               quoted);
  return NULL;
}

char *
creel_image_remote_uri (const CreelImageRemote *self, const char *digest)
{
  if (digest == NULL)
    digest = self->digest;
  /* skopeo refuses a tag beside a digest, which says it all. */
  if (digest != NULL)
    return g_strdup_printf ("docker://%s/%s@sha256:%s", self->host, self->path, digest);
  return g_strdup_printf ("docker://%s/%s:%s", self->host, self->path,
                          self->tag != NULL ? self->tag : "latest");
}

char *
creel_image_remote_name (const CreelImageRemote *self)
{
  if (self->digest != NULL)
    return g_strdup_printf ("%s/%s@sha256:%.12s…", self->host, self->path, self->digest);
  return g_strdup_printf ("%s/%s:%s", self->host, self->path,
                          self->tag != NULL ? self->tag : "latest");
}
