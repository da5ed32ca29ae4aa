/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-guard.h"

#include "creel-inject.h"
#include "creel-parent.h"

gboolean
creel_guard_is_for (CreelProxy *proxy, const CreelHost *host, guint16 port)
{
  for (guint i = 0; proxy->credentials != NULL && i < proxy->credentials->len; i++)
    if (creel_inject_knows_key (proxy->credentials->pdata[i], host, port))
      return TRUE;
  return FALSE;
}

static void
add (CreelScrub **scrub, CreelKeyForms *forms)
{
  if (*scrub == NULL)
    *scrub = creel_scrub_new (forms);
  else
    creel_scrub_add (*scrub, forms);
}

CreelScrub *
creel_guard_make_scrub (CreelProxy *proxy, const CreelHost *host, guint16 port, const CreelCredential *credential, CreelSecret *secret,
                        CreelSecret *parent_secret)
{
  CreelScrub *scrub = NULL;

  if (secret != NULL)
    add (&scrub, creel_secret_get_forms (secret, credential));
  for (guint i = 0; proxy->credentials != NULL && i < proxy->credentials->len; i++)
    {
      const CreelCredential *other = proxy->credentials->pdata[i];
      CreelSecret *known = creel_inject_knows_key (other, host, port) ? creel_credential_store_peek (proxy->store, other->name) : NULL;

      if (known != NULL && known != secret)
        add (&scrub, creel_secret_get_forms (known, other));
    }
  if (parent_secret != NULL)
    {
      g_autoptr (CreelKeyForms) forms = creel_parent_get_forms (parent_secret);

      add (&scrub, forms);
    }
  return scrub;
}
