/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-domain-xml.h"

#include "creel-names.h"

#define MMIO "<address type='virtio-mmio'/>"

char *
creel_domain_xml_uuid (const char *name, const char *machine_id)
{
  g_autoptr (GChecksum) checksum = g_checksum_new (G_CHECKSUM_SHA256);
  guint8 b[32];
  gsize length = sizeof b;

  g_checksum_update (checksum, (const guchar *) "creel domain", -1);
  g_checksum_update (checksum, (const guchar *) machine_id, -1);
  g_checksum_update (checksum, (const guchar *) "/", 1);
  g_checksum_update (checksum, (const guchar *) name, -1);
  g_checksum_get_digest (checksum, b, &length);
  b[6] = (b[6] & 0x0f) | 0x80; /* version 8: of the maker's own kind */
  b[8] = (b[8] & 0x3f) | 0x80;
  return g_strdup_printf ("%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1], b[2], b[3], b[4],
                          b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
}

/* printf with every %s escaped for text and for attributes in single or double quotes */
static void G_GNUC_PRINTF (2, 3)
add (GString *xml, const char *format, ...)
{
  g_autofree char *text = NULL;
  va_list arguments;

  va_start (arguments, format);
  text = g_markup_vprintf_escaped (format, arguments);
  va_end (arguments);
  g_string_append (xml, text);
  g_string_append_c (xml, '\n');
}

static void
add_disk (GString *xml, const char *path, const char *device, gboolean read_only)
{
  add (xml, "    <disk type='file' device='disk'>");
  /* The image is shared by all sandboxes of it; what the guest deletes in its own disk becomes free on the host */
  if (read_only)
    add (xml, "      <driver name='qemu' type='raw'/>");
  else
    add (xml, "      <driver name='qemu' type='raw' cache='writeback' discard='unmap' detect_zeroes='unmap'/>");
  add (xml, "      <source file='%s'/>", path);
  add (xml, "      <target dev='%s' bus='virtio'/>", device);
  if (read_only)
    add (xml, "      <readonly/>\n      <shareable/>");
  add (xml, "      " MMIO);
  add (xml, "    </disk>");
}

static void
add_channel (GString *xml, const char *socket, const char *port, guint number)
{
  /* QEMU is the side that connects, and connects again when the gateway was started anew */
  add (xml, "    <channel type='unix'>");
  add (xml, "      <source mode='connect' path='%s'>\n        <reconnect enabled='yes' timeout='1'/>\n      </source>", socket);
  add (xml, "      <target type='virtio' name='%s'/>", port);
  add (xml, "      <address type='virtio-serial' controller='0' bus='0' port='%u'/>", number);
  add (xml, "    </channel>");
}

static void
add_share (GString *xml, const char *socket, guint number)
{
  add (xml, "    <filesystem type='mount'>");
  add (xml, "      <driver type='virtiofs' queue='1024'/>");
  add (xml, "      <source socket='%s'/>", socket);
  add (xml, "      <target dir='share%u'/>", number);
  add (xml, "      " MMIO);
  add (xml, "    </filesystem>");
}

static void
add_devices (GString *xml, const CreelDomainSpec *spec)
{
  add (xml, "  <devices>");
  if (spec->root_disk != NULL)
    add_disk (xml, spec->root_disk, "vda", TRUE);
  if (spec->upper_disk != NULL)
    add_disk (xml, spec->upper_disk, "vdb", FALSE);
  add (xml, "    <controller type='usb' model='none'/>");
  if (spec->egress_socket != NULL || spec->control_socket != NULL)
    add (xml, "    <controller type='virtio-serial' index='0'>" MMIO "</controller>");
  if (spec->egress_socket != NULL)
    add_channel (xml, spec->egress_socket, CREEL_PORT_EGRESS, 1);
  if (spec->control_socket != NULL)
    add_channel (xml, spec->control_socket, CREEL_PORT_CONTROL, 2);
  for (guint i = 0; spec->share_sockets != NULL && spec->share_sockets[i] != NULL; i++)
    add_share (xml, spec->share_sockets[i], i);
  /* By way of virtlogd, which bounds it */
  add (xml, "    <serial type='file'>");
  add (xml, "      <source path='%s'/>", spec->console_log);
  add (xml, "      <target type='isa-serial' port='0'/>");
  add (xml, "    </serial>");
  add (xml, "    <rng model='virtio'><backend model='random'>/dev/urandom</backend>" MMIO "</rng>");
  add (xml, "    <memballoon model='none'/>");
  add (xml, "  </devices>");
}

char *
creel_domain_xml_format (const CreelDomainSpec *spec)
{
  g_autofree char *uuid = creel_domain_xml_uuid (spec->name, spec->machine_id);
  g_autofree char *tsc = spec->tsc_khz != 0 ? g_strdup_printf (" tsc_early_khz=%u", spec->tsc_khz) : g_strdup ("");
  GString *xml = g_string_new (NULL);

  add (xml, "<domain type='%s' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>", spec->kvm ? "kvm" : "qemu");
  add (xml, "  <name>" CREEL_DOMAIN_PREFIX "%s</name>", spec->name);
  add (xml, "  <uuid>%s</uuid>", uuid);
  add (xml, "  <title>Creel sandbox %s</title>", spec->name);
  add (xml, "  <description>%s</description>", spec->description);
  add (xml, "  <memory unit='b'>%" G_GUINT64_FORMAT "</memory>", spec->memory);
  add (xml, "  <memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking>");
  add (xml, "  <vcpu>%u</vcpu>", spec->cpus);
  add (xml, "  <os>");
  add (xml, "    <type arch='x86_64' machine='microvm'>hvm</type>");
  add (xml, "    <kernel>%s</kernel>", spec->kernel);
  add (xml, "    <initrd>%s</initrd>", spec->initramfs);
  /* Without the TSC's frequency an emulated guest on a busy host may wait for ever while it measures it */
  /* Expedited grace periods: control groups and mounts of the guest wait for them, 17 of 37 ms of an exec */
  add (xml, "    <cmdline>console=ttyS0 quiet panic=-1 rcupdate.rcu_expedited=1%s</cmdline>", tsc);
  add (xml, "  </os>");
  add (xml, "  <features><acpi/></features>"); /* the guest finds its devices through it */
  if (spec->kvm)
    add (xml, "  <cpu mode='host-passthrough'/>");
  else
    /* With these the kernel copies with REP MOVSB, which moves single bytes where it is emulated: a fourth of the bytes per second */
    add (xml, "  <cpu mode='maximum'><feature policy='disable' name='erms'/><feature policy='disable' name='fsrm'/></cpu>");
  add (xml, "  <on_poweroff>destroy</on_poweroff>");
  add (xml, "  <on_reboot>destroy</on_reboot>");
  add (xml, "  <on_crash>destroy</on_crash>");
  add_devices (xml, spec);
  /* The kernel and the image are for all sandboxes: QEMU may read them and must not come to own them */
  add (xml, "  <seclabel type='static' model='dac' relabel='no'><label>+%u:+%u</label></seclabel>", spec->qemu_uid,
       spec->qemu_gid);
  /* virtiofs refuses the old kind of virtio, which is the default there */
  add (xml, "  <qemu:commandline>");
  add (xml, "    <qemu:arg value='-global'/>\n    <qemu:arg value='virtio-mmio.force-legacy=off'/>");
  add (xml, "  </qemu:commandline>");
  add (xml, "</domain>");
  return g_string_free (xml, FALSE);
}
