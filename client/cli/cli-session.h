/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "cli.h"

typedef struct
{
  char **argv;        /* empty: the sandbox's command */
  char **environment; /* KEY=VALUE, or NULL */
  const char *cwd, *user;
  gboolean tty, interactive;
} CliSession;

/* Runs a command in the sandbox, attached to our stdin (when interactive), stdout and stderr, and returns the exit code to leave
 * with: the command's, 128 + signal, or a CliStatus after a line on stderr. */
int cli_session_run (Cli *cli, CreelDBusSandbox *sandbox, const CliSession *session);
