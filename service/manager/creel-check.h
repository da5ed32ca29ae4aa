/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

/* Manager.Check: a(ssss), floating. Looks at files and sockets only; nothing is started. */
GVariant *creel_check_report (void);
