/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-account.h"

static gsize held, budget = G_MAXSIZE;

void
creel_account_set_budget (gsize bytes)
{
  budget = bytes;
}

void
creel_account_add (gsize bytes)
{
  held += bytes;
}

void
creel_account_drop (gsize bytes)
{
  g_return_if_fail (bytes <= held);
  held -= bytes;
}

gsize
creel_account_get_held (void)
{
  return held;
}

gboolean
creel_account_is_tight (void)
{
  return held >= budget;
}

gsize
creel_account_choose (gsize usual, gsize little)
{
  return creel_account_is_tight () ? little : usual;
}
