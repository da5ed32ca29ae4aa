/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "creel-definition.h"

/* What of a sandbox is on disk. Everything here is small and local, so it is done at once. Errors are in CREEL_ERROR:
 * NO_SPACE when a disk is full. */

/* Writes 50-definition.conf: new file, synced, renamed, directory synced. BAD_DEFINITION when it asks for a limit above the administrator's
 * ceiling that the file there did not have. */
gboolean creel_sandbox_store_write (const CreelDefinition *definition, GError **error);
/* Deletes everything that the sandbox has below /etc and /run/systemd/system, hand edits too. */
void creel_sandbox_store_delete (const char *name);
/* Makes the directory and its sparse disk.img; SANDBOX_EXISTS when there is one of that name. */
gboolean creel_sandbox_store_make_disk (const char *name, guint64 size, GError **error);
void creel_sandbox_store_delete_disk (const char *name);
/* A file replaced as a whole, synced; mode as given. For the image store too. */
gboolean creel_store_replace_file (const char *path, const char *text, gsize length, guint mode, GError **error);
