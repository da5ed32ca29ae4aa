/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

/* What may be shared with a guest: a directory that its owner names by its real path. Plain C, no allocation. */

/* Exit codes of `creel-share --check` too */
typedef enum
{
  CREEL_WORKSPACE_OK = 0,
  CREEL_WORKSPACE_MISSING = 10,
  CREEL_WORKSPACE_NOT_DIRECTORY = 11,
  CREEL_WORKSPACE_SYSTEM = 12,  /* "/" or another directory that is the system's */
  CREEL_WORKSPACE_FOREIGN = 13, /* belongs to somebody else */
  CREEL_WORKSPACE_SYMLINK = 14, /* is a symbolic link, or goes through one */
  CREEL_WORKSPACE_ACCESS = 15,  /* may not be entered */
  CREEL_WORKSPACE_RELATIVE = 16,
} CreelWorkspaceStatus;

/* Opens `path` with the caller's effective rights, following no symlink in any component, and looks at what it got, so
 * that nothing can be exchanged between the check and the use. *ret_fd is an O_PATH descriptor, the caller's to close;
 * untouched unless the answer is OK. `owner` is compared with the owner of the directory. */
CreelWorkspaceStatus creel_workspace_open (const char *path, uid_t owner, int *ret_fd);

/* True for directories that are no place to work in: "/", /etc and all below it, /home itself, ... `path` is canonical. */
bool creel_workspace_is_system (const char *path);

/* "does not exist" and so on, to be put after the path. */
const char *creel_workspace_explain (CreelWorkspaceStatus status);
