/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>
#include <sys/types.h>

/* Journal entries of the keys that one gateway asked for: who, which sandbox, which credential, never a key. One for the first
 * use, one for each new kind of refusal, as a gateway asks again with every request. */
typedef struct _CreelSecretLog CreelSecretLog;

CreelSecretLog *creel_secret_log_new (const char *sandbox);
void creel_secret_log_free (CreelSecretLog *log);
/* The same as a new one. */
void creel_secret_log_reset (CreelSecretLog *log);
/* `error` NULL: it was handed over. TRUE when an entry was written. `credential` may be anything: the gateway says it. */
gboolean creel_secret_log_add (CreelSecretLog *log, uid_t owner, const char *credential, const GError *error);
