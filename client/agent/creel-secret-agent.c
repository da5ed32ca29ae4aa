/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-secret-agent.h"

#include <gio/gunixfdlist.h>
#include <unistd.h>

#include "creel-dbus-agent.h"
#include "creel-dbus-agentmanager.h"
#include "creel-error.h"
#include "creel-keyring-registry.h"
#include "creel-names.h"

#define LOOKUP_LIMIT_SECONDS 20 /* a prompt or a sick keyring daemon may never answer */
#define MAX_LOOKUPS 16
#define SECRETS_NAME "org.freedesktop.secrets"
#define SECRETS_PREFIX "/org/freedesktop/secrets"

struct _CreelSecretAgent
{
  GObject parent_instance;
  GDBusConnection *system_bus;
  GDBusConnection *session_bus;
  CreelDBusAgent *skeleton;
  GCancellable *cancellable;
  char *service_owner; /* unique name of the owner of CREEL_BUS_NAME, or NULL */
  guint watch_id;
  guint secrets_watch_id;
  guint signal_ids[3];
  guint revoke_id;
  guint n_lookups;
  gboolean secrets_seen;
};

G_DEFINE_TYPE (CreelSecretAgent, creel_secret_agent, G_TYPE_OBJECT)

typedef struct
{
  CreelSecretAgent *agent;
  GDBusMethodInvocation *invocation; /* NULL once answered */
  GCancellable *cancellable;
  guint timeout_id;
  char *sandbox;    /* NULL: `name` is a registry */
  char *name;
  CreelKeyringFlags flags;
} Lookup;

static void
lookup_free (Lookup *lookup)
{
  g_clear_handle_id (&lookup->timeout_id, g_source_remove);
  g_clear_object (&lookup->agent);
  g_clear_object (&lookup->invocation);
  g_clear_object (&lookup->cancellable);
  g_free (lookup->sandbox);
  g_free (lookup->name);
  g_free (lookup);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Lookup, lookup_free)

static void
close_result (gpointer data)
{
  close (GPOINTER_TO_INT (data) - 1);
}

static void
lookup_thread (GTask *task, gpointer source, gpointer task_data, GCancellable *cancellable)
{
  const Lookup *lookup = task_data;
  GError *error = NULL;
  int fd = lookup->sandbox != NULL ? creel_keyring_lookup (lookup->sandbox, lookup->name, lookup->flags, cancellable, &error)
                                   : creel_keyring_registry_lookup (lookup->name, lookup->flags, cancellable, &error);

  if (fd < 0)
    g_task_return_error (task, error);
  else /* a pointer, so that a result which comes too late is closed */
    g_task_return_pointer (task, GINT_TO_POINTER (fd + 1), close_result);
}

static gboolean
on_lookup_timeout (gpointer user_data)
{
  Lookup *lookup = user_data;

  lookup->timeout_id = 0;
  g_cancellable_cancel (lookup->cancellable);
  return G_SOURCE_REMOVE;
}

static void
on_looked_up (GObject *source, GAsyncResult *result, gpointer user_data)
{
  CreelSecretAgent *self = CREEL_SECRET_AGENT (source);
  Lookup *lookup = g_task_get_task_data (G_TASK (result));
  g_autoptr (GDBusMethodInvocation) invocation = g_steal_pointer (&lookup->invocation);
  g_autoptr (GError) error = NULL;
  gpointer value = g_task_propagate_pointer (G_TASK (result), &error);
  int fd = GPOINTER_TO_INT (value) - 1;

  g_clear_handle_id (&lookup->timeout_id, g_source_remove);
  self->n_lookups--;
  if (value == NULL)
    {
      if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        g_dbus_method_invocation_return_error (g_steal_pointer (&invocation), CREEL_ERROR, CREEL_ERROR_KEYRING_LOCKED,
                                               "The keyring did not answer within %d s", LOOKUP_LIMIT_SECONDS);
      else if (error->domain == CREEL_ERROR)
        g_dbus_method_invocation_return_gerror (g_steal_pointer (&invocation), error);
      else
        g_dbus_method_invocation_return_error_literal (g_steal_pointer (&invocation), CREEL_ERROR, CREEL_ERROR_FAILED,
                                                       error->message);
      return;
    }
  /* the one that asked may have gone while the keyring was busy */
  if (g_strcmp0 (g_dbus_method_invocation_get_sender (invocation), self->service_owner) != 0)
    {
      close (fd);
      g_dbus_method_invocation_return_error_literal (g_steal_pointer (&invocation), G_DBUS_ERROR, G_DBUS_ERROR_ACCESS_DENIED,
                                                     "Only the Creel service may ask for keys");
      return;
    }

  g_autoptr (GUnixFDList) fds = g_unix_fd_list_new_from_array (&fd, 1); /* takes it */

  /* the two methods answer alike */
  creel_dbus_agent_complete_get_secret (self->skeleton, g_steal_pointer (&invocation), fds, g_variant_new_handle (0));
}

static gboolean
name_is_plain (const char *name)
{
  gsize length = strlen (name);

  if (length == 0 || length > 63)
    return FALSE;
  for (const char *p = name; *p != '\0'; p++)
    if (!g_ascii_isalnum (*p) && *p != '-' && *p != '_' && *p != '.')
      return FALSE;
  return TRUE;
}

static gboolean
host_is_plain (const char *host)
{
  return *host != '\0' && strlen (host) <= 255 && strspn (host, "abcdefghijklmnopqrstuvwxyz0123456789.-:[]") == strlen (host);
}

/* Takes the invocation. sandbox NULL: the password of a registry. */
static void
look_up (CreelSecretAgent *self, GDBusMethodInvocation *invocation, const char *sandbox, const char *name, guint flags)
{
  if (self->service_owner == NULL || g_strcmp0 (g_dbus_method_invocation_get_sender (invocation), self->service_owner) != 0)
    g_dbus_method_invocation_return_error_literal (invocation, G_DBUS_ERROR, G_DBUS_ERROR_ACCESS_DENIED,
                                                   "Only the Creel service may ask for keys");
  else if ((sandbox != NULL ? !name_is_plain (name) || !name_is_plain (sandbox) : !host_is_plain (name)) || (flags & ~1U) != 0)
    g_dbus_method_invocation_return_error_literal (invocation, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS,
                                                   "Invalid sandbox, name or flags");
  else if (self->n_lookups >= MAX_LOOKUPS)
    g_dbus_method_invocation_return_error_literal (invocation, CREEL_ERROR, CREEL_ERROR_LIMITS_EXCEEDED,
                                                   "Too many keys are being asked for at once");
  else
    {
      Lookup *lookup = g_new0 (Lookup, 1);
      g_autoptr (GTask) task = NULL;

      lookup->agent = g_object_ref (self);
      lookup->invocation = invocation; /* ours from here on */
      lookup->cancellable = g_cancellable_new ();
      lookup->sandbox = g_strdup (sandbox);
      lookup->name = g_strdup (name);
      lookup->flags = flags & 1 ? CREEL_KEYRING_MAY_ASK : CREEL_KEYRING_NONE;
      lookup->timeout_id = g_timeout_add_seconds (LOOKUP_LIMIT_SECONDS, on_lookup_timeout, lookup);
      self->n_lookups++;
      task = g_task_new (self, lookup->cancellable, on_looked_up, NULL);
      g_task_set_task_data (task, lookup, (GDestroyNotify) lookup_free);
      g_task_set_source_tag (task, look_up);
      g_task_set_return_on_cancel (task, TRUE); /* whatever the thread hangs in */
      g_task_run_in_thread (task, lookup_thread);
    }
}

static gboolean
on_handle_get_secret (CreelDBusAgent *skeleton, GDBusMethodInvocation *invocation, GUnixFDList *fds, const char *sandbox,
                      const char *credential, guint flags, gpointer user_data)
{
  look_up (user_data, invocation, sandbox, credential, flags);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static gboolean
on_handle_get_registry_secret (CreelDBusAgent *skeleton, GDBusMethodInvocation *invocation, GUnixFDList *fds, const char *host,
                               guint flags, gpointer user_data)
{
  look_up (user_data, invocation, NULL, host, flags);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static void
on_registered (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (CreelSecretAgent) self = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);

  if (reply != NULL)
    g_debug ("registered with the Creel service");
  else if (!g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    {
      g_dbus_error_strip_remote_error (error);
      g_warning ("The Creel service refused this agent: %s", error->message);
    }
}

static void
on_service_appeared (GDBusConnection *bus, const char *name, const char *owner, gpointer user_data)
{
  CreelSecretAgent *self = CREEL_SECRET_AGENT (user_data);
  const char *const none[] = { NULL };

  g_free (self->service_owner);
  self->service_owner = g_strdup (owner);
  /* to the unique name: another owner must not get it, and nothing must be started for it */
  g_dbus_connection_call (bus, owner, CREEL_OBJECT_PATH, "org.creel.Creel1.AgentManager", "Register",
                          g_variant_new ("(^as)", none), NULL, G_DBUS_CALL_FLAGS_NO_AUTO_START, -1, self->cancellable,
                          on_registered, g_object_ref (self));
}

static void
on_service_vanished (GDBusConnection *bus, const char *name, gpointer user_data)
{
  CreelSecretAgent *self = CREEL_SECRET_AGENT (user_data);

  g_clear_pointer (&self->service_owner, g_free);
}

static gboolean
revoke_now (gpointer user_data)
{
  CreelSecretAgent *self = CREEL_SECRET_AGENT (user_data);
  const char *const all[] = { NULL };

  self->revoke_id = 0;
  if (self->service_owner != NULL)
    g_dbus_connection_call (self->system_bus, self->service_owner, CREEL_OBJECT_PATH, "org.creel.Creel1.AgentManager",
                            "Revoke", g_variant_new ("(^as)", all), NULL, G_DBUS_CALL_FLAGS_NO_AUTO_START, -1,
                            self->cancellable, NULL, NULL);
  return G_SOURCE_REMOVE;
}

/* One revocation for a burst of signals. All keys go: which one an item held cannot be asked any more when it is gone or
 * locked, and reading one again costs milliseconds. */
static void
forget_all (CreelSecretAgent *self)
{
  if (self->revoke_id == 0)
    self->revoke_id = g_idle_add (revoke_now, self);
}

static void
on_keyring_signal (GDBusConnection *bus, const char *sender, const char *path, const char *interface, const char *signal,
                   GVariant *parameters, gpointer user_data)
{
  CreelSecretAgent *self = CREEL_SECRET_AGENT (user_data);

  if (g_strcmp0 (signal, "PropertiesChanged") == 0)
    {
      g_autoptr (GVariant) changed = NULL;
      gboolean locked;

      if (!g_variant_is_of_type (parameters, G_VARIANT_TYPE ("(sa{sv}as)")))
        return;
      g_variant_get (parameters, "(&s@a{sv}@as)", NULL, &changed, NULL);
      if (!g_variant_lookup (changed, "Locked", "b", &locked) || !locked)
        return;
    }
  else if (g_strcmp0 (signal, "ItemCreated") == 0 || g_strcmp0 (signal, "CollectionCreated") == 0)
    return; /* nobody can hold a key that was not there: but a refusal is not kept either */
  forget_all (self);
}

static void
on_secrets_appeared (GDBusConnection *bus, const char *name, const char *owner, gpointer user_data)
{
  CREEL_SECRET_AGENT (user_data)->secrets_seen = TRUE;
}

static void
on_secrets_vanished (GDBusConnection *bus, const char *name, gpointer user_data)
{
  CreelSecretAgent *self = CREEL_SECRET_AGENT (user_data);

  if (self->secrets_seen)
    forget_all (self);
  self->secrets_seen = FALSE;
}

gboolean
creel_secret_agent_start (CreelSecretAgent *self, GError **error)
{
  const char *const interfaces[] = { "org.freedesktop.Secret.Service", "org.freedesktop.Secret.Collection" };

  g_return_val_if_fail (self->watch_id == 0, FALSE);

  g_signal_connect (self->skeleton, "handle-get-secret", G_CALLBACK (on_handle_get_secret), self);
  g_signal_connect (self->skeleton, "handle-get-registry-secret", G_CALLBACK (on_handle_get_registry_secret), self);
  if (!g_dbus_interface_skeleton_export (G_DBUS_INTERFACE_SKELETON (self->skeleton), self->system_bus, CREEL_AGENT_PATH, error))
    return FALSE;
  for (guint i = 0; i < G_N_ELEMENTS (interfaces); i++)
    self->signal_ids[i] = g_dbus_connection_signal_subscribe (self->session_bus, SECRETS_NAME, interfaces[i], NULL, NULL, NULL,
                                                              G_DBUS_SIGNAL_FLAGS_NONE, on_keyring_signal, self, NULL);
  self->signal_ids[2] = g_dbus_connection_signal_subscribe (self->session_bus, SECRETS_NAME, "org.freedesktop.DBus.Properties",
                                                            "PropertiesChanged", NULL, NULL, G_DBUS_SIGNAL_FLAGS_NONE,
                                                            on_keyring_signal, self, NULL);
  self->secrets_watch_id
      = g_bus_watch_name_on_connection (self->session_bus, SECRETS_NAME, G_BUS_NAME_WATCHER_FLAGS_NONE, on_secrets_appeared,
                                        on_secrets_vanished, self, NULL);
  self->watch_id = g_bus_watch_name_on_connection (self->system_bus, CREEL_BUS_NAME, G_BUS_NAME_WATCHER_FLAGS_NONE,
                                                   on_service_appeared, on_service_vanished, self, NULL);
  return TRUE;
}

void
creel_secret_agent_stop (CreelSecretAgent *self)
{
  g_cancellable_cancel (self->cancellable);
  g_clear_handle_id (&self->revoke_id, g_source_remove);
  g_clear_handle_id (&self->watch_id, g_bus_unwatch_name);
  g_clear_handle_id (&self->secrets_watch_id, g_bus_unwatch_name);
  for (guint i = 0; i < G_N_ELEMENTS (self->signal_ids); i++)
    if (self->signal_ids[i] != 0)
      g_dbus_connection_signal_unsubscribe (self->session_bus, self->signal_ids[i]);
  g_clear_pointer (&self->service_owner, g_free);
  if (self->skeleton != NULL)
    {
      g_signal_handlers_disconnect_by_data (self->skeleton, self);
      if (g_dbus_interface_skeleton_get_connection (G_DBUS_INTERFACE_SKELETON (self->skeleton)) != NULL)
        g_dbus_interface_skeleton_unexport (G_DBUS_INTERFACE_SKELETON (self->skeleton));
    }
}

static void
creel_secret_agent_dispose (GObject *object)
{
  CreelSecretAgent *self = CREEL_SECRET_AGENT (object);

  creel_secret_agent_stop (self);
  g_clear_object (&self->skeleton);
  g_clear_object (&self->system_bus);
  g_clear_object (&self->session_bus);
  G_OBJECT_CLASS (creel_secret_agent_parent_class)->dispose (object);
}

static void
creel_secret_agent_finalize (GObject *object)
{
  g_object_unref (CREEL_SECRET_AGENT (object)->cancellable);
  G_OBJECT_CLASS (creel_secret_agent_parent_class)->finalize (object);
}

static void
creel_secret_agent_class_init (CreelSecretAgentClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = creel_secret_agent_dispose;
  G_OBJECT_CLASS (klass)->finalize = creel_secret_agent_finalize;
}

static void
creel_secret_agent_init (CreelSecretAgent *self)
{
  self->cancellable = g_cancellable_new ();
  self->skeleton = creel_dbus_agent_skeleton_new ();
}

CreelSecretAgent *
creel_secret_agent_new (GDBusConnection *system_bus, GDBusConnection *session_bus)
{
  CreelSecretAgent *self = g_object_new (CREEL_TYPE_SECRET_AGENT, NULL);

  self->system_bus = g_object_ref (system_bus);
  self->session_bus = g_object_ref (session_bus);
  return self;
}
