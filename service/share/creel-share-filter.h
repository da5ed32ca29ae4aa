/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

/* A seccomp filter for what virtiofsd could do to the host on a guest's word: no file becomes setuid or setgid (EPERM),
 * no process of the owner is traced or read. openat2 and io_uring, whose arguments a filter cannot see, do not
 * exist (ENOSYS). Needs no_new_privs. False with errno. */
bool creel_share_filter_install (void);
