/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A client of registries that can go on in the middle of a blob, which skopeo cannot: a model is
 * one blob of many gigabytes. Only reads. */
#pragma once

#include "creel-image-remote.h"

typedef struct _CreelRegistry CreelRegistry;

/* remote: borrowed. credential_fd: as for skopeo. Nothing is sent yet. */
CreelRegistry *creel_registry_new (const CreelImageRemote *remote, int credential_fd,
                                   GError **error);
void creel_registry_free (CreelRegistry *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CreelRegistry, creel_registry_free)

/* The bytes of a manifest or an index: that of the digest, or when it is NULL, what the remote's
 * name leads to. Their digest is not checked. */
GBytes *creel_registry_get_manifest (CreelRegistry *self, const char *digest, GError **error);

/* A stream of a blob from *inout_position on; *inout_position is 0 when the registry starts again
 * from there. Reading fails with TimedOut after two minutes of silence. */
GInputStream *creel_registry_open_blob (CreelRegistry *self, const char *hex,
                                        guint64 *inout_position, GError **error);

/* The error that a failed read of a stream means. */
void creel_registry_explain (CreelRegistry *self, GError *failure, GError **error);
