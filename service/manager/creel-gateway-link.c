/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-gateway-link.h"

#include <gio/gunixfdlist.h>
#include <string.h>

#include "creel-agent-registry.h"
#include "creel-dbus-broker.h"
#include "creel-error.h"
#include "creel-names.h"
#include "creel-question.h"
#include "creel-root.h"
#include "creel-sandbox.h"
#include "creel-parent-proxy.h"
#include "creel-secret-log.h"
#include "creel-session.h"

#define GATEWAY CREEL_BUS_NAME ".Gateway"
#define PROPERTIES "org.freedesktop.DBus.Properties"
#define RETRY_MS 500
#define MAX_PENDING_SECRETS 16

struct _CreelGatewayLink
{
  CreelDaemon *daemon;
  char *sandbox;
  GDBusConnection *connection;
  GCancellable *cancellable;
  GVariant *guest;
  GVariant *questions;
  char *problem;
  CreelSecretLog *secrets;
  CreelDBusBroker *broker;
  guint retry;
  guint subscriptions[2];
  guint pending_secrets;
};

static void connect_now (CreelGatewayLink *link);

static gboolean
on_retry (gpointer user_data)
{
  CreelGatewayLink *link = user_data;

  link->retry = 0;
  connect_now (link);
  return G_SOURCE_REMOVE;
}

static void
emit_changed (CreelGatewayLink *link)
{
  CreelSandbox *sandbox = g_hash_table_lookup (link->daemon->sandboxes, link->sandbox);

  if (sandbox != NULL)
    creel_sandbox_emit_changed (sandbox);
}

/* The guest's words: only what the contract names, printable and short. */
static void
set_guest (CreelGatewayLink *link, GVariant *guest)
{
  static const char *const keys[] = { "kernel", "boot-id", "init" };
  GVariantBuilder b;

  g_variant_builder_init (&b, G_VARIANT_TYPE ("a{sv}"));
  for (guint i = 0; i < G_N_ELEMENTS (keys); i++)
    {
      const char *value;

      if (guest != NULL && g_variant_lookup (guest, keys[i], "&s", &value))
        {
          g_autofree char *text = g_strndup (value, 256);

          for (char *p = text; *p != '\0'; p++)
            if (!g_ascii_isprint (*p))
              *p = '?';
          g_variant_builder_add (&b, "{sv}", keys[i], g_variant_new_string (text));
        }
    }
  g_clear_pointer (&link->guest, g_variant_unref);
  link->guest = g_variant_ref_sink (g_variant_builder_end (&b));
  emit_changed (link);
}

static char *
make_line (const char *text)
{
  g_autofree char *line = g_utf8_make_valid (text, MIN (strlen (text), 512));

  for (char *p = line; *p != '\0'; p++)
    if ((guchar) *p < ' ' || *p == 0x7f)
      *p = '?';
  return line[0] != '\0' ? g_steal_pointer (&line) : NULL;
}

static void
on_properties (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);
  g_autoptr (GVariant) all = NULL;
  g_autoptr (GVariant) guest = NULL;
  g_autoptr (GVariant) questions = NULL;
  CreelGatewayLink *link = user_data;
  const char *state, *text;

  if (reply == NULL)
    return; /* cancelled: `user_data` may be gone; else there will be a change to hear of */
  all = g_variant_get_child_value (reply, 0);
  guest = g_variant_lookup_value (all, "Guest", G_VARIANT_TYPE ("a{sv}"));
  questions = g_variant_lookup_value (all, "Questions", G_VARIANT_TYPE ("aa{sv}"));
  g_clear_pointer (&link->questions, g_variant_unref);
  link->questions = g_variant_ref_sink (creel_question_clean (questions));
  g_clear_pointer (&link->problem, g_free);
  /* waiting is no problem, but a part of every start */
  if (g_variant_lookup (all, "State", "&s", &state) && !g_str_equal (state, "waiting") &&
      g_variant_lookup (all, "StatusText", "&s", &text))
    link->problem = make_line (text);
  set_guest (link, guest);
}

static void
on_properties_changed (GDBusConnection *connection, const char *sender, const char *path, const char *interface,
                       const char *signal, GVariant *parameters, gpointer user_data)
{
  CreelGatewayLink *link = user_data;

  g_dbus_connection_call (connection, NULL, CREEL_GATEWAY_PATH, PROPERTIES, "GetAll", g_variant_new ("(s)", GATEWAY),
                          G_VARIANT_TYPE ("(a{sv})"), G_DBUS_CALL_FLAGS_NONE, -1, link->cancellable, on_properties, link);
}

static void
on_exited (GDBusConnection *connection, const char *sender, const char *path, const char *interface,
           const char *signal, GVariant *parameters, gpointer user_data)
{
  CreelGatewayLink *link = user_data;
  const char *message;
  guint32 id;
  int code, number;

  if (!g_variant_is_of_type (parameters, G_VARIANT_TYPE ("(uiis)")))
    return;
  g_variant_get (parameters, "(uii&s)", &id, &code, &number, &message);
  creel_session_exited (link->daemon, link->sandbox, id, code, number, message);
}

typedef struct
{
  CreelDaemon *daemon;
  char *sandbox;
  char *credential;
  uid_t owner;
  CreelDBusBroker *broker;
  GDBusMethodInvocation *invocation;
} Secret;

static void
on_secret (int fd, gpointer user_data, GError *error)
{
  g_autofree Secret *secret = user_data;
  g_autofree char *name = secret->sandbox;
  g_autofree char *credential = secret->credential;
  g_autoptr (CreelDBusBroker) broker = secret->broker;
  CreelSandbox *sandbox = g_hash_table_lookup (secret->daemon->sandboxes, name);
  CreelGatewayLink *link = sandbox != NULL ? creel_sandbox_get_link (sandbox) : NULL;
  g_autoptr (GUnixFDList) fds = NULL;

  if (link != NULL && link->pending_secrets > 0)
    link->pending_secrets--;
  if (link != NULL)
    creel_secret_log_add (link->secrets, secret->owner, credential, fd < 0 ? error : NULL);
  if (fd < 0)
    {
      g_dbus_method_invocation_return_gerror (secret->invocation, error);
      return;
    }
  fds = g_unix_fd_list_new_from_array (&fd, 1);
  creel_dbus_broker_complete_get_secret (broker, secret->invocation, fds, g_variant_new_handle (0));
}

/* The user and password for the proxy of this network, which the administrator named */
static gboolean
is_parent_credential (const char *credential)
{
  g_autoptr (CreelParentProxy) parent = NULL;

  return creel_parent_proxy_load (NULL, &parent, NULL) && parent != NULL && g_strcmp0 (parent->credential, credential) == 0;
}

static gboolean
on_get_secret (CreelDBusBroker *broker, GDBusMethodInvocation *invocation, GUnixFDList *unused, const char *credential,
               gpointer user_data)
{
  CreelGatewayLink *link = user_data;
  CreelSandbox *sandbox = g_hash_table_lookup (link->daemon->sandboxes, link->sandbox);
  const CreelDefinition *definition = sandbox != NULL ? creel_sandbox_get_definition (sandbox, NULL) : NULL;
  Secret *secret;

  /* the gateway speaks with the guest and may be its puppet: it gets what its own definition names, no more */
  if (definition == NULL || (!g_strv_contains ((const char *const *) definition->credentials, credential) && !is_parent_credential (credential)))
    {
      g_autoptr (GError) error = g_error_new_literal (G_DBUS_ERROR, G_DBUS_ERROR_ACCESS_DENIED, "The sandbox may not use this credential");

      creel_secret_log_add (link->secrets, sandbox != NULL ? creel_sandbox_get_owner (sandbox) : 0, credential, error);
      g_dbus_method_invocation_return_gerror (invocation, error);
      return G_DBUS_METHOD_INVOCATION_HANDLED;
    }
  if (link->pending_secrets >= MAX_PENDING_SECRETS)
    {
      g_dbus_method_invocation_return_error (invocation, CREEL_ERROR, CREEL_ERROR_LIMITS_EXCEEDED, "Too many requests wait for a key");
      return G_DBUS_METHOD_INVOCATION_HANDLED;
    }
  link->pending_secrets++;
  secret = g_new0 (Secret, 1);
  *secret = (Secret) { link->daemon, g_strdup (link->sandbox), g_strdup (credential), definition->owner, g_object_ref (broker), invocation };
  creel_agent_registry_get_secret (link->daemon->agents, definition->owner, link->sandbox, credential, on_secret, secret);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static void
disconnect (CreelGatewayLink *link)
{
  if (link->connection == NULL)
    return;
  for (guint i = 0; i < G_N_ELEMENTS (link->subscriptions); i++)
    g_dbus_connection_signal_unsubscribe (link->connection, link->subscriptions[i]);
  g_signal_handlers_disconnect_by_data (link->connection, link);
  if (link->broker != NULL)
    {
      g_signal_handlers_disconnect_by_data (link->broker, link);
      g_dbus_interface_skeleton_unexport (G_DBUS_INTERFACE_SKELETON (link->broker));
    }
  g_clear_object (&link->broker);
  if (!g_dbus_connection_is_closed (link->connection))
    g_dbus_connection_close (link->connection, NULL, NULL, NULL);
  g_clear_object (&link->connection);
  g_clear_pointer (&link->guest, g_variant_unref);
  g_clear_pointer (&link->questions, g_variant_unref);
  g_clear_pointer (&link->problem, g_free);
  creel_secret_log_reset (link->secrets);
}

static void
on_closed (GDBusConnection *connection, gboolean remote, GError *error, gpointer user_data)
{
  CreelGatewayLink *link = user_data;

  disconnect (link);
  emit_changed (link); /* no question of it waits any more */
  creel_session_end_all (link->daemon, link->sandbox, "the gateway of the sandbox ended");
  if (link->retry == 0)
    link->retry = g_timeout_add (RETRY_MS, on_retry, link);
}

static void
on_attended (GVariant *reply, GUnixFDList *fds, gpointer user_data, GError *error)
{
  /* `user_data` may be gone */
  if (error != NULL)
    g_debug ("A gateway does not ask: %s", error->message);
}

static void
on_connected (GObject *source, GAsyncResult *result, gpointer user_data)
{
  CreelGatewayLink *link = user_data;
  g_autoptr (GError) error = NULL;
  GDBusConnection *connection = g_dbus_connection_new_for_address_finish (result, &error);

  if (connection == NULL)
    {
      if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        return;
      g_debug ("Gateway of %s: %s", link->sandbox, error->message);
      link->retry = g_timeout_add (RETRY_MS, on_retry, link);
      return;
    }
  link->connection = connection;
  link->broker = creel_dbus_broker_skeleton_new ();
  g_signal_connect (link->broker, "handle-get-secret", G_CALLBACK (on_get_secret), link);
  if (!g_dbus_interface_skeleton_export (G_DBUS_INTERFACE_SKELETON (link->broker), connection, CREEL_BROKER_PATH, &error))
    g_warning ("Gateway of %s: %s", link->sandbox, error->message);
  g_signal_connect (connection, "closed", G_CALLBACK (on_closed), link);
  link->subscriptions[0] = g_dbus_connection_signal_subscribe (connection, NULL, GATEWAY, "Exited", CREEL_GATEWAY_PATH, NULL,
                                                               G_DBUS_SIGNAL_FLAGS_NONE, on_exited, link, NULL);
  link->subscriptions[1] = g_dbus_connection_signal_subscribe (connection, NULL, PROPERTIES, "PropertiesChanged",
                                                               CREEL_GATEWAY_PATH, NULL, G_DBUS_SIGNAL_FLAGS_NONE,
                                                               on_properties_changed, link, NULL);
  g_dbus_connection_start_message_processing (connection);
  /* answers are to be had here from now on */
  creel_gateway_link_call (link, "Attend", NULL, "()", -1, on_attended, link);
  /* what changed while nobody was here to tell it */
  creel_gateway_link_reload (link);
  on_properties_changed (connection, NULL, NULL, NULL, NULL, NULL, link);
}

static void
connect_now (CreelGatewayLink *link)
{
  g_autofree char *directory = creel_root_path (CREEL_CHANNEL_DIR);
  g_autofree char *path = g_strdup_printf ("%s/%s.gateway", directory, link->sandbox);
  g_autofree char *escaped = g_dbus_address_escape_value (path);
  g_autofree char *address = g_strconcat ("unix:path=", escaped, NULL);

  g_dbus_connection_new_for_address (address,
                                     G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT |
                                         G_DBUS_CONNECTION_FLAGS_DELAY_MESSAGE_PROCESSING,
                                     NULL, link->cancellable, on_connected, link);
}

CreelGatewayLink *
creel_gateway_link_new (CreelDaemon *daemon, const char *sandbox)
{
  CreelGatewayLink *link = g_new0 (CreelGatewayLink, 1);

  link->daemon = daemon;
  link->sandbox = g_strdup (sandbox);
  link->cancellable = g_cancellable_new ();
  link->secrets = creel_secret_log_new (sandbox);
  connect_now (link);
  return link;
}

void
creel_gateway_link_free (CreelGatewayLink *link)
{
  g_cancellable_cancel (link->cancellable);
  g_clear_handle_id (&link->retry, g_source_remove);
  disconnect (link);
  creel_session_end_all (link->daemon, link->sandbox, "the sandbox stopped");
  g_object_unref (link->cancellable);
  creel_secret_log_free (link->secrets);
  g_free (link->sandbox);
  g_free (link);
}

GVariant *
creel_gateway_link_get_questions (CreelGatewayLink *link)
{
  return link->questions;
}

void
creel_gateway_link_drop_question (CreelGatewayLink *link, guint64 id)
{
  g_autoptr (GVariant) before = g_steal_pointer (&link->questions);

  if (before == NULL)
    return;
  link->questions = g_variant_ref_sink (creel_question_drop (before, id));
  emit_changed (link);
}

gboolean
creel_gateway_link_is_connected (CreelGatewayLink *link)
{
  return link->connection != NULL;
}

GVariant *
creel_gateway_link_get_guest (CreelGatewayLink *link)
{
  return link->guest;
}

const char *
creel_gateway_link_get_problem (CreelGatewayLink *link)
{
  return link->problem;
}

static void
on_reloaded (GVariant *reply, GUnixFDList *fds, gpointer user_data, GError *error)
{
  g_autofree char *sandbox = user_data;

  if (error != NULL && !g_error_matches (error, CREEL_ERROR, CREEL_ERROR_NOT_RUNNING))
    g_log_structured (G_LOG_DOMAIN, G_LOG_LEVEL_WARNING, CREEL_FIELD_SANDBOX, sandbox, "MESSAGE",
                      "The gateway of sandbox %s denies everything: %s", sandbox, error->message);
}

void
creel_gateway_link_reload (CreelGatewayLink *link)
{
  creel_gateway_link_call (link, "Reload", NULL, "()", -1, on_reloaded, g_strdup (link->sandbox));
}

typedef struct
{
  CreelGatewayFunc done;
  gpointer user_data;
} Call;

static void
on_reply (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autofree Call *call = user_data;
  g_autoptr (GUnixFDList) fds = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = g_dbus_connection_call_with_unix_fd_list_finish (G_DBUS_CONNECTION (source), &fds, result, &error);

  if (reply == NULL)
    g_dbus_error_strip_remote_error (error);
  call->done (reply, fds, call->user_data, error);
}

void
creel_gateway_link_call (CreelGatewayLink *link, const char *method, GVariant *parameters, const char *reply_type,
                         int timeout, CreelGatewayFunc done, gpointer user_data)
{
  creel_gateway_link_call_with_fds (link, method, parameters, NULL, reply_type, timeout, done, user_data);
}

void
creel_gateway_link_call_with_fds (CreelGatewayLink *link, const char *method, GVariant *parameters, GUnixFDList *fds,
                                  const char *reply_type, int timeout, CreelGatewayFunc done, gpointer user_data)
{
  Call *call;

  if (link == NULL || link->connection == NULL)
    {
      g_autoptr (GError) error = NULL;

      if (parameters != NULL)
        g_variant_unref (g_variant_ref_sink (parameters));
      g_set_error_literal (&error, CREEL_ERROR, CREEL_ERROR_NOT_RUNNING,
                           link == NULL ? "The sandbox does not run; start it with \"creel start NAME\""
                                        : "The gateway of the sandbox does not answer yet; try again in a second");
      done (NULL, NULL, user_data, error);
      return;
    }
  call = g_new0 (Call, 1);
  *call = (Call) { done, user_data };
  g_dbus_connection_call_with_unix_fd_list (link->connection, NULL, CREEL_GATEWAY_PATH, GATEWAY, method, parameters,
                                            reply_type != NULL ? G_VARIANT_TYPE (reply_type) : NULL, G_DBUS_CALL_FLAGS_NONE,
                                            timeout, fds, NULL, on_reply, call);
}
