/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-gateway-bus.h"

#include <fcntl.h>
#include <gio/gunixconnection.h>
#include <gio/gunixfdlist.h>
#include <glib-unix.h>
#include <sys/socket.h>
#include <unistd.h>

#include "creel-attendance.h"
#include "creel-broker.h"
#include "creel-dbus-gateway.h"
#include "creel-error.h"
#include "creel-names.h"
#include "creel-records.h"

#define SESSIONS_MAX 256
#define PEERS_MAX 64

struct _CreelGatewayBus
{
  CreelGateway *gateway;
  CreelBroker *broker;
  CreelAttendance *attendance;
  uid_t uid;
  char *guid;
  int listen_fd;
  guint listen_id;
  GDBusAuthObserver *observer;
  GCancellable *cancellable;
  GPtrArray *peers;
  guint n_calls;
};

typedef struct
{
  CreelGatewayBus *bus;
  GDBusConnection *connection;
  CreelDBusGateway *skeleton;
  gulong closed_id;
  GHashTable *calls; /* session id -> Call */
  GHashTable *saves; /* set of Save */
} Peer;

/* One Exec or Capture. `invocation` until it was answered. */
typedef struct
{
  Peer *peer;
  CreelSession *session;
  GDBusMethodInvocation *invocation;
  int fds[3];
  gboolean capture;
  guint timeout_id;
  guint64 timeout;
} Call;

static void
call_free (gpointer data)
{
  Call *call = data;

  g_clear_handle_id (&call->timeout_id, g_source_remove);
  if (call->session != NULL)
    creel_session_hangup (call->session);
  if (call->invocation != NULL)
    g_dbus_method_invocation_return_error (call->invocation, CREEL_ERROR, CREEL_ERROR_CANCELLED, "The session was ended");
  for (int i = 0; i < 3; i++)
    if (call->fds[i] >= 0)
      close (call->fds[i]);
  call->peer->bus->n_calls--;
  g_free (call);
}

/* The session ended by itself: nothing to hang up. */
static void
call_done (Call *call)
{
  guint32 id = creel_session_get_id (call->session);

  call->session = NULL;
  g_hash_table_remove (call->peer->calls, GUINT_TO_POINTER (id));
}

static void
on_session_started (CreelSession *session, gpointer user_data)
{
  Call *call = user_data;
  g_autoptr (GUnixFDList) fds = NULL;

  if (call->capture)
    return;
  fds = g_unix_fd_list_new_from_array (call->fds, 3);
  for (int i = 0; i < 3; i++)
    call->fds[i] = -1;
  creel_dbus_gateway_complete_exec (call->peer->skeleton, g_steal_pointer (&call->invocation), fds,
                                    creel_session_get_id (session), g_variant_new_handle (0), g_variant_new_handle (1),
                                    g_variant_new_handle (2));
}

static void
on_session_exited (CreelSession *session, int code, int signal, const char *message, gpointer user_data)
{
  Call *call = user_data;

  if (!call->capture)
    g_dbus_connection_emit_signal (call->peer->connection, NULL, CREEL_GATEWAY_PATH, CREEL_BUS_NAME ".Gateway", "Exited",
                                   g_variant_new ("(uiis)", creel_session_get_id (session), code, signal, message), NULL);
  else if (message[0] != '\0')
    g_dbus_method_invocation_return_error (g_steal_pointer (&call->invocation), CREEL_ERROR, CREEL_ERROR_GUEST_FAILED,
                                           "The command did not end normally: %s", message);
  else
    {
      GByteArray *out = creel_session_get_captured (session, 1);
      GByteArray *err = creel_session_get_captured (session, 2);
      g_autofree char *out_text = creel_text_clean_output (out->data, out->len, CREEL_CAPTURE_MAX);
      g_autofree char *err_text = creel_text_clean_output (err->data, err->len, CREEL_CAPTURE_MAX);

      creel_dbus_gateway_complete_capture (call->peer->skeleton, g_steal_pointer (&call->invocation),
                                           signal != 0 ? 128 + signal : code, out_text, err_text);
    }
  call_done (call);
}

static void
on_session_failed (CreelSession *session, const GError *error, gpointer user_data)
{
  Call *call = user_data;

  g_dbus_method_invocation_return_gerror (g_steal_pointer (&call->invocation), error);
  call_done (call);
}

static const CreelSessionHandler session_handler = { on_session_started, on_session_exited, on_session_failed };

static gboolean
on_capture_timeout (gpointer user_data)
{
  Call *call = user_data;

  call->timeout_id = 0;
  g_dbus_method_invocation_return_error (g_steal_pointer (&call->invocation), CREEL_ERROR, CREEL_ERROR_TIMED_OUT,
                                         "The command did not end within %" G_GUINT64_FORMAT " s",
                                         call->timeout / G_USEC_PER_SEC);
  g_hash_table_remove (call->peer->calls, GUINT_TO_POINTER (creel_session_get_id (call->session)));
  return G_SOURCE_REMOVE;
}

/* A socket that the starter gives for both outputs; the caller's to close. Anything else might make us wait when we write. */
static int
take_output (GUnixFDList *sent, int index, GError **error)
{
  int type = 0, fd = -1;
  socklen_t length = sizeof type;

  if (sent != NULL && index < g_unix_fd_list_get_length (sent))
    fd = g_unix_fd_list_get (sent, index, NULL);
  if (fd >= 0 && getsockopt (fd, SOL_SOCKET, SO_TYPE, &type, &length) == 0 && type == SOCK_STREAM)
    return fd;
  if (fd >= 0)
    close (fd);
  g_set_error_literal (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS, "output must be a stream socket");
  return -1;
}

static void
start (Peer *peer, GDBusMethodInvocation *invocation, GUnixFDList *sent, gboolean capture)
{
  CreelGatewayBus *bus = peer->bus;
  GVariant *parameters = g_dbus_method_invocation_get_parameters (invocation);
  g_autoptr (GVariant) argv = g_variant_get_child_value (parameters, 0);
  g_autoptr (GVariant) options = g_variant_get_child_value (parameters, 1);
  g_auto (GStrv) default_argv = creel_gateway_make_default_command (bus->gateway);
  g_autoptr (GError) error = NULL;
  g_autoptr (CreelExec) exec =
      creel_exec_parse (argv, options, capture, (const char *const *) default_argv, &error);
  Call *call;
  int output = -1;

  if (exec != NULL && exec->output >= 0)
    output = take_output (sent, exec->output, &error);
  if (error == NULL && bus->n_calls >= SESSIONS_MAX)
    g_set_error (&error, CREEL_ERROR, CREEL_ERROR_LIMITS_EXCEEDED, "More than %d sessions run in this sandbox", SESSIONS_MAX);
  if (error != NULL)
    {
      if (output >= 0)
        close (output);
      g_dbus_method_invocation_return_gerror (invocation, error);
      return;
    }

  call = g_new0 (Call, 1);
  call->peer = peer;
  call->invocation = invocation;
  call->capture = capture;
  for (int i = 0; i < 3; i++)
    call->fds[i] = -1;
  bus->n_calls++;
  call->session = creel_gateway_start_session (bus->gateway, exec, output, capture ? NULL : call->fds, &session_handler, call, &error);
  if (output >= 0)
    close (output);
  if (call->session == NULL)
    {
      g_dbus_method_invocation_return_gerror (g_steal_pointer (&call->invocation), error);
      call_free (call);
      return;
    }
  g_hash_table_insert (peer->calls, GUINT_TO_POINTER (creel_session_get_id (call->session)), call);
  if (capture)
    {
      call->timeout = exec->timeout;
      call->timeout_id = g_timeout_add (exec->timeout / 1000, on_capture_timeout, call);
    }
}

static gboolean
on_exec (CreelDBusGateway *skeleton, GDBusMethodInvocation *invocation, GUnixFDList *fds, const char *const *argv,
         GVariant *options, gpointer user_data)
{
  start (user_data, invocation, fds, FALSE); /* reads argv itself: a NUL inside a word does not survive char ** */
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static gboolean
on_capture (CreelDBusGateway *skeleton, GDBusMethodInvocation *invocation, const char *const *argv, GVariant *options,
            gpointer user_data)
{
  start (user_data, invocation, NULL, TRUE);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static Call *
find_call (Peer *peer, GDBusMethodInvocation *invocation, guint id)
{
  Call *call = g_hash_table_lookup (peer->calls, GUINT_TO_POINTER (id));

  if (call != NULL && !call->capture)
    return call;
  g_dbus_method_invocation_return_error (invocation, CREEL_ERROR, CREEL_ERROR_NO_SUCH_SESSION, "No session %u", id);
  return NULL;
}

static gboolean
on_resize (CreelDBusGateway *skeleton, GDBusMethodInvocation *invocation, guint id, guint16 rows, guint16 columns,
           gpointer user_data)
{
  Call *call = find_call (user_data, invocation, id);
  g_autoptr (GError) error = NULL;

  if (call == NULL)
    return G_DBUS_METHOD_INVOCATION_HANDLED;
  if (rows == 0 || columns == 0)
    g_set_error (&error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS, "A terminal has at least one row and one column");
  if (error != NULL || !creel_session_resize (call->session, rows, columns, &error))
    g_dbus_method_invocation_return_gerror (invocation, error);
  else
    creel_dbus_gateway_complete_resize (skeleton, invocation);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static gboolean
on_signal (CreelDBusGateway *skeleton, GDBusMethodInvocation *invocation, guint id, int signal, gpointer user_data)
{
  Call *call = find_call (user_data, invocation, id);
  g_autoptr (GError) error = NULL;

  if (call == NULL)
    return G_DBUS_METHOD_INVOCATION_HANDLED;
  if (signal < 1 || signal > 64)
    g_set_error (&error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS, "A signal is a number from 1 to 64");
  if (error != NULL || !creel_session_signal (call->session, signal, &error))
    g_dbus_method_invocation_return_gerror (invocation, error);
  else
    creel_dbus_gateway_complete_signal (skeleton, invocation);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static gboolean
on_hangup (CreelDBusGateway *skeleton, GDBusMethodInvocation *invocation, guint id, gpointer user_data)
{
  Peer *peer = user_data;

  if (find_call (peer, invocation, id) == NULL)
    return G_DBUS_METHOD_INVOCATION_HANDLED;
  g_hash_table_remove (peer->calls, GUINT_TO_POINTER (id));
  creel_dbus_gateway_complete_hangup (skeleton, invocation);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

/* One Save. `invocation` until it was answered. */
typedef struct
{
  Peer *peer;
  CreelSave *save;
  GDBusMethodInvocation *invocation;
} Save;

static void
save_free (gpointer data)
{
  Save *self = data;

  creel_save_cancel (self->save);
  if (self->invocation != NULL)
    g_dbus_method_invocation_return_error (self->invocation, CREEL_ERROR, CREEL_ERROR_CANCELLED, "The gateway ends");
  g_free (self);
}

static void
on_save_started (CreelSave *save, guint64 estimate, int fd, gpointer user_data)
{
  Save *self = user_data;
  g_autoptr (GUnixFDList) fds = g_unix_fd_list_new_from_array (&fd, 1);

  creel_dbus_gateway_complete_save (self->peer->skeleton, g_steal_pointer (&self->invocation), fds, estimate,
                                    g_variant_new_handle (0));
}

static void
on_save_over (CreelSave *save, gpointer user_data)
{
  Save *self = user_data;

  self->save = NULL; /* frees itself */
  g_hash_table_remove (self->peer->saves, self);
}

static void
on_save_failed (CreelSave *save, const GError *error, gpointer user_data)
{
  Save *self = user_data;

  g_dbus_method_invocation_return_gerror (g_steal_pointer (&self->invocation), error);
  on_save_over (save, self);
}

static const CreelSaveHandler save_handler = { on_save_started, on_save_over, on_save_failed };

static gboolean
on_save (CreelDBusGateway *skeleton, GDBusMethodInvocation *invocation, GUnixFDList *fds, GVariant *options, gpointer user_data)
{
  Peer *peer = user_data;
  g_autoptr (GError) error = NULL;
  Save *self;

  if (g_variant_n_children (options) > 0)
    g_set_error_literal (&error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS, "Save takes no options");
  else
    {
      self = g_new0 (Save, 1);
      self->peer = peer;
      self->save = creel_gateway_start_save (peer->bus->gateway, &save_handler, self, &error);
      if (self->save == NULL)
        g_free (self);
      else
        {
          self->invocation = invocation;
          g_hash_table_add (peer->saves, self);
          return G_DBUS_METHOD_INVOCATION_HANDLED;
        }
    }
  g_dbus_method_invocation_return_gerror (invocation, error);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static gboolean
on_reload (CreelDBusGateway *skeleton, GDBusMethodInvocation *invocation, gpointer user_data)
{
  Peer *peer = user_data;
  g_autoptr (GError) error = NULL;

  if (creel_gateway_reload (peer->bus->gateway, &error))
    creel_dbus_gateway_complete_reload (skeleton, invocation);
  else
    g_dbus_method_invocation_return_gerror (invocation, error);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static gboolean
on_forget (CreelDBusGateway *skeleton, GDBusMethodInvocation *invocation, const char *const *credentials,
           gpointer user_data)
{
  Peer *peer = user_data;

  creel_proxy_forget (creel_gateway_get_proxy (peer->bus->gateway), credentials);
  creel_dbus_gateway_complete_forget (skeleton, invocation);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static gboolean
on_check (CreelDBusGateway *skeleton, GDBusMethodInvocation *invocation, const char *url, const char *method,
          gpointer user_data)
{
  Peer *peer = user_data;
  g_autoptr (GError) error = NULL;
  GVariant *decision = creel_gateway_check (peer->bus->gateway, url, method, &error);

  if (decision != NULL)
    creel_dbus_gateway_complete_check (skeleton, invocation, decision);
  else
    g_dbus_method_invocation_return_gerror (invocation, error);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static gboolean
on_publish (CreelDBusGateway *skeleton, GDBusMethodInvocation *invocation, GUnixFDList *fds, GVariant *socket, guint16 guest_port,
            gpointer user_data)
{
  Peer *peer = user_data;
  g_autoptr (GError) error = NULL;
  int fd = -1;

  if (fds == NULL || g_unix_fd_list_get_length (fds) != 1 || g_variant_get_handle (socket) != 0)
    g_set_error (&error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS, "Exactly one file descriptor must be sent");
  else
    fd = g_unix_fd_list_get (fds, 0, &error);
  if (fd >= 0 && creel_gateway_publish (peer->bus->gateway, fd, guest_port, peer, &error))
    creel_dbus_gateway_complete_publish (skeleton, invocation, NULL);
  else
    g_dbus_method_invocation_return_gerror (invocation, error);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static void
on_shutdown_done (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GDBusMethodInvocation *invocation = user_data;
  g_autoptr (GError) error = NULL;

  if (creel_gateway_shutdown_finish (result, &error))
    g_dbus_method_invocation_return_value (invocation, NULL);
  else
    g_dbus_method_invocation_return_gerror (invocation, error);
}

static gboolean
on_shutdown (CreelDBusGateway *skeleton, GDBusMethodInvocation *invocation, gpointer user_data)
{
  Peer *peer = user_data;

  creel_gateway_shutdown_async (peer->bus->gateway, on_shutdown_done, invocation);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

/* peers */

static void
peer_update (Peer *peer)
{
  CreelGateway *gateway = peer->bus->gateway;
  g_autofree char *text = creel_gateway_make_status_text (gateway);

  creel_dbus_gateway_set_status_text (peer->skeleton, text);
  creel_dbus_gateway_set_guest (peer->skeleton, creel_gateway_make_guest (gateway));
  creel_dbus_gateway_set_state (peer->skeleton, creel_gateway_get_state (gateway));
}

static void
on_gateway_changed (gpointer user_data)
{
  CreelGatewayBus *bus = user_data;

  for (guint i = 0; i < bus->peers->len; i++)
    {
      Peer *peer = bus->peers->pdata[i];

      peer_update (peer);
      g_dbus_interface_skeleton_flush (G_DBUS_INTERFACE_SKELETON (peer->skeleton));
    }
}

static void
peer_free (gpointer data)
{
  Peer *peer = data;

  creel_gateway_unpublish (peer->bus->gateway, peer);
  creel_attendance_remove (peer->bus->attendance, peer->skeleton);
  g_clear_signal_handler (&peer->closed_id, peer->connection);
  g_hash_table_unref (peer->calls);
  g_hash_table_unref (peer->saves);
  g_signal_handlers_disconnect_by_data (peer->skeleton, peer);
  g_dbus_interface_skeleton_unexport (G_DBUS_INTERFACE_SKELETON (peer->skeleton));
  g_object_unref (peer->skeleton);
  g_object_unref (peer->connection);
  g_free (peer);
}

static void
on_peer_closed (GDBusConnection *connection, gboolean remote_vanished, GError *error, gpointer user_data)
{
  Peer *peer = user_data;
  CreelGatewayBus *bus = peer->bus;

  creel_broker_remove_peer (bus->broker, connection);
  g_ptr_array_remove_fast (bus->peers, peer);
}

static void
on_connection (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GDBusConnection) connection = g_dbus_connection_new_finish (result, &error);
  CreelGatewayBus *bus = user_data;
  Peer *peer;

  if (connection == NULL)
    {
      if (!g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        g_message ("A peer was not let in: %s", error->message);
      return;
    }
  if (bus->peers->len >= PEERS_MAX)
    {
      g_dbus_connection_close (connection, NULL, NULL, NULL);
      return;
    }
  peer = g_new0 (Peer, 1);
  peer->bus = bus;
  peer->connection = g_steal_pointer (&connection);
  peer->calls = g_hash_table_new_full (NULL, NULL, NULL, call_free);
  peer->saves = g_hash_table_new_full (NULL, NULL, save_free, NULL);
  peer->skeleton = creel_dbus_gateway_skeleton_new ();
  peer->closed_id = g_signal_connect (peer->connection, "closed", G_CALLBACK (on_peer_closed), peer);
  g_signal_connect (peer->skeleton, "handle-exec", G_CALLBACK (on_exec), peer);
  g_signal_connect (peer->skeleton, "handle-capture", G_CALLBACK (on_capture), peer);
  g_signal_connect (peer->skeleton, "handle-resize", G_CALLBACK (on_resize), peer);
  g_signal_connect (peer->skeleton, "handle-signal", G_CALLBACK (on_signal), peer);
  g_signal_connect (peer->skeleton, "handle-hangup", G_CALLBACK (on_hangup), peer);
  g_signal_connect (peer->skeleton, "handle-save", G_CALLBACK (on_save), peer);
  g_signal_connect (peer->skeleton, "handle-reload", G_CALLBACK (on_reload), peer);
  g_signal_connect (peer->skeleton, "handle-forget", G_CALLBACK (on_forget), peer);
  g_signal_connect (peer->skeleton, "handle-check", G_CALLBACK (on_check), peer);
  g_signal_connect (peer->skeleton, "handle-publish", G_CALLBACK (on_publish), peer);
  g_signal_connect (peer->skeleton, "handle-shutdown", G_CALLBACK (on_shutdown), peer);
  creel_attendance_add (bus->attendance, peer->skeleton);
  g_ptr_array_add (bus->peers, peer);
  peer_update (peer);
  if (!g_dbus_interface_skeleton_export (G_DBUS_INTERFACE_SKELETON (peer->skeleton), peer->connection, CREEL_GATEWAY_PATH,
                                         &error))
    g_warning ("Cannot export %s: %s", CREEL_GATEWAY_PATH, error->message);
  /* delayed until here, so that the first call finds the object */
  g_dbus_connection_start_message_processing (peer->connection);
  creel_broker_add_peer (bus->broker, peer->connection);
  if (g_dbus_connection_is_closed (peer->connection))
    on_peer_closed (peer->connection, TRUE, NULL, peer);
}

static gboolean
on_allow_mechanism (GDBusAuthObserver *observer, const char *mechanism, gpointer user_data)
{
  return g_str_equal (mechanism, "EXTERNAL");
}

static gboolean
on_authorize (GDBusAuthObserver *observer, GIOStream *stream, GCredentials *credentials, gpointer user_data)
{
  CreelGatewayBus *bus = user_data;

  return credentials != NULL && g_credentials_get_unix_user (credentials, NULL) == bus->uid;
}

void
creel_gateway_bus_take_connection (CreelGatewayBus *bus, int fd)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GSocket) socket = g_socket_new_from_fd (fd, &error);
  g_autoptr (GCredentials) credentials = NULL;
  g_autoptr (GSocketConnection) stream = NULL;

  if (socket == NULL)
    {
      g_warning ("Cannot use a peer's socket: %s", error->message);
      close (fd);
      return;
    }
  credentials = g_socket_get_credentials (socket, NULL);
  if (credentials == NULL || g_credentials_get_unix_user (credentials, NULL) != bus->uid)
    {
      g_message ("A peer was not let in: it is not of uid %u", (guint) bus->uid);
      return;
    }
  stream = g_socket_connection_factory_create_connection (socket);
  g_dbus_connection_new (G_IO_STREAM (stream), bus->guid,
                         G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_SERVER | G_DBUS_CONNECTION_FLAGS_DELAY_MESSAGE_PROCESSING,
                         bus->observer, bus->cancellable, on_connection, bus);
}

static gboolean
on_listen (int listen_fd, GIOCondition condition, gpointer user_data)
{
  CreelGatewayBus *bus = user_data;
  int fd = accept4 (listen_fd, NULL, NULL, SOCK_CLOEXEC);

  if (fd >= 0)
    creel_gateway_bus_take_connection (bus, fd);
  return G_SOURCE_CONTINUE;
}

CreelGatewayBus *
creel_gateway_bus_new (CreelGateway *gateway, int listen_fd, uid_t uid)
{
  CreelGatewayBus *bus = g_new0 (CreelGatewayBus, 1);

  bus->gateway = gateway;
  bus->uid = uid;
  bus->guid = g_dbus_generate_guid ();
  bus->listen_fd = listen_fd;
  bus->observer = g_dbus_auth_observer_new ();
  bus->cancellable = g_cancellable_new ();
  bus->peers = g_ptr_array_new_with_free_func (peer_free);
  bus->attendance = creel_attendance_new (gateway);
  bus->broker = creel_broker_new (creel_gateway_get_proxy (gateway));
  g_signal_connect (bus->observer, "allow-mechanism", G_CALLBACK (on_allow_mechanism), bus);
  g_signal_connect (bus->observer, "authorize-authenticated-peer", G_CALLBACK (on_authorize), bus);
  creel_gateway_set_changed_func (gateway, on_gateway_changed, bus);
  if (listen_fd >= 0)
    {
      g_unix_set_fd_nonblocking (listen_fd, TRUE, NULL);
      bus->listen_id = g_unix_fd_add (listen_fd, G_IO_IN, on_listen, bus);
    }
  return bus;
}

void
creel_gateway_bus_flush (CreelGatewayBus *bus)
{
  for (guint i = 0; i < bus->peers->len; i++)
    {
      Peer *peer = bus->peers->pdata[i];

      g_dbus_connection_flush_sync (peer->connection, NULL, NULL);
    }
}

void
creel_gateway_bus_free (CreelGatewayBus *bus)
{
  if (bus == NULL)
    return;
  g_cancellable_cancel (bus->cancellable);
  g_clear_handle_id (&bus->listen_id, g_source_remove);
  if (bus->listen_fd >= 0)
    close (bus->listen_fd);
  creel_gateway_set_changed_func (bus->gateway, NULL, NULL);
  creel_broker_free (bus->broker);
  g_ptr_array_unref (bus->peers);
  creel_attendance_free (bus->attendance);
  g_signal_handlers_disconnect_by_data (bus->observer, bus);
  g_object_unref (bus->observer);
  g_object_unref (bus->cancellable);
  g_free (bus->guid);
  g_free (bus);
}
