/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Images as files for other programs. */
#pragma once

#include "creel-image-report.h"

/* format: oci-archive or docker-archive of that manifest, named reference; or rootfs, of the
 * squashfs in. out: a file or pipe. */
gboolean creel_image_export (const char *manifest, const char *format, const char *reference,
                             int in, int out, CreelImageReport *report, GError **error);
