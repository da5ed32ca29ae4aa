/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-dial.h"

#include <netinet/in.h>
#include <netinet/tcp.h>

#define NEXT_MILLISECONDS 250
#define CONNECT_SECONDS 10

typedef struct
{
  GQueue waiting; /* GInetAddress */
  guint16 port;
  guint running; /* attempts */
  GCancellable *attempts;
  guint timer;
  guint cancelled;
  GError *last_error;
} Dial;

static void
dial_free (gpointer data)
{
  Dial *dial = data;

  g_queue_clear_full (&dial->waiting, g_object_unref);
  g_object_unref (dial->attempts);
  g_clear_error (&dial->last_error);
  g_free (dial);
}

/* Nothing follows, whatever the attempts that are under way say */
static void
end (Dial *dial)
{
  g_clear_handle_id (&dial->timer, g_source_remove);
  g_clear_handle_id (&dial->cancelled, g_source_remove);
  g_queue_clear_full (&dial->waiting, g_object_unref);
  g_cancellable_cancel (dial->attempts);
}

static void start_next (GTask *task);

static void
on_attempt (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Dial *dial = g_task_get_task_data (task);
  GSocketConnection *connection = G_SOCKET_CONNECTION (source);
  g_autoptr (GError) error = NULL;
  gboolean connected = g_socket_connection_connect_finish (connection, result, &error);

  dial->running--;
  if (g_cancellable_is_cancelled (dial->attempts))
    return; /* another one was first */
  if (connected)
    {
      GSocket *socket = g_socket_connection_get_socket (connection);

      end (dial);
      g_socket_set_timeout (socket, 0);
      g_socket_set_option (socket, IPPROTO_TCP, TCP_NODELAY, 1, NULL);
      g_task_return_pointer (task, g_object_ref (connection), g_object_unref);
      return;
    }
  g_clear_error (&dial->last_error);
  dial->last_error = g_steal_pointer (&error);
  if (!g_queue_is_empty (&dial->waiting))
    start_next (task);
  else if (dial->running == 0)
    {
      end (dial);
      g_task_return_error (task, g_steal_pointer (&dial->last_error));
    }
}

static gboolean
on_timer (gpointer user_data)
{
  Dial *dial = g_task_get_task_data (user_data);

  dial->timer = 0;
  start_next (user_data);
  return G_SOURCE_REMOVE;
}

static void
start_next (GTask *task)
{
  Dial *dial = g_task_get_task_data (task);

  g_clear_handle_id (&dial->timer, g_source_remove);
  while (!g_queue_is_empty (&dial->waiting))
    {
      g_autoptr (GInetAddress) address = g_queue_pop_head (&dial->waiting);
      g_autoptr (GSocketAddress) peer = g_inet_socket_address_new (address, dial->port);
      g_autoptr (GSocketConnection) connection = NULL;
      g_autoptr (GSocket) socket = NULL;

      g_clear_error (&dial->last_error);
      socket = g_socket_new (g_inet_address_get_family (address), G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, &dial->last_error);
      if (socket == NULL)
        continue;
      g_socket_set_blocking (socket, FALSE);
      g_socket_set_timeout (socket, CONNECT_SECONDS);
      connection = g_socket_connection_factory_create_connection (socket);
      dial->running++;
      g_socket_connection_connect_async (connection, peer, dial->attempts, on_attempt, g_object_ref (task));
      break;
    }
  if (dial->running == 0)
    {
      end (dial);
      g_task_return_error (task, g_steal_pointer (&dial->last_error));
    }
  else if (!g_queue_is_empty (&dial->waiting))
    dial->timer = g_timeout_add_full (G_PRIORITY_DEFAULT, NEXT_MILLISECONDS, on_timer, g_object_ref (task), g_object_unref);
}

static gboolean
on_cancelled (GCancellable *cancellable, gpointer user_data)
{
  GTask *task = user_data;

  end (g_task_get_task_data (task));
  g_task_return_error_if_cancelled (task);
  return G_SOURCE_REMOVE;
}

/* The first of one family, the first of the other, and so on */
static void
take_turns (GList *addresses, GQueue *ret)
{
  GSocketFamily first = g_inet_address_get_family (addresses->data);
  GQueue other = G_QUEUE_INIT;
  guint at = 1;

  for (GList *link = addresses; link != NULL; link = link->next)
    g_queue_push_tail (g_inet_address_get_family (link->data) == first ? ret : &other, g_object_ref (link->data));
  for (; !g_queue_is_empty (&other); at += 2)
    g_queue_push_nth (ret, g_queue_pop_head (&other), (gint) at);
}

void
creel_dial_async (GList *addresses, guint16 port, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (NULL, cancellable, callback, user_data);
  Dial *dial = g_new0 (Dial, 1);

  g_task_set_source_tag (task, creel_dial_async);
  g_task_set_task_data (task, dial, dial_free);
  dial->port = port;
  dial->attempts = g_cancellable_new ();
  take_turns (addresses, &dial->waiting);
  if (g_task_return_error_if_cancelled (task))
    return;
  if (cancellable != NULL)
    {
      g_autoptr (GSource) source = g_cancellable_source_new (cancellable);

      g_source_set_callback (source, G_SOURCE_FUNC (on_cancelled), g_object_ref (task), g_object_unref);
      dial->cancelled = g_source_attach (source, NULL);
    }
  start_next (task);
}

GSocketConnection *
creel_dial_finish (GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, NULL), NULL);
  return g_task_propagate_pointer (G_TASK (result), error);
}
