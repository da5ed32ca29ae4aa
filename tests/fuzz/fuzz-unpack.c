/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a sandbox sends to creel cp, unpacked in a folder: nothing is made outside of it. */
#include "cli-tar.h"

#include <gio/gio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

static char *outer;

static void
remove_all (const char *path)
{
  g_autoptr (GDir) dir = NULL;
  struct stat st;
  const char *name;

  if (lstat (path, &st) == 0 && S_ISDIR (st.st_mode) && chmod (path, 0700) == 0)
    dir = g_dir_open (path, 0, NULL);
  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *child = g_build_filename (path, name, NULL);

      remove_all (child);
    }
  remove (path);
}

static void
remove_outer (void)
{
  remove_all (outer);
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autoptr (GDir) dir = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *inner = NULL;
  guint n;
  int fd;

  if (size < 1)
    return 0;
  if (outer == NULL)
    {
      outer = g_dir_make_tmp ("creel-unpack-XXXXXX", NULL);
      atexit (remove_outer);
    }
  inner = g_build_filename (outer, "inner", NULL);
  g_assert_cmpint (mkdir (inner, 0700), ==, 0);
  g_assert_cmpint (chdir (inner), ==, 0);
  fd = memfd_create ("fuzz", MFD_CLOEXEC);
  g_assert_cmpint (write (fd, data + 1, size - 1), ==, size - 1);
  lseek (fd, 0, SEEK_SET);
  if (cli_tar_unpack (fd, (data[0] & 1) != 0 ? "." : "base", (data[0] & 2) != 0 ? "" : "root", (data[0] & 4) != 0, (data[0] & 8) != 0, &n, &error))
    g_assert_no_error (error);
  else
    g_assert_nonnull (error);
  close (fd);
  g_assert_cmpint (chdir ("/"), ==, 0);
  remove_all (inner);
  dir = g_dir_open (outer, 0, NULL);
  g_assert_null (g_dir_read_name (dir)); /* nothing beside it */
  return 0;
}
