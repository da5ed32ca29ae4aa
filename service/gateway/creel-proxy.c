/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-proxy-private.h"

#include "creel-connection.h"
#include "creel-inject.h"
#include "creel-names.h"

/* beyond its limits, to say so */
#define TURNED_AWAY_MAX 64
/* who has not said what it wants for so long makes room for others */
#define HALF_OPEN_USEC G_USEC_PER_SEC
#define TICK_SECONDS 1

G_DEFINE_TYPE (CreelProxy, creel_proxy, G_TYPE_OBJECT)

static void
creel_proxy_dispose (GObject *object)
{
  CreelProxy *self = CREEL_PROXY (object);

  g_clear_handle_id (&self->tick, g_source_remove);
  if (self->connections != NULL)
    creel_proxy_abort_all (self);
  g_clear_pointer (&self->connections, g_hash_table_unref);
  g_clear_pointer (&self->questions, creel_questions_free);
  g_clear_pointer (&self->upstream, creel_upstream_free);
  g_clear_pointer (&self->store, creel_credential_store_free);
  g_clear_pointer (&self->policy, creel_policy_unref);
  g_clear_pointer (&self->bypass, g_hash_table_unref);
  g_clear_pointer (&self->credentials, g_ptr_array_unref);
  g_clear_pointer (&self->audit, creel_audit_unref);
  g_clear_pointer (&self->ca, creel_ca_unref);
  g_clear_pointer (&self->sandbox, g_free);
  G_OBJECT_CLASS (creel_proxy_parent_class)->dispose (object);
}

static void
creel_proxy_class_init (CreelProxyClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = creel_proxy_dispose;
}

/* one slow clock for all time limits */
static gboolean
on_tick (gpointer user_data)
{
  CreelProxy *self = user_data;
  gint64 now = g_get_monotonic_time ();
  GHashTableIter iter;
  gpointer connection;

  g_hash_table_iter_init (&iter, self->connections);
  while (g_hash_table_iter_next (&iter, &connection, NULL))
    if (!creel_connection_is_in_time (connection, now))
      g_hash_table_iter_remove (&iter);
  creel_limiter_report (&self->limiter, self->audit, self->sandbox);
  if (g_hash_table_size (self->connections) > 0)
    return G_SOURCE_CONTINUE;
  self->tick = 0;
  return G_SOURCE_REMOVE;
}

static void
creel_proxy_init (CreelProxy *self)
{
  self->connections = g_hash_table_new_full (NULL, NULL, (GDestroyNotify) creel_connection_free, NULL);
  self->bypass = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_queue_init (&self->half_open);
  creel_limiter_init (&self->limiter);
  self->times = (CreelTimes){ 30, 5 * 60, 5 * 60, 60 * 60 };
  self->store = creel_credential_store_new ();
  self->upstream = creel_upstream_new (NULL);
}

CreelProxy *
creel_proxy_new (const char *sandbox, CreelCa *ca, CreelAudit *audit)
{
  CreelProxy *self = g_object_new (CREEL_TYPE_PROXY, NULL);

  self->sandbox = g_strdup (sandbox);
  self->ca = creel_ca_ref (ca);
  self->audit = creel_audit_ref (audit);
  self->questions = creel_questions_new (sandbox, audit);
  return self;
}

void
creel_proxy_set_trust_directory (CreelProxy *self, const char *path)
{
  creel_upstream_free (self->upstream);
  self->upstream = creel_upstream_new (path);
}

void
creel_proxy_set_limits (CreelProxy *self, const CreelLimits *limits)
{
  self->limiter.limits = *limits;
}

void
creel_proxy_set_parent (CreelProxy *self, CreelParentProxy *parent)
{
  creel_upstream_set_parent (self->upstream, parent, self->store);
}

void
creel_proxy_set_policy (CreelProxy *self, CreelPolicy *policy, char **bypass)
{
  GHashTableIter iter;
  gpointer connection;

  if (policy != NULL)
    creel_policy_ref (policy);
  g_clear_pointer (&self->policy, creel_policy_unref);
  self->policy = policy;
  g_hash_table_remove_all (self->bypass);
  for (; bypass != NULL && *bypass != NULL; bypass++)
    {
      guint16 port;
      g_autoptr (CreelHost) host = creel_host_parse_authority (*bypass, -1, 443, &port, NULL);

      if (host != NULL)
        g_hash_table_add (self->bypass, creel_host_format_authority (host, port));
    }
  /* their addresses were checked against the old one */
  creel_upstream_drop_kept (self->upstream);
  g_hash_table_iter_init (&iter, self->connections);
  while (g_hash_table_iter_next (&iter, &connection, NULL))
    if (!creel_connection_is_allowed (connection))
      g_hash_table_iter_remove (&iter);
}

void
creel_proxy_set_credentials (CreelProxy *self, GPtrArray *credentials, GHashTable *placeholders)
{
  GPtrArray *copy = g_ptr_array_new_with_free_func ((GDestroyNotify) creel_credential_free);

  for (guint i = 0; credentials != NULL && i < credentials->len; i++)
    g_ptr_array_add (copy, creel_credential_copy (credentials->pdata[i]));
  g_clear_pointer (&self->credentials, g_ptr_array_unref);
  self->credentials = copy;
}

void
creel_proxy_set_secret_func (CreelProxy *self, CreelSecretFunc func, gpointer user_data)
{
  creel_credential_store_set_func (self->store, func, user_data);
}

void
creel_proxy_forget (CreelProxy *self, const char *const *credentials)
{
  creel_credential_store_forget (self->store, credentials);
}

CreelQuestions *
creel_proxy_get_questions (CreelProxy *self)
{
  return self->questions;
}

/* The limit that one more connection would break; CREEL_N_LIMITS: none. */
static CreelLimit
find_reached (CreelProxy *self, CreelWay way)
{
  const guint *max = self->limiter.limits.values;
  gint64 now = g_get_monotonic_time ();
  CreelConnection *first = g_queue_peek_head (&self->half_open);

  if (creel_proxy_get_n_connections (self) - self->n_turned_away >= max[CREEL_LIMIT_CONNECTIONS])
    return CREEL_LIMIT_CONNECTIONS;
  if (self->half_open.length >= max[CREEL_LIMIT_HALF_OPEN])
    {
      if (creel_connection_get_since (first) > now - HALF_OPEN_USEC)
        return CREEL_LIMIT_HALF_OPEN;
      self->limiter.refused[CREEL_LIMIT_HALF_OPEN]++;
      g_hash_table_remove (self->connections, first);
    }
  /* to the explicit proxy each request counts when it is there */
  if (way == CREEL_WAY_TRANSPARENT && !creel_limiter_take_request (&self->limiter, now))
    return CREEL_LIMIT_REQUESTS;
  return CREEL_N_LIMITS;
}

void
creel_proxy_accept (CreelProxy *self, GIOStream *stream, const char *authority, CreelWay way)
{
  guint16 port = 0;
  g_autoptr (CreelHost) target = NULL;
  CreelLimit reached;

  if (way == CREEL_WAY_TRANSPARENT)
    {
      g_autoptr (GError) error = NULL;

      target = creel_host_parse_authority (authority, -1, 0, &port, &error);
      if (target == NULL)
        {
          g_debug ("The guest asks for nonsense: %s", error->message);
          g_io_stream_close (stream, NULL, NULL);
          return;
        }
    }
  if (self->tick == 0)
    self->tick = g_timeout_add_seconds (TICK_SECONDS, on_tick, self);
  reached = find_reached (self, way);
  if (reached == CREEL_N_LIMITS)
    creel_connection_new (self, stream, target, port, way);
  /* nobody knows yet whether the other way speaks HTTP */
  else if (way == CREEL_WAY_PROXY && self->n_turned_away < TURNED_AWAY_MAX)
    creel_connection_turn_away (self, stream, reached);
  else
    {
      self->limiter.refused[reached]++;
      g_io_stream_close (stream, NULL, NULL);
    }
}

void
creel_proxy_abort_all (CreelProxy *self)
{
  g_hash_table_remove_all (self->connections);
  creel_upstream_drop_kept (self->upstream);
}

guint
creel_proxy_get_n_connections (CreelProxy *self)
{
  return g_hash_table_size (self->connections);
}

gboolean
creel_proxy_is_bypassed (CreelProxy *self, const CreelHost *host, guint16 port)
{
  g_autofree char *authority = creel_host_format_authority (host, port);

  return g_hash_table_contains (self->bypass, authority);
}

const CreelCredential *
creel_proxy_find_credential (CreelProxy *self, const CreelHost *host, guint16 port, const CreelHttpHead *head)
{
  const CreelCredential *first = NULL;

  for (guint i = 0; self->credentials != NULL && i < self->credentials->len; i++)
    {
      const CreelCredential *credential = self->credentials->pdata[i];

      if (!creel_inject_matches (credential, host, port))
        continue;
      if (first == NULL)
        first = credential;
      if (head != NULL && credential->header != NULL && soup_message_headers_get_one (head->headers, credential->header) != NULL)
        return credential;
    }
  return first;
}
