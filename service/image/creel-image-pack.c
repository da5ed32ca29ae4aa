/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-image-pack.h"
#include "creel-image-digest.h"
#include "creel-image-gzip.h"
#include "creel-image-process.h"
#include <unistd.h>

struct _CreelImagePack
{
  CreelImageBlobs *blobs;
  CreelImageGzip *gzip;
  CreelImageDigest *raw_digest, *packed_digest;
  guint64 raw, packed;
  int fd;
};

static gboolean
on_packed (gpointer user_data, gconstpointer bytes, gsize length, GError **error)
{
  CreelImagePack *self = user_data;

  creel_image_digest_update (self->packed_digest, bytes, length);
  self->packed += length;
  return creel_image_process_write (self->fd, bytes, length) ||
         creel_image_process_fail (error, "Cannot write the layer to the OCI store");
}

CreelImagePack *
creel_image_pack_new (CreelImageBlobs *blobs, GError **error)
{
  int fd = creel_image_blobs_create (blobs, error);
  CreelImagePack *self;

  if (fd < 0)
    return NULL;
  self = g_new0 (CreelImagePack, 1);
  self->blobs = blobs;
  self->fd = fd;
  self->raw_digest = creel_image_digest_new ();
  self->packed_digest = creel_image_digest_new ();
  self->gzip = creel_image_gzip_new (on_packed, self);
  return self;
}

void
creel_image_pack_free (CreelImagePack *self)
{
  creel_image_gzip_free (self->gzip);
  creel_image_digest_free (self->raw_digest);
  creel_image_digest_free (self->packed_digest);
  close (self->fd);
  g_free (self);
}

gboolean
creel_image_pack_write (CreelImagePack *self, gconstpointer bytes, gsize length, GError **error)
{
  creel_image_digest_update (self->raw_digest, bytes, length);
  self->raw += length;
  return creel_image_gzip_write (self->gzip, bytes, length, error);
}

guint64
creel_image_pack_get_raw (CreelImagePack *self)
{
  return self->raw;
}

guint64
creel_image_pack_get_packed (CreelImagePack *self)
{
  return self->packed;
}

CreelImageDescriptor *
creel_image_pack_finish (CreelImagePack *self, char **ret_diff_id, GError **error)
{
  g_autofree char *hex = NULL;

  if (!creel_image_gzip_finish (self->gzip, error))
    return NULL;
  hex = creel_image_digest_get (self->packed_digest);
  if (!creel_image_blobs_commit (self->blobs, self->fd, hex, error))
    return NULL;
  *ret_diff_id = creel_image_digest_get (self->raw_digest);
  return creel_image_descriptor_new (hex, self->packed, CREEL_IMAGE_TYPE_LAYER "+gzip");
}
