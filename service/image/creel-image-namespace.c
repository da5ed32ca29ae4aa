/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-image-namespace.h"
#include "creel-error.h"
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static gboolean
fail (GError **error, const char *what)
{
  g_set_error (error, CREEL_ERROR, CREEL_ERROR_FAILED, "%s: %s", what, g_strerror (errno));
  return FALSE;
}

/* In the child, after unshare: one more fork for pid 1 of the new namespace, which must not be the
 * program itself: it has to reap. */
static void
run_inside (const char *const *argv, const char *const *environment)
{
  pid_t init = fork ();
  int status;

  if (init < 0)
    _exit (126);
  if (init > 0)
    {
      while (waitpid (init, &status, 0) < 0 && errno == EINTR)
        ;
      _exit (WIFEXITED (status) ? WEXITSTATUS (status) : 128 + WTERMSIG (status));
    }
  prctl (PR_SET_PDEATHSIG, SIGKILL);
  pid_t program = fork ();
  if (program < 0)
    _exit (126);
  if (program == 0)
    {
      execvpe (argv[0], (char *const *)argv, (char *const *)environment);
      _exit (127);
    }
  for (;;)
    {
      pid_t pid = wait (&status);

      if (pid == program)
        _exit (WIFEXITED (status) ? WEXITSTATUS (status) : 128 + WTERMSIG (status));
      if (pid < 0 && errno != EINTR)
        _exit (126);
    }
}

static void
child (const char *const *argv, const char *const *environment, int in, int out, int err, int ready,
       int go)
{
  char byte = 'x';
  int fds[3] = { fcntl (in, F_DUPFD, 10), fcntl (out, F_DUPFD, 10), fcntl (err, F_DUPFD, 10) };

  if (unshare (CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS) < 0)
    {
      byte = errno; /* small enough for a byte on every architecture */
      byte = write (ready, &byte, 1);
      _exit (126);
    }
  byte = 0;
  if (write (ready, &byte, 1) != 1 || read (go, &byte, 1) != 1)
    _exit (126);
  if (setresgid (0, 0, 0) < 0 || setgroups (0, NULL) < 0 || setresuid (0, 0, 0) < 0)
    _exit (126);
  for (int i = 0; i < 3; i++)
    if (dup2 (fds[i], i) < 0)
      _exit (126);
  /* Cleared by the change of uid, so not earlier. */
  prctl (PR_SET_PDEATHSIG, SIGKILL);
  signal (SIGPIPE, SIG_DFL);
  signal (SIGTERM, SIG_DFL);
  if (close_range (3, G_MAXUINT, 0) < 0)
    _exit (126);
  run_inside (argv, environment);
}

static gboolean
write_map (pid_t pid, const char *kind, GError **error)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/%s", (int)pid, kind);
  g_autofree char *map =
      g_strdup_printf ("0 %u %u\n", CREEL_IMAGE_NAMESPACE_BASE, CREEL_IMAGE_NAMESPACE_SIZE);
  int fd = open (path, O_WRONLY | O_CLOEXEC);
  gboolean good = fd >= 0 && write (fd, map, strlen (map)) == (gssize)strlen (map);

  if (!good)
    fail (error, "Cannot map the ids of the build's user namespace; the build must start as root "
                 "with CAP_SETUID and CAP_SETGID");
  if (fd >= 0)
    close (fd);
  return good;
}

pid_t
creel_image_namespace_spawn (const char *const *argv, const char *const *environment, int in,
                             int out, int err, GError **error)
{
  int ready[2], go[2];
  char byte = 0;
  gboolean good;
  pid_t pid;

  if (pipe2 (ready, O_CLOEXEC) < 0 || pipe2 (go, O_CLOEXEC) < 0 || (pid = fork ()) < 0)
    {
      fail (error, "Cannot start the build");
      return -1;
    }
  if (pid == 0)
    {
      child (argv, environment, in, out, err, ready[1], go[0]);
      _exit (126);
    }
  close (ready[1]);
  close (go[0]);
  good = read (ready[0], &byte, 1) == 1;
  if (!good || byte != 0)
    {
      errno = byte;
      good = fail (
          error,
          "Cannot make a user namespace for the build; is it forbidden (user.max_user_namespaces, "
          "RestrictNamespaces=)?");
    }
  good = good && write_map (pid, "uid_map", error) && write_map (pid, "gid_map", error);
  if (good && write (go[1], "x", 1) != 1)
    good = fail (error, "Cannot start the build");
  close (ready[0]);
  close (go[1]);
  if (good)
    return pid;
  kill (pid, SIGKILL);
  waitpid (pid, NULL, 0);
  return -1;
}

gboolean
creel_image_namespace_drop (GError **error)
{
  uid_t id = CREEL_IMAGE_NAMESPACE_BASE + CREEL_IMAGE_NAMESPACE_SIZE - 1;

  /* Without uid 0 in any of the three, the kernel clears all capability sets. */
  if (setgroups (0, NULL) < 0 || setresgid (id, id, id) < 0 || setresuid (id, id, id) < 0 ||
      prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
    return fail (error, "Cannot give up root");
  return TRUE;
}
