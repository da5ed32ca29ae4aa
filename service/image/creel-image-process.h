/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Programs that a worker runs: they die with it and get the descriptors and variables that they are
 * given, no others. */
#pragma once

#include <gio/gio.h>
#include <sys/types.h>

/* argv[0] is looked for in PATH of the environment /usr/sbin:/usr/bin:/sbin:/bin. fds[i] becomes
 * descriptor i of the child; they stay the caller's. -1 with error. */
pid_t creel_image_process_spawn (const char *const *argv, const char *const *environment,
                                 const int *fds, guint n_fds, GError **error);

/* The exit status; 128 plus the signal that killed it. 127: there is no such program. */
int creel_image_process_wait (pid_t pid);
void creel_image_process_kill (pid_t pid);

/* A file in memory with these bytes, to be opened through /proc/self/fd. -1 with error. */
int creel_image_process_memory (gconstpointer bytes, gsize length, GError **error);

/* Writes all of it; errno says why not. */
gboolean creel_image_process_write (int fd, gconstpointer bytes, gsize length);

/* FALSE with the error that errno means: NoSpace or Failed. */
gboolean creel_image_process_fail (GError **error, const char *what);
