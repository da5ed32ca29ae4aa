/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-glib/json-glib.h>

/* Adds a member to the open object. Names are lower case with underscores, sizes bytes, times usec since the epoch. */
void out_json_string (JsonBuilder *builder, const char *name, const char *value);
void out_json_integer (JsonBuilder *builder, const char *name, gint64 value);
void out_json_boolean (JsonBuilder *builder, const char *name, gboolean value);
void out_json_strings (JsonBuilder *builder, const char *name, const char *const *values);
/* The members of an a{sv}, "boot-id" as "boot_id"; into the open object. */
void out_json_vardict (JsonBuilder *builder, GVariant *dict);
/* Prints what was built, pretty or on one line, and a newline. */
void out_json_print (JsonBuilder *builder, gboolean pretty);
/* An a{sv} as one object. */
void out_json_print_vardict (GVariant *dict);
