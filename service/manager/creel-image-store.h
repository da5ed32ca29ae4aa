/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "creel-definition.h"

/* Images on disk: a directory each, and references.conf. Errors are in CREEL_ERROR. */

/* A new directory for a job that only root enters, with an empty rootfs.squashfs in it that the worker may open again.
 * ret_fd is the caller's; the path is owned by the caller. */
char *creel_image_store_begin (guint job, int *ret_fd, GError **error);
void creel_image_store_abort (const char *directory);
/* What was made becomes image `config->id`, called `reference`. When there is one of that id the new one goes: what is
 * there is never replaced. */
gboolean creel_image_store_commit (const char *directory, CreelImageConfig *config, const char *reference, GError **error);
/* The image has these blobs in the OCI store now. */
gboolean creel_image_store_set_blobs (const char *id, const char *manifest, char **blobs, GError **error);
/* Half-made ones of a service that was killed. */
void creel_image_store_clean (void);
/* Valid ids; owned by the caller. */
char **creel_image_store_list (void);
/* The image is called by these too; who had one of these names loses it. */
gboolean creel_image_store_add_names (const char *id, char **names, GError **error);
/* Removes a name, and the image with the last one that is not a digest; `in_use` tells whether an id must stay. ret_blobs, may be NULL: what
 * the image had in the OCI store, or NULL when it stays; owned by the caller. */
gboolean creel_image_store_remove (const char *reference, gboolean (*in_use) (const char *id, gpointer user_data),
                                   gpointer user_data, char ***ret_blobs, GError **error);
