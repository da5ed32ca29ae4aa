/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "creel-daemon.h"

/* What the engine says its version is. It is asked once for each program, by a unit that may do no more than an engine may. */
typedef struct _CreelEngineVersion CreelEngineVersion;
/* version: one line, "" when it does not say; the callee's for as long as the call lasts. */
typedef void (*CreelEngineVersionFunc) (const char *version, gpointer user_data);

CreelEngineVersion *creel_engine_version_new (CreelDaemon *daemon);
void creel_engine_version_free (CreelEngineVersion *version);
/* Calls back at once when it is known. */
void creel_engine_version_get (CreelEngineVersion *version, const char *engine, CreelEngineVersionFunc done, gpointer user_data);
/* The line that tells it, of what an engine printed. Owned by the caller. */
char *creel_engine_version_parse (const char *text, gsize length);
