/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The folder that an image is built from. Nothing outside of it is reached: every path is resolved beneath it, links
 * included. Errors are CREEL_ERROR, for people. */
#pragma once

#include <gio/gio.h>
#include <sys/stat.h>

typedef struct _CreelBuildContext CreelBuildContext;

/* Opens the folder and reads its .containerignore or .dockerignore. */
CreelBuildContext *creel_build_context_open (const char *folder, GError **error);
void creel_build_context_free (CreelBuildContext *context);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CreelBuildContext, creel_build_context_free)

/* The Containerfile, or the Dockerfile; *ret_name says which, borrowed. */
GBytes *creel_build_context_read_containerfile (CreelBuildContext *context, const char **ret_name, GError **error);

/* The paths in the folder that one source of COPY means ("" is the folder itself): relative, clean, sorted.
 * An error when there is none, it leads out or it is left out by .dockerignore. */
GPtrArray *creel_build_context_find (CreelBuildContext *context, const char *source, GError **error);

/* Where such a path ends when its links are followed, relative to the folder; NULL with errno, EXDEV when it leads out. */
char *creel_build_context_follow (CreelBuildContext *context, const char *path);

/* Opens a path; no link is followed at its end. -1 with errno. */
int creel_build_context_open_path (CreelBuildContext *context, const char *path, int flags);

/* `path` is below the folder, `name` below the source; `link` the target of a symbolic link, else NULL. A folder comes before what is in it. */
typedef gboolean (*CreelBuildContextFunc) (const char *path, const char *name, const struct stat *st, const char *link,
                                           gpointer user_data, GError **error);
/* Everything below a folder (but not it) that is not left out, in sorted order. */
gboolean creel_build_context_walk (CreelBuildContext *context, const char *path, CreelBuildContextFunc func, gpointer user_data,
                                   GError **error);
