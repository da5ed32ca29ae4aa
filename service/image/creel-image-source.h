/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The bytes of an archive file, the members of its outer tar, and readers of a tar in it. */
#pragma once

#include "creel-image-blobs.h"
#include "creel-image-report.h"

#include <archive.h>
#include <archive_entry.h>

/* What an image may unpack to at most, and how many times its own size (checked from 1 GiB on). */
#define CREEL_IMAGE_MAX_BYTES (G_GUINT64_CONSTANT (64) << 30)
#define CREEL_IMAGE_MAX_RATIO 200
#define CREEL_IMAGE_RATIO_FLOOR (G_GUINT64_CONSTANT (1) << 30)

typedef struct _CreelImageSource CreelImageSource;

/* fd: a regular file, borrowed, read with pread only; report may be NULL. */
CreelImageSource *creel_image_source_new (int fd, CreelImageReport *report, GError **error);
/* Blobs of the store, which stays the caller's; they are its members, named blobs/sha256/HEX. */
CreelImageSource *creel_image_source_new_blobs (CreelImageBlobs *blobs, CreelImageReport *report);
/* Counts a blob into the size, as one that will be read. */
gboolean creel_image_source_add_blob (CreelImageSource *self, const char *hex, GError **error);
void creel_image_source_free (CreelImageSource *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CreelImageSource, creel_image_source_free)

/* No more progress of reading: the second pass has its own. */
void creel_image_source_set_quiet (CreelImageSource *self);

/* Size of the file as it was given, or of the blobs. */
guint64 creel_image_source_get_size (CreelImageSource *self);

/* Reads the outer tar's headers, up to the first top-level name that only a root file system has:
 * *ret_is_root says so. When the tar is compressed and is no root file system, it is unpacked to a
 * temporary file first, so that members can be found again. */
gboolean creel_image_source_index (CreelImageSource *self, gboolean *ret_is_root, GError **error);

/* Whether the index has a regular file (or a link to one inside the archive) of that name. */
gboolean creel_image_source_has_member (CreelImageSource *self, const char *name);

/* A whole small member, as bytes; BadImage when it is missing or larger than max. */
GBytes *creel_image_source_read_member (CreelImageSource *self, const char *name, gsize max,
                                        GError **error);

/* BadImage when so many unpacked bytes are beyond the limits. */
gboolean creel_image_source_check_limits (CreelImageSource *self, guint64 unpacked, GError **error);

typedef struct _CreelImageReader CreelImageReader;

/* Reads a tar, compressed or not: a member, or with NULL the file itself.
 * digest: NULL, or the SHA-256 (hex) that the member's bytes must have; checked at the end. */
CreelImageReader *creel_image_reader_new (CreelImageSource *source, const char *member,
                                          const char *digest, GError **error);
void creel_image_reader_free (CreelImageReader *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CreelImageReader, creel_image_reader_free)

/* The next entry, owned by the reader and valid until the next call; *ret_entry is NULL at the end.
 */
gboolean creel_image_reader_next (CreelImageReader *self, struct archive_entry **ret_entry,
                                  GError **error);

/* Data of the current entry: number of bytes, 0 at its end, -1 with error. */
gssize creel_image_reader_read (CreelImageReader *self, void *buffer, gsize size, GError **error);
