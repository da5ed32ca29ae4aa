/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "creel-proxy.h"

/* A proxy that only remembers what it was told, for tests of what is around it. */
typedef struct
{
  CreelPolicy *policy;
  CreelLimits limits;
  GPtrArray *credentials;
  GHashTable *placeholders;
  CreelSecretFunc secret_func;
  gpointer secret_data;
  guint n_forgotten, n_aborted;
  GPtrArray *accepted; /* GIOStream */
} StandIn;

extern StandIn stand_in;
