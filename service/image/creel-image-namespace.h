/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A root that is nobody: a child in its own user, mount, pid, ipc and uts namespaces. */
#pragma once

#include <gio/gio.h>
#include <sys/types.h>

/* Where the ids of the namespace lie on the host: a block that neither users nor DynamicUser= have.
 */
#define CREEL_IMAGE_NAMESPACE_BASE 0x60000000u
#define CREEL_IMAGE_NAMESPACE_SIZE 65536u

/* Runs argv as uid 0 of such namespaces with the given file descriptors and nothing else of ours.
 * The caller needs CAP_SETUID and CAP_SETGID. Returns the process to wait for, -1 with error. Its
 * exit status is argv's; it and all below die with the calling thread. */
pid_t creel_image_namespace_spawn (const char *const *argv, const char *const *environment, int in,
                                   int out, int err, GError **error);

/* Gives up uid 0 and every capability for good. */
gboolean creel_image_namespace_drop (GError **error);
