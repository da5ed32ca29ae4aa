/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

/* Whether guests run on KVM. That /dev/kvm is there, and even that QEMU starts with it, proves nothing: some hosts offer
 * a KVM on which no stock kernel gets anywhere. So the very kernel and initramfs of the guests are booted once, and the
 * answer is remembered beside them in the file accelerator ("kvm RELEASE" or "tcg RELEASE"). */

/* The remembered answer for the kernel in guest_dir; FALSE when there is none, or it is another kernel's. */
gboolean creel_accelerator_is_kvm (const char *guest_dir);

/* Boots the guest kernel with KVM, 10 s at most, until creel-init says a word on the console; remembers and
 * returns the answer. *ret_reason (owned by the caller) says why not. An error only when it cannot be remembered. Blocks. */
gboolean creel_accelerator_probe (const char *guest_dir, gboolean *ret_kvm, char **ret_reason, GError **error);

/* Frequency of this machine's TSC, which an emulated guest sees too; 0 when there is none. Takes 10 ms. */
guint creel_accelerator_measure_tsc_khz (void);
