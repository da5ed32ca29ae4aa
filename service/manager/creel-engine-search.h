/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

/* The program that models run in: Engine= of section [Models] in /etc/creel/creel.conf, else llama-server where programs are installed.
 * Its path, owned by the caller; NULL with CREEL_ERROR_NO_ENGINE, which says how to get one. */
char *creel_engine_find (GError **error);
/* How to get one, for lists and reports. error: of creel_engine_find(), which may say what is wrong with the one that is named; or NULL. */
const char *creel_engine_advice (const GError *error);
