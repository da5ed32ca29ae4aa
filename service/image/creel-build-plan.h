/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* creel-image plan and creel-image copy: they run as the caller, on the caller's folder, and run nothing. */
#pragma once

#include "creel-build-context.h"
#include "creel-containerfile.h"
#include "creel-image-report.h"

/* Tells what the folder's Containerfile does. `in` holds what is known of the base image as records (README.md); without
 * them only the name of the base image is told. */
gboolean creel_image_plan (const char *folder, int in, CreelImageReport *report, GError **error);

/* Records of `in`; *ret_complete: it had any. Fuzzed. */
CreelContainerfileBase *creel_build_parse_base (const char *bytes, gsize length, gboolean *ret_complete, GError **error);

/* One COPY: what its sources mean. *ret_name is set when it is one file that shall have the very name of the target. */
GPtrArray *creel_build_find_sources (CreelBuildContext *context, char *const *sources, gboolean to_folder, char **ret_name,
                                     GError **error);

/* Writes the sources as a tar stream to `out`, the names below the target. owner: "UID:GID"; mode: octal or "-"; name: as found by the plan, or "". */
gboolean creel_image_copy (const char *folder, const char *owner, const char *mode, const char *name, char *const *sources, int out,
                           CreelImageReport *report, GError **error);
