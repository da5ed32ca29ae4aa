/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <libsecret/secret.h>

#include "creel-keyring.h"

/* What keys and registry passwords have in common in the keyring. All calls block, as in creel-keyring.h. */

typedef GList CreelKeyringItems; /* of SecretItem */
static inline void
creel_keyring_items_free (CreelKeyringItems *items)
{
  g_list_free_full (items, g_object_unref);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CreelKeyringItems, creel_keyring_items_free)

/* The keyring of this session; CREEL_ERROR_KEYRING_LOCKED with what to do when none answers. */
SecretService *creel_keyring_open (GCancellable *cancellable, GError **error);
/* All items with these attributes, others they may have too; owned by the caller. NULL is an empty list, or an error. */
CreelKeyringItems *creel_keyring_search (SecretService *service, const SecretSchema *item_schema, GHashTable *attributes,
                                         GCancellable *cancellable, GError **error);
/* What `item` holds, in a sealed memfd. item NULL: there is none, which is CREEL_ERROR_NO_SUCH_SECRET unless the keyring is
 * locked. For messages: "The keyring has no WHAT; store it with: creel secret set SET". */
int creel_keyring_read (SecretService *service, SecretItem *item, const char *what, const char *set, CreelKeyringFlags flags,
                        GCancellable *cancellable, GError **error);
/* Stores `secret`, in place of one with the same attributes. */
gboolean creel_keyring_write (const SecretSchema *item_schema, GHashTable *attributes, const char *label, const char *secret,
                              gsize length, CreelKeyringFlags flags, GCancellable *cancellable, GError **error);
gboolean creel_keyring_delete (SecretService *service, SecretItem *item, CreelKeyringFlags flags, GCancellable *cancellable,
                               GError **error);
