/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-error.h"
#include "creel-image-json.h"
#include "creel-image-skopeo.h"
#include "creel-registry-private.h"
#include <string.h>

#define SILENCE 120 /* seconds */
#define MAX_REDIRECTS 8
#define ACCEPT                                                                                     \
  "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, "          \
  "application/vnd.docker.distribution.manifest.v2+json, "                                         \
  "application/vnd.docker.distribution.manifest.list.v2+json"

struct _CreelRegistry
{
  const CreelImageRemote *remote;
  SoupSession *session;
  char *base;          /* https://HOST:PORT/v2/PATH/ */
  char *basic;         /* "Basic …", or NULL: anonymous */
  char *authorization; /* what the registry has asked for */
  gboolean probed;
};

static gboolean
accept_any (SoupMessage *message, GTlsCertificate *certificate, GTlsCertificateFlags errors,
            gpointer user_data)
{
  return TRUE;
}

CreelRegistry *
creel_registry_new (const CreelImageRemote *remote, int credential_fd, GError **error)
{
  g_autoptr (CreelRegistry) self = g_new0 (CreelRegistry, 1);
  g_autoptr (GTlsDatabase) database = NULL;
  g_autoptr (GProxyResolver) proxies = creel_registry_trust_proxies ();
  g_autoptr (GError) local_error = NULL;
  gboolean is_hub = g_str_equal (remote->host, "docker.io");

  self->remote = remote;
  self->basic = creel_registry_read_credential (remote, credential_fd, &local_error);
  if (local_error == NULL)
    database = creel_registry_trust_load (remote->host, &local_error);
  if (local_error != NULL)
    {
      g_set_error_literal (error, CREEL_ERROR, CREEL_ERROR_FAILED, local_error->message);
      return NULL;
    }
  self->session = soup_session_new_with_options ("timeout", SILENCE, "user-agent", "creel",
                                                 "proxy-resolver", proxies, NULL);
  if (database != NULL)
    soup_session_set_tls_database (self->session, database);
  /* Passwords, redirects and codings are our business. */
  soup_session_remove_feature_by_type (self->session, SOUP_TYPE_AUTH_MANAGER);
  soup_session_remove_feature_by_type (self->session, SOUP_TYPE_CONTENT_DECODER);
  self->base = g_strdup_printf (
      "https://%s/v2/%s%s/", is_hub ? "registry-1.docker.io" : remote->host,
      is_hub && strchr (remote->path, '/') == NULL ? "library/" : "", remote->path);
  return g_steal_pointer (&self);
}

void
creel_registry_free (CreelRegistry *self)
{
  g_clear_object (&self->session);
  g_free (self->base);
  if (self->basic != NULL)
    explicit_bzero (self->basic, strlen (self->basic));
  g_free (self->basic);
  if (self->authorization != NULL)
    explicit_bzero (self->authorization, strlen (self->authorization));
  g_free (self->authorization);
  g_free (self);
}

/* ---- errors ---- */

void
creel_registry_explain (CreelRegistry *self, GError *failure, GError **error)
{
  g_autofree char *words = NULL;

  if (failure->domain == CREEL_ERROR)
    {
      g_propagate_error (error, g_error_copy (failure));
      return;
    }
  if (g_error_matches (failure, G_IO_ERROR, G_IO_ERROR_TIMED_OUT))
    {
      g_set_error (
          error, CREEL_ERROR, CREEL_ERROR_TIMED_OUT,
          "The registry has been silent for two minutes; try again, what has come is kept");
      return;
    }
  if (failure->domain == G_RESOLVER_ERROR)
    words = g_strdup ("no such host");
  else if (failure->domain == G_TLS_ERROR &&
           !g_error_matches (failure, G_TLS_ERROR, G_TLS_ERROR_EOF))
    words = g_strdup_printf ("certificate: %s", failure->message);
  else
    words = g_strdup_printf ("connection reset: %s", failure->message);
  creel_image_skopeo_explain (self->remote, self->basic == NULL, words, error);
}

static void
explain_status (CreelRegistry *self, guint status, GError **error)
{
  g_autofree char *words =
      g_strdup_printf (status == 429 ? "too many requests" : "status: %u", status);

  if (status == 401 || status == 403 || status == 404 || status == 429)
    creel_image_skopeo_explain (self->remote, self->basic == NULL, words, error);
  else
    g_set_error (error, CREEL_ERROR, CREEL_ERROR_FAILED,
                 "The registry %s answers with the status %u; try again later", self->remote->host,
                 status);
}

/* ---- one request ---- */

static SoupMessage *
make_message (CreelRegistry *self, const char *uri, gboolean is_manifest, guint64 position)
{
  SoupMessage *message = soup_message_new (SOUP_METHOD_GET, uri);
  SoupMessageHeaders *headers;

  if (message == NULL)
    return NULL;
  headers = soup_message_get_request_headers (message);
  soup_message_add_flags (message, SOUP_MESSAGE_NO_REDIRECT);
  soup_message_headers_replace (headers, "Accept-Encoding", "identity");
  if (is_manifest)
    soup_message_headers_replace (headers, "Accept", ACCEPT);
  if (position > 0)
    soup_message_headers_set_range (headers, position, -1);
  if (self->remote->local && creel_registry_is_local (g_uri_get_host (soup_message_get_uri (message))))
    g_signal_connect (message, "accept-certificate", G_CALLBACK (accept_any), NULL);
  return message;
}

static gboolean
is_redirect (guint status)
{
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

static gboolean
is_same_origin (GUri *a, GUri *b)
{
  return g_str_equal (g_uri_get_scheme (a), g_uri_get_scheme (b)) &&
         g_ascii_strcasecmp (g_uri_get_host (a), g_uri_get_host (b)) == 0 &&
         g_uri_get_port (a) == g_uri_get_port (b);
}

/* Where a registry keeps its blobs is its own affair, but not in the clear, and the credential
 * stays with the registry. */
static char *
follow_redirect (CreelRegistry *self, SoupMessage *message, GError **error)
{
  const char *location =
      soup_message_headers_get_one (soup_message_get_response_headers (message), "Location");
  g_autoptr (GUri) uri = location != NULL
                             ? g_uri_parse_relative (soup_message_get_uri (message), location,
                                                     SOUP_HTTP_URI_FLAGS, NULL)
                             : NULL;

  if (uri != NULL && g_uri_get_host (uri) != NULL &&
      (g_str_equal (g_uri_get_scheme (uri), "https") ||
       (g_str_equal (g_uri_get_scheme (uri), "http") && self->remote->local &&
        creel_registry_is_local (g_uri_get_host (uri)))))
    return g_uri_to_string (uri);
  g_set_error (error, CREEL_ERROR, CREEL_ERROR_FAILED,
               "The registry %s sends us on to where nothing is protected by TLS",
               self->remote->host);
  return NULL;
}

/* Sends, and follows; the answer's stream, whatever its status is. */
static GInputStream *
send (CreelRegistry *self, const char *first, const char *authorization, gboolean is_manifest,
      guint64 position, SoupMessage **ret_message, GError **error)
{
  g_autofree char *uri = g_strdup (first);
  g_autoptr (GUri) origin = g_uri_parse (first, SOUP_HTTP_URI_FLAGS, NULL);

  for (guint i = 0; i <= MAX_REDIRECTS; i++)
    {
      g_autoptr (SoupMessage) message = make_message (self, uri, is_manifest, position);
      g_autoptr (GInputStream) stream = NULL;
      g_autoptr (GError) failure = NULL;

      if (message == NULL)
        break;
      if (authorization != NULL && is_same_origin (origin, soup_message_get_uri (message)))
        soup_message_headers_replace (soup_message_get_request_headers (message), "Authorization",
                                      authorization);
      stream = soup_session_send (self->session, message, NULL, &failure);
      if (stream == NULL)
        {
          creel_registry_explain (self, failure, error);
          return NULL;
        }
      if (!is_redirect (soup_message_get_status (message)))
        {
          *ret_message = g_steal_pointer (&message);
          return g_steal_pointer (&stream);
        }
      g_free (uri);
      uri = follow_redirect (self, message, error);
      if (uri == NULL)
        return NULL;
    }
  g_set_error (error, CREEL_ERROR, CREEL_ERROR_FAILED,
               "The registry %s sends us from one address to the next without end",
               self->remote->host);
  return NULL;
}

static GBytes *
read_all (CreelRegistry *self, GInputStream *stream, gsize max, GError **error)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  g_autofree guint8 *buffer = g_malloc (64 * 1024);
  g_autoptr (GError) failure = NULL;
  gssize n;

  while ((n = g_input_stream_read (stream, buffer, 64 * 1024, NULL, &failure)) > 0)
    {
      if (bytes->len + (gsize)n > max)
        {
          g_set_error (error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE,
                       "An answer of the registry is larger than %" G_GSIZE_FORMAT " bytes", max);
          return NULL;
        }
      g_byte_array_append (bytes, buffer, n);
    }
  if (n < 0)
    {
      creel_registry_explain (self, failure, error);
      return NULL;
    }
  return g_byte_array_free_to_bytes (g_steal_pointer (&bytes));
}

/* ---- who we are ---- */

static gboolean
fetch_token (CreelRegistry *self, const CreelChallenge *challenge, GError **error)
{
  const char *path = strstr (self->base, "/v2/") + strlen ("/v2/");
  g_autofree char *scope = g_strdup_printf ("repository:%.*s:pull", (int)strlen (path) - 1, path);
  g_autofree char *uri = creel_challenge_token_uri (challenge, self->remote->local, scope);
  g_autoptr (SoupMessage) message = NULL;
  g_autoptr (GInputStream) stream = NULL;
  g_autoptr (GBytes) answer = NULL;
  g_autofree char *token = NULL;

  if (uri == NULL)
    {
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_FAILED,
                   "The registry %s wants its password to go where nothing is protected by TLS",
                   self->remote->host);
      return FALSE;
    }
  stream = send (self, uri, self->basic, FALSE, 0, &message, error);
  if (stream == NULL)
    return FALSE;
  if (soup_message_get_status (message) != 200)
    {
      explain_status (self, soup_message_get_status (message), error);
      return FALSE;
    }
  answer = read_all (self, stream, CREEL_REGISTRY_TEXT_MAX, error);
  if (answer == NULL)
    return FALSE;
  token = creel_challenge_take_token (answer);
  if (token == NULL)
    {
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_FAILED,
                   "The registry %s gave no token that can be used", self->remote->host);
      return FALSE;
    }
  g_free (self->authorization);
  self->authorization = g_strconcat ("Bearer ", token, NULL);
  return TRUE;
}

/* FALSE with error when nothing that we have would do. */
static gboolean
answer_challenge (CreelRegistry *self, SoupMessage *message, GError **error)
{
  SoupMessageHeadersIter iter;
  const char *name, *value;
  gboolean basic = FALSE;

  soup_message_headers_iter_init (&iter, soup_message_get_response_headers (message));
  while (soup_message_headers_iter_next (&iter, &name, &value))
    if (g_ascii_strcasecmp (name, "WWW-Authenticate") == 0)
      {
        g_autoptr (CreelChallenge) challenge = creel_challenge_parse (value);

        if (challenge->kind == CREEL_CHALLENGE_BEARER)
          return fetch_token (self, challenge, error);
        basic |= challenge->kind == CREEL_CHALLENGE_BASIC;
      }
  if (basic && self->basic != NULL && g_strcmp0 (self->authorization, self->basic) != 0)
    {
      g_free (self->authorization);
      self->authorization = g_strdup (self->basic);
      return TRUE;
    }
  explain_status (self, 401, error);
  return FALSE;
}

/* A registry of this machine may speak plain HTTP: found out once, with nothing secret said. */
static void
probe (CreelRegistry *self)
{
  g_autoptr (SoupMessage) message = NULL;
  g_autoptr (GInputStream) stream = NULL;
  g_autofree char *uri = NULL;

  if (self->probed || !self->remote->local)
    return;
  self->probed = TRUE;
  uri = g_strdup_printf ("https://%s/v2/", self->remote->host);
  message = make_message (self, uri, FALSE, 0);
  stream = message != NULL ? soup_session_send (self->session, message, NULL, NULL) : NULL;
  if (stream == NULL)
    {
      g_autofree char *plain = g_strconcat ("http", self->base + strlen ("https"), NULL);

      g_free (self->base);
      self->base = g_steal_pointer (&plain);
    }
}

static GInputStream *
get (CreelRegistry *self, const char *what, gboolean is_manifest, guint64 position,
     SoupMessage **ret_message, GError **error)
{
  g_autofree char *uri = NULL;

  probe (self);
  uri = g_strconcat (self->base, what, NULL);
  /* Once more with what it asks for: a token may also have become too old. */
  for (guint i = 0; i < 2; i++)
    {
      g_autoptr (SoupMessage) message = NULL;
      g_autoptr (GInputStream) stream =
          send (self, uri, self->authorization, is_manifest, position, &message, error);
      guint status;

      if (stream == NULL)
        return NULL;
      status = soup_message_get_status (message);
      if (status == 200 || status == 206 || (status == 416 && position > 0))
        {
          *ret_message = g_steal_pointer (&message);
          return g_steal_pointer (&stream);
        }
      if (status != 401 || i > 0)
        {
          explain_status (self, status, error);
          return NULL;
        }
      if (!answer_challenge (self, message, error))
        return NULL;
    }
  return NULL;
}

/* ---- what it has ---- */

GBytes *
creel_registry_get_manifest (CreelRegistry *self, const char *digest, GError **error)
{
  const CreelImageRemote *remote = self->remote;
  g_autoptr (SoupMessage) message = NULL;
  g_autoptr (GInputStream) stream = NULL;
  g_autofree char *what = NULL;

  if (digest == NULL)
    digest = remote->digest;
  what = digest != NULL
             ? g_strconcat ("manifests/sha256:", digest, NULL)
             : g_strconcat ("manifests/", remote->tag != NULL ? remote->tag : "latest", NULL);
  stream = get (self, what, TRUE, 0, &message, error);
  return stream != NULL ? read_all (self, stream, CREEL_IMAGE_JSON_MAX, error) : NULL;
}

GInputStream *
creel_registry_open_blob (CreelRegistry *self, const char *hex, guint64 *inout_position,
                          GError **error)
{
  g_autofree char *what = g_strconcat ("blobs/sha256:", hex, NULL);
  g_autoptr (SoupMessage) message = NULL;
  g_autoptr (GInputStream) stream = get (self, what, FALSE, *inout_position, &message, error);
  goffset start = 0, end;

  if (stream == NULL)
    return NULL;
  if (soup_message_get_status (message) == 206 &&
      soup_message_headers_get_content_range (soup_message_get_response_headers (message), &start,
                                              &end, NULL) &&
      (guint64)start == *inout_position)
    return g_steal_pointer (&stream);
  if (soup_message_get_status (message) != 200 && *inout_position > 0)
    {
      /* It does not like the range: all of it then. */
      *inout_position = 0;
      g_clear_object (&stream);
      return creel_registry_open_blob (self, hex, inout_position, error);
    }
  *inout_position = 0;
  return g_steal_pointer (&stream);
}
