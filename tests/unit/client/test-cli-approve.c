/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Questions and answers against the double. */
#include "test-cli.h"

#include <gio/gio.h>
#include <pty.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utmp.h>

static void
run (const char *line)
{
  g_assert_cmpint (run_with_input (line, "", NULL, NULL), ==, 0);
}

static void
test_outputs (void)
{
  run ("create --name asks shell");
  golden ("approve-stopped", "approve asks");
  run ("start asks");
  golden ("approve", "approve");
  golden ("approve-json", "approve --json asks");
  golden ("approve-quiet", "approve -q asks");
  golden ("approve-none", "approve nobody");
  golden ("approve-once", "approve asks 11 --once");
  golden ("approve-stale", "approve asks 11 --always");
  golden ("approve-id", "approve asks x --once");
  golden ("approve-nothing", "approve asks 12");
  golden ("approve-both", "approve asks 12 --once --deny");
  golden ("approve-which", "approve asks --once");
  golden ("approve-deny-run", "approve asks 12 --deny --run");
  golden ("approve-answered", "network proxy asks");
  golden ("approve-rest", "approve -q");
  golden ("network-ask", "network proxy asks --ask-host '*.example' --policy ask");
  golden ("network-ask-show", "network proxy asks");
  run ("rm -f asks");
}

/* A terminal with creel approve on it; its pid. */
static pid_t
start (const char *option, int *ret_terminal)
{
  struct winsize size = { 24, 200, 0, 0 };
  pid_t pid = forkpty (ret_terminal, NULL, NULL, &size);

  g_assert_cmpint (pid, >=, 0);
  if (pid == 0)
    {
      execl (g_getenv ("CREEL"), "creel", "approve", "asks-too", option, NULL);
      _exit (1);
    }
  return pid;
}

static void
say (int terminal, const char *text)
{
  g_assert_cmpint (write (terminal, text, strlen (text)), ==, (gssize) strlen (text));
}

static void
test_terminal (void)
{
  int terminal, status;
  pid_t pid;
  g_autofree char *left = NULL, *text = NULL;

  run ("create --name asks-too shell");
  run ("start asks-too");
  pid = start (NULL, &terminal);
  text = read_until (terminal, "leave it: ");
  g_assert_nonnull (strstr (text, "asks-too asks for CONNECT one.example:443"));
  g_assert_nonnull (strstr (text, "always would keep: one.example:443"));
  say (terminal, "what\n");
  g_free (read_until (terminal, "leave it: "));
  /* what is typed ahead answers nothing that was not shown yet */
  say (terminal, "a\no\n");
  g_clear_pointer (&text, g_free);
  text = read_until (terminal, "leave it: ");
  /* what came from the guest stays text */
  g_assert_nonnull (strstr (text, "POST http://[::1]:8080/x\\x1b[31m"));
  say (terminal, "\n");
  g_free (read_until (terminal, "tcp://two.example:22"));
  say (terminal, "\004");
  g_assert_cmpint (waitpid (pid, &status, 0), ==, pid);
  g_assert_true (WIFEXITED (status) && WEXITSTATUS (status) == 0);
  close (terminal);
  g_assert_cmpint (run_with_input ("approve -q asks-too", "", &left, NULL), ==, 0);
  g_assert_cmpstr (left, ==, "asks-too 12\nasks-too 13\n");

  /* those that come while somebody watches */
  pid = start ("--watch", &terminal);
  g_free (read_until (terminal, "leave it: "));
  say (terminal, "n\n");
  g_free (read_until (terminal, "leave it: "));
  run ("restart asks-too");
  say (terminal, "d\n");
  g_free (read_until (terminal, "one.example:443"));
  kill (pid, SIGTERM);
  g_assert_cmpint (waitpid (pid, &status, 0), ==, pid);
  close (terminal);
  run ("rm -f asks-too");
}

void
add_approve_tests (void)
{
  g_test_add_func ("/cli/approve/outputs", test_outputs);
  g_test_add_func ("/cli/approve/terminal", test_terminal);
}
