/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-upstream.h"

#include "creel-dial.h"
#include "creel-error.h"
#include "creel-model-runner.h"
#include "creel-names.h"
#include "creel-parent.h"
#include "creel-rule.h"
#include "creel-tls-stream.h"

#define HANDSHAKE_SECONDS 20
#define KEPT_MAX 512
#define KEPT_SECONDS 60

typedef struct
{
  CreelUpstream *upstream;
  char *key;
  CreelEndpoint *endpoint;
  gint64 since;
} Kept;

struct _CreelUpstream
{
  gnutls_certificate_credentials_t credentials;
  GQueue kept; /* Kept, newest first */
  CreelParentProxy *parent; /* or NULL */
  CreelCredentialStore *store;
};

static void
kept_free (Kept *kept)
{
  g_queue_remove (&kept->upstream->kept, kept);
  creel_endpoint_set_func (kept->endpoint, NULL, NULL);
  creel_endpoint_unref (kept->endpoint);
  g_free (kept->key);
  g_free (kept);
}

CreelUpstream *
creel_upstream_new (const char *trust_dir)
{
  CreelUpstream *upstream = g_new0 (CreelUpstream, 1);
  const char *path = trust_dir != NULL ? trust_dir : CREEL_CONFIG_DIR "/ca.d";
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const char *name;

  g_queue_init (&upstream->kept);
  if (gnutls_certificate_allocate_credentials (&upstream->credentials) < 0)
    g_error ("Out of memory for certificates");
  gnutls_certificate_set_x509_system_trust (upstream->credentials);
  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *file = g_build_filename (path, name, NULL);

      if (g_str_has_suffix (name, ".pem") &&
          gnutls_certificate_set_x509_trust_file (upstream->credentials, file, GNUTLS_X509_FMT_PEM) < 0)
        g_warning ("%s is not a certificate in PEM form and is not trusted", file);
    }
  return upstream;
}

void
creel_upstream_drop_kept (CreelUpstream *upstream)
{
  while (!g_queue_is_empty (&upstream->kept))
    kept_free (g_queue_peek_tail (&upstream->kept));
}

void
creel_upstream_set_parent (CreelUpstream *upstream, CreelParentProxy *parent, CreelCredentialStore *store)
{
  creel_upstream_drop_kept (upstream);
  g_clear_pointer (&upstream->parent, creel_parent_proxy_unref);
  upstream->parent = parent != NULL ? creel_parent_proxy_ref (parent) : NULL;
  upstream->store = store;
}

void
creel_upstream_free (CreelUpstream *upstream)
{
  creel_upstream_drop_kept (upstream);
  g_clear_pointer (&upstream->parent, creel_parent_proxy_unref);
  gnutls_certificate_free_credentials (upstream->credentials);
  g_free (upstream);
}

static char *
make_key (const CreelHost *host, guint16 port, CreelUpstreamUse use)
{
  return g_strdup_printf ("%s %u %d", creel_host_get_text (host), port, (int) use);
}

/* anything that an idle connection says is its end */
static void
on_kept_event (CreelEndpoint *endpoint, gpointer user_data)
{
  kept_free (user_data);
}

void
creel_upstream_keep (CreelUpstream *upstream, CreelEndpoint *endpoint, const CreelHost *host, guint16 port, CreelUpstreamUse use)
{
  Kept *kept = g_new0 (Kept, 1);

  if (upstream->kept.length >= KEPT_MAX)
    kept_free (g_queue_peek_tail (&upstream->kept));
  kept->upstream = upstream;
  kept->key = make_key (host, port, use);
  kept->endpoint = creel_endpoint_ref (endpoint);
  kept->since = g_get_monotonic_time ();
  g_queue_push_head (&upstream->kept, kept);
  creel_endpoint_set_reading (endpoint, TRUE);
  creel_endpoint_set_func (endpoint, on_kept_event, kept);
}

static CreelEndpoint *
take_kept (CreelUpstream *upstream, const char *key, guint max_idle_seconds)
{
  gint64 now = g_get_monotonic_time ();

  for (GList *link = upstream->kept.head; link != NULL;)
    {
      Kept *kept = link->data;

      link = link->next;
      if (now - kept->since > KEPT_SECONDS * G_USEC_PER_SEC)
        kept_free (kept);
      else if (g_str_equal (kept->key, key) && now - kept->since <= max_idle_seconds * G_USEC_PER_SEC)
        {
          CreelEndpoint *endpoint = creel_endpoint_ref (kept->endpoint);

          kept_free (kept);
          return endpoint;
        }
    }
  return NULL;
}

CreelEndpoint *
creel_upstream_take (CreelUpstream *upstream, const CreelHost *host, guint16 port, CreelUpstreamUse use, guint max_idle_seconds)
{
  g_autofree char *key = make_key (host, port, use);

  return upstream->parent == NULL && max_idle_seconds > 0 ? take_kept (upstream, key, max_idle_seconds) : NULL;
}

typedef struct
{
  CreelUpstream *upstream;
  CreelPolicy *policy;
  CreelHost *host;
  guint16 port;
  CreelUpstreamUse use;
  gboolean asked, reused;
  const char *reason;
  GList *addresses; /* checked */
  CreelParentProxy *parent; /* the way, or NULL: directly */
  CreelSecret *secret;      /* its user and password */
  CreelEndpoint *kept;      /* what was kept, while these are looked up */
} Open;

static void
open_free (gpointer data)
{
  Open *open = data;

  g_clear_pointer (&open->policy, creel_policy_unref);
  creel_host_unref (open->host);
  g_list_free_full (open->addresses, g_object_unref);
  g_clear_pointer (&open->parent, creel_parent_proxy_unref);
  g_clear_pointer (&open->secret, creel_secret_unref);
  g_clear_pointer (&open->kept, creel_endpoint_unref);
  g_free (open);
}

static void
fail (GTask *task, const char *reason, GError *error)
{
  Open *open = g_task_get_task_data (task);

  open->reason = reason;
  g_task_return_error (task, error);
}

/* The kernel answers with the very same address as the source of a datagram to itself. Nothing is sent. */
static gboolean
is_own_address (GInetAddress *address)
{
  g_autoptr (GSocket) probe =
      g_socket_new (g_inet_address_get_family (address), G_SOCKET_TYPE_DATAGRAM, G_SOCKET_PROTOCOL_UDP, NULL);
  g_autoptr (GSocketAddress) peer = g_inet_socket_address_new (address, 9);

  if (probe == NULL || !g_socket_connect (probe, peer, NULL, NULL))
    return FALSE; /* no way there: connecting will fail too */
  g_autoptr (GSocketAddress) local = g_socket_get_local_address (probe, NULL);
  return local != NULL && G_IS_INET_SOCKET_ADDRESS (local) &&
         g_inet_address_equal (g_inet_socket_address_get_address (G_INET_SOCKET_ADDRESS (local)), address);
}

static void
return_stream (GTask *task, GIOStream *stream)
{
  g_task_return_pointer (task, creel_endpoint_new (stream), (GDestroyNotify) creel_endpoint_unref);
}

static void
on_handshake (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  g_autoptr (GError) error = NULL;

  if (!creel_tls_stream_handshake_finish (CREEL_TLS_STREAM (source), result, &error))
    {
      g_io_stream_close (G_IO_STREAM (source), NULL, NULL);
      fail (task, CREEL_REASON_UPSTREAM_TLS, g_steal_pointer (&error));
      return;
    }
  return_stream (task, G_IO_STREAM (source));
}

/* takes the stream */
static void
take_stream (GTask *task, GIOStream *taken)
{
  Open *open = g_task_get_task_data (task);
  g_autoptr (GIOStream) stream = taken;

  if (open->use != CREEL_UPSTREAM_TLS)
    {
      return_stream (task, stream);
      return;
    }
  g_autoptr (CreelTlsStream) tls = creel_tls_stream_new_client (stream, creel_host_get_text (open->host),
                                                                creel_host_get_address (open->host) != NULL, open->upstream->credentials);
  creel_tls_stream_handshake_async (tls, HANDSHAKE_SECONDS, g_task_get_cancellable (task), on_handshake, g_object_ref (task));
}

static void
on_connected (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  GError *error = NULL;
  GSocketConnection *connection = creel_dial_finish (result, &error);

  if (connection != NULL)
    take_stream (task, G_IO_STREAM (connection));
  else
    fail (task, CREEL_REASON_UNREACHABLE, error);
}

/* ---- by way of the parent proxy ---- */

static void
on_parent (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  GError *error = NULL;
  GIOStream *stream = creel_parent_open_finish (result, &error);

  if (stream != NULL)
    take_stream (task, stream);
  else
    fail (task, CREEL_REASON_UNREACHABLE, error);
}

static gboolean
is_absolute (Open *open)
{
  return open->parent != NULL && open->parent->kind != CREEL_PARENT_SOCKS5 && open->use == CREEL_UPSTREAM_HTTP;
}

static void
open_parent (GTask *task)
{
  Open *open = g_task_get_task_data (task);

  creel_parent_open_async (open->parent, open->secret, open->upstream->credentials, open->host, open->port, is_absolute (open),
                           g_task_get_cancellable (task), on_parent, g_object_ref (task));
}

static void
on_parent_secret (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Open *open = g_task_get_task_data (task);
  GError *error = NULL;
  gsize size = 0;
  const char *key;

  open->secret = creel_credential_store_lookup_finish (result, &error);
  key = open->secret != NULL ? creel_secret_get_key (open->secret, &size) : NULL;
  if (key == NULL)
    {
      g_prefix_error (&error, "the proxy of this network needs the secret \"%s\": ", open->parent->credential);
      fail (task, CREEL_REASON_CREDENTIAL, error);
    }
  else if (memchr (key, ':', size) == NULL || memchr (key, '\n', size) != NULL || memchr (key, '\0', size) != NULL)
    fail (task, CREEL_REASON_CREDENTIAL,
          g_error_new (CREEL_ERROR, CREEL_ERROR_FAILED, "the secret \"%s\" for the proxy of this network is not USER:PASSWORD", open->parent->credential));
  else if (open->kept != NULL)
    g_task_return_pointer (task, g_steal_pointer (&open->kept), (GDestroyNotify) creel_endpoint_unref);
  else
    open_parent (task);
}

static void
look_secret_up (GTask *task)
{
  Open *open = g_task_get_task_data (task);

  creel_credential_store_lookup_async (open->upstream->store, open->parent->credential, g_task_get_cancellable (task), on_parent_secret,
                                       g_object_ref (task));
}

/* What may be dialled is known. */
static void
go (GTask *task)
{
  Open *open = g_task_get_task_data (task);

  if (open->parent == NULL)
    creel_dial_async (open->addresses, open->port, g_task_get_cancellable (task), on_connected, g_object_ref (task));
  else if (open->parent->credential != NULL)
    look_secret_up (task);
  else
    open_parent (task);
}

/* one forbidden address forbids the name: an answer that mixes them is an attack or a mistake. Takes both. */
static void
check_addresses (GTask *owned, GList *addresses)
{
  g_autoptr (GTask) task = owned;
  Open *open = g_task_get_task_data (task);

  for (GList *link = addresses; link != NULL; link = link->next)
    {
      g_autoptr (GInetAddress) address = creel_address_unmap (link->data);
      const char *why = NULL;
      gboolean allowed = creel_policy_address_allowed (open->policy, open->host, address, open->port, open->asked, &why);

      if (allowed && is_own_address (address) &&
          !creel_policy_own_address_allowed (open->policy, open->host, address, open->port, open->asked))
        {
          why = "an address of this host";
          allowed = FALSE;
        }
      /* by another name nobody has looked at what is asked of it */
      if (allowed && creel_model_runner_is_at (address, open->port) && !creel_model_runner_is (open->host, open->port))
        {
          why = "the model runner, which has names of its own";
          allowed = FALSE;
        }
      if (!allowed)
        {
          g_autofree char *text = g_inet_address_to_string (address);

          fail (task, CREEL_REASON_ADDRESS,
                g_error_new (CREEL_ERROR, CREEL_ERROR_NOT_AUTHORIZED, "%s is %s (%s)", creel_host_get_text (open->host), text, why));
          g_list_free_full (addresses, g_object_unref);
          return;
        }
      open->addresses = g_list_append (open->addresses, g_steal_pointer (&address));
    }
  g_list_free_full (addresses, g_object_unref);
  go (task);
}

static void
on_resolved (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  g_autoptr (GError) error = NULL;
  GList *addresses = g_resolver_lookup_by_name_finish (G_RESOLVER (source), result, &error);

  if (addresses == NULL)
    {
      Open *open = g_task_get_task_data (task);

      if (open->parent != NULL && open->parent->resolves && !g_cancellable_is_cancelled (g_task_get_cancellable (task)))
        {
          go (task);
          return;
        }
      if (open->parent != NULL)
        g_prefix_error (&error, "(ProxyResolves=yes in section [Network] of /etc/creel/creel.conf leaves names to the proxy) ");
      fail (task, CREEL_REASON_UNRESOLVABLE,
            error != NULL ? g_steal_pointer (&error) : g_error_new_literal (CREEL_ERROR, CREEL_ERROR_FAILED, "No address"));
      return;
    }
  check_addresses (g_steal_pointer (&task), addresses);
}

void
creel_upstream_open_async (CreelUpstream *upstream, CreelPolicy *policy, CreelHost *host, guint16 port, gboolean asked, CreelUpstreamUse use,
                           guint max_idle_seconds, GCancellable *cancellable, GAsyncReadyCallback callback,
                           gpointer user_data)
{
  GTask *task = g_task_new (NULL, cancellable, callback, user_data);
  Open *open = g_new0 (Open, 1);
  g_autofree char *key = make_key (host, port, use);
  CreelEndpoint *endpoint = max_idle_seconds > 0 ? take_kept (upstream, key, max_idle_seconds) : NULL;

  open->upstream = upstream;
  open->policy = policy != NULL ? creel_policy_ref (policy) : NULL;
  open->host = creel_host_ref (host);
  open->port = port;
  open->asked = asked;
  /* services of this machine, the model runner among them, are no business of a proxy elsewhere */
  if (upstream->parent != NULL && !creel_rule_is_localhost_name (host) && !creel_model_runner_is (host, port) &&
      creel_parent_proxy_is_for (upstream->parent, host, port))
    open->parent = creel_parent_proxy_ref (upstream->parent);
  open->use = use;
  g_task_set_task_data (task, open, open_free);
  open->reused = endpoint != NULL;
  if (endpoint != NULL && is_absolute (open) && open->parent->credential != NULL)
    {
      /* it goes out with each request */
      open->kept = endpoint;
      look_secret_up (task);
      g_object_unref (task);
    }
  else if (endpoint != NULL)
    {
      g_task_return_pointer (task, endpoint, (GDestroyNotify) creel_endpoint_unref);
      g_object_unref (task);
    }
  else if (creel_host_get_address (host) != NULL)
    check_addresses (task, g_list_append (NULL, g_object_ref (creel_host_get_address (host))));
  else if (creel_rule_is_localhost_name (host))
    check_addresses (task, g_list_append (NULL, g_inet_address_new_loopback (G_SOCKET_FAMILY_IPV4)));
  else
    {
      g_autoptr (GResolver) resolver = g_resolver_get_default ();

      g_resolver_lookup_by_name_async (resolver, creel_host_get_text (host), cancellable, on_resolved, task);
    }
}

CreelEndpoint *
creel_upstream_open_finish (GAsyncResult *result, CreelUpstreamResult *ret, GError **error)
{
  Open *open = g_task_get_task_data (G_TASK (result));
  CreelEndpoint *endpoint = g_task_propagate_pointer (G_TASK (result), error);

  ret->reused = open->reused;
  ret->reason = open->reason != NULL ? open->reason : CREEL_REASON_UNREACHABLE;
  ret->absolute = is_absolute (open);
  ret->secret = ret->absolute && open->secret != NULL ? creel_secret_ref (open->secret) : NULL;
  return endpoint;
}
