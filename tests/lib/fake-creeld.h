/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

/* The double of creeld is made of several files; `fake` is its own. */

/* A job that ends a second later ("instant": at once), well or, for target "bad", not. Its path. */
char *fake_start_job (gpointer fake, const char *operation, const char *target);
/* The interface Models. */
void fake_export_models (GDBusConnection *bus, gpointer fake);
