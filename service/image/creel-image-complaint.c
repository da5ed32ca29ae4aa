/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What skopeo's last words mean. It wraps Go's errors of several libraries, so this looks for the
 * few words that tell one kind from the others; they have been the same since skopeo 1.2. */
#include "creel-error.h"
#include "creel-image-report.h"
#include "creel-image-skopeo.h"
#include <string.h>

typedef enum
{
  UNKNOWN,
  DISK_FULL,
  RATE,
  HTTP_ONLY,
  CERTIFICATE,
  NO_NAME,
  UNREACHABLE,
  POLICY,
  NAME,
  UNAUTHORIZED,
  NOT_FOUND,
  DAMAGED,
} Kind;

/* The first that is found wins. */
static const struct
{
  Kind kind;
  const char *text;
} words[] = {
  { DISK_FULL, "no space left on device" },
  { DISK_FULL, "disk quota exceeded" },
  { RATE, "toomanyrequests" },
  { RATE, "too many requests" },
  { HTTP_ONLY, "server gave http response to https client" },
  { CERTIFICATE, "x509:" },
  { CERTIFICATE, "tls: " },
  { CERTIFICATE, "certificate" },
  { NO_NAME, "no such host" },
  { NO_NAME, "temporary failure in name resolution" },
  { NO_NAME, "server misbehaving" },
  { UNREACHABLE, "connection refused" },
  { UNREACHABLE, "no route to host" },
  { UNREACHABLE, "network is unreachable" },
  { UNREACHABLE, "connection reset" },
  { UNREACHABLE, "i/o timeout" },
  { UNREACHABLE, "tls handshake timeout" },
  { UNREACHABLE, "context deadline exceeded" },
  { UNREACHABLE, "connection timed out" },
  { UNREACHABLE, "proxyconnect" },
  { POLICY, "source image rejected" },
  { POLICY, "rejected by policy" },
  { NAME, "invalid reference format" },
  { UNAUTHORIZED, "unauthorized" },
  { UNAUTHORIZED, "authentication required" },
  { UNAUTHORIZED, "no basic auth credentials" },
  { UNAUTHORIZED, "requested access to the resource is denied" },
  { UNAUTHORIZED, "invalid username/password" },
  { UNAUTHORIZED, "401 (" },
  { UNAUTHORIZED, "403 (" },
  { UNAUTHORIZED, "status: 401" },
  { UNAUTHORIZED, "status: 403" },
  { UNAUTHORIZED, "denied:" },
  { NOT_FOUND, "manifest unknown" },
  { NOT_FOUND, "name unknown" },
  { NOT_FOUND, "repository name not known" },
  { NOT_FOUND, "404 (" },
  { NOT_FOUND, "status code 404" },
  { NOT_FOUND, "status: 404" },
  { NOT_FOUND, "not found" },
  { DAMAGED, "digest did not match" },
  { DAMAGED, "does not match" },
  { DAMAGED, "digest mismatch" },
  { UNREACHABLE, "eof" },
};

/* time="…" level=fatal msg="…": the text in msg, its quoting undone. The whole when there is no
 * such line. */
static char *
last_message (const char *noise)
{
  const char *start = g_strrstr (noise, "level=fatal msg=\"");
  g_autoptr (GString) text = g_string_new (NULL);
  g_autofree char *whole = NULL;

  if (start == NULL)
    {
      whole = g_strdup (noise);
      g_strstrip (whole);
      start = strrchr (whole, '\n');
      return g_strdup (start != NULL ? start + 1 : whole);
    }
  for (start += strlen ("level=fatal msg=\""); *start != '\0' && *start != '"'; start++)
    {
      if (*start == '\\' && start[1] != '\0')
        {
          start++;
          g_string_append_c (text, *start == 'n' || *start == 't' ? ' ' : *start);
        }
      else
        g_string_append_c (text, *start);
    }
  return g_string_free (g_steal_pointer (&text), FALSE);
}

static Kind
find_kind (const char *message)
{
  g_autofree char *lower = g_ascii_strdown (message, -1);

  for (guint i = 0; i < G_N_ELEMENTS (words); i++)
    if (strstr (lower, words[i].text) != NULL)
      return words[i].kind;
  return UNKNOWN;
}

/* Names of images and hosts may hold any of the words. */
static char *
without_names (const char *message, const CreelImageRemote *remote)
{
  g_autoptr (GString) text = g_string_new (message);

  if (remote != NULL)
    {
      g_autofree char *both = g_strdup_printf ("%s/%s", remote->host, remote->path);

      g_string_replace (text, both, "IMAGE", 0);
      if (strlen (remote->path) > 3)
        g_string_replace (text, remote->path, "PATH", 0);
      if (strlen (remote->host) > 3)
        g_string_replace (text, remote->host, "HOST", 0);
    }
  return g_string_free (g_steal_pointer (&text), FALSE);
}

/* The part after the last colon that is followed by a blank: Go's errors go from the outside in. */
static const char *
innermost (const char *message)
{
  const char *found = message;

  for (const char *p = message; (p = strstr (p, ": ")) != NULL; p += 2)
    found = p + 2;
  return found;
}

void
creel_image_skopeo_explain (const CreelImageRemote *remote, gboolean anonymous, const char *noise,
                            GError **error)
{
  g_autofree char *message = last_message (noise);
  g_autofree char *bare = without_names (message, remote);
  g_autofree char *quoted = creel_image_quote (message);
  g_autofree char *reason = creel_image_quote (innermost (message));
  g_autofree char *name =
      remote != NULL ? creel_image_remote_name (remote) : g_strdup ("the image");
  const char *host = remote != NULL ? remote->host : "the registry";

  switch (find_kind (bare))
    {
    case DISK_FULL:
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_NO_SPACE,
                   "The disk is full; free some space or remove images");
      break;
    case RATE:
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_FAILED,
                   "The registry %s takes no more requests for now; wait, or use an account: creel "
                   "secret set --registry %s --username USER",
                   host, host);
      break;
    case HTTP_ONLY:
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_FAILED,
                   "The registry %s speaks plain HTTP, which is taken from localhost only", host);
      break;
    case CERTIFICATE:
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_FAILED,
                   "The registry %s cannot prove who it is (%s); if it is yours, put its CA into "
                   "/etc/containers/certs.d/%s/ca.crt",
                   host, reason, host);
      break;
    case NO_NAME:
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_FAILED,
                   "The name of the registry %s cannot be resolved; check it and the network",
                   host);
      break;
    case UNREACHABLE:
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_FAILED, "The registry %s cannot be reached: %s",
                   host, reason);
      break;
    case POLICY:
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_FAILED,
                   "/etc/containers/policy.json of this machine does not allow %s: %s", name,
                   reason);
      break;
    case NAME:
      g_set_error (
          error, CREEL_ERROR, CREEL_ERROR_FAILED,
          "skopeo does not take the name %s (an IPv6 address perhaps; give the host's name)", name);
      break;
    case UNAUTHORIZED:
      if (anonymous)
        g_set_error (error, CREEL_ERROR, CREEL_ERROR_NO_SUCH_SECRET,
                     "The registry %s does not allow this without an account, or has no %s; for an "
                     "account: creel secret set --registry %s --username USER",
                     host, name, host);
      else
        g_set_error (error, CREEL_ERROR, CREEL_ERROR_FAILED,
                     "The registry %s refuses your account for %s; set it again with: creel secret "
                     "set --registry %s --username USER",
                     host, name, host);
      break;
    case NOT_FOUND:
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_NO_SUCH_IMAGE,
                   "The registry has no image %s; check its name and tag", name);
      break;
    case DAMAGED:
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE,
                   "What came for %s does not have its digest: it is damaged or was changed", name);
      break;
    default:
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_FAILED, "skopeo failed: %s",
                   *message != '\0' ? quoted : "it did not say why");
      break;
    }
}
