/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "init.h"

#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>

#define CHANNELS_MAX 2

typedef struct
{
  Watch watch;
  CreelChannel *channel;
} Port;

static int epoll_fd = -1;
static Timer *timers;
static Port ports[CHANNELS_MAX];
static size_t n_ports;

static void **graveyard;
static size_t n_graves;
static size_t graveyard_size;

void
loop_init (void)
{
  epoll_fd = epoll_create1 (EPOLL_CLOEXEC);
}

void
watch_set (Watch *watch, uint32_t events)
{
  struct epoll_event event = { .events = events, .data.ptr = watch };

  if (watch->fd < 0 || (watch->added && watch->events == events && (events & EPOLLONESHOT) == 0))
    return;
  if (events == 0)
    {
      /* out, because hang-ups are always reported */
      if (watch->added)
        epoll_ctl (epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);
      watch->added = false;
    }
  else
    {
      epoll_ctl (epoll_fd, watch->added ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, watch->fd, &event);
      watch->added = true;
    }
  watch->events = events;
}

void
watch_close (Watch *watch)
{
  if (watch->fd < 0)
    return;
  watch_set (watch, 0);
  close (watch->fd);
  watch->fd = -1;
}

void
timer_set (Timer *timer, uint64_t usec_from_now)
{
  timer->at = creel_channel_now () + usec_from_now;
  if (timer->listed)
    return;
  timer->listed = true;
  timer->next = timers;
  timers = timer;
}

void
timer_stop (Timer *timer)
{
  Timer **at = &timers;

  timer->at = 0;
  if (!timer->listed)
    return;
  while (*at != timer)
    at = &(*at)->next;
  *at = timer->next;
  timer->listed = false;
}

void
loop_free_later (void *memory)
{
  if (n_graves == graveyard_size)
    {
      void **grown = reallocarray (graveyard, graveyard_size + 256, sizeof *graveyard);

      if (grown == NULL)
        return; /* leaked rather than used after being freed */
      graveyard = grown;
      graveyard_size += 256;
    }
  graveyard[n_graves++] = memory;
}

static void
on_port (Watch *watch, uint32_t events)
{
  Port *port = container_of (watch, Port, watch);

  creel_channel_dispatch (port->channel, (short) events);
}

void
loop_add_channel (CreelChannel *channel, int fd)
{
  if (n_ports < CHANNELS_MAX)
    ports[n_ports++] = (Port){ .watch = { .fd = fd, .call = on_port }, .channel = channel };
}

/* What the callbacks of this round left to be sent goes out now, without another round of epoll. */
static uint64_t
look_after_channels (void)
{
  uint64_t deadline = UINT64_MAX;

  for (size_t i = 0; i < n_ports; i++)
    {
      CreelChannel *channel = ports[i].channel;
      uint64_t at;

      if ((creel_channel_get_events (channel) & POLLOUT) != 0 || creel_channel_get_deadline (channel) <= creel_channel_now ())
        creel_channel_dispatch (channel, 0);
      watch_set (&ports[i].watch, creel_channel_get_events (channel));
      at = creel_channel_get_deadline (channel);
      if (at < deadline)
        deadline = at;
    }
  return deadline;
}

static void
run_timers (void)
{
  uint64_t now = creel_channel_now ();
  bool again = true;

  while (again)
    {
      again = false;
      for (Timer *timer = timers; timer != NULL; timer = timer->next)
        if (timer->at <= now)
          {
            timer_stop (timer);
            timer->call (timer);
            again = true; /* the list may be another now */
            break;
          }
    }
}

void
loop_run (void)
{
  struct epoll_event events[64];

  while (true)
    {
      uint64_t deadline;
      uint64_t now;
      int timeout = -1;
      int n;

      run_timers ();
      deadline = look_after_channels ();
      for (Timer *timer = timers; timer != NULL; timer = timer->next)
        if (timer->at < deadline)
          deadline = timer->at;
      now = creel_channel_now ();

      while (n_graves > 0)
        free (graveyard[--n_graves]);
      if (deadline != UINT64_MAX)
        timeout = deadline <= now ? 0 : (int) ((deadline - now) / 1000) + 1;
      n = epoll_wait (epoll_fd, events, sizeof events / sizeof events[0], timeout);
      for (int i = 0; i < n; i++)
        {
          Watch *watch = events[i].data.ptr;

          if (watch->fd >= 0 && watch->added)
            watch->call (watch, events[i].events);
        }
    }
}
