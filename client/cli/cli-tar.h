/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Files to a tar and back, for creel cp. What a guest sends is hostile: names are taken apart here, and what would lead out of the folder
 * ends it all. */

/* Writes path, whose name in the tar is to be root ("" : its content alone), to fd. Links are kept as links, owners are not. */
gboolean cli_tar_pack (const char *path, const char *root, int fd, GError **error);

/* Takes what is called base in the tar of fd ("." too) into the working directory, as root ("": its content alone). Directories that
 * are there stay, files are replaced. Everything else in the tar is an error; devices, sockets and FIFOs are left out, and so are setuid
 * bits. want_directory: a single file is an error. exists: root is there already, as a file: a directory is an error.
 * *ret_n: how many were made. */
gboolean cli_tar_unpack (int fd, const char *base, const char *root, gboolean want_directory, gboolean exists, guint *ret_n,
                         GError **error);
