/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-upstream.h"

#include "creel-dial.h"
#include "creel-error.h"
#include "creel-model-runner.h"
#include "creel-names.h"
#include "creel-rule.h"
#include "creel-tls-stream.h"

#define HANDSHAKE_SECONDS 20
#define KEPT_MAX 64
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
creel_upstream_free (CreelUpstream *upstream)
{
  creel_upstream_drop_kept (upstream);
  gnutls_certificate_free_credentials (upstream->credentials);
  g_free (upstream);
}

static char *
make_key (const CreelHost *host, guint16 port, gboolean tls)
{
  return g_strdup_printf ("%s %u %d", creel_host_get_text (host), port, tls);
}

/* anything that an idle connection says is its end */
static void
on_kept_event (CreelEndpoint *endpoint, gpointer user_data)
{
  kept_free (user_data);
}

void
creel_upstream_keep (CreelUpstream *upstream, CreelEndpoint *endpoint, const CreelHost *host, guint16 port, gboolean tls)
{
  Kept *kept = g_new0 (Kept, 1);

  if (upstream->kept.length >= KEPT_MAX)
    kept_free (g_queue_peek_tail (&upstream->kept));
  kept->upstream = upstream;
  kept->key = make_key (host, port, tls);
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

typedef struct
{
  CreelUpstream *upstream;
  CreelPolicy *policy;
  CreelHost *host;
  guint16 port;
  gboolean tls, reused;
  const char *reason;
  GList *addresses; /* checked */
} Open;

static void
open_free (gpointer data)
{
  Open *open = data;

  g_clear_pointer (&open->policy, creel_policy_unref);
  creel_host_unref (open->host);
  g_list_free_full (open->addresses, g_object_unref);
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

static void
on_connected (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Open *open = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;
  g_autoptr (GSocketConnection) connection = creel_dial_finish (result, &error);

  if (connection == NULL)
    {
      fail (task, CREEL_REASON_UNREACHABLE, g_steal_pointer (&error));
      return;
    }
  if (!open->tls)
    {
      return_stream (task, G_IO_STREAM (connection));
      return;
    }
  g_autoptr (CreelTlsStream) stream =
      creel_tls_stream_new_client (G_IO_STREAM (connection), creel_host_get_text (open->host),
                                   creel_host_get_address (open->host) != NULL, open->upstream->credentials);
  GCancellable *cancellable = g_task_get_cancellable (task);
  creel_tls_stream_handshake_async (stream, HANDSHAKE_SECONDS, cancellable, on_handshake, g_steal_pointer (&task));
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
      gboolean allowed = creel_policy_address_allowed (open->policy, open->host, address, open->port, &why);

      if (allowed && is_own_address (address) &&
          !creel_policy_own_address_allowed (open->policy, open->host, address, open->port))
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
  creel_dial_async (open->addresses, open->port, g_task_get_cancellable (task), on_connected, g_object_ref (task));
}

static void
on_resolved (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  g_autoptr (GError) error = NULL;
  GList *addresses = g_resolver_lookup_by_name_finish (G_RESOLVER (source), result, &error);

  if (addresses == NULL)
    {
      fail (task, CREEL_REASON_UNRESOLVABLE,
            error != NULL ? g_steal_pointer (&error) : g_error_new_literal (CREEL_ERROR, CREEL_ERROR_FAILED, "No address"));
      return;
    }
  check_addresses (g_steal_pointer (&task), addresses);
}

void
creel_upstream_open_async (CreelUpstream *upstream, CreelPolicy *policy, CreelHost *host, guint16 port, gboolean tls,
                           guint max_idle_seconds, GCancellable *cancellable, GAsyncReadyCallback callback,
                           gpointer user_data)
{
  GTask *task = g_task_new (NULL, cancellable, callback, user_data);
  Open *open = g_new0 (Open, 1);
  g_autofree char *key = make_key (host, port, tls);
  CreelEndpoint *endpoint = max_idle_seconds > 0 ? take_kept (upstream, key, max_idle_seconds) : NULL;

  open->upstream = upstream;
  open->policy = policy != NULL ? creel_policy_ref (policy) : NULL;
  open->host = creel_host_ref (host);
  open->port = port;
  open->tls = tls;
  g_task_set_task_data (task, open, open_free);
  if (endpoint != NULL)
    {
      open->reused = TRUE;
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
creel_upstream_open_finish (GAsyncResult *result, gboolean *ret_reused, const char **ret_reason, GError **error)
{
  Open *open = g_task_get_task_data (G_TASK (result));
  CreelEndpoint *endpoint = g_task_propagate_pointer (G_TASK (result), error);

  *ret_reused = open->reused;
  *ret_reason = open->reason != NULL ? open->reason : CREEL_REASON_UNREACHABLE;
  return endpoint;
}
