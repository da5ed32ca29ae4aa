/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "creel-daemon.h"

/* Blobs of the OCI store that no image and no model has. creeld deletes by name and reads nothing; what belongs to whom stands in
 * image.conf and model.conf. Never while work of images goes on: a fetch counts blobs that nobody owns yet. */

/* Is all of an image there? By name and size; whoever reads a blob checks it. */
gboolean creel_image_collect_is_whole (const CreelImageConfig *config);
/* These ("HEX SIZE") are deleted unless an image has them: now, or when the last work has ended. */
void creel_image_collect_blobs (CreelDaemon *daemon, char **blobs);
/* What was put off: called when work ended. */
void creel_image_collect_deferred (CreelDaemon *daemon);
/* All that no image has, and how many bytes that freed. FALSE with CREEL_ERROR while work goes on. */
gboolean creel_image_collect_all (CreelDaemon *daemon, guint64 *ret_bytes, GError **error);
