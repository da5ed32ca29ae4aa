/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-disk.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "creel-error.h"

#define EXT4_MAGIC_OFFSET 0x438 /* of the superblock at 1024 */

static gboolean
fail (GError **error, const char *path, const char *what, int number)
{
  g_set_error (error, CREEL_ERROR,
               number == ENOSPC || number == EDQUOT || number == EFBIG ? CREEL_ERROR_NO_SPACE : CREEL_ERROR_FAILED,
               "Cannot %s the disk %s: %s", what, path, g_strerror (number));
  return FALSE;
}

static gboolean
has_filesystem (int fd)
{
  guint8 magic[2];

  return pread (fd, magic, 2, EXT4_MAGIC_OFFSET) == 2 && magic[0] == 0x53 && magic[1] == 0xef;
}

/* Into another name, renamed when complete: a half-made filesystem is never taken for one */
static gboolean
make (const char *path, guint64 size, uid_t uid, GError **error)
{
  g_autofree char *temporary = g_strconcat (path, ".new", NULL);
  /* lazy: the tables are zeroed by the guest when it first needs them, the host writes some hundred kB only */
  const char *const argv[] = { "mkfs.ext4", "-q", "-F", "-m", "0", "-L", "creel", "-E", "lazy_itable_init=1,lazy_journal_init=1",
                               temporary, NULL };
  g_autofree char *output = NULL;
  g_autoptr (GError) local = NULL;
  int status = 0;
  int fd = open (temporary, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);

  if (fd < 0)
    return fail (error, path, "make", errno);
  if (ftruncate (fd, (off_t) size) < 0)
    {
      int number = errno;

      close (fd);
      g_unlink (temporary);
      return fail (error, path, "make", number);
    }
  if (!g_spawn_sync (NULL, (char **) argv, NULL, G_SPAWN_SEARCH_PATH | G_SPAWN_STDOUT_TO_DEV_NULL, NULL, NULL, NULL, &output,
                     &status, &local) ||
      !g_spawn_check_wait_status (status, &local))
    {
      close (fd);
      g_unlink (temporary);
      g_set_error (error, CREEL_ERROR, output != NULL && strstr (output, "No space") ? CREEL_ERROR_NO_SPACE : CREEL_ERROR_FAILED,
                   "Cannot make a filesystem in %s: %s", path, output != NULL && *output ? g_strstrip (output) : local->message);
      return FALSE;
    }
  if (fchmod (fd, 0660) < 0 || fchown (fd, uid, (gid_t) -1) < 0 || fsync (fd) < 0 || g_rename (temporary, path) < 0)
    {
      int number = errno;

      close (fd);
      g_unlink (temporary);
      return fail (error, path, "make", number);
    }
  close (fd);
  return TRUE;
}

gboolean
creel_disk_prepare (const char *path, guint64 size, uid_t uid, GError **error)
{
  g_autofree char *directory = g_path_get_dirname (path);
  struct stat st;
  int fd, number = 0;

  /* QEMU's user goes through, whatever our umask, and cannot list */
  if (g_mkdir_with_parents (directory, 0711) < 0 || g_chmod (directory, 0711) < 0)
    return fail (error, directory, "make a directory for", errno);
  fd = open (path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0 && errno == ENOENT)
    return make (path, size, uid, error);
  if (fd < 0 || fstat (fd, &st) < 0)
    number = errno;
  else if (!S_ISREG (st.st_mode))
    number = EINVAL;
  else if (!has_filesystem (fd))
    {
      close (fd);
      return make (path, size, uid, error);
    }
  else if (((guint64) st.st_size < size && ftruncate (fd, (off_t) size) < 0) ||
           (st.st_uid != uid && fchown (fd, uid, (gid_t) -1) < 0))
    number = errno;
  if (fd >= 0)
    close (fd);
  return number == 0 ? TRUE : fail (error, path, "open", number);
}
