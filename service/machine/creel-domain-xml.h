/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* What libvirt is told about a sandbox. Everything is borrowed; all texts are escaped where they are used. */
typedef struct
{
  const char *name;         /* of the sandbox; the domain is CREEL_DOMAIN_PREFIX name */
  const char *machine_id;   /* of the host, 32 hex digits: the domain's uuid is the same at each start */
  const char *description;  /* shown by virsh and machinectl: image and owner */
  gboolean kvm;
  guint64 memory;           /* bytes */
  guint cpus;
  const char *kernel, *initramfs;
  guint tsc_khz;            /* 0 when unknown, or when it does not matter */
  const char *root_disk;    /* squashfs, or NULL (the probe has none) */
  const char *upper_disk;   /* ext4, or NULL */
  const char *egress_socket, *control_socket; /* or NULL */
  const char *const *share_sockets; /* tags share0, share1, ...; NULL-terminated, or NULL */
  const char *console_log;
  guint qemu_uid, qemu_gid; /* whom QEMU runs as; its files are ours to prepare, libvirt changes no owner */
} CreelDomainSpec;

/* The domain XML, owned by the caller. */
char *creel_domain_xml_format (const CreelDomainSpec *spec);

/* The stable uuid of a sandbox's domain, owned by the caller. */
char *creel_domain_xml_uuid (const char *name, const char *machine_id);
