/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

/* The user's keyring, by libsecret: items of schema org.creel.Credential with the attributes `credential` and, for a key that only
 * one sandbox gets, `sandbox`. All calls block (libsecret may wait for a person) and belong into a thread or into the CLI; cancelling
 * ends them. Nothing here logs or copies a key but into the returned memory. */

#define CREEL_KEYRING_SCHEMA "org.creel.Credential"
#define CREEL_KEYRING_MAX_SECRET (64 * 1024) /* bytes */

typedef enum
{
  CREEL_KEYRING_NONE = 0,
  CREEL_KEYRING_MAY_ASK = 1 << 0, /* may show the desktop's dialog to unlock it */
} CreelKeyringFlags;

/* The key for `credential` in `sandbox` (the sandbox's own wins), in a sealed memfd that the caller closes. -1 with
 * CREEL_ERROR_NO_SUCH_SECRET, or CREEL_ERROR_KEYRING_LOCKED when it is locked or absent. */
int creel_keyring_lookup (const char *sandbox, const char *credential, CreelKeyringFlags flags,
                          GCancellable *cancellable, GError **error);
/* Stores `length` bytes at `secret`; `sandbox` NULL: for all sandboxes. The caller wipes its copy. */
gboolean creel_keyring_store (const char *sandbox, const char *credential, const char *secret, gsize length,
                              CreelKeyringFlags flags, GCancellable *cancellable, GError **error);
/* Removes it; CREEL_ERROR_NO_SUCH_SECRET when there is none. */
gboolean creel_keyring_remove (const char *sandbox, const char *credential, CreelKeyringFlags flags,
                               GCancellable *cancellable, GError **error);

typedef struct
{
  char *credential;
  char *sandbox; /* NULL: for all */
} CreelKeyringEntry;
void creel_keyring_entry_free (CreelKeyringEntry *entry);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CreelKeyringEntry, creel_keyring_entry_free)
/* What is stored, sorted; names only. Elements: CreelKeyringEntry. */
GPtrArray *creel_keyring_list (GCancellable *cancellable, GError **error);
/* TRUE when a keyring answers and is unlocked; else an error that says what to do. */
gboolean creel_keyring_check (GCancellable *cancellable, GError **error);

/* Copies `length` bytes into a memfd that nobody can change any more; -1 with an error. */
int creel_keyring_seal (const char *secret, gsize length, GError **error);
