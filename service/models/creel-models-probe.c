/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-models-probe.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "creel-endpoint.h"
#include "creel-http-head.h"

#define INTERVAL_MS 50
/* an engine that says nothing is asked anew */
#define ANSWER_MS 5000

struct _CreelModelsProbe
{
  char *path;
  void (*func) (gpointer user_data);
  gpointer user_data;
  CreelEndpoint *engine;
  guint timeout;
};

static gboolean on_timeout (gpointer user_data);

/* The socket itself, without a link in its place: the engine owns the folder, and what it is asked is not for whom it may point at. */
static int
open_socket (const char *path)
{
  int fd = open (path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
  struct stat st;

  if (fd >= 0 && fstat (fd, &st) == 0 && S_ISSOCK (st.st_mode))
    return fd;
  if (fd >= 0)
    {
      close (fd);
      errno = ENOTSOCK;
    }
  return -1;
}

GIOStream *
creel_models_probe_connect (const char *socket_path, GError **error)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  g_autoptr (GSocket) socket_object = NULL;
  int place = open_socket (socket_path), fd = -1, saved;
  gboolean connected = FALSE;

  if (place >= 0 && (fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) >= 0)
    {
      g_snprintf (address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d", place);
      connected = connect (fd, (struct sockaddr *) &address, sizeof address) == 0;
    }
  saved = errno;
  if (place >= 0)
    close (place);
  if (connected && (socket_object = g_socket_new_from_fd (fd, error)) != NULL)
    return G_IO_STREAM (g_socket_connection_factory_create_connection (socket_object));
  if (fd >= 0)
    close (fd);
  if (!connected)
    g_set_error (error, G_IO_ERROR, saved == EAGAIN ? G_IO_ERROR_WOULD_BLOCK : (int) g_io_error_from_errno (saved), "Cannot connect to %s: %s",
                 socket_path, g_strerror (saved));
  return NULL;
}

static void
wait_ms (CreelModelsProbe *probe, guint ms)
{
  g_clear_handle_id (&probe->timeout, g_source_remove);
  probe->timeout = g_timeout_add (ms, on_timeout, probe);
}

static void
drop (CreelModelsProbe *probe)
{
  if (probe->engine != NULL)
    creel_endpoint_close (probe->engine);
  g_clear_pointer (&probe->engine, creel_endpoint_unref);
}

static void
on_answer (CreelEndpoint *engine, gpointer user_data)
{
  CreelModelsProbe *probe = user_data;
  g_autoptr (CreelHttpHead) head = NULL;
  const char *why;
  gsize size, used;
  const guint8 *data = creel_endpoint_peek (engine, &size);

  if (creel_http_head_parse (data, size, FALSE, &head, &used, &why) == CREEL_HEAD_MORE && !creel_endpoint_at_eof (engine))
    return;
  drop (probe);
  if (head == NULL || head->status != 200)
    {
      wait_ms (probe, INTERVAL_MS);
      return;
    }
  g_clear_handle_id (&probe->timeout, g_source_remove);
  probe->func (probe->user_data);
}

static gboolean
on_timeout (gpointer user_data)
{
  static const char request[] = "GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
  CreelModelsProbe *probe = user_data;
  g_autoptr (GIOStream) stream = NULL;

  probe->timeout = 0;
  drop (probe);
  stream = creel_models_probe_connect (probe->path, NULL);
  if (stream == NULL)
    {
      wait_ms (probe, INTERVAL_MS);
      return G_SOURCE_REMOVE;
    }
  wait_ms (probe, ANSWER_MS);
  probe->engine = creel_endpoint_new (stream);
  creel_endpoint_set_func (probe->engine, on_answer, probe);
  creel_endpoint_set_reading (probe->engine, TRUE);
  creel_endpoint_write (probe->engine, request, strlen (request));
  creel_endpoint_flush (probe->engine);
  return G_SOURCE_REMOVE;
}

CreelModelsProbe *
creel_models_probe_new (const char *socket_path, void (*func) (gpointer user_data), gpointer user_data)
{
  CreelModelsProbe *probe = g_new0 (CreelModelsProbe, 1);

  probe->path = g_strdup (socket_path);
  probe->func = func;
  probe->user_data = user_data;
  wait_ms (probe, 0);
  return probe;
}

void
creel_models_probe_free (CreelModelsProbe *probe)
{
  if (probe == NULL)
    return;
  g_clear_handle_id (&probe->timeout, g_source_remove);
  drop (probe);
  g_free (probe->path);
  g_free (probe);
}
