/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "creel-image-job.h"

/* A sandbox becomes an image: what it has written is a layer on top of the image that it was made of. */

/* id: of the new image, which is committed. */
typedef void (*CreelImageSaved) (CreelImageJob *job, const char *id, gpointer data);

/* Steps of job. A sandbox that is stopped is started for it, and stopped again. The job fails when one of them does; when that is over, the guest's
 * programs go on.
 * reference: the image's name, normal. source: what image.conf says of where it came from. changes: what is different from the base
 * image's configuration, as "save" in service/image/README.md takes it (creel_image_layer_format_word()), or NULL. */
void creel_image_save_run (CreelImageJob *job, const char *sandbox, const char *reference, const char *source,
                           const char *const *changes, CreelImageSaved saved);
