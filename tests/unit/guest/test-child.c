/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where a command runs, and what is told when it does not. */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "init.h"

/* What a child said about itself, 0 when nothing; what it wrote is in out. */
static int
run (const char *cwd, bool cwd_is_asked, const char *program, char out[256])
{
  char *arguments[] = { (char *) program, NULL }, *environment[] = { NULL };
  User user = { .uid = getuid (), .gid = getgid (), .home = "/" };
  int status[2], output[2], code = 0;
  ssize_t n;

  g_assert_cmpint (pipe2 (status, O_CLOEXEC), ==, 0);
  g_assert_cmpint (pipe2 (output, O_CLOEXEC), ==, 0);
  pid_t pid = fork ();
  if (pid == 0)
    {
      int null = open ("/dev/null", O_RDWR | O_CLOEXEC);
      Child child = { .arguments = arguments, .environment = environment, .cwd = cwd, .cwd_is_asked = cwd_is_asked, .user = &user,
                      .path = "/usr/bin:/bin", .fds = { null, output[1], null }, .cgroup_fd = -1, .status_fd = status[1] };

      child_run (&child);
    }
  close (status[1]);
  close (output[1]);
  memset (out, 0, 256);
  n = read (output[0], out, 255);
  g_assert_cmpint (n, >=, 0);
  n = read (status[0], &code, sizeof code);
  g_assert_true (n == 0 || n == (ssize_t) sizeof code);
  close (status[0]);
  close (output[0]);
  g_assert_cmpint (waitpid (pid, NULL, 0), ==, pid);
  return code;
}

static void
test_folder (void)
{
  char out[256];

  if (getuid () != 0)
    {
      g_test_skip ("only root may choose the groups of a child");
      return;
    }
  g_assert_cmpint (run ("/usr", true, "pwd", out), ==, 0);
  g_assert_cmpstr (out, ==, "/usr\n");
  g_assert_cmpint (run ("/usr", true, "no-such-command", out), ==, ENOENT);
  /* the sandbox's own may be gone; one that was asked for may not: the command would work on other files */
  g_assert_cmpint (run ("/no/such/folder", false, "pwd", out), ==, 0);
  g_assert_cmpstr (out, ==, "/\n");
  g_assert_cmpint (run ("/no/such/folder", true, "pwd", out), ==, -ENOENT);
  g_assert_cmpstr (out, ==, "");
  g_assert_cmpint (run ("/etc/passwd", true, "pwd", out), ==, -ENOTDIR);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/child/folder", test_folder);
  return g_test_run ();
}
