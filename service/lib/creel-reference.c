/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-reference.h"

#include <string.h>

#include "creel-conf.h"
#include "creel-error.h"
#include "creel-names.h"
#include "creel-root.h"

#define DOCKER "docker.io"
#define HEX "0123456789abcdef"
#define LOWER "abcdefghijklmnopqrstuvwxyz0123456789"
#define WORD LOWER "ABCDEFGHIJKLMNOPQRSTUVWXYZ_"
#define MAX_LENGTH 255 /* of host and path */
#define MAX_TAG 128

void
creel_reference_free (CreelReference *reference)
{
  g_free (reference->host);
  g_free (reference->path);
  g_free (reference->tag);
  g_free (reference->digest);
  g_free (reference);
}

static gboolean
port_is_valid (const char *text)
{
  guint64 port;

  return text[0] != '0' && g_ascii_string_to_unsigned (text, 10, 1, 65535, &port, NULL);
}

static gboolean
is_address_v6 (const char *text, gsize length)
{
  g_autofree char *bare = g_strndup (text, length);

  return strchr (bare, '%') == NULL && strchr (bare, ':') != NULL && g_hostname_is_ip_address (bare);
}

static gboolean
is_name (const char *text, gsize length)
{
  if (length == 0 || length > 253 || text[0] == '.' || text[length - 1] == '.')
    return FALSE;
  for (gsize i = 0, label = 0; i < length; i++)
    {
      gboolean dot = text[i] == '.';
      gboolean edge = label == 0 || i + 1 == length || text[i + 1] == '.';

      if (!dot && strchr (LOWER, text[i]) == NULL && (text[i] != '-' || edge))
        return FALSE;
      if (dot ? label == 0 : label >= 63)
        return FALSE;
      label = dot ? 0 : label + 1;
    }
  return TRUE;
}

/* Lower case already. */
static gboolean
host_is_valid (const char *host)
{
  const char *end;

  if (host[0] == '[')
    {
      end = strchr (host, ']');
      return end != NULL && is_address_v6 (host + 1, end - host - 1) && (end[1] == '\0' || (end[1] == ':' && port_is_valid (end + 2)));
    }
  end = strchrnul (host, ':');
  return is_name (host, end - host) && (*end == '\0' || port_is_valid (end + 1));
}

static char *
canonical_host (const char *text)
{
  g_autofree char *lower = g_ascii_strdown (text, -1);

  if (!host_is_valid (lower))
    return NULL;
  if (g_str_equal (lower, "index." DOCKER) || g_str_equal (lower, "registry-1." DOCKER))
    return g_strdup (DOCKER);
  return g_steal_pointer (&lower);
}

/* Lower case letters and digits, in between one ".", one or two "_", or any number of "-". */
static gboolean
component_is_valid (const char *text)
{
  const char *p = text;

  for (;;)
    {
      gsize word = strspn (p, LOWER), run;

      if (word == 0)
        return FALSE;
      p += word;
      if (*p == '\0')
        return TRUE;
      run = strspn (p, *p == '-' ? "-" : *p == '_' ? "_" : ".");
      if (run == 0 || (*p == '.' && run > 1) || (*p == '_' && run > 2))
        return FALSE;
      p += run;
    }
}

static gboolean
path_is_valid (const char *path)
{
  g_auto (GStrv) parts = g_strsplit (path, "/", -1);

  if (parts[0] == NULL)
    return FALSE;
  for (char **part = parts; *part != NULL; part++)
    if (!component_is_valid (*part))
      return FALSE;
  return TRUE;
}

static gboolean
looks_like_id (const char *path)
{
  const char *hex = g_str_has_prefix (path, "sha256-") ? path + strlen ("sha256-") : path;

  return strlen (hex) == 64 && strspn (hex, HEX) == 64;
}

static gboolean
digest_is_valid (const char *digest)
{
  return g_str_has_prefix (digest, "sha256:") && strlen (digest) == 71 && strspn (digest + 7, HEX) == 64;
}

/* Registries take two dots in a row in a tag; nobody uses them, and so no name of ours has them anywhere. */
static gboolean
tag_is_valid (const char *tag)
{
  return strstr (tag, "..") == NULL && tag[0] != '\0' && strchr (WORD, tag[0]) != NULL && strlen (tag) <= MAX_TAG && strspn (tag, WORD ".-") == strlen (tag);
}

static CreelReference *
parse (const char *text)
{
  g_autoptr (CreelReference) reference = g_new0 (CreelReference, 1);
  g_autofree char *rest = g_strdup (text);
  char *at = strchr (rest, '@'), *slash, *colon, *path;

  if (at != NULL)
    {
      *at = '\0';
      reference->digest = g_strdup (at + 1);
      if (!digest_is_valid (reference->digest))
        return NULL;
    }
  path = rest;
  slash = strchr (rest, '/');
  if (slash != NULL)
    {
      g_autofree char *first = g_strndup (rest, slash - rest);

      if (strpbrk (first, ".:[") != NULL || g_ascii_strcasecmp (first, "localhost") == 0)
        {
          reference->host = canonical_host (first);
          path = slash + 1;
          if (reference->host == NULL)
            return NULL;
        }
    }
  colon = strchr (path, ':');
  if (colon != NULL)
    {
      *colon = '\0';
      reference->tag = g_strdup (colon + 1);
      if (!tag_is_valid (reference->tag))
        return NULL;
    }
  if (!path_is_valid (path) || (reference->host == NULL && looks_like_id (path)) ||
      strlen (path) + (reference->host != NULL ? strlen (reference->host) : 0) > MAX_LENGTH)
    return NULL;
  if (g_strcmp0 (reference->host, DOCKER) == 0 && strchr (path, '/') == NULL)
    reference->path = g_strconcat ("library/", path, NULL);
  else
    reference->path = g_strdup (path);
  return g_steal_pointer (&reference);
}

CreelReference *
creel_reference_parse (const char *text, GError **error)
{
  CreelReference *reference = strlen (text) <= 1024 ? parse (text) : NULL;
  g_autofree char *shown = NULL;

  if (reference != NULL)
    return reference;
  shown = g_strndup (text, 80);
  g_strcanon (shown, WORD "-./:@+[]", '?');
  g_set_error (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS,
               "\"%s\" cannot be the name of an image or a model: write NAME, NAME:TAG or HOST/NAME:TAG in lower case, or NAME@sha256:DIGEST", shown);
  return NULL;
}

char *
creel_reference_format (const CreelReference *reference)
{
  const char *host = reference->host != NULL ? reference->host : "";
  const char *slash = reference->host != NULL ? "/" : "";

  if (reference->digest != NULL)
    return g_strconcat (host, slash, reference->path, "@", reference->digest, NULL);
  return g_strconcat (host, slash, reference->path, ":", reference->tag != NULL ? reference->tag : "latest", NULL);
}

char *
creel_reference_format_digest (const CreelReference *reference, const char *digest)
{
  CreelReference at = { .host = reference->host, .path = reference->path, .digest = (char *) digest };

  return creel_reference_format (&at);
}

void
creel_reference_qualify (CreelReference *reference, const char *host)
{
  char *path;

  if (reference->host != NULL)
    return;
  reference->host = g_strdup (host);
  if (!g_str_equal (host, DOCKER) || strchr (reference->path, '/') != NULL)
    return;
  path = g_strconcat ("library/", reference->path, NULL);
  g_free (reference->path);
  reference->path = path;
}

char *
creel_registry_normalize (const char *host, GError **error)
{
  char *canonical = strlen (host) <= MAX_LENGTH ? canonical_host (host) : NULL;
  g_autofree char *shown = NULL;

  if (canonical != NULL)
    return canonical;
  shown = g_strndup (host, 80);
  g_strcanon (shown, WORD "-./:@+[]", '?');
  g_set_error (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS,
               "\"%s\" is not the host of a registry: write HOST or HOST:PORT, as in \"ghcr.io\" or \"localhost:5000\"", shown);
  return NULL;
}

typedef struct
{
  const char *section;
  char *host;
} Registry;

static gboolean
take_registry (const char *section, const char *key, const char *value, const char *origin, gpointer user_data, GError **error)
{
  Registry *registry = user_data;
  char *canonical;

  if (key == NULL || !g_str_equal (section, registry->section))
    return TRUE;
  if (!g_str_equal (key, "Registry"))
    {
      /* section [Models] has keys of others */
      if (!g_str_equal (section, "Images"))
        return TRUE;
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_BAD_DEFINITION, "Unknown key %s= in section [Images]", key);
      return FALSE;
    }
  canonical = creel_registry_normalize (value, error);
  if (canonical == NULL)
    return FALSE;
  g_free (registry->host);
  registry->host = canonical;
  return TRUE;
}

static char *
read_registry (const char *section, GError **error)
{
  g_autofree char *path = creel_root_path (CREEL_CONFIG_DIR "/creel.conf");
  Registry registry = { section, g_strdup (DOCKER) };
  g_autoptr (GError) local_error = NULL;

  if (creel_conf_parse_file (path, take_registry, &registry, &local_error) || g_error_matches (local_error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND))
    return registry.host;
  g_free (registry.host);
  g_set_error_literal (error, CREEL_ERROR, CREEL_ERROR_BAD_DEFINITION, local_error->message);
  return NULL;
}

char *
creel_registry_default (GError **error)
{
  return read_registry ("Images", error);
}

char *
creel_registry_of_models (GError **error)
{
  return read_registry ("Models", error);
}

char *
creel_reference_find (GHashTable *names, const char *text, const char *registry)
{
  g_autoptr (CreelReference) reference = creel_reference_parse (text, NULL);
  g_autofree char *name = reference != NULL ? creel_reference_format (reference) : NULL;

  if (name != NULL && g_hash_table_contains (names, name))
    return g_steal_pointer (&name);
  if (reference == NULL || registry == NULL)
    return NULL;
  g_free (name);
  if (reference->host == NULL)
    creel_reference_qualify (reference, registry);
  else if (g_str_equal (reference->host, registry))
    creel_reference_unqualify (reference);
  name = creel_reference_format (reference);
  return g_hash_table_contains (names, name) ? g_steal_pointer (&name) : NULL;
}

void
creel_reference_unqualify (CreelReference *reference)
{
  gboolean docker = g_strcmp0 (reference->host, DOCKER) == 0;

  g_clear_pointer (&reference->host, g_free);
  if (docker && g_str_has_prefix (reference->path, "library/"))
    memmove (reference->path, reference->path + strlen ("library/"), strlen (reference->path + strlen ("library/")) + 1);
}
