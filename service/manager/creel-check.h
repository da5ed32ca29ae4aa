/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

/* Manager.Check: a(ssss), floating. Looks at files and sockets only; nothing is started. models_listen: whether the socket of the model runner is there. */
GVariant *creel_check_report (gboolean models_listen);
