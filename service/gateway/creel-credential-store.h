/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

#include "creel-definition.h"
#include "creel-key-forms.h"
#include "creel-proxy.h"

/* Keys of one sandbox, in memory that is neither swapped nor dumped, asked for when first needed and wiped when
 * forgotten. */
typedef struct _CreelSecret CreelSecret;
CreelSecret *creel_secret_ref (CreelSecret *secret);
void creel_secret_unref (CreelSecret *secret);
const char *creel_secret_get_key (CreelSecret *secret, gsize *ret_size);
/* What must not come back when it was sent as the credential says; kept for the next request. Borrowed. */
CreelKeyForms *creel_secret_get_forms (CreelSecret *secret, const CreelCredential *credential);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CreelSecret, creel_secret_unref)

typedef struct _CreelCredentialStore CreelCredentialStore;
CreelCredentialStore *creel_credential_store_new (void);
void creel_credential_store_free (CreelCredentialStore *store);
void creel_credential_store_set_func (CreelCredentialStore *store, CreelSecretFunc func, gpointer user_data);
/* The key when it is here already, or NULL. Borrowed. */
CreelSecret *creel_credential_store_peek (CreelCredentialStore *store, const char *name);
/* names NULL or empty: all */
void creel_credential_store_forget (CreelCredentialStore *store, const char *const *names);
/* A reference when the key is there already, else NULL: then it can be looked up. */
CreelSecret *creel_credential_store_get (CreelCredentialStore *store, const char *name);
void creel_credential_store_lookup_async (CreelCredentialStore *store, const char *name, GCancellable *cancellable,
                                          GAsyncReadyCallback callback, gpointer user_data);
/* A reference, or NULL with CREEL_ERROR_NO_AGENT, KEYRING_LOCKED, NO_SUCH_SECRET, TIMED_OUT, FAILED. */
CreelSecret *creel_credential_store_lookup_finish (GAsyncResult *result, GError **error);
