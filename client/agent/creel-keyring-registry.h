/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "creel-keyring.h"

/* Users and passwords of registries in the keyring: items of schema org.creel.Registry with the attributes `registry`, the host
 * as creel_registry_normalize() writes it, and `username`. What is stored is "USER:PASSWORD". Calls block, as in creel-keyring.h. */

#define CREEL_KEYRING_REGISTRY_SCHEMA "org.creel.Registry"

/* "USER:PASSWORD" for `host` in a sealed memfd that the caller closes; -1 with CREEL_ERROR_NO_SUCH_SECRET or
 * CREEL_ERROR_KEYRING_LOCKED. */
int creel_keyring_registry_lookup (const char *host, CreelKeyringFlags flags, GCancellable *cancellable, GError **error);
/* A host has one user: another one of it goes. The caller wipes its copy of the password. */
gboolean creel_keyring_registry_store (const char *host, const char *user, const char *password, gsize length,
                                       CreelKeyringFlags flags, GCancellable *cancellable, GError **error);
/* CREEL_ERROR_NO_SUCH_SECRET when there is none. */
gboolean creel_keyring_registry_remove (const char *host, CreelKeyringFlags flags, GCancellable *cancellable, GError **error);

typedef struct
{
  char *host;
  char *user;
} CreelKeyringRegistry;
/* What is stored, sorted by host; elements: CreelKeyringRegistry. */
GPtrArray *creel_keyring_registry_list (GCancellable *cancellable, GError **error);
