/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gzip on all processors, one member. The same bytes give the same result on every machine. */
#pragma once

#include <gio/gio.h>

typedef struct _CreelImageGzip CreelImageGzip;

/* sink takes the compressed bytes, in order and in the thread that writes; FALSE with error ends it
 * all. */
typedef gboolean (*CreelImageSink) (gpointer user_data, gconstpointer bytes, gsize length,
                                    GError **error);

CreelImageGzip *creel_image_gzip_new (CreelImageSink sink, gpointer user_data);
void creel_image_gzip_free (CreelImageGzip *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CreelImageGzip, creel_image_gzip_free)

gboolean creel_image_gzip_write (CreelImageGzip *self, gconstpointer bytes, gsize length,
                                 GError **error);
gboolean creel_image_gzip_finish (CreelImageGzip *self, GError **error);
