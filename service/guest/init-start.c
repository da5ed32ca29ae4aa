/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "init.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* From the records of an exec to the process that becomes its program. */

#define ARGUMENTS_MAX 65536

typedef struct
{
  char **items;
  size_t n;
  size_t size;
} List;

static bool
list_add (List *list, char *item)
{
  if (list->n + 1 >= list->size)
    {
      char **grown = list->size > ARGUMENTS_MAX ? NULL : reallocarray (list->items, list->size + 256, sizeof *list->items);

      if (grown == NULL)
        return false;
      list->items = grown;
      list->size += 256;
    }
  list->items[list->n++] = item;
  list->items[list->n] = NULL;
  return true;
}

/* A later value of a variable replaces an earlier one. */
static void
set_variable (List *list, char *variable)
{
  size_t length = (size_t) (strchrnul (variable, '=') - variable);

  if (variable[length] == '\0' || length == 0)
    return;
  for (size_t i = 0; i < list->n; i++)
    if (strncmp (list->items[i], variable, length + 1) == 0)
      {
        list->items[i] = variable;
        return;
      }
  list_add (list, variable);
}

static void
set_variables (List *list, const Records *records)
{
  const char *value;
  size_t at = 0;

  while ((value = records_next (records, &at, "env")) != NULL)
    set_variable (list, records->bytes + (value - records->bytes));
}

/* Everything after this runs in the child, and uses memory of ours. */
static void __attribute__ ((noreturn))
run (Child *child, const Records *records)
{
  const char *cwd = records_get (records, "cwd");
  const char *term = records_get (records, "term");
  List environment = { 0 };
  List arguments = { 0 };
  char variables[6][512];
  const char *value;
  size_t at = 0;

  while ((value = records_next (records, &at, "arg")) != NULL)
    list_add (&arguments, records->bytes + (value - records->bytes));
  snprintf (variables[0], sizeof variables[0], "HOME=%s", child->user->home);
  snprintf (variables[1], sizeof variables[1], "USER=%s", child->user->name);
  snprintf (variables[2], sizeof variables[2], "LOGNAME=%s", child->user->name);
  snprintf (variables[3], sizeof variables[3], "SHELL=%s", child->user->shell);
  snprintf (variables[4], sizeof variables[4], "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
  snprintf (variables[5], sizeof variables[5], "TERM=%s", term != NULL && *term != '\0' ? term : child->tty ? "xterm-256color" : "dumb");
  for (size_t i = 0; i < (child->tty || term != NULL ? 6 : 5); i++)
    set_variable (&environment, variables[i]);
  set_variables (&environment, configure_get ());
  set_variables (&environment, records);
  for (size_t i = 0; i < environment.n; i++)
    if (strncmp (environment.items[i], "PATH=", 5) == 0)
      child->path = environment.items[i] + 5;
  child->cwd_is_asked = cwd != NULL && *cwd != '\0';
  if (!child->cwd_is_asked)
    cwd = records_get (configure_get (), "cwd");
  child->cwd = cwd == NULL ? "" : cwd;
  child->arguments = arguments.items;
  child->environment = environment.items;
  child_run (child);
}

/* fork() into a control group. To move there afterwards makes the process wait for a grace period of RCU. */
static pid_t
fork_into (const char *cgroup)
{
  struct clone_args args = { .flags = CLONE_INTO_CGROUP, .exit_signal = SIGCHLD };
  int fd = cgroup == NULL ? -1 : open (cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  pid_t pid;

  if (fd < 0)
    return -1;
  args.cgroup = (uint64_t) fd;
  pid = (pid_t) syscall (SYS_clone3, &args, sizeof args); /* one thread: nothing of libc is left in the middle */
  close (fd);
  return pid;
}

pid_t
child_start (const char *cgroup, const Records *records, const User *user, bool tty, const int fds[3], int status_fd)
{
  Child child = { .user = user, .tty = tty, .cgroup_fd = -1, .status_fd = status_fd };
  char path[160];
  pid_t pid = fork_into (cgroup);

  memcpy (child.fds, fds, sizeof child.fds);
  if (pid < 0)
    {
      pid = fork ();
      if (pid == 0 && cgroup != NULL)
        {
          snprintf (path, sizeof path, "%s/cgroup.procs", cgroup);
          child.cgroup_fd = open (path, O_WRONLY | O_CLOEXEC);
        }
    }
  if (pid == 0)
    run (&child, records);
  return pid;
}
