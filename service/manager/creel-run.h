/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "creel-daemon.h"

/* A command that a job of ours runs in a sandbox. Its output does not come through here. */
typedef struct _CreelRun CreelRun;

typedef struct
{
  const char *const *argv;
  const char *const *environment; /* KEY=VALUE, or NULL */
  const char *user;               /* NULL: the sandbox's */
  const char *cwd;                /* the same */
  int output;                     /* a stream socket for both outputs, borrowed; -1: nobody wants them */
} CreelRunCommand;

/* It runs: `input` is the callee's to write and close. With a NULL function it is closed at once. */
typedef void (*CreelRunStarted) (int input, gpointer user_data);
/* It ended: code, or signal when that is not 0. With an error it could not run, or nobody knows how it ended. The run is freed afterwards. */
typedef void (*CreelRunDone) (int code, int signal, const GError *error, gpointer user_data);

/* Nothing is called before it returns. Everything in `command` is copied. */
CreelRun *creel_run_start (CreelDaemon *daemon, const char *sandbox, const CreelRunCommand *command, CreelRunStarted started,
                           CreelRunDone done, gpointer user_data);
/* Hangs it up and frees it; nothing is called any more. */
void creel_run_cancel (CreelRun *run);
