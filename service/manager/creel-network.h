/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "creel-definition.h"

/* Applies `changes` of SetNetwork to a definition; the result is checked. ret_widens: something may be reached, or
 * goes uninspected, that was not before. */
gboolean creel_network_apply (CreelDefinition *definition, GVariant *changes, gboolean *ret_widens, GError **error);
