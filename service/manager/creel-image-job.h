/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "creel-definition.h"

/* Properties of the transient unit of a worker, a(sv), floating: see service/image/README.md. Handles are 0 stdin,
 * 1 stdout, 2 stderr. recipe NULL: an import. */
GVariant *creel_image_job_unit_properties (const char *recipe);
