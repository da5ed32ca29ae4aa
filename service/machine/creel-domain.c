/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-domain.h"

#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>

#include "creel-error.h"

#define RECONNECT_SECONDS 1
#define KEEPALIVE_SECONDS 5
#define KEEPALIVE_COUNT 6 /* a libvirtd that hangs for half a minute counts as gone */

G_DEFINE_AUTOPTR_CLEANUP_FUNC (virDomain, virDomainFree)
typedef virConnect CreelVirConnect;
static void
connect_close (virConnect *connection)
{
  virConnectClose (connection);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CreelVirConnect, connect_close)

struct _CreelDomain
{
  GObject parent;
  char *uri;
  char *name;
  GMainContext *context; /* of the signals */
  GMutex lock;
  virConnect *connection; /* under lock; NULL while libvirtd is away */
  gboolean ended;         /* in context only */
  GSource *reconnect;
};

G_DEFINE_FINAL_TYPE (CreelDomain, creel_domain, G_TYPE_OBJECT)

static guint signal_ended, signal_connection;

static void
ignore_error (void *data, virErrorPtr error)
{
}

void
creel_domain_init_library (void)
{
  virSetErrorFunc (NULL, ignore_error); /* we report errors ourselves */
  virInitialize ();
  /* Since libvirt 6.1 these are sources of GLib's default main context. No thread of its own runs them: it would compete
   * for that context, and run our sources too whenever it gets it. */
  virEventRegisterDefaultImpl ();
}

/* To be called in the thread that made the failing call */
static void
set_error (GError **error, const char *what)
{
  virErrorPtr last = virGetLastError ();
  const char *text = last != NULL && last->message != NULL ? last->message : "unknown error";

  g_set_error (error, CREEL_ERROR, CREEL_ERROR_NO_HYPERVISOR, "%s: %s", what, text);
}

/* ---- events, from libvirt or a worker into the context ---- */

typedef struct
{
  CreelDomain *domain;
  int value;
} Event;

static void
event_free (gpointer data)
{
  Event *event = data;

  g_object_unref (event->domain);
  g_free (event);
}

/* Not by g_main_context_invoke(): while nobody runs the context, that would call the function in this thread */
static void
post (CreelDomain *self, GSourceFunc function, int value)
{
  g_autoptr (GSource) source = g_idle_source_new ();
  Event *event = g_new0 (Event, 1);

  event->domain = g_object_ref (self);
  event->value = value;
  g_source_set_priority (source, G_PRIORITY_DEFAULT);
  g_source_set_callback (source, function, event, event_free);
  g_source_attach (source, self->context);
}

static gboolean
deliver_ended (gpointer data)
{
  Event *event = data;

  if (!event->domain->ended)
    {
      event->domain->ended = TRUE;
      g_signal_emit (event->domain, signal_ended, 0, event->value);
    }
  return G_SOURCE_REMOVE;
}

static int
on_lifecycle (virConnectPtr connection, virDomainPtr domain, int event, int detail, void *user_data)
{
  CreelDomainEnd end = CREEL_DOMAIN_END_CRASHED;

  if (event != VIR_DOMAIN_EVENT_STOPPED)
    return 0;
  if (detail == VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN)
    end = CREEL_DOMAIN_END_SHUTDOWN;
  else if (detail == VIR_DOMAIN_EVENT_STOPPED_DESTROYED)
    end = CREEL_DOMAIN_END_DESTROYED;
  post (user_data, deliver_ended, end);
  return 0;
}

static gboolean schedule_reconnect (gpointer data);

static void
on_closed (virConnectPtr connection, int reason, void *user_data)
{
  if (reason != VIR_CONNECT_CLOSE_REASON_CLIENT)
    post (user_data, schedule_reconnect, 0);
}

/* ---- connection ---- */

/* Opens the connection; when there is one already it stays. */
static gboolean
ensure_connection (CreelDomain *self, GError **error)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->lock);
  virConnect *connection;

  if (self->connection != NULL)
    return TRUE;
  connection = virConnectOpen (self->uri);
  if (connection == NULL)
    {
      virErrorPtr last = virGetLastError ();

      if (!g_file_test ("/usr/sbin/libvirtd", G_FILE_TEST_EXISTS) && !g_file_test ("/usr/sbin/virtqemud", G_FILE_TEST_EXISTS))
        g_set_error (error, CREEL_ERROR, CREEL_ERROR_NO_HYPERVISOR,
                     "libvirt is not installed: install libvirt-daemon-system and qemu-system-x86");
      else
        g_set_error (error, CREEL_ERROR, CREEL_ERROR_NO_HYPERVISOR,
                     "libvirt does not answer: start libvirtd.service (systemctl start libvirtd.socket): %s",
                     last != NULL && last->message != NULL ? last->message : "unknown error");
      return FALSE;
    }
  virConnectSetKeepAlive (connection, KEEPALIVE_SECONDS, KEEPALIVE_COUNT); /* a driver without it needs none */
  virConnectRegisterCloseCallback (connection, on_closed, g_object_ref (self), g_object_unref);
  self->connection = connection;
  return TRUE;
}

static virConnect *
ref_connection (CreelDomain *self)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->lock);

  if (self->connection != NULL)
    virConnectRef (self->connection);
  return self->connection;
}

static void
drop_connection (CreelDomain *self)
{
  virConnect *connection;

  g_mutex_lock (&self->lock);
  connection = g_steal_pointer (&self->connection);
  g_mutex_unlock (&self->lock);
  if (connection != NULL)
    {
      virConnectUnregisterCloseCallback (connection, on_closed);
      virConnectClose (connection);
    }
}

static gboolean
watch_domain (CreelDomain *self, virConnect *connection, virDomain *domain, GError **error)
{
  if (virConnectDomainEventRegisterAny (connection, domain, VIR_DOMAIN_EVENT_ID_LIFECYCLE,
                                        VIR_DOMAIN_EVENT_CALLBACK (on_lifecycle), g_object_ref (self), g_object_unref) >= 0)
    return TRUE;
  set_error (error, "Cannot watch the virtual machine");
  g_object_unref (self);
  return FALSE;
}

static void
reconnect_worker (GTask *task, gpointer source, gpointer task_data, GCancellable *cancellable)
{
  CreelDomain *self = source;
  g_autoptr (CreelVirConnect) connection = NULL;
  g_autoptr (virDomain) domain = NULL;
  GError *error = NULL;

  drop_connection (self);
  if (!ensure_connection (self, &error) || (connection = ref_connection (self)) == NULL)
    {
      if (error == NULL)
        g_set_error (&error, CREEL_ERROR, CREEL_ERROR_NO_HYPERVISOR, "libvirtd went away again");
      g_task_return_error (task, error);
      return;
    }
  domain = virDomainLookupByName (connection, self->name);
  if (domain == NULL || (watch_domain (self, connection, domain, NULL) && virDomainIsActive (domain) == 0))
    {
      int code = virGetLastErrorCode ();

      if (domain != NULL || code == VIR_ERR_NO_DOMAIN)
        post (self, deliver_ended, CREEL_DOMAIN_END_UNKNOWN);
      else
        {
          set_error (&error, "Cannot find the virtual machine again");
          g_task_return_error (task, error);
          return;
        }
    }
  g_task_return_boolean (task, TRUE);
}

static void
on_reconnected (GObject *source, GAsyncResult *result, gpointer user_data)
{
  CreelDomain *self = CREEL_DOMAIN (source);

  if (g_task_propagate_boolean (G_TASK (result), NULL))
    g_signal_emit (self, signal_connection, 0, TRUE);
  else
    post (self, schedule_reconnect, 1);
}

static gboolean
try_reconnect (gpointer data)
{
  CreelDomain *self = data;
  g_autoptr (GTask) task = g_task_new (self, NULL, on_reconnected, NULL);

  g_clear_pointer (&self->reconnect, g_source_unref);
  g_task_run_in_thread (task, reconnect_worker);
  return G_SOURCE_REMOVE;
}

static gboolean
schedule_reconnect (gpointer data)
{
  Event *event = data;
  CreelDomain *self = event->domain;

  if (self->ended || self->reconnect != NULL)
    return G_SOURCE_REMOVE;
  if (event->value == 0)
    g_signal_emit (self, signal_connection, 0, FALSE);
  self->reconnect = g_timeout_source_new_seconds (RECONNECT_SECONDS);
  g_source_set_callback (self->reconnect, try_reconnect, g_object_ref (self), g_object_unref);
  g_source_attach (self->reconnect, self->context);
  return G_SOURCE_REMOVE;
}

/* ---- start, destroy ---- */

static void
start_worker (GTask *task, gpointer source, gpointer task_data, GCancellable *cancellable)
{
  CreelDomain *self = source;
  const char *xml = task_data;
  g_autoptr (CreelVirConnect) connection = NULL;
  g_autoptr (virDomain) left_over = NULL;
  g_autoptr (virDomain) domain = NULL;
  GError *error = NULL;

  if (!ensure_connection (self, &error))
    {
      g_task_return_error (task, error);
      return;
    }
  connection = ref_connection (self);
  left_over = virDomainLookupByName (connection, self->name);
  if (left_over != NULL)
    virDomainDestroy (left_over);
  domain = virDomainCreateXML (connection, xml, VIR_DOMAIN_NONE);
  if (domain == NULL)
    {
      set_error (&error, "libvirt cannot start the virtual machine");
      g_task_return_error (task, error);
    }
  else if (!watch_domain (self, connection, domain, &error))
    {
      virDomainDestroy (domain);
      g_task_return_error (task, error);
    }
  else
    {
      /* It may have ended before we watched */
      if (virDomainIsActive (domain) == 0)
        post (self, deliver_ended, CREEL_DOMAIN_END_UNKNOWN);
      g_task_return_boolean (task, TRUE);
    }
}

void
creel_domain_start_async (CreelDomain *self, const char *xml, GCancellable *cancellable, GAsyncReadyCallback callback,
                          gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);

  g_task_set_source_tag (task, creel_domain_start_async);
  g_task_set_task_data (task, g_strdup (xml), g_free);
  g_task_run_in_thread (task, start_worker);
}

gboolean
creel_domain_start_finish (CreelDomain *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);
  return g_task_propagate_boolean (G_TASK (result), error);
}

gboolean
creel_domain_destroy (CreelDomain *self, GError **error)
{
  g_autoptr (CreelVirConnect) connection = NULL;
  g_autoptr (virDomain) domain = NULL;
  int code;

  if (!ensure_connection (self, error))
    return FALSE;
  connection = ref_connection (self);
  domain = virDomainLookupByName (connection, self->name);
  if (domain != NULL && virDomainDestroy (domain) == 0)
    return TRUE;
  code = virGetLastErrorCode ();
  if (code == VIR_ERR_NO_DOMAIN || code == VIR_ERR_OPERATION_INVALID) /* not there, not running */
    return TRUE;
  set_error (error, "Cannot destroy the virtual machine");
  return FALSE;
}

CreelDomain *
creel_domain_new (const char *uri, const char *domain_name)
{
  CreelDomain *self = g_object_new (CREEL_TYPE_DOMAIN, NULL);

  self->uri = g_strdup (uri);
  self->name = g_strdup (domain_name);
  return self;
}

static void
creel_domain_finalize (GObject *object)
{
  CreelDomain *self = CREEL_DOMAIN (object);

  drop_connection (self);
  g_free (self->uri);
  g_free (self->name);
  g_mutex_clear (&self->lock);
  g_main_context_unref (self->context);
  G_OBJECT_CLASS (creel_domain_parent_class)->finalize (object);
}

static void
creel_domain_class_init (CreelDomainClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = creel_domain_finalize;
  signal_ended = g_signal_new ("ended", CREEL_TYPE_DOMAIN, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1, G_TYPE_INT);
  signal_connection = g_signal_new ("connection", CREEL_TYPE_DOMAIN, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1,
                                    G_TYPE_BOOLEAN);
}

static void
creel_domain_init (CreelDomain *self)
{
  g_mutex_init (&self->lock);
  self->context = g_main_context_ref_thread_default ();
}
