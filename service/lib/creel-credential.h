/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "creel-definition.h"

/* For the parsers of definitions and credential files; what others need is in creel-definition.h. */
CreelCredential *creel_credential_new (const char *name);
/* Takes one assignment; syntax of the value as a whole is checked by _validate. */
gboolean creel_credential_set (CreelCredential *credential, const char *key, const char *value, GError **error);
/* Checks it, fills in defaults and makes the hosts canonical. */
gboolean creel_credential_validate (CreelCredential *credential, GError **error);
/* KEY=VALUE with a key that a shell takes and a value that fits on one line. */
gboolean creel_environment_is_valid (const char *assignment);
