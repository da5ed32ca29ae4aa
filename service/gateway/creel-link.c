/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-link.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct
{
  GSource source;
  CreelLink *link;
  /* changed in prepare, by the loop's own thread: g_source_modify_unix_fd() would wake the loop up each time */
  GPollFD poll;
} LinkSource;

struct _CreelLink
{
  const CreelLinkHandler *handler;
  gpointer user_data;
  gboolean http_client;
  int listen_fd;
  guint listen_id;
  int fd;
  CreelChannel *channel;
  GSource *source;
};

G_STATIC_ASSERT ((int) G_IO_IN == POLLIN && (int) G_IO_OUT == POLLOUT && (int) G_IO_HUP == POLLHUP);

static gboolean
link_prepare (GSource *source, int *ret_timeout)
{
  LinkSource *self = (LinkSource *) source;
  CreelChannel *channel = self->link->channel;
  guint64 deadline, now;

  if (creel_channel_get_state (channel) == CREEL_CHANNEL_CLOSED)
    return TRUE;

  self->poll.events = (gushort) creel_channel_get_events (channel);
  deadline = creel_channel_get_deadline (channel);
  if (deadline == UINT64_MAX)
    return FALSE;
  now = creel_channel_now ();
  if (deadline <= now)
    return TRUE;
  *ret_timeout = (int) MIN ((deadline - now + 999) / 1000, 60 * 1000);
  return FALSE;
}

static gboolean
link_check (GSource *source)
{
  LinkSource *self = (LinkSource *) source;

  return self->poll.revents != 0 ||
         creel_channel_get_state (self->link->channel) == CREEL_CHANNEL_CLOSED ||
         creel_channel_get_deadline (self->link->channel) <= creel_channel_now ();
}

static void
disconnect (CreelLink *link)
{
  if (link->source != NULL)
    {
      g_source_destroy (link->source);
      g_clear_pointer (&link->source, g_source_unref);
    }
  g_clear_pointer (&link->channel, creel_channel_free);
  if (link->fd >= 0)
    close (link->fd);
  link->fd = -1;
}

static gboolean
link_dispatch (GSource *source, GSourceFunc callback, gpointer user_data)
{
  LinkSource *self = (LinkSource *) source;
  CreelLink *link = self->link;

  if (creel_channel_get_state (link->channel) != CREEL_CHANNEL_CLOSED)
    creel_channel_dispatch (link->channel, (short) self->poll.revents);
  if (creel_channel_get_state (link->channel) == CREEL_CHANNEL_CLOSED)
    {
      disconnect (link);
      return G_SOURCE_REMOVE;
    }
  return G_SOURCE_CONTINUE;
}

static GSourceFuncs link_source_funcs = { link_prepare, link_check, link_dispatch, NULL, NULL, NULL };

static void
on_channel_opened (CreelChannel *channel, void *user_data)
{
  CreelLink *link = user_data;

  if (link->handler->opened != NULL)
    link->handler->opened (link, link->user_data);
}

static void
on_channel_closed (CreelChannel *channel, const char *reason, void *user_data)
{
  CreelLink *link = user_data;

  if (link->handler->closed != NULL)
    link->handler->closed (link, reason, link->user_data);
}

static void
on_channel_request (CreelChannel *channel, CreelStream *stream, const CreelHead *head, void *user_data)
{
  CreelLink *link = user_data;

  if (link->handler->request != NULL)
    link->handler->request (link, stream, head, link->user_data);
}

static const CreelChannelHandler channel_handler = { on_channel_opened, on_channel_closed, on_channel_request };

gboolean
creel_link_take_connection (CreelLink *link, int fd)
{
  LinkSource *source;

  if (link->channel != NULL || !g_unix_set_fd_nonblocking (fd, TRUE, NULL))
    {
      close (fd);
      return FALSE;
    }
  link->fd = fd;
  link->channel = creel_channel_new (fd, CREEL_CHANNEL_HOST, link->http_client, &channel_handler, link);
  if (link->channel == NULL)
    g_error ("Out of memory");

  link->source = g_source_new (&link_source_funcs, sizeof (LinkSource));
  source = (LinkSource *) link->source;
  source->link = link;
  source->poll.fd = fd;
  source->poll.events = G_IO_IN;
  g_source_add_poll (link->source, &source->poll);
  g_source_set_static_name (link->source, "creel-link");
  g_source_attach (link->source, NULL);
  return TRUE;
}

static gboolean
on_listen (int listen_fd, GIOCondition condition, gpointer user_data)
{
  CreelLink *link = user_data;
  int fd = accept4 (listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

  if (fd >= 0)
    creel_link_take_connection (link, fd);
  return G_SOURCE_CONTINUE;
}

CreelLink *
creel_link_new (int listen_fd, gboolean http_client, const CreelLinkHandler *handler, gpointer user_data)
{
  CreelLink *link = g_new0 (CreelLink, 1);

  link->handler = handler;
  link->user_data = user_data;
  link->http_client = http_client;
  link->listen_fd = listen_fd;
  link->fd = -1;
  if (listen_fd >= 0)
    {
      g_unix_set_fd_nonblocking (listen_fd, TRUE, NULL);
      link->listen_id = g_unix_fd_add (listen_fd, G_IO_IN, on_listen, link);
    }
  return link;
}

void
creel_link_free (CreelLink *link)
{
  if (link == NULL)
    return;
  if (link->listen_id != 0)
    g_source_remove (link->listen_id);
  disconnect (link);
  if (link->listen_fd >= 0)
    close (link->listen_fd);
  g_free (link);
}

CreelChannel *
creel_link_get_channel (CreelLink *link)
{
  if (link->channel == NULL || creel_channel_get_state (link->channel) != CREEL_CHANNEL_OPEN)
    return NULL;
  return link->channel;
}

gboolean
creel_link_is_connected (CreelLink *link)
{
  return link->channel != NULL;
}

void
creel_link_drop (CreelLink *link, const char *reason)
{
  if (link->channel != NULL && creel_channel_get_state (link->channel) != CREEL_CHANNEL_CLOSED)
    creel_channel_close (link->channel, reason);
}
