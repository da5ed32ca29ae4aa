/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "init-layer.h"

/* What creel-init itself writes into the upper directory for a start, and so is not the image's. Paths are relative. */

typedef enum
{
  OWN_NOT,
  OWN_FILE, /* made anew at each start */
  OWN_BUNDLE, /* the gateway's certificate is in it */
  OWN_LINE, /* a line for the user of sessions may be at its end */
} OwnKind;

OwnKind own_kind (const LayerSource *source, const char *path);
/* A directory that is always a mount point. */
bool own_directory (const char *path);
/* Whether the whiteout of name in directory hides one of OWN_FILE: it is there again at the next start. */
bool own_whiteout (const char *directory, const char *name);
/* Reads fd without what is ours. True: what remains is the image's own file, nothing is to be saved. False: *ret_text (to be freed) is
 * what to save, or NULL: the file as it is. */
bool own_cut (const LayerSource *source, const char *path, OwnKind kind, int fd, char **ret_text, size_t *ret_length);
/* A file or directory of the image itself, by a path without symbolic links. */
bool own_stat_lower (int lower, const char *path, struct stat *ret_stat);
