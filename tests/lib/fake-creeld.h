/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

#include "creel-dbus-sandbox.h"

/* The double of creeld is made of several files; `fake` is its own. */

/* A job that ends a second later ("instant": at once), well or, for target "bad", not. Its path. */
char *fake_start_job (gpointer fake, const char *operation, const char *target);
/* Three questions wait in the sandbox from now on; what is answered shows in Approved. */
void fake_ask (CreelDBusSandbox *sandbox);
void fake_take_answers (CreelDBusSandbox *sandbox);
/* The interface Models. */
void fake_export_models (GDBusConnection *bus, gpointer fake);
