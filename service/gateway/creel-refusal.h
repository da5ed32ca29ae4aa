/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "creel-policy.h"

/* The standard refusal, made in one place: status line, header Creel-Denied and a JSON body that programs can read. */
guint creel_refusal_get_status (const char *reason);
/* A whole response, Connection: close. host, method: may be NULL; port 0: unknown; message: one line for people that says
 * what is wrong and what to do. without_body: it answers HEAD. */
GString *creel_refusal_format (const char *reason, guint status, const char *host, guint16 port, const char *method,
                               const char *message, gboolean without_body);
/* Why a decision refuses, for the guest's user. Owned by the caller. */
char *creel_refusal_explain_decision (const CreelDecision *decision, const char *sandbox, const CreelHost *host, guint16 port);
/* Why the key of a credential is not there, for the guest's user. Owned by the caller. */
char *creel_refusal_explain_secret (const char *name, const GError *error);
