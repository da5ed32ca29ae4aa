/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

typedef enum
{
  CREEL_LOG_NETWORK, /* the gateway's audit */
  CREEL_LOG_LIFE,    /* the rest of what the units, creeld and systemd say */
  CREEL_LOG_MODELS,  /* of no sandbox: the front of the model runner and its engines */
} CreelLogKind;

#define CREEL_LOG_MAX_ENTRIES 1000
#define CREEL_LOG_FIRST "first"

/* "network", "life", those of a sandbox; FALSE for anything else. */
gboolean creel_log_kind_parse (const char *text, CreelLogKind *ret_kind);
/* "", CREEL_LOG_FIRST, or of the shape of journald's. */
gboolean creel_log_cursor_is_valid (const char *cursor);

/* What the journal has on a sandbox: see ReadLog in dbus/org.creel.Creel1.Sandbox.xml. Blocks: for a thread of its own.
 * name: NULL for CREEL_LOG_MODELS. Only entries since `since` (usec since the epoch), so that a name's next owner does not see what an earlier one did.
 * `directory` of journal files, NULL: the system's journal. Returns a floating (aa{ss}s), or NULL with an error. */
GVariant *creel_log_read (const char *directory, const char *name, CreelLogKind kind, gint64 since, const char *cursor,
                          guint limit, GError **error);
