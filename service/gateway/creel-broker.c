/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-broker.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gunixfdlist.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "creel-error.h"
#include "creel-names.h"

#define BROKER_INTERFACE CREEL_BUS_NAME ".Broker"
#define SECRET_MAX (64 * 1024)
#define AWAY_SECONDS 10
/* the owner may have to unlock the keyring */
#define CALL_TIMEOUT_MS (120 * 1000)

struct _CreelBroker
{
  CreelProxy *proxy;
  GPtrArray *peers;         /* GDBusConnection */
  GDBusConnection *creeld;  /* the peer that has answered as broker; borrowed from peers */
  GPtrArray *requests;      /* Request */
};

typedef struct
{
  CreelBroker *broker; /* NULL when it went away during a call */
  char *credential;
  GTask *reply;
  GPtrArray *asked;    /* peers that are not the broker */
  GDBusConnection *asking;
  guint timeout_id;
} Request;

static void ask (Request *request);

static void
request_free (Request *request)
{
  g_clear_handle_id (&request->timeout_id, g_source_remove);
  g_free (request->credential);
  g_ptr_array_unref (request->asked);
  g_object_unref (request->reply);
  g_free (request);
}

static void
request_fail (Request *request, GError *error)
{
  if (request->broker != NULL)
    g_ptr_array_remove_fast (request->broker->requests, request);
  g_task_return_error (request->reply, error);
  request_free (request);
}

typedef struct
{
  gpointer data;
  gsize length, mapped;
} Locked;

static void
locked_free (gpointer user_data)
{
  Locked *locked = user_data;

  explicit_bzero (locked->data, locked->length);
  munmap (locked->data, locked->mapped);
  g_free (locked);
}

GBytes *
creel_broker_read_secret (int fd, GError **error)
{
  const int needed = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK;
  int seals = fcntl (fd, F_GET_SEALS);
  struct stat st;
  Locked *locked;
  gsize mapped;
  gpointer data;

  if (seals < 0 || (seals & needed) != needed || fstat (fd, &st) < 0 || st.st_size <= 0 || st.st_size > SECRET_MAX)
    {
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_NO_SUCH_SECRET, "What came for the key is not a sealed memfd with 1 to 65536 bytes");
      return NULL;
    }
  mapped = (st.st_size + 4095) & ~(gsize) 4095;
  data = mmap (NULL, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (data == MAP_FAILED)
    {
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_FAILED, "No memory for the key");
      return NULL;
    }
  mlock (data, mapped); /* fails above RLIMIT_MEMLOCK; the unit has no swap in any case */
  madvise (data, mapped, MADV_DONTDUMP);
  if (pread (fd, data, st.st_size, 0) != st.st_size)
    {
      munmap (data, mapped);
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_FAILED, "Cannot read the key");
      return NULL;
    }
  locked = g_new (Locked, 1);
  *locked = (Locked) { data, st.st_size, mapped };
  return g_bytes_new_with_free_func (data, st.st_size, locked_free, locked);
}

static gboolean
is_no_broker (const GError *error)
{
  return g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_UNKNOWN_METHOD) ||
         g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_UNKNOWN_OBJECT) ||
         g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_UNKNOWN_INTERFACE);
}

static gboolean
is_gone (const GError *error)
{
  return g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CLOSED) ||
         g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CONNECTION_CLOSED) ||
         g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_DISCONNECTED) ||
         g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_NO_REPLY);
}

static void
on_secret (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Request *request = user_data;
  CreelBroker *broker = request->broker;
  GDBusConnection *connection = G_DBUS_CONNECTION (source);
  g_autoptr (GUnixFDList) fds = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) answer = NULL;
  g_autoptr (GBytes) secret = NULL;
  int handle, fd;

  answer = g_dbus_connection_call_with_unix_fd_list_finish (connection, &fds, result, &error);
  request->asking = NULL;
  if (broker == NULL)
    {
      request_fail (request, g_error_new_literal (CREEL_ERROR, CREEL_ERROR_NO_AGENT, "The gateway is stopping"));
      return;
    }
  if (answer == NULL)
    {
      if (is_no_broker (error) || is_gone (error))
        {
          g_ptr_array_add (request->asked, g_object_ref (connection));
          ask (request);
          return;
        }
      if (g_ptr_array_find (broker->peers, connection, NULL))
        broker->creeld = connection;
      g_dbus_error_strip_remote_error (error);
      if (error->domain == CREEL_ERROR)
        request_fail (request, g_steal_pointer (&error));
      else
        request_fail (request, g_error_new (CREEL_ERROR, CREEL_ERROR_NO_AGENT, "creeld did not give the key: %s",
                                            error->message));
      return;
    }

  if (g_ptr_array_find (broker->peers, connection, NULL))
    broker->creeld = connection;
  g_variant_get (answer, "(h)", &handle);
  fd = fds != NULL ? g_unix_fd_list_get (fds, handle, &error) : -1;
  if (fd >= 0)
    {
      secret = creel_broker_read_secret (fd, &error);
      close (fd);
    }
  else if (error == NULL)
    g_set_error (&error, CREEL_ERROR, CREEL_ERROR_NO_SUCH_SECRET, "creeld sent no key");
  if (secret == NULL)
    {
      request_fail (request, g_steal_pointer (&error));
      return;
    }
  g_ptr_array_remove_fast (broker->requests, request);
  g_task_return_pointer (request->reply, g_steal_pointer (&secret), (GDestroyNotify) g_bytes_unref);
  request_free (request);
}

static gboolean
on_away (gpointer user_data)
{
  Request *request = user_data;

  request->timeout_id = 0;
  request_fail (request, g_error_new_literal (CREEL_ERROR, CREEL_ERROR_NO_AGENT,
                                              "creeld is not connected to this sandbox's gateway; is creeld.service running?"));
  return G_SOURCE_REMOVE;
}

/* The peer that was the broker last, then any other that has not said it is not. */
static GDBusConnection *
choose (Request *request)
{
  CreelBroker *broker = request->broker;

  if (broker->creeld != NULL && !g_ptr_array_find (request->asked, broker->creeld, NULL))
    return broker->creeld;
  for (guint i = 0; i < broker->peers->len; i++)
    if (!g_ptr_array_find (request->asked, broker->peers->pdata[i], NULL))
      return broker->peers->pdata[i];
  return NULL;
}

static void
ask (Request *request)
{
  GDBusConnection *connection = choose (request);

  if (connection == NULL)
    {
      if (request->timeout_id == 0)
        request->timeout_id = g_timeout_add_seconds (AWAY_SECONDS, on_away, request);
      return;
    }
  g_clear_handle_id (&request->timeout_id, g_source_remove);
  request->asking = connection;
  g_dbus_connection_call_with_unix_fd_list (connection, NULL, CREEL_BROKER_PATH, BROKER_INTERFACE, "GetSecret",
                                            g_variant_new ("(s)", request->credential), G_VARIANT_TYPE ("(h)"),
                                            G_DBUS_CALL_FLAGS_NONE, CALL_TIMEOUT_MS, NULL, NULL, on_secret, request);
}

static void
on_proxy_wants_secret (const char *credential, GTask *reply, gpointer user_data)
{
  CreelBroker *broker = user_data;
  Request *request = g_new0 (Request, 1);

  request->broker = broker;
  request->credential = g_strdup (credential);
  request->reply = g_object_ref (reply);
  request->asked = g_ptr_array_new_with_free_func (g_object_unref);
  g_ptr_array_add (broker->requests, request);
  ask (request);
}

CreelBroker *
creel_broker_new (CreelProxy *proxy)
{
  CreelBroker *broker = g_new0 (CreelBroker, 1);

  creel_error_quark (); /* so that errors of the bus become ours */
  broker->proxy = proxy;
  broker->peers = g_ptr_array_new_with_free_func (g_object_unref);
  broker->requests = g_ptr_array_new ();
  creel_proxy_set_secret_func (proxy, on_proxy_wants_secret, broker);
  return broker;
}

void
creel_broker_free (CreelBroker *broker)
{
  if (broker == NULL)
    return;
  creel_proxy_set_secret_func (broker->proxy, NULL, NULL);
  while (broker->requests->len > 0)
    {
      Request *request = g_ptr_array_steal_index_fast (broker->requests, 0);

      request->broker = NULL;
      g_clear_handle_id (&request->timeout_id, g_source_remove);
      if (request->asking == NULL)
        request_fail (request, g_error_new_literal (CREEL_ERROR, CREEL_ERROR_NO_AGENT, "The gateway is stopping"));
    }
  g_ptr_array_unref (broker->requests);
  g_ptr_array_unref (broker->peers);
  g_free (broker);
}

void
creel_broker_add_peer (CreelBroker *broker, GDBusConnection *connection)
{
  g_autoptr (GPtrArray) waiting = g_ptr_array_new ();

  g_ptr_array_add (broker->peers, g_object_ref (connection));
  for (guint i = 0; i < broker->requests->len; i++)
    {
      Request *request = broker->requests->pdata[i];

      if (request->asking == NULL)
        g_ptr_array_add (waiting, request);
    }
  for (guint i = 0; i < waiting->len; i++)
    ask (waiting->pdata[i]);
}

void
creel_broker_remove_peer (CreelBroker *broker, GDBusConnection *connection)
{
  if (broker->creeld == connection)
    {
      broker->creeld = NULL;
      creel_proxy_forget (broker->proxy, NULL);
    }
  g_ptr_array_remove_fast (broker->peers, connection);
}
