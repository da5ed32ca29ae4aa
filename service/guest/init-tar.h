/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Writes one tar stream: ustar, and a pax header for what ustar has no room for (long names, 8 GiB and more, large ids, times before
 * 1970, extended attributes). Small files share a buffer, large ones go from the page cache into the pipe without a copy. */

typedef struct
{
  int fd; /* blocking; a pipe, or anything that can be written */
  int code;
  size_t used;
  uint8_t *buffer;
} Tar;

typedef struct
{
  const char *name; /* relative, '/' at the end for a directory */
  const char *link; /* target of a link, else NULL */
  char type;        /* '0' file, '1' hard link, '2' symbolic link, '5' directory, '6' FIFO */
  mode_t mode;
  uid_t uid;
  gid_t gid;
  int64_t mtime;
  uint64_t size; /* of a file */
} TarEntry;

bool tar_open (Tar *tar, int fd);
/* The header; attributes_fd, when it is a file, is asked for the extended attributes that a layer carries (user.*, security.capability). */
bool tar_add (Tar *tar, const TarEntry *entry, int attributes_fd);
/* The contents of the entry just added, from memory or from a file. A file that has become shorter is filled up with zeros. */
bool tar_add_bytes (Tar *tar, const void *bytes, size_t n);
bool tar_add_file (Tar *tar, int fd, uint64_t size);
/* Two zero blocks, and out with it all. Without this the stream has no end. False when anything failed since tar_open(): tar->code says what. */
bool tar_close (Tar *tar);
void tar_clear (Tar *tar);
