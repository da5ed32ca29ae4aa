/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

/* How much memory models may have. */

/* A number of /proc/meminfo in bytes; 0 when it is not there. */
guint64 creel_models_memory_parse (const char *text, const char *name);
/* What cannot be taken from a process without swapping: of the text of a cgroup's memory.stat. */
guint64 creel_models_memory_parse_stat (const char *text);

/* Reads both numbers; FALSE when /proc does not tell. */
gboolean creel_models_memory_read (guint64 *ret_total, guint64 *ret_available);
/* Of the engine in a unit; FALSE when its cgroup does not tell. */
gboolean creel_models_memory_read_unit (const char *unit, guint64 *ret_size);

/* Bytes that all models together may have: what is available, what engines hold already, without a reserve for all others. */
guint64 creel_models_memory_get_capacity (guint64 total, guint64 available, guint64 held, guint64 maximum);
/* The limit of an engine that is to need so much: buffers grow with the prompts. */
guint64 creel_models_memory_get_limit (guint64 need);
