/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The jobs that make a squashfs. */
#pragma once

#include "creel-image-report.h"

/* Makes the squashfs in out from the archive in; reports config and done. */
gboolean creel_image_import (int in, int out, CreelImageReport *report, GError **error);

/* The same from the image of that manifest in the store. */
gboolean creel_image_convert (const char *manifest, int out, CreelImageReport *report,
                              GError **error);

/* The same from the recipe: a name, looked for in /etc/creel/images.d and the package's images, or
 * an absolute path. Must start as uid 0 with CAP_SETUID and CAP_SETGID, and ends without. */
gboolean creel_image_build (const char *recipe, int out, CreelImageReport *report, GError **error);
