/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-gateway-watch.h"

#include "creel-dbus-gateway.h"
#include "creel-names.h"

#define RETRY_MILLISECONDS 200

struct _CreelGatewayWatch
{
  GObject parent;
  char *socket;
  GCancellable *cancellable;
  GDBusConnection *connection;
  CreelDBusGateway *proxy;
  guint retry;
};

G_DEFINE_FINAL_TYPE (CreelGatewayWatch, creel_gateway_watch, G_TYPE_OBJECT)

static guint signal_state;

static void connect_start (CreelGatewayWatch *self);

static gboolean
on_retry (gpointer data)
{
  CreelGatewayWatch *self = data;

  self->retry = 0;
  connect_start (self);
  return G_SOURCE_REMOVE;
}

static void
retry_later (CreelGatewayWatch *self)
{
  g_clear_object (&self->proxy);
  g_clear_object (&self->connection);
  if (self->retry == 0)
    self->retry = g_timeout_add (RETRY_MILLISECONDS, on_retry, self);
}

static void
on_closed (GDBusConnection *connection, gboolean vanished, GError *error, gpointer user_data)
{
  retry_later (user_data);
}

static void
on_state (GObject *proxy, GParamSpec *pspec, gpointer user_data)
{
  CreelGatewayWatch *self = user_data;
  const char *state = creel_dbus_gateway_get_state (self->proxy);
  const char *text = creel_dbus_gateway_get_status_text (self->proxy);

  if (state != NULL)
    g_signal_emit (self, signal_state, 0, state, text != NULL ? text : "");
}

static void
on_proxy (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (CreelGatewayWatch) self = user_data;
  g_autoptr (GError) error = NULL;
  CreelDBusGateway *proxy = creel_dbus_gateway_proxy_new_finish (result, &error);

  if (proxy == NULL)
    {
      if (!g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        retry_later (self);
      return;
    }
  g_set_object (&self->proxy, proxy);
  g_object_unref (proxy);
  g_signal_connect_object (proxy, "notify::state", G_CALLBACK (on_state), self, 0);
  on_state (G_OBJECT (proxy), NULL, self);
}

static void
on_connection (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (CreelGatewayWatch) self = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GDBusConnection) connection = g_dbus_connection_new_for_address_finish (result, &error);

  if (connection == NULL)
    {
      if (!g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        retry_later (self);
      return;
    }
  g_set_object (&self->connection, connection);
  g_dbus_connection_set_exit_on_close (connection, FALSE);
  g_signal_connect_object (connection, "closed", G_CALLBACK (on_closed), self, 0);
  creel_dbus_gateway_proxy_new (connection, G_DBUS_PROXY_FLAGS_DO_NOT_AUTO_START, NULL, CREEL_GATEWAY_PATH, self->cancellable,
                                on_proxy, g_object_ref (self));
}

static void
connect_start (CreelGatewayWatch *self)
{
  g_autofree char *escaped = g_dbus_address_escape_value (self->socket);
  g_autofree char *address = g_strconcat ("unix:path=", escaped, NULL);

  g_dbus_connection_new_for_address (address, G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT, NULL, self->cancellable, on_connection,
                                     g_object_ref (self));
}

gboolean
creel_gateway_watch_shutdown (CreelGatewayWatch *self)
{
  if (self->proxy == NULL || g_strcmp0 (creel_dbus_gateway_get_state (self->proxy), "ready") != 0)
    return FALSE;
  creel_dbus_gateway_call_shutdown (self->proxy, G_DBUS_CALL_FLAGS_NONE, -1, self->cancellable, NULL, NULL);
  return TRUE;
}

CreelGatewayWatch *
creel_gateway_watch_new (const char *socket)
{
  CreelGatewayWatch *self = g_object_new (CREEL_TYPE_GATEWAY_WATCH, NULL);

  self->socket = g_strdup (socket);
  connect_start (self);
  return self;
}

static void
creel_gateway_watch_dispose (GObject *object)
{
  CreelGatewayWatch *self = CREEL_GATEWAY_WATCH (object);

  g_cancellable_cancel (self->cancellable);
  g_clear_handle_id (&self->retry, g_source_remove);
  g_clear_object (&self->proxy);
  g_clear_object (&self->connection);
  G_OBJECT_CLASS (creel_gateway_watch_parent_class)->dispose (object);
}

static void
creel_gateway_watch_finalize (GObject *object)
{
  CreelGatewayWatch *self = CREEL_GATEWAY_WATCH (object);

  g_clear_object (&self->cancellable);
  g_free (self->socket);
  G_OBJECT_CLASS (creel_gateway_watch_parent_class)->finalize (object);
}

static void
creel_gateway_watch_class_init (CreelGatewayWatchClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = creel_gateway_watch_dispose;
  G_OBJECT_CLASS (klass)->finalize = creel_gateway_watch_finalize;
  signal_state = g_signal_new ("state", CREEL_TYPE_GATEWAY_WATCH, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 2,
                               G_TYPE_STRING, G_TYPE_STRING);
}

static void
creel_gateway_watch_init (CreelGatewayWatch *self)
{
  self->cancellable = g_cancellable_new ();
}
