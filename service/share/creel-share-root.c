/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-share-root.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/mount.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Hidden by the tmpfs in this namespace only; the shared directory was opened before, so it may even lie below */
#define STAGE "/tmp"

static bool
failed (const char *what)
{
  fprintf (stderr, "creel-share: cannot %s: %s\n", what, strerror (errno));
  return false;
}

static bool
bind (const char *source, const char *target, unsigned long long attributes)
{
  struct mount_attr attr = { .attr_set = attributes };

  /* Recursive: the kernel lets nobody look below a mount that was made by somebody mightier */
  if (mount (source, target, NULL, MS_BIND | MS_REC, NULL) < 0)
    return false;
  return syscall (SYS_mount_setattr, AT_FDCWD, target, AT_RECURSIVE, &attr, sizeof attr) == 0;
}

/* Programs and libraries, as the host has them: a directory, or the symlink of a merged /usr */
static bool
bind_system (const char *name)
{
  char source[64], target[64], link[PATH_MAX];
  struct stat st;
  ssize_t length;

  snprintf (source, sizeof source, "/%s", name);
  snprintf (target, sizeof target, STAGE "/%s", name);
  if (lstat (source, &st) < 0)
    return errno == ENOENT;
  if (S_ISLNK (st.st_mode))
    {
      length = readlink (source, link, sizeof link - 1);
      if (length < 0)
        return false;
      link[length] = '\0';
      return symlink (link, target) == 0;
    }
  return mkdir (target, 0755) == 0 &&
         bind (source, target, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
}

bool
creel_share_root_enter (int fd, bool read_only)
{
  static const char *const directories[] = { STAGE "/share", STAGE "/proc",        STAGE "/proc/self", STAGE "/proc/sys",
                                             STAGE "/proc/sys/fs", STAGE "/etc", STAGE "/tmp" };
  static const char *const systems[] = { "usr", "bin", "lib", "lib32", "lib64" };
  char source[64];
  int cache;

  if (mount (NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
    return failed ("separate the mounts");
  if (mount ("tmpfs", STAGE, "tmpfs", MS_NOSUID | MS_NODEV, "size=256k,mode=755") < 0)
    return failed ("make an empty root");
  for (size_t i = 0; i < sizeof directories / sizeof *directories; i++)
    if (mkdir (directories[i], 0755) < 0)
      return failed ("make a directory");

  snprintf (source, sizeof source, "/proc/self/fd/%d", fd);
  if (!bind (source, STAGE CREEL_SHARE_MOUNT,
             MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | (read_only ? MOUNT_ATTR_RDONLY : 0)))
    return failed ("mount the workspace");
  for (size_t i = 0; i < sizeof systems / sizeof *systems; i++)
    if (!bind_system (systems[i]))
      return failed ("mount the system's libraries");
  cache = open (STAGE "/etc/ld.so.cache", O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
  if (cache < 0)
    return failed ("make a file");
  close (cache);
  if (access ("/etc/ld.so.cache", R_OK) == 0 &&
      !bind ("/etc/ld.so.cache", STAGE "/etc/ld.so.cache", MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV))
    return failed ("mount ld.so.cache");
  /* virtiofsd opens files again through /proc/self/fd and reads the limit of files. Only its own process's directory: the
   * owner's other processes are not there to be looked into */
  if (!bind ("/proc/self", STAGE "/proc/self", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV) ||
      !bind ("/proc/sys/fs", STAGE "/proc/sys/fs", MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV))
    return failed ("mount parts of /proc");

  if (chdir (STAGE) < 0 || syscall (SYS_pivot_root, ".", ".") < 0 || umount2 (".", MNT_DETACH) < 0 || chdir ("/") < 0)
    return failed ("change the root");
  if (mount (NULL, "/", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV, NULL) < 0)
    return failed ("make the root read-only");
  return true;
}

bool
creel_share_root_drop_capabilities (void)
{
  /* Acting as the file's user, the checks of the guest's root within the namespace, and its chroot */
  const unsigned long long kept = 1ull << CAP_CHOWN | 1ull << CAP_DAC_OVERRIDE | 1ull << CAP_FOWNER | 1ull << CAP_FSETID |
                                  1ull << CAP_SETGID | 1ull << CAP_SETUID | 1ull << CAP_SYS_CHROOT | 1ull << CAP_SETPCAP;
  struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
  struct __user_cap_data_struct data[2] = { 0 };

  for (int capability = 0; capability <= 63; capability++)
    if ((kept >> capability & 1) == 0 && prctl (PR_CAPBSET_READ, capability, 0, 0, 0) == 1 &&
        prctl (PR_CAPBSET_DROP, capability, 0, 0, 0) < 0)
      return failed ("drop a capability");
  data[0].effective = data[0].permitted = (unsigned) kept;
  if (prctl (PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 || syscall (SYS_capset, &header, data) < 0)
    return failed ("drop capabilities");
  return true;
}
