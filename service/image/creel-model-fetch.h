/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The mode model-fetch: a model out of a registry. */
#pragma once

#include "creel-image-report.h"

gboolean creel_model_fetch (const char *reference, int credential, CreelImageReport *report,
                            GError **error);

/* The mode model-push: a model of the store into a registry, its manifest unchanged. */
gboolean creel_model_push (const char *hex, const char *reference, int credential,
                           CreelImageReport *report, GError **error);
