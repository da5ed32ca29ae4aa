/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* The upper directory of an overlay as one OCI layer. */

#define LAYER_BUNDLES_MAX 8

typedef struct
{
  int upper; /* the directories */
  int lower;
  char **mounts; /* relative paths of what is mounted in the root: not the image's */
  size_t n_mounts;
  char *bundles[LAYER_BUNDLES_MAX]; /* relative paths of the certificate bundles that trust_apply() adds to, or NULL */
  char *ca; /* the certificate that it added, PEM, or NULL */
} LayerSource;

/* Writes it to fd. Left out: /proc, /sys, /dev, /run, /tmp, mount points and the directories that only lead to them, what creel-init itself
 * wrote, devices and sockets, files that have the name of a whiteout. Blocks. Returns 0, or an errno: then the stream has no end marker. */
int layer_write (const LayerSource *source, int fd);
