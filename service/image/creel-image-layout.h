/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The two small files that make a directory, together with blobs, an OCI image layout. */
#pragma once

#include <gio/gio.h>

#define CREEL_IMAGE_OCI_LAYOUT "{\"imageLayoutVersion\":\"1.0.0\"}"

/* The digest of the one manifest that index.json in the directory names. */
char *creel_image_layout_read (int directory, GError **error);

/* Text of an index.json for one manifest. name: NULL or HOST/PATH:TAG, for the annotations by which
 * podman and containerd know the image. */
char *creel_image_layout_index (const char *manifest, guint64 size, const char *name);

/* A new temporary directory with oci-layout and index.json, named "image" in it; the path, or NULL.
 */
char *creel_image_layout_make (const char *manifest, guint64 size, GError **error);
void creel_image_layout_remove (const char *path);
