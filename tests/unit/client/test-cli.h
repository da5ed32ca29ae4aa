/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Runs creel with the words of `line`; status, stdout and stderr. */
int run_with_input (const char *line, const char *input, char **ret_out, char **ret_err);
/* Compares what `line` prints and its exit code with the golden file. */
void golden (const char *name, const char *line);
/* What a terminal shows until `wanted` is there. */
char *read_until (int terminal, const char *wanted);

void add_model_tests (void);
void add_approve_tests (void);
