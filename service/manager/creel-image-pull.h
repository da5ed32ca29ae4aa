/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "creel-image-job.h"
#include "creel-reference.h"

/* An image from a registry: its blobs are fetched, then the squashfs is made of them. */

/* id: of the image, which is here now and has the names. */
typedef void (*CreelImagePulled) (CreelImageJob *job, const char *id, gpointer data);

/* What a pull of that name fetches, with the default registry's host when it names none; NULL with an error. */
CreelReference *creel_image_pull_parse (const char *text, GError **error);
/* Steps of job. Takes reference. The credential is of the job's owner. The job fails, or its on_error decides, when a step does. */
void creel_image_pull_run (CreelImageJob *job, CreelReference *reference, CreelImagePulled pulled);
