/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "cli.h"
#include "creel-dbus-models.h"
#include "out-text.h"

/* What the verbs of models share. */
CreelDBusModels *cli_model_connect (Cli *cli, GError **error);
/* An empty a{sv}, owned by the caller. */
GVariant *cli_model_no_options (void);
/* "" when there is none; borrowed of the dictionary. */
const char *cli_model_get_string (GVariant *dict, const char *key);
/* An aa{sv} of models as the user wants it: JSON, names alone, or a table that add_row() fills. */
void cli_model_print_list (Cli *cli, GVariant *list, OutTable *table, void (*add_row) (OutTable *table, GVariant *model));
/* Fetches a model, with its progress. */
gboolean cli_model_pull (Cli *cli, const char *reference, GError **error);

/* A name for the model in a file: "Qwen3 0.6B-Q4_K_M.gguf" is "qwen3-0.6b-q4_k_m"; NULL when there is nothing to make it of. */
char *cli_model_name_of_file (const char *path);
/* The file and, when it is the first part of a split model ("-00001-of-00003.gguf"), all its parts in order. */
char **cli_model_list_parts (const char *path);
/* What a model says, made safe for a terminal as out_printable() does, but with the joiners that scripts need. */
char *cli_model_printable (const char *text);
/* "5:00", "never", "at once" */
char *cli_format_keep_alive (guint64 usec);
