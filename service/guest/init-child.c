/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "init.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* What happens between fork and exec, in the child. */

static void __attribute__ ((noreturn))
fail (const Child *child, int code)
{
  ssize_t n = write (child->status_fd, &code, sizeof code);

  (void) n;
  _exit (127);
}

static void
reset_signals (void)
{
  sigset_t none;

  for (int number = 1; number < NSIG; number++)
    signal (number, SIG_DFL);
  sigemptyset (&none);
  sigprocmask (SIG_SETMASK, &none, NULL);
}

/* The reason that counts is the first that is not "not found". */
static int
exec_by_path (const Child *child)
{
  const char *program = child->arguments[0];
  int code = ENOENT;
  char full[4096];

  if (strchr (program, '/') != NULL)
    {
      execve (program, child->arguments, child->environment);
      return errno;
    }
  for (const char *at = child->path; at != NULL;)
    {
      const char *end = strchrnul (at, ':');
      int length = (int) (end - at);

      if (length == 0)
        length = snprintf (full, sizeof full, "./%s", program);
      else
        length = snprintf (full, sizeof full, "%.*s/%s", length, at, program);
      if (length < (int) sizeof full)
        {
          execve (full, child->arguments, child->environment);
          if (errno != ENOENT && errno != ENOTDIR && code == ENOENT)
            code = errno;
        }
      at = *end == ':' ? end + 1 : NULL;
    }
  return code;
}

void
child_run (const Child *child)
{
  struct rlimit files = { 1024, 524288 };
  const User *user = child->user;

  setsid ();
  reset_signals ();
  if (child->cgroup_fd >= 0 && write (child->cgroup_fd, "0", 1) < 0)
    fail (child, errno);
  write_file ("/proc/self/oom_score_adj", "0", 1, 0);
  if (child->tty && ioctl (child->fds[0], TIOCSCTTY, 0) < 0)
    fail (child, errno);
  for (int i = 0; i < 3; i++)
    {
      int from = child->tty ? child->fds[0] : child->fds[i];

      if (dup2 (from, i) < 0)
        fail (child, errno);
      fcntl (i, F_SETFD, 0);
    }
  setrlimit (RLIMIT_NOFILE, &files);
  umask (022);
  if (setgroups (user->n_groups, user->groups) < 0 || setgid (user->gid) < 0 || setuid (user->uid) < 0)
    fail (child, errno);
  if (child->cwd[0] == '\0' || chdir (child->cwd) < 0)
    {
      if (child->cwd_is_asked)
        fail (child, -errno);
      if (chdir (user->home) < 0 && chdir ("/") < 0)
        fail (child, errno);
    }
  fail (child, exec_by_path (child));
}
