/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

/* The audit trail: entries in journald's native protocol over a socket that never blocks. A request goes out only after
 * its entry was taken. Fields are in creel-names.h; never a query string, a header or a key. */
typedef struct _CreelAudit CreelAudit;

/* socket_path: NULL for journald's. Opened at once and again when journald restarts. */
CreelAudit *creel_audit_new (const char *sandbox, const char *socket_path);
CreelAudit *creel_audit_ref (CreelAudit *audit);
void creel_audit_unref (CreelAudit *audit);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CreelAudit, creel_audit_unref)

/* Journal fields of one entry; CREEL_SANDBOX is added by itself. */
typedef struct _CreelAuditEntry CreelAuditEntry;
CreelAuditEntry *creel_audit_entry_new (const char *message_id, int priority, const char *event);
void creel_audit_entry_free (CreelAuditEntry *entry);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CreelAuditEntry, creel_audit_entry_free)
/* Sets `field` to text, cut to 1 KiB and with control bytes replaced; NULL leaves it out. */
void creel_audit_entry_set (CreelAuditEntry *entry, const char *field, const char *value);
void creel_audit_entry_printf (CreelAuditEntry *entry, const char *field, const char *format, ...) G_GNUC_PRINTF (3, 4);

/* Takes the entry. Finishes with TRUE when journald has taken it, with CREEL_ERROR_FAILED when it could not within 2 s. */
void creel_audit_write_async (CreelAudit *audit, CreelAuditEntry *entry, GCancellable *cancellable,
                              GAsyncReadyCallback callback, gpointer user_data);
/* When journald takes the entry at once: TRUE, and the entry is taken. Else it is still the caller's, for the function above. */
gboolean creel_audit_write_now (CreelAudit *audit, CreelAuditEntry *entry);
/* Nobody waits for it. Takes the entry. */
void creel_audit_write (CreelAudit *audit, CreelAuditEntry *entry);
gboolean creel_audit_write_finish (CreelAudit *audit, GAsyncResult *result, GError **error);
