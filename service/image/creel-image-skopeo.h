/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Runs skopeo: what it may see, what it is told, and what its complaints mean. */
#pragma once

#include "creel-image-remote.h"

#include <sys/types.h>

typedef struct _CreelImageSkopeo CreelImageSkopeo;

/* remote: the registry that is spoken to, borrowed; NULL for none. credential_fd: a file with
 * USER:PASSWORD or a token, read here to its end; empty or not a regular file: anonymous; -1: none.
 */
CreelImageSkopeo *creel_image_skopeo_new (const CreelImageRemote *remote, int credential_fd,
                                          GError **error);
void creel_image_skopeo_free (CreelImageSkopeo *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CreelImageSkopeo, creel_image_skopeo_free)

/* Called every tenth of a second; returns a number that changes as long as there is progress. */
typedef guint64 (*CreelImageTick) (pid_t pid, gpointer user_data);

/* The bytes of the manifest that the uri leads to. */
GBytes *creel_image_skopeo_inspect (CreelImageSkopeo *self, const char *uri, GError **error);

/* skopeo copy with these options, NULL-terminated. out: descriptor 4 of skopeo, or -1. */
gboolean creel_image_skopeo_copy (CreelImageSkopeo *self, const char *const *options,
                                  const char *source, const char *destination, int out,
                                  CreelImageTick tick, gpointer user_data, GError **error);

/* What skopeo's complaint means, as one line and never with a credential in it. Public for the
 * tests. */
void creel_image_skopeo_explain (const CreelImageRemote *remote, gboolean anonymous,
                                 const char *noise, GError **error);
/* The bytes of a credential's file, with a zero behind them: the caller wipes and frees them; NULL
 * when there is none, which is no error. */
gboolean creel_image_skopeo_read_credential (int fd, char **ret_credential, gsize *ret_length,
                                             GError **error);
/* The auth.json for a credential; NULL with error when it is none. Public for the tests. */
char *creel_image_skopeo_auth (const char *host, const char *credential, gsize length,
                               GError **error);
