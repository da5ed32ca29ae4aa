/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Patterns of file names: those of COPY, and those of .dockerignore. Matching takes time linear in pattern times path. */
#pragma once

#include <gio/gio.h>

/* *, ?, [a-z], [^a-z], \ before any of them; none of them matches a slash. With `deep`, ** matches slashes too.
 * FALSE too when the pattern has an open bracket. */
gboolean creel_glob_match (const char *pattern, const char *path, gboolean deep);
gboolean creel_glob_is_pattern (const char *text);

typedef struct _CreelBuildIgnore CreelBuildIgnore;

/* The text of a .dockerignore; CREEL_ERROR_BAD_DEFINITION ("LINE: ...") when it is none. */
CreelBuildIgnore *creel_build_ignore_parse (const char *text, gsize length, GError **error);
void creel_build_ignore_free (CreelBuildIgnore *ignore);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CreelBuildIgnore, creel_build_ignore_free)
/* Whether a path of the folder (relative, clean) is left out. `ignore` may be NULL. */
gboolean creel_build_ignore_matches (const CreelBuildIgnore *ignore, const char *path);
/* Whether something below a folder that is left out may be taken back in (a line with !). */
gboolean creel_build_ignore_has_exceptions (const CreelBuildIgnore *ignore);
