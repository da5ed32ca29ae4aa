/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

#define CREEL_CONF_MAX_SIZE (1024 * 1024)

/* One assignment. `origin` is "FILE:LINE". An error set here is given "FILE:LINE: " in front. With key NULL a
 * section begins. Sections that the callee does not know are its to ignore. */
typedef gboolean (*CreelConfFunc) (const char *section, const char *key, const char *value, const char *origin,
                                   gpointer user_data, GError **error);

/* The syntax of systemd's unit files: [Section], Key=Value, # and ; comments, \ at the end of a line continues it
 * (comments inside are skipped). Assignments before the first section, lines that are neither, bytes that are not
 * UTF-8, control bytes and more than CREEL_CONF_MAX_SIZE bytes are CREEL_ERROR_BAD_DEFINITION. */
gboolean creel_conf_parse (const char *text, gssize length, const char *origin, CreelConfFunc func,
                           gpointer user_data, GError **error);
/* Reads a regular file of at most CREEL_CONF_MAX_SIZE bytes and parses it; G_IO_ERROR_NOT_FOUND when it is not there. */
gboolean creel_conf_parse_file (const char *path, CreelConfFunc func, gpointer user_data, GError **error);
/* The names (without suffix) of the .conf files of several directories, sorted, each once; owned by the caller. */
char **creel_conf_list_names (const char *const *directories);
/* A value that survives being written as Key=VALUE: one line, no white space at its ends, no \ at the end. */
gboolean creel_conf_value_is_safe (const char *value);
/* Appends `value` to a NULL-terminated array, or empties it when the value is empty. */
void creel_conf_strv_add (char ***strv, const char *value);
