/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-models-peer.h"

#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "creel-names.h"

/* DynamicUser= of creel-gateway@.service: systemd takes the name of the template, and all of them are one user */
#define GATEWAY_USER "creel-gateway"
#define KNOWN_USEC (30 * G_USEC_PER_SEC)
#define CALL_MS 2000

typedef struct
{
  uid_t uid;
  void (*func) (gboolean is_gateway, gpointer user_data);
  gpointer user_data;
} Waiter;

struct _CreelModelsPeers
{
  GDBusConnection *bus;
  GCancellable *cancellable;
  GQueue waiters;
  gboolean asking;
  guint32 uid; /* of the gateways; 0: there are none */
  gint64 known; /* when that was so */
};

gboolean
creel_models_peer_parse (const char *table, const struct sockaddr_in *client, const struct sockaddr_in *server, uid_t *ret_uid, gboolean *ret_open)
{
  g_autofree char *ends = g_strdup_printf (": %08X:%04X %08X:%04X ", client->sin_addr.s_addr, ntohs (client->sin_port), server->sin_addr.s_addr,
                                           ntohs (server->sin_port));
  const char *line = strstr (table, ends);
  unsigned state, uid;

  /* state, queues, timer, retransmissions, uid */
  if (line == NULL || sscanf (line + strlen (ends), "%x %*x:%*x %*x:%*x %*x %u", &state, &uid) != 2)
    return FALSE;
  *ret_uid = uid;
  *ret_open = state == TCP_ESTABLISHED;
  return TRUE;
}

gboolean
creel_models_peer_get_uid (GSocketConnection *connection, uid_t *ret_uid, gboolean *ret_open)
{
  int fd = g_socket_get_fd (g_socket_connection_get_socket (connection));
  struct sockaddr_in client = { 0 }, server = { 0 };
  socklen_t client_size = sizeof client, server_size = sizeof server;
  g_autofree char *table = NULL;

  /* Of the kernel and after the table: as long as this end is connected nobody else has the other. One that was reset has left its port to
   * anybody, and GSocket would remember it. */
  return g_file_get_contents ("/proc/self/net/tcp", &table, NULL, NULL) && getpeername (fd, (struct sockaddr *) &client, &client_size) == 0 &&
         getsockname (fd, (struct sockaddr *) &server, &server_size) == 0 && client.sin_family == AF_INET && server.sin_family == AF_INET &&
         creel_models_peer_parse (table, &client, &server, ret_uid, ret_open);
}

CreelModelsPeers *
creel_models_peers_new (GDBusConnection *bus)
{
  CreelModelsPeers *peers = g_new0 (CreelModelsPeers, 1);

  peers->bus = g_object_ref (bus);
  peers->cancellable = g_cancellable_new ();
  peers->known = -KNOWN_USEC;
  g_queue_init (&peers->waiters);
  return peers;
}

static void
tell (CreelModelsPeers *peers)
{
  for (Waiter *waiter; (waiter = g_queue_pop_head (&peers->waiters)) != NULL; g_free (waiter))
    waiter->func (peers->uid != 0 && waiter->uid == peers->uid, waiter->user_data);
}

void
creel_models_peers_free (CreelModelsPeers *peers)
{
  if (peers == NULL)
    return;
  g_cancellable_cancel (peers->cancellable);
  peers->uid = 0;
  tell (peers);
  g_object_unref (peers->cancellable);
  g_object_unref (peers->bus);
  g_free (peers);
}

static void
on_looked_up (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);
  CreelModelsPeers *peers = user_data;

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return;
  peers->asking = FALSE;
  peers->uid = 0;
  peers->known = g_get_monotonic_time ();
  if (reply != NULL)
    g_variant_get (reply, "(u)", &peers->uid);
  tell (peers);
}

void
creel_models_peers_check (CreelModelsPeers *peers, uid_t uid, void (*func) (gboolean is_gateway, gpointer user_data), gpointer user_data)
{
  gboolean fresh = g_get_monotonic_time () - peers->known < KNOWN_USEC;
  Waiter *waiter;

  if (uid < CREEL_DYNAMIC_UID_MIN || uid > CREEL_DYNAMIC_UID_MAX)
    {
      func (FALSE, user_data);
      return;
    }
  if (fresh && peers->uid == uid)
    {
      func (TRUE, user_data);
      return;
    }
  waiter = g_new0 (Waiter, 1);
  waiter->uid = uid;
  waiter->func = func;
  waiter->user_data = user_data;
  g_queue_push_tail (&peers->waiters, waiter);
  if (peers->asking)
    return;
  peers->asking = TRUE;
  g_dbus_connection_call (peers->bus, "org.freedesktop.systemd1", "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager",
                          "LookupDynamicUserByName", g_variant_new ("(s)", GATEWAY_USER), G_VARIANT_TYPE ("(u)"), G_DBUS_CALL_FLAGS_NONE, CALL_MS,
                          peers->cancellable, on_looked_up, peers);
}
