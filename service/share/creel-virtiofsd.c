/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-virtiofsd.h"

#include <stddef.h>
#include <string.h>
#include <unistd.h>

#define C_VIRTIOFSD "/usr/lib/qemu/virtiofsd"

static const char *const programs[] = { "/usr/libexec/virtiofsd", "/usr/lib/virtiofsd", "/usr/bin/virtiofsd",
                                        C_VIRTIOFSD };

const char *
creel_virtiofsd_find (void)
{
  for (size_t i = 0; i < sizeof programs / sizeof *programs; i++)
    if (access (programs[i], X_OK) == 0)
      return programs[i];
  return NULL;
}

void
creel_virtiofsd_command (const char *program, const char *fd_option, const char *source_option, const char *directory,
                         const char **ret_argv)
{
  size_t n = 0;

  ret_argv[n++] = program;
  ret_argv[n++] = fd_option;
  /* Its own sandbox is a chroot only: namespaces it has already, and a fresh /proc may not be mounted in a container.
   * cache=auto: what the host changes is seen after a second at most. */
  if (strcmp (program, C_VIRTIOFSD) == 0)
    {
      ret_argv[n++] = "-f";
      ret_argv[n++] = "-o";
      ret_argv[n++] = source_option;
      ret_argv[n++] = "-o";
      ret_argv[n++] = "sandbox=chroot,cache=auto,no_xattr,log_level=warn,modcaps=-mknod:-setfcap:+sys_chroot";
      ret_argv[n++] = "--rlimit-nofile=0";
    }
  else
    {
      ret_argv[n++] = "--shared-dir";
      ret_argv[n++] = directory;
      ret_argv[n++] = "--sandbox";
      ret_argv[n++] = "chroot";
      ret_argv[n++] = "--cache";
      ret_argv[n++] = "auto";
      ret_argv[n++] = "--inode-file-handles=never";
      ret_argv[n++] = "--modcaps=-mknod:-setfcap";
      ret_argv[n++] = "--rlimit-nofile";
      ret_argv[n++] = "0";
      ret_argv[n++] = "--log-level";
      ret_argv[n++] = "warn";
    }
  ret_argv[n] = NULL;
}
