/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* What the buffers of all connections of this process hold together, in allocated bytes. Above a budget each buffer takes no more than
 * little, which is still enough for its connection to go on: nobody waits for the buffers of others, so there is nobody to wake when there
 * is room again. What all hold is no more than the budget, what the last step before it added, and for each connection that little. Only
 * for the thread of the main loop. */

/* Until it is set there is none. */
void creel_account_set_budget (gsize bytes);
void creel_account_add (gsize bytes);
void creel_account_drop (gsize bytes);
gsize creel_account_get_held (void);
gboolean creel_account_is_tight (void);
/* How large a buffer may be now. */
gsize creel_account_choose (gsize usual, gsize little);
