/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-sandbox-store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "creel-error.h"
#include "creel-names.h"
#include "creel-root.h"

/* less than this and the next thing that fails is not ours */
#define RESERVE (G_GUINT64_CONSTANT (32) << 20)

static gboolean
fail (GError **error, const char *what, const char *path)
{
  int code = errno;

  g_set_error (error, CREEL_ERROR,
               code == ENOSPC || code == EDQUOT || code == EFBIG ? CREEL_ERROR_NO_SPACE : CREEL_ERROR_FAILED,
               "Cannot %s %s: %s", what, path, g_strerror (code));
  return FALSE;
}

static gboolean
sync_directory (const char *path)
{
  int fd = open (path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  gboolean ok = fd >= 0 && fsync (fd) == 0;

  if (fd >= 0)
    close (fd);
  return ok;
}

static gboolean
write_all (int fd, const char *text, gsize length)
{
  while (length > 0)
    {
      gssize n = write (fd, text, length);

      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0)
        return FALSE;
      text += n;
      length -= n;
    }
  return TRUE;
}

gboolean
creel_store_replace_file (const char *path, const char *text, gsize length, guint mode, GError **error)
{
  g_autofree char *directory = g_path_get_dirname (path);
  g_autofree char *base = g_path_get_basename (path);
  /* the dot keeps systemd and our own reader from taking it for a drop-in */
  g_autofree char *temporary = g_strdup_printf ("%s/.%s.new", directory, base);
  int fd;
  gboolean ok;

  unlink (temporary);
  fd = open (temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
  if (fd < 0)
    return fail (error, "write", path);
  ok = fchmod (fd, mode) == 0 && write_all (fd, text, length) && fsync (fd) == 0;
  if (!ok)
    fail (error, "write", path);
  close (fd);
  if (ok && rename (temporary, path) < 0)
    ok = fail (error, "write", path);
  if (!ok)
    {
      unlink (temporary);
      return FALSE;
    }
  sync_directory (directory);
  return TRUE;
}

/* A ceiling that was lowered later must not keep a sandbox from changes of other things: at its start it binds anyway. */
static gboolean
check_limits (const CreelDefinition *definition, GError **error)
{
  g_autoptr (CreelDefinition) before = creel_definition_load_own (definition->name, NULL);
  CreelLimits limits, ceiling;

  if (before != NULL)
    limits = before->limits;
  else
    creel_limits_init (&limits);
  return creel_limits_load_ceiling (&ceiling, error) && creel_limits_check (&definition->limits, &limits, &ceiling, error);
}

gboolean
creel_sandbox_store_write (const CreelDefinition *definition, GError **error)
{
  g_autofree char *path = creel_definition_path (definition->name, definition->ephemeral);
  g_autofree char *directory = g_path_get_dirname (path);
  g_autofree char *text = creel_definition_format (definition);

  if (!check_limits (definition, error))
    return FALSE;
  /* Not for other users: a definition holds environments. Gateways are in the group of creeld. The file itself is readable,
   * as systemd warns about one that is not. */
  if (g_mkdir_with_parents (directory, 0750) < 0 || chmod (directory, 0750) < 0 ||
      fchownat (AT_FDCWD, directory, -1, getegid (), 0) < 0) /* somebody may have made it by hand before */
    return fail (error, "make", directory);
  return creel_store_replace_file (path, text, strlen (text), 0644, error);
}

static void
delete_flat_directory (const char *path)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const char *entry;

  while (dir != NULL && (entry = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *child = g_build_filename (path, entry, NULL);

      if (unlink (child) < 0)
        g_warning ("Cannot delete %s: %s", child, g_strerror (errno));
    }
  if (dir != NULL && rmdir (path) < 0)
    g_warning ("Cannot delete %s: %s", path, g_strerror (errno));
}

void
creel_sandbox_store_delete (const char *name)
{
  for (guint ephemeral = 0; ephemeral <= 1; ephemeral++)
    {
      g_autofree char *path = creel_definition_path (name, ephemeral);
      g_autofree char *directory = g_path_get_dirname (path);
      g_autofree char *parent = g_path_get_dirname (directory);

      delete_flat_directory (directory);
      sync_directory (parent);
    }
}

static char *
disk_directory (const char *name)
{
  g_autofree char *root = creel_root_path (CREEL_SANDBOX_DIR);

  return g_build_filename (root, name, NULL);
}

static gboolean
make_image (const char *name, const char *directory, const char *path, guint64 size, GError **error)
{
  gboolean ok;
  int fd;

  fd = open (path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  ok = fd >= 0 && ftruncate (fd, size) == 0 && fsync (fd) == 0;
  if (!ok)
    fail (error, "make", path);
  if (fd >= 0)
    close (fd);
  if (!ok)
    creel_sandbox_store_delete_disk (name);
  else
    chmod (directory, 0711); /* QEMU's user goes through it */
  return ok;
}

gboolean
creel_sandbox_store_make_disk (const char *name, guint64 size, GError **error)
{
  g_autofree char *directory = disk_directory (name);
  g_autofree char *parent = g_path_get_dirname (directory);
  g_autofree char *path = g_build_filename (directory, "disk.img", NULL);
  struct statvfs st;
  struct stat st_disk;

  if (g_mkdir_with_parents (parent, 0711) < 0)
    return fail (error, "make", parent);
  if (statvfs (parent, &st) == 0 && (guint64) st.f_bavail * st.f_frsize < RESERVE)
    {
      errno = ENOSPC;
      return fail (error, "make a disk in", parent);
    }
  if (mkdir (directory, 0711) < 0)
    {
      if (errno != EEXIST)
        return fail (error, "make", directory);
      /* the caller knows that no definition has this name; an empty disk is what a crash in the middle of a create leaves */
      if (stat (path, &st_disk) < 0 || st_disk.st_blocks == 0)
        {
          delete_flat_directory (directory);
          if (mkdir (directory, 0711) == 0)
            return make_image (name, directory, path, size, error);
        }
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_SANDBOX_EXISTS, "There is a disk of a sandbox \"%s\" already in %s", name, directory);
      return FALSE;
    }
  return make_image (name, directory, path, size, error);
}

void
creel_sandbox_store_delete_disk (const char *name)
{
  g_autofree char *directory = disk_directory (name);

  delete_flat_directory (directory);
}
