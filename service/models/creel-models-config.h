/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

/* What section [Models] of /etc/creel/creel.conf says to the front; its other keys are creeld's. */
typedef struct
{
  guint64 memory_max; /* MemoryMax=, bytes that all models together may have; G_MAXUINT64: no limit */
  char **origins;     /* AllowOrigin=, of web pages that may ask; NULL: none */
  char *registry;     /* Registry=, of names without a host */
} CreelModelsConfig;
void creel_models_config_clear (CreelModelsConfig *config);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (CreelModelsConfig, creel_models_config_clear)

/* total: the machine's memory, of which MemoryMax= may be a percentage. No file is an empty one. CREEL_ERROR_BAD_DEFINITION. */
gboolean creel_models_config_load (guint64 total, CreelModelsConfig *ret_config, GError **error);
