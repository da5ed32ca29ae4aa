/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

/* Asks an engine again and again whether it is ready. */
typedef struct _CreelModelsProbe CreelModelsProbe;

/* func: it said so; once, from the main loop. */
CreelModelsProbe *creel_models_probe_new (const char *socket_path, void (*func) (gpointer user_data), gpointer user_data);
void creel_models_probe_free (CreelModelsProbe *probe);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CreelModelsProbe, creel_models_probe_free)

/* Connects to an engine's socket without waiting. G_IO_ERROR_WOULD_BLOCK: it has more to accept than it may, try again soon. */
GIOStream *creel_models_probe_connect (const char *socket_path, GError **error);
