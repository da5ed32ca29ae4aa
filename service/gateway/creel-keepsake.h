/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

/* What outlives a crash of the gateway: the CA and the placeholders of this start of the sandbox, so that programs in
 * the guest keep working, and the answers that its owner gave for this run. Records in a sealed memfd that the service manager holds (FDSTORE=1, FDNAME=state); never
 * a file, and gone when the unit stops. */
typedef struct
{
  GHashTable *placeholders; /* credential name -> placeholder */
  GHashTable *answers;      /* key of a question -> "run" or "deny-run" */
  char *ca;                 /* as creel_ca_export() gives it (PEM), or NULL; wiped when freed */
} CreelKeepsake;

CreelKeepsake *creel_keepsake_new (void);
void creel_keepsake_free (CreelKeepsake *keepsake);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CreelKeepsake, creel_keepsake_free)

/* Reads a memfd made by creel_keepsake_seal; the fd stays the caller's. Only a sealed memfd of at most 1 MiB is taken. */
CreelKeepsake *creel_keepsake_read (int fd, GError **error);
/* A new sealed memfd with the content; the caller's. -1 with an error. */
int creel_keepsake_seal (const CreelKeepsake *keepsake, GError **error);
/* Gives the content to the service manager in place of the last one; does nothing without one. */
gboolean creel_keepsake_store (const CreelKeepsake *keepsake, GError **error);
