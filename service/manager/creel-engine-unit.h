/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "creel-model-config.h"

/* The transient unit of an engine: one model, no network, no files but those of the model. */
typedef struct
{
  const CreelModelConfig *config;
  const char *engine;       /* path of the program */
  const char *alias;        /* what the model calls itself in answers */
  guint64 memory_max;       /* bytes; 0: no limit */
  guint64 context_size;     /* tokens; 0: as it was trained */
  const char *const *flags; /* checked: creel_engine_flags_check(); or NULL */
} CreelEngineStart;

#define CREEL_ENGINE_HEX 16

/* "creel-engine-<16 digits>.service" of a valid id. Owned by the caller. */
char *creel_engine_unit_name (const char *id);
/* The 16 digits again; NULL when the unit is no engine's. Owned by the caller. */
char *creel_engine_unit_digits (const char *unit);
/* a(sv), floating. */
GVariant *creel_engine_unit_properties (const CreelEngineStart *start);
/* What the environment of a unit says about it: it is how a creeld that was restarted knows what is loaded. FALSE: it says nothing. */
gboolean creel_engine_unit_read (GVariant *environment, char **ret_id, guint64 *ret_context_size);
/* Of a unit that has the engine say its version on the descriptor 0 of its message. a(sv), floating. */
GVariant *creel_engine_unit_version_properties (const char *engine);
