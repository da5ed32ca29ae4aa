/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "creel-call.h"

/* CreateSandbox. */
gboolean creel_create_prepare (CreelCall *call, GStrvBuilder *actions, GError **error);
void creel_create_handle (CreelCall *call);

/* The definition that `options` mean; checked, with the image resolved. `host_memory` and `host_cpus` are the limits.
 * ret_widens: the caller asked for more network than the preset gives; needs widen-policy. */
CreelDefinition *creel_create_definition (const char *name, uid_t owner, GVariant *options, guint64 host_memory,
                                          guint host_cpus, gboolean *ret_widens, GError **error);
guint64 creel_create_host_memory (void);
guint creel_create_host_cpus (void);
/* What creel-share's exit status means for a workspace. */
void creel_create_explain_workspace (int status, const char *path, GError **error);
