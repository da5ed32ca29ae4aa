/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The modes model-add and model-pack: files of the caller become a model in the OCI store. */
#pragma once

#include "creel-image-report.h"

/* fd: a regular file, which becomes a blob. kind: of CreelModelFile, not "config". */
gboolean creel_model_add (const char *kind, int fd, CreelImageReport *report, GError **error);

/* settings: file=KIND:HEX:NAME, repeated, in order; context-size=TOKENS; created=SECONDS. */
gboolean creel_model_pack (char **settings, CreelImageReport *report, GError **error);
