/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-ports.h"

#include <gio/gnetworking.h>
#include <glib-unix.h>
#include <unistd.h>

#include "creel-forward.h"
#include "creel-names.h"
#include "creel-publish.h"

/* What one look at a listening socket takes, so that a flood of connections leaves the loop to others. */
#define ACCEPT_MAX 16

typedef struct
{
  CreelPorts *ports;
  CreelPublish *publish;
  gboolean published; /* by the definition as it is now */
  int fd;             /* listening, or -1: only its connections go on */
  gpointer holder;
  guint accept_id;
  GHashTable *forwards; /* set of CreelForward */
} Port;

struct _CreelPorts
{
  char *sandbox;
  CreelAudit *audit;
  CreelChannel *(*channel) (gpointer user_data);
  gpointer user_data;
  char **published;
  GPtrArray *list;
  guint n_forwards;
};

static void port_update (Port *port);

static void
port_close_socket (Port *port)
{
  g_clear_handle_id (&port->accept_id, g_source_remove);
  if (port->fd >= 0)
    close (port->fd);
  port->fd = -1;
  port->holder = NULL;
}

static void
port_abort_all (Port *port)
{
  g_autoptr (GList) forwards = g_hash_table_get_keys (port->forwards);

  for (GList *item = forwards; item != NULL; item = item->next)
    creel_forward_abort (item->data);
  port->ports->n_forwards -= g_hash_table_size (port->forwards);
  g_hash_table_remove_all (port->forwards);
}

static void
port_free (gpointer data)
{
  Port *port = data;

  port_close_socket (port);
  port_abort_all (port);
  g_hash_table_unref (port->forwards);
  creel_publish_free (port->publish);
  g_free (port);
}

/* A port without socket and connections is nothing. */
static void
port_consider (Port *port)
{
  if (port->fd < 0 && g_hash_table_size (port->forwards) == 0)
    g_ptr_array_remove (port->ports->list, port);
}

static void
on_forward_done (CreelForward *forward, gpointer user_data)
{
  Port *port = user_data;
  CreelPorts *ports = port->ports;

  if (g_hash_table_remove (port->forwards, forward))
    ports->n_forwards--;
  port_consider (port);
  creel_ports_update (ports);
}

/* Announced in the journal before a byte is read: fields say what was published and who came. */
static CreelAuditEntry *
make_entry (Port *port, GSocketAddress *peer)
{
  CreelAuditEntry *entry = creel_audit_entry_new (CREEL_MESSAGE_PORT, 6 /* LOG_INFO */, "port");
  g_autofree char *address = g_inet_address_to_string (port->publish->address);
  g_autofree char *from = peer != NULL ? g_socket_connectable_to_string (G_SOCKET_CONNECTABLE (peer)) : g_strdup ("?");

  creel_audit_entry_set (entry, CREEL_FIELD_VERDICT, "allow");
  creel_audit_entry_set (entry, CREEL_FIELD_HOST, address);
  creel_audit_entry_printf (entry, CREEL_FIELD_PORT, "%u", port->publish->port);
  creel_audit_entry_printf (entry, CREEL_FIELD_GUEST_PORT, "%u", port->publish->guest);
  creel_audit_entry_set (entry, CREEL_FIELD_PEER, from);
  creel_audit_entry_printf (entry, "MESSAGE", "%s: connection from %s to published port %u, port %u of the guest",
                            port->ports->sandbox, from, port->publish->port, port->publish->guest);
  return entry;
}

static void
take (Port *port, int fd)
{
  union
  {
    struct sockaddr any;
    struct sockaddr_storage storage;
  } peer;
  socklen_t length = sizeof peer;
  g_autoptr (GSocketAddress) address = NULL;
  CreelPorts *ports = port->ports;
  CreelForward *forward;

  if (!port->published)
    {
      creel_forward_refuse (fd);
      return;
    }
  if (getpeername (fd, &peer.any, &length) == 0)
    address = g_socket_address_new_from_native (&peer, length);
  forward = creel_forward_start (fd, ports->audit, make_entry (port, address), port->publish->guest, ports->channel, ports->user_data,
                                 on_forward_done, port);
  g_hash_table_add (port->forwards, forward);
  ports->n_forwards++;
}

static gboolean
may_accept (Port *port)
{
  CreelPorts *ports = port->ports;

  if (port->fd < 0)
    return FALSE;
  /* refusing needs nobody */
  return !port->published || (ports->n_forwards < CREEL_PORTS_CONNECTIONS_MAX &&
                              g_hash_table_size (port->forwards) < CREEL_PORT_CONNECTIONS_MAX && ports->channel (ports->user_data) != NULL);
}

static gboolean
on_connection (int listen_fd, GIOCondition condition, gpointer user_data)
{
  Port *port = user_data;

  for (guint i = 0; i < ACCEPT_MAX && may_accept (port); i++)
    {
      int fd = accept4 (listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

      if (fd < 0)
        break;
      take (port, fd);
    }
  if (may_accept (port))
    return G_SOURCE_CONTINUE;
  port->accept_id = 0;
  return G_SOURCE_REMOVE;
}

static void
port_update (Port *port)
{
  if (!may_accept (port))
    g_clear_handle_id (&port->accept_id, g_source_remove);
  else if (port->accept_id == 0)
    port->accept_id = g_unix_fd_add (port->fd, G_IO_IN, on_connection, port);
}

void
creel_ports_update (CreelPorts *ports)
{
  for (guint i = 0; i < ports->list->len; i++)
    port_update (ports->list->pdata[i]);
}

static gboolean
is_published (CreelPorts *ports, const CreelPublish *publish)
{
  g_autofree char *text = creel_publish_format (publish);

  return ports->published != NULL && g_strv_contains ((const char *const *) ports->published, text);
}

void
creel_ports_set_published (CreelPorts *ports, char **publish)
{
  g_strfreev (ports->published);
  ports->published = g_strdupv (publish);
  for (guint i = ports->list->len; i > 0; i--)
    {
      Port *port = ports->list->pdata[i - 1];

      port->published = is_published (ports, port->publish);
      if (!port->published)
        port_abort_all (port);
      port_consider (port);
    }
  creel_ports_update (ports);
}

/* The entry of the definition that this socket is for. */
static CreelPublish *
find_published (CreelPorts *ports, GSocketAddress *address, guint16 guest_port)
{
  for (char **entry = ports->published; entry != NULL && *entry != NULL; entry++)
    {
      g_autoptr (CreelPublish) publish = creel_publish_parse (*entry, NULL);

      if (publish != NULL && publish->guest == guest_port && creel_publish_is_socket (publish, address))
        return g_steal_pointer (&publish);
    }
  return NULL;
}

static gboolean
check_socket (int fd, GSocketAddress **ret_address, GError **error)
{
  union
  {
    struct sockaddr any;
    struct sockaddr_storage storage;
  } own;
  socklen_t length = sizeof own, size = sizeof (int);
  int listens = 0, type = 0;

  if (getsockopt (fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) < 0 || !listens ||
      getsockopt (fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0 || type != SOCK_STREAM || getsockname (fd, &own.any, &length) < 0 ||
      (own.any.sa_family != AF_INET && own.any.sa_family != AF_INET6))
    {
      g_set_error_literal (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS, "That is not a listening TCP socket");
      return FALSE;
    }
  *ret_address = g_socket_address_new_from_native (&own, length);
  return TRUE;
}

gboolean
creel_ports_add (CreelPorts *ports, int fd, guint16 guest_port, gpointer holder, GError **error)
{
  g_autoptr (GSocketAddress) address = NULL;
  g_autoptr (CreelPublish) publish = NULL;
  Port *port = NULL;

  if (check_socket (fd, &address, error) && (publish = find_published (ports, address, guest_port)) == NULL)
    g_set_error (error, G_DBUS_ERROR, G_DBUS_ERROR_ACCESS_DENIED, "The definition does not publish this socket for port %u", guest_port);
  if (publish == NULL)
    return FALSE;
  for (guint i = 0; i < ports->list->len; i++)
    {
      Port *other = ports->list->pdata[i];
      g_autofree char *a = creel_publish_format (other->publish), *b = creel_publish_format (publish);

      if (g_str_equal (a, b))
        port = other;
    }
  if (port == NULL)
    {
      port = g_new0 (Port, 1);
      port->ports = ports;
      port->publish = g_steal_pointer (&publish);
      port->published = TRUE;
      port->fd = -1;
      port->forwards = g_hash_table_new (NULL, NULL);
      g_ptr_array_add (ports->list, port);
    }
  port_close_socket (port); /* the same one, of a creel-port that was killed */
  port->fd = fd;
  port->holder = holder;
  g_unix_set_fd_nonblocking (fd, TRUE, NULL);
  port_update (port);
  return TRUE;
}

void
creel_ports_drop_holder (CreelPorts *ports, gpointer holder)
{
  for (guint i = ports->list->len; i > 0; i--)
    {
      Port *port = ports->list->pdata[i - 1];

      if (port->fd < 0 || port->holder != holder)
        continue;
      port_close_socket (port);
      port_consider (port);
    }
}

CreelPorts *
creel_ports_new (const char *sandbox, CreelAudit *audit, CreelChannel *(*channel) (gpointer user_data), gpointer user_data)
{
  CreelPorts *ports = g_new0 (CreelPorts, 1);

  ports->sandbox = g_strdup (sandbox);
  ports->audit = creel_audit_ref (audit);
  ports->channel = channel;
  ports->user_data = user_data;
  ports->list = g_ptr_array_new_with_free_func (port_free);
  return ports;
}

void
creel_ports_free (CreelPorts *ports)
{
  if (ports == NULL)
    return;
  g_ptr_array_unref (ports->list);
  g_strfreev (ports->published);
  creel_audit_unref (ports->audit);
  g_free (ports->sandbox);
  g_free (ports);
}
