/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "creel-definition.h"

/* What the guest is told at /configure, made from definition, image and this start's placeholders.
 * `image` may be NULL. `placeholders` is NAME=VALUE per guest variable. `ca_pem` may be NULL. `now`: usec. */
GByteArray *creel_guest_config_build (const CreelDefinition *definition, const CreelImageConfig *image,
                                      const char *const *placeholders, const char *ca_pem, gint64 now);

/* The words that run when a session names none: the definition's command, the image's, a shell. argv[0] may be "":
 * the guest then takes its shell. Owned by the caller (g_strfreev). */
char **creel_guest_config_default_command (const CreelDefinition *definition, const CreelImageConfig *image);

/* A placeholder in the shape of the credential file: {} becomes 32 random hex digits. Owned by the caller. */
char *creel_guest_config_make_placeholder (const CreelCredential *credential, GError **error);
