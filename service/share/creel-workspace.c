/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-workspace.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Nothing at or below them is anybody's work */
static const char *const system_trees[] = { "/bin",  "/boot", "/dev", "/efi",  "/etc", "/lib", "/lib32",         "/lib64",
                                            "/libx32", "/proc", "/sbin", "/sys", "/usr", "/run/creel", "/var/lib/creel" };
/* They hold many people's directories, which may be fine, but are nobody's own */
static const char *const system_parents[] = { "/home", "/media", "/mnt", "/opt",     "/run",     "/run/media", "/run/user",
                                              "/srv",  "/tmp",   "/var", "/var/lib", "/var/log", "/var/tmp", "/var/cache" };

bool
creel_workspace_is_system (const char *path)
{
  if (strcmp (path, "/") == 0)
    return true;
  for (size_t i = 0; i < sizeof system_trees / sizeof *system_trees; i++)
    {
      size_t length = strlen (system_trees[i]);

      if (strncmp (path, system_trees[i], length) == 0 && (path[length] == '/' || path[length] == '\0'))
        return true;
    }
  for (size_t i = 0; i < sizeof system_parents / sizeof *system_parents; i++)
    if (strcmp (path, system_parents[i]) == 0)
      return true;
  return false;
}

CreelWorkspaceStatus
creel_workspace_open (const char *path, uid_t owner, int *ret_fd)
{
  struct open_how how = { .flags = O_PATH | O_NOFOLLOW | O_CLOEXEC, .resolve = RESOLVE_NO_SYMLINKS };
  char link[64], real[PATH_MAX];
  struct stat st;
  ssize_t length;
  int fd;

  if (path[0] != '/')
    return CREEL_WORKSPACE_RELATIVE;
  fd = (int) syscall (SYS_openat2, AT_FDCWD, path, &how, sizeof how);
  if (fd < 0)
    switch (errno)
      {
      case ENOENT:
        return CREEL_WORKSPACE_MISSING;
      case ENOTDIR:
        return CREEL_WORKSPACE_NOT_DIRECTORY;
      case ELOOP:
        return CREEL_WORKSPACE_SYMLINK;
      default:
        return CREEL_WORKSPACE_ACCESS;
      }

  /* The kernel's own name of what was opened: without "..", "." and double slashes */
  snprintf (link, sizeof link, "/proc/self/fd/%d", fd);
  length = readlink (link, real, sizeof real - 1);
  if (length < 0 || fstat (fd, &st) < 0)
    {
      close (fd);
      return CREEL_WORKSPACE_ACCESS;
    }
  real[length] = '\0';
  CreelWorkspaceStatus status = CREEL_WORKSPACE_OK;
  if (S_ISLNK (st.st_mode)) /* O_PATH opens the link itself */
    status = CREEL_WORKSPACE_SYMLINK;
  else if (!S_ISDIR (st.st_mode))
    status = CREEL_WORKSPACE_NOT_DIRECTORY;
  else if (creel_workspace_is_system (real))
    status = CREEL_WORKSPACE_SYSTEM;
  else if (st.st_uid != owner)
    status = CREEL_WORKSPACE_FOREIGN;
  else if (faccessat (AT_FDCWD, link, R_OK | X_OK, AT_EACCESS) < 0)
    status = CREEL_WORKSPACE_ACCESS;
  if (status == CREEL_WORKSPACE_OK)
    *ret_fd = fd;
  else
    close (fd);
  return status;
}

const char *
creel_workspace_explain (CreelWorkspaceStatus status)
{
  switch (status)
    {
    case CREEL_WORKSPACE_OK:
      return "can be shared";
    case CREEL_WORKSPACE_MISSING:
      return "does not exist";
    case CREEL_WORKSPACE_NOT_DIRECTORY:
      return "is not a directory";
    case CREEL_WORKSPACE_SYSTEM:
      return "belongs to the system: choose a directory of yours";
    case CREEL_WORKSPACE_FOREIGN:
      return "belongs to somebody else: only its owner can share it";
    case CREEL_WORKSPACE_SYMLINK:
      return "is or goes through a symbolic link: give the real path (realpath shows it)";
    case CREEL_WORKSPACE_ACCESS:
      return "cannot be entered with its owner's rights";
    case CREEL_WORKSPACE_RELATIVE:
      return "is not an absolute path";
    }
  return "cannot be shared";
}
