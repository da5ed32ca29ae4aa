/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "cli.h"

/* Makes the call whose answer is the path of a job. */
typedef gboolean (*CliJobCall) (Cli *cli, gpointer data, char **ret_path, GError **error);

/* Makes it, shows the job's progress until its end and prints the id that it made, or what went wrong. Ctrl-C cancels the job. Returns the
 * exit code. */
int cli_job_run (Cli *cli, CliJobCall call, gpointer data);
/* The same, showing on stderr the lines that come from a socket, made safe for a terminal; borrowed, -1 for none. */
int cli_job_run_with_output (Cli *cli, CliJobCall call, gpointer data, int output);
/* The same without a word but the progress: ret_details gets what the job made, owned by the caller. FALSE with its error. */
gboolean cli_job_wait (Cli *cli, CliJobCall call, gpointer data, GVariant **ret_details, GError **error);
