/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

/* The journal's one entry of each request: who asked which model, and how it ended; never what was asked. */
typedef struct
{
  const char *method;
  const char *path;    /* without its query */
  const char *model;   /* NULL: none */
  const char *sandbox; /* NULL: this machine */
  uid_t user;          /* who changed something, or was not let; -1: nobody, or not known */
  guint status;        /* 0: the client hung up before there was one */
  gboolean cut;        /* the answer is not whole */
  gint64 usec;
  guint64 bytes_in, bytes_out;
} CreelModelsAuditEntry;

typedef struct _CreelModelsAudit CreelModelsAudit;
/* socket_path: NULL for journald's. */
CreelModelsAudit *creel_models_audit_new (const char *socket_path);
void creel_models_audit_free (CreelModelsAudit *audit);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CreelModelsAudit, creel_models_audit_free)
/* Entries that the journal did not take at once. */
guint64 creel_models_audit_get_lost (CreelModelsAudit *audit);
/* Never waits: what journald does not take at once is not written, and counted. */
void creel_models_audit_write (CreelModelsAudit *audit, const CreelModelsAuditEntry *entry);
