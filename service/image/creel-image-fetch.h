/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From a registry into the store, and back. */
#pragma once

#include "creel-image-report.h"

/* credential: a descriptor as in README.md. Reports blobs, manifest, digests and done. */
gboolean creel_image_fetch (const char *reference, int credential, CreelImageReport *report,
                            GError **error);
gboolean creel_image_push (const char *manifest, const char *reference, int credential,
                           CreelImageReport *report, GError **error);
