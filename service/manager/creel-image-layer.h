/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "creel-image-job.h"

/* An image that came from a tar or from packages has no blobs in the OCI store until something needs them: a push, an export, a save on
 * top of it. One layer is made of its squashfs then, and remembered with the image. */

typedef void (*CreelImageLayered) (CreelImageJob *job, const char *manifest, gpointer data);

/* A step of job: then is called with the digest of the image's manifest, at once when it has one. The job fails otherwise. */
void creel_image_layer_run (CreelImageJob *job, const char *id, CreelImageLayered then);
/* KEY=VALUE as workers take it, VALUE escaped; owned by the caller. */
char *creel_image_layer_format_word (const char *key, const char *value);
