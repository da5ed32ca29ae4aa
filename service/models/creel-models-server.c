/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-models-server.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#include "creel-models-connection.h"

/* when there are no more fds */
#define PAUSE_MS 200
/* at a time, before those that are here have their turn */
#define ACCEPTS 16

typedef struct
{
  CreelModelsServer *server;
  GSocket *socket;
  GSource *source;
} Listener;

struct _CreelModelsServer
{
  CreelModelsFront front;
  GPtrArray *listeners;
  GHashTable *connections;
  guint tick_id, pause_id, done_id;
  void (*drained) (gpointer user_data);
  gpointer user_data;
};

static void listen_on (Listener *listener);

static void
stop_listening (Listener *listener)
{
  if (listener->source == NULL)
    return;
  g_source_destroy (listener->source);
  g_clear_pointer (&listener->source, g_source_unref);
}

static void
stop_all (CreelModelsServer *server)
{
  for (guint i = 0; i < server->listeners->len; i++)
    stop_listening (server->listeners->pdata[i]);
}

static void
listener_free (gpointer data)
{
  Listener *listener = data;

  stop_listening (listener);
  g_object_unref (listener->socket);
  g_free (listener);
}

static gboolean
on_done (gpointer user_data)
{
  CreelModelsServer *server = user_data;

  server->done_id = 0;
  server->drained (server->user_data);
  return G_SOURCE_REMOVE;
}

static void
look_whether_done (CreelModelsServer *server)
{
  server->front.metrics.connections = g_hash_table_size (server->connections);
  if (server->drained != NULL && server->front.metrics.connections == 0 && server->done_id == 0)
    server->done_id = g_idle_add (on_done, server);
}

static void
on_ended (CreelModelsConnection *connection, gpointer user_data)
{
  CreelModelsServer *server = user_data;

  g_hash_table_remove (server->connections, connection);
  look_whether_done (server);
}

static gboolean
on_tick (gpointer user_data)
{
  CreelModelsServer *server = user_data;
  gint64 now = g_get_monotonic_time ();
  GHashTableIter iter;
  gpointer connection;

  /* they end later, not from inside */
  g_hash_table_iter_init (&iter, server->connections);
  while (g_hash_table_iter_next (&iter, &connection, NULL))
    creel_models_connection_tick (connection, now);
  if (g_hash_table_size (server->connections) > 0)
    return G_SOURCE_CONTINUE;
  server->tick_id = 0;
  return G_SOURCE_REMOVE;
}

static gboolean
on_pause (gpointer user_data)
{
  CreelModelsServer *server = user_data;

  server->pause_id = 0;
  if (server->drained == NULL)
    for (guint i = 0; i < server->listeners->len; i++)
      listen_on (server->listeners->pdata[i]);
  return G_SOURCE_REMOVE;
}

static void
turn_away (GSocket *client)
{
  static const char answer[] = "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 48\r\n"
                               "Retry-After: 5\r\nConnection: close\r\n\r\nToo many connections; close some, or come later\n";

  g_socket_send (client, answer, strlen (answer), NULL, NULL);
  g_socket_shutdown (client, FALSE, TRUE, NULL);
}

static void
take (CreelModelsServer *server, GSocket *client)
{
  g_autoptr (GSocketConnection) stream = NULL;

  g_socket_set_blocking (client, FALSE);
  if (g_hash_table_size (server->connections) >= CREEL_MODELS_CONNECTIONS_MAX)
    {
      turn_away (client);
      return;
    }
  /* each piece of an answer goes out when it is there */
  g_socket_set_option (client, IPPROTO_TCP, TCP_NODELAY, 1, NULL);
  stream = g_socket_connection_factory_create_connection (client);
  g_hash_table_add (server->connections, creel_models_connection_new (&server->front, stream, on_ended, server));
  server->front.metrics.connections = g_hash_table_size (server->connections);
  if (server->tick_id == 0)
    server->tick_id = g_timeout_add_seconds (1, on_tick, server);
}

static gboolean
on_client (GSocket *socket, GIOCondition condition, gpointer user_data)
{
  Listener *listener = user_data;
  CreelModelsServer *server = listener->server;

  for (int i = 0; i < ACCEPTS; i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (GSocket) client = g_socket_accept (socket, NULL, &error);

      if (client != NULL)
        {
          take (server, client);
          continue;
        }
      if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK) || g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CONNECTION_CLOSED))
        return G_SOURCE_CONTINUE;
      /* the reason stays: do not try all the time */
      g_warning ("No client is taken: %s", error->message);
      stop_all (server);
      if (server->pause_id == 0)
        server->pause_id = g_timeout_add (PAUSE_MS, on_pause, server);
      return G_SOURCE_REMOVE;
    }
  return G_SOURCE_CONTINUE;
}

static void
listen_on (Listener *listener)
{
  if (listener->source != NULL)
    return;
  listener->source = g_socket_create_source (listener->socket, G_IO_IN, NULL);
  g_source_set_callback (listener->source, G_SOURCE_FUNC (on_client), listener, NULL);
  g_source_attach (listener->source, NULL);
}

CreelModelsServer *
creel_models_server_new (const int *fds, guint n_fds, const CreelModelsConfig *config, CreelModelsRunner *runner, CreelModelsAudit *audit,
                         CreelModelsPeers *peers, GError **error)
{
  g_autoptr (CreelModelsServer) server = g_new0 (CreelModelsServer, 1);

  server->front = (CreelModelsFront){ .config = config, .runner = runner, .audit = audit, .peers = peers };
  server->listeners = g_ptr_array_new_with_free_func (listener_free);
  server->connections = g_hash_table_new_full (NULL, NULL, (GDestroyNotify) creel_models_connection_free, NULL);
  for (guint i = 0; i < n_fds; i++)
    {
      g_autoptr (GSocket) socket = g_socket_new_from_fd (fds[i], error);
      Listener *listener;

      if (socket == NULL)
        return NULL;
      g_socket_set_blocking (socket, FALSE);
      listener = g_new0 (Listener, 1);
      listener->server = server;
      listener->socket = g_steal_pointer (&socket);
      g_ptr_array_add (server->listeners, listener);
      listen_on (listener);
    }
  return g_steal_pointer (&server);
}

void
creel_models_server_free (CreelModelsServer *server)
{
  if (server == NULL)
    return;
  g_clear_handle_id (&server->tick_id, g_source_remove);
  g_clear_handle_id (&server->pause_id, g_source_remove);
  g_clear_handle_id (&server->done_id, g_source_remove);
  g_ptr_array_unref (server->listeners);
  g_hash_table_unref (server->connections);
  g_free (server);
}

void
creel_models_server_drain (CreelModelsServer *server, void (*func) (gpointer user_data), gpointer user_data)
{
  GHashTableIter iter;
  gpointer connection;

  server->drained = func;
  server->user_data = user_data;
  stop_all (server);
  g_hash_table_iter_init (&iter, server->connections);
  while (g_hash_table_iter_next (&iter, &connection, NULL))
    creel_models_connection_drain (connection);
  look_whether_done (server);
}

guint
creel_models_server_get_connections (CreelModelsServer *server)
{
  return g_hash_table_size (server->connections);
}
