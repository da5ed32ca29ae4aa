/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The OCI store: blobs by digest, and a directory of its own for a worker that writes. */
#pragma once

#include <gio/gio.h>

#define CREEL_IMAGE_OCI_DIR "/var/lib/creel/oci"

typedef struct _CreelImageBlobs CreelImageBlobs;

/* To read only, or also to write; then what dead workers left in jobs/ is swept first. */
CreelImageBlobs *creel_image_blobs_open (gboolean writable, GError **error);
/* Removes this worker's own directory. */
void creel_image_blobs_free (CreelImageBlobs *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CreelImageBlobs, creel_image_blobs_free)

/* A blob as an open regular file and its size; -1 with error (BadImage when it is not there). Its
 * bytes are not checked. */
int creel_image_blobs_get (CreelImageBlobs *self, const char *hex, guint64 *ret_size,
                           GError **error);
/* A whole small blob, its digest checked. */
GBytes *creel_image_blobs_read (CreelImageBlobs *self, const char *hex, gsize max, GError **error);
/* Whether there is a blob of that size with that digest, read to its end; one that lies is deleted.
 * on_bytes: may be NULL. */
gboolean creel_image_blobs_check (CreelImageBlobs *self, const char *hex, guint64 size,
                                  void (*on_bytes) (gpointer user_data, gsize n),
                                  gpointer user_data);
/* Its size in the store, -1 when it is not there. */
gint64 creel_image_blobs_peek (CreelImageBlobs *self, const char *hex);

/* An absolute path: blobs/, and the directory of this job, which needs to have been opened to
 * write. */
const char *creel_image_blobs_get_path (CreelImageBlobs *self);
const char *creel_image_blobs_get_job (CreelImageBlobs *self);
int creel_image_blobs_get_job_fd (CreelImageBlobs *self);

/* A new file in the job's directory; commit () makes it the blob of that digest. fd stays the
 * caller's. */
int creel_image_blobs_create (CreelImageBlobs *self, GError **error);
gboolean creel_image_blobs_commit (CreelImageBlobs *self, int fd, const char *hex, GError **error);
/* The same for bytes; the digest, or NULL with error. */
char *creel_image_blobs_put (CreelImageBlobs *self, GBytes *bytes, GError **error);

/* What has come of a blob, kept for the next worker when this one dies: partial/HEX. An open file, at
 * its end, which is this worker's alone: it waits for another that has it. */
int creel_image_blobs_open_partial (CreelImageBlobs *self, const char *hex, GError **error);
/* The size of it; 0 when there is none. */
guint64 creel_image_blobs_peek_partial (CreelImageBlobs *self, const char *hex);
/* Makes it a blob. */
gboolean creel_image_blobs_commit_partial (CreelImageBlobs *self, int fd, const char *hex,
                                           GError **error);
void creel_image_blobs_drop_partial (CreelImageBlobs *self, const char *hex);

/* Bytes of the disk that are free for us; G_MAXUINT64 when it cannot be known. */
guint64 creel_image_blobs_get_free (CreelImageBlobs *self);
/* Whether `needed` bytes more and some to spare fit: else NoSpace, with the numbers. what: "image" or
 * "model". */
gboolean creel_image_blobs_check_free (CreelImageBlobs *self, const char *what, guint64 needed,
                                       GError **error);
