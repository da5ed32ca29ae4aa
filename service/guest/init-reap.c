/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "init.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/reboot.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define TERM_GRACE_USEC (2 * 1000 * 1000)
#define KILL_GRACE_USEC (500 * 1000)

static Watch signal_watch = { .fd = -1 };
static Timer shutdown_timer;
static bool killed;

static void __attribute__ ((noreturn))
power_off (void)
{
  say ("powering off");
  unmount_everything ();
  reboot (RB_POWER_OFF);
  reboot (RB_HALT_SYSTEM);
  while (true)
    pause ();
}

static void
on_shutdown_timer (Timer *timer)
{
  if (killed)
    power_off ();
  killed = true;
  kill (-1, SIGKILL);
  timer_set (&shutdown_timer, KILL_GRACE_USEC);
}

static void
on_signal (Watch *watch, uint32_t events)
{
  struct signalfd_siginfo info;
  int status;
  pid_t pid;

  while (read (watch->fd, &info, sizeof info) == (ssize_t) sizeof info)
    ;
  while ((pid = waitpid (-1, &status, WNOHANG)) > 0)
    {
      save_reaped (pid, status);
      session_reaped (pid, status);
    }
  if (pid < 0 && errno == ECHILD && shutdown_timer.listed)
    timer_set (&shutdown_timer, killed ? 0 : KILL_GRACE_USEC / 10); /* nobody is left; the answer may still be under way */
  if (pid < 0 && errno == ECHILD && shutdown_timer.listed)
    killed = true;
}

void
reap_start (void)
{
  sigset_t set;

  signal (SIGPIPE, SIG_IGN);
  reboot (RB_DISABLE_CAD);
  sigemptyset (&set);
  sigaddset (&set, SIGCHLD);
  sigaddset (&set, SIGINT);
  sigaddset (&set, SIGTERM);
  sigprocmask (SIG_BLOCK, &set, NULL);
  signal_watch.fd = signalfd (-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
  signal_watch.call = on_signal;
  watch_set (&signal_watch, EPOLLIN);
}

void
shutdown_start (void)
{
  siginfo_t info;

  if (shutdown_timer.listed)
    return;
  say ("shutting down");
  save_stop (); /* who is frozen hears no signal */
  shutdown_timer.call = on_shutdown_timer;
  kill (-1, SIGTERM);
  /* kill() counts threads of the kernel too; every process of a user descends from a child of ours */
  if (waitid (P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 && errno == ECHILD)
    {
      killed = true;
      timer_set (&shutdown_timer, KILL_GRACE_USEC / 10);
      return;
    }
  kill (-1, SIGHUP); /* shells leave for this one */
  kill (-1, SIGCONT);
  timer_set (&shutdown_timer, TERM_GRACE_USEC);
}
