/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-image-process.h"
#include "creel-error.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_FDS 8

gboolean
creel_image_process_fail (GError **error, const char *what)
{
  g_set_error (error, CREEL_ERROR,
               errno == ENOSPC || errno == EDQUOT ? CREEL_ERROR_NO_SPACE : CREEL_ERROR_FAILED,
               "%s: %s", what, g_strerror (errno));
  return FALSE;
}

static void G_GNUC_NORETURN
child (const char *const *argv, const char *const *environment, const int *fds, guint n_fds,
       pid_t parent)
{
  int copies[MAX_FDS];
  sigset_t none;

  prctl (PR_SET_PDEATHSIG, SIGKILL);
  if (getppid () != parent)
    _exit (126);
  signal (SIGPIPE, SIG_DFL);
  signal (SIGTERM, SIG_DFL);
  sigemptyset (&none);
  sigprocmask (SIG_SETMASK, &none, NULL);
  /* Copies above all numbers that are replaced below, so that none is overwritten before it is
   * used. */
  for (guint i = 0; i < n_fds; i++)
    if ((copies[i] = fcntl (fds[i], F_DUPFD, MAX_FDS + 3)) < 0)
      _exit (126);
  for (guint i = 0; i < n_fds; i++)
    if (dup2 (copies[i], i) < 0)
      _exit (126);
  if (close_range (n_fds, G_MAXUINT, 0) < 0)
    _exit (126);
  execvpe (argv[0], (char *const *)argv, (char *const *)environment);
  _exit (errno == ENOENT ? 127 : 126);
}

pid_t
creel_image_process_spawn (const char *const *argv, const char *const *environment, const int *fds,
                           guint n_fds, GError **error)
{
  pid_t parent = getpid (), pid;
  g_autofree char *what = NULL;

  g_return_val_if_fail (n_fds <= MAX_FDS, -1);
  pid = fork ();
  if (pid == 0)
    child (argv, environment, fds, n_fds, parent);
  if (pid < 0)
    {
      what = g_strdup_printf ("Cannot start %s", argv[0]);
      creel_image_process_fail (error, what);
    }
  return pid;
}

int
creel_image_process_wait (pid_t pid)
{
  int status;

  while (waitpid (pid, &status, 0) < 0)
    if (errno != EINTR)
      return 126;
  return WIFEXITED (status) ? WEXITSTATUS (status) : 128 + WTERMSIG (status);
}

void
creel_image_process_kill (pid_t pid)
{
  kill (pid, SIGKILL);
}

gboolean
creel_image_process_write (int fd, gconstpointer bytes, gsize length)
{
  for (gsize done = 0; done < length;)
    {
      gssize n = write (fd, (const char *)bytes + done, length - done);

      if (n < 0 && errno == EINTR)
        continue;
      if (n <= 0)
        return FALSE;
      done += n;
    }
  return TRUE;
}

int
creel_image_process_memory (gconstpointer bytes, gsize length, GError **error)
{
  int fd = memfd_create ("creel-image", MFD_CLOEXEC);

  if (fd >= 0 && (!creel_image_process_write (fd, bytes, length) || lseek (fd, 0, SEEK_SET) != 0))
    {
      creel_image_process_fail (error, "Cannot make a file in memory");
      close (fd);
      return -1;
    }
  if (fd < 0)
    creel_image_process_fail (error, "Cannot make a file in memory");
  return fd;
}
