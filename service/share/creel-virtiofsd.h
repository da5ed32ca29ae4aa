/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The command line of the virtiofsd of this system: there are two programs of that name, one in C (QEMU before 8.0) and
 * one in Rust (all newer systems), with different options. */

#define CREEL_VIRTIOFSD_MAX_ARGUMENTS 20

/* Path of the program, or NULL when none is installed. */
const char *creel_virtiofsd_find (void);

/* Fills `ret_argv` (CREEL_VIRTIOFSD_MAX_ARGUMENTS, NULL-terminated) for sharing `directory` over the listening socket
 * that `fd_option` ("--fd=3") names. Strings are borrowed. */
void creel_virtiofsd_command (const char *program, const char *fd_option, const char *source_option, const char *directory,
                              const char **ret_argv);
