/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>
#include <sys/types.h>

/* The share launchers of a sandbox: a listening socket in a directory and a creel-share for each workspace. */
#define CREEL_TYPE_SHARES (creel_shares_get_type ())
G_DECLARE_FINAL_TYPE (CreelShares, creel_shares, CREEL, SHARES, GObject)

/* Signal "died" (i CreelError, s text): a launcher ended although nobody stopped it. A guest cannot be given another one. */

/* Starts one launcher per workspace (GPtrArray of CreelWorkspace), as `owner`. The sockets share0.sock, ... are made in
 * `directory` (made when missing) and belong to qemu_uid. NULL with an error when a launcher cannot be run. */
CreelShares *creel_shares_start (const char *directory, const char *program, GPtrArray *workspaces, uid_t owner,
                                 uid_t qemu_uid, GError **error);
/* Paths of the sockets, for the domain; borrowed. */
const char *const *creel_shares_get_sockets (CreelShares *self);
/* The end is wanted from now on: "died" is not emitted any more. */
void creel_shares_expect_end (CreelShares *self);
