/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Small archives, made in memory for the tests. */
#pragma once

#include "creel-image-config.h"

#include <archive.h>
#include <archive_entry.h>
#include <elf.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

typedef struct
{
  const char *path;
  char type; /* f file, x program, d directory, l symbolic link, h hard link, c device, p fifo */
  const char *data;
} TestEntry;

/* A program for this host, as far as its head says. */
static inline GBytes *
test_program (guint16 machine)
{
  guint8 head[64] = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, 1 };

  head[18] = machine & 0xff;
  head[19] = machine >> 8;
  return g_bytes_new (head, sizeof head);
}

/* filter: NULL, "gzip" or "zstd". Entries end with a NULL path. */
static inline GBytes *
test_tar (const TestEntry *entries, const char *filter)
{
  gsize size = 8 * 1024 * 1024, used = 0;
  g_autofree guint8 *buffer = g_malloc (size);
  struct archive *archive = archive_write_new ();

  archive_write_set_format_pax_restricted (archive);
  if (filter != NULL)
    g_assert_cmpint (archive_write_add_filter_by_name (archive, filter), ==, ARCHIVE_OK);
  archive_write_set_bytes_in_last_block (archive, 1);
  g_assert_cmpint (archive_write_open_memory (archive, buffer, size, &used), ==, ARCHIVE_OK);
  for (; entries->path != NULL; entries++)
    {
      struct archive_entry *entry = archive_entry_new ();
      g_autoptr (GBytes) data = NULL;
      gsize length = 0;

      archive_entry_set_pathname (entry, entries->path);
      archive_entry_set_mtime (entry, 1000000000, 0);
      archive_entry_set_perm (entry, entries->type == 'f' ? 0644 : 0755);
      archive_entry_set_filetype (entry, entries->type == 'd'   ? AE_IFDIR
                                         : entries->type == 'l' ? AE_IFLNK
                                         : entries->type == 'c' ? AE_IFCHR
                                         : entries->type == 'p' ? AE_IFIFO
                                                                : AE_IFREG);
      if (entries->type == 'l')
        archive_entry_set_symlink (entry, entries->data);
      else if (entries->type == 'h')
        archive_entry_set_hardlink (entry, entries->data);
      else if (entries->type == 'x' && entries->data == NULL)
        data = test_program (creel_image_config_host_machine ());
      else if (entries->data != NULL)
        data = g_bytes_new_static (entries->data, strlen (entries->data));
      if (data != NULL)
        length = g_bytes_get_size (data);
      archive_entry_set_size (entry, length);
      g_assert_cmpint (archive_write_header (archive, entry), >=, ARCHIVE_WARN);
      if (length > 0)
        g_assert_cmpint (archive_write_data (archive, g_bytes_get_data (data, NULL), length), ==,
                         length);
      archive_entry_free (entry);
    }
  archive_write_close (archive);
  archive_write_free (archive);
  return g_bytes_new (buffer, used);
}

/* Adds a file to an outer tar that is built piece by piece. */
static inline void
test_outer_add (GByteArray *outer, const char *name, GBytes *data)
{
  struct archive *archive = archive_write_new ();
  struct archive_entry *entry = archive_entry_new ();
  gsize length, used = 0, size;
  gconstpointer content = g_bytes_get_data (data, &length);
  g_autofree guint8 *buffer = g_malloc (size = length + 64 * 1024);

  archive_write_set_format_ustar (archive);
  archive_write_set_bytes_in_last_block (archive, 1);
  archive_write_open_memory (archive, buffer, size, &used);
  archive_entry_set_pathname (entry, name);
  archive_entry_set_filetype (entry, AE_IFREG);
  archive_entry_set_perm (entry, 0644);
  archive_entry_set_size (entry, length);
  archive_write_header (archive, entry);
  archive_write_data (archive, content, length);
  archive_entry_free (entry);
  archive_write_close (archive);
  archive_write_free (archive);
  /* Without the two blocks of zeros that end it, so that more can follow. */
  g_byte_array_append (outer, buffer, 512 + (length + 511) / 512 * 512);
}

static inline int
test_memfd (gconstpointer data, gsize length)
{
  int fd = memfd_create ("test", MFD_CLOEXEC);

  g_assert_cmpint (fd, >=, 0);
  g_assert_cmpint (write (fd, data, length), ==, length);
  return fd;
}

static inline int
test_memfd_bytes (GBytes *bytes)
{
  return test_memfd (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes));
}
