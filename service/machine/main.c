/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* creel-machine: main process of creel@NAME.service.
 *
 *   creel-machine NAME             runs the sandbox until it ends; Type=notify
 *   creel-machine --cleanup NAME   ExecStopPost=: destroys the domain should it still be there
 *   creel-machine --probe          finds out once whether KVM boots a guest
 *
 * It needs, and its unit grants: AF_UNIX (libvirt, gateway, notify, journal); CAP_SETUID and CAP_SETGID (creel-share enters
 * the owner's user namespace), CAP_CHOWN (disk and sockets for QEMU's user), user, mount, pid, network, IPC and UTS
 * namespaces (creel-share); to write /var/lib/creel/sandboxes, /run/creel and, for the probe, /var/lib/creel/guest. */
#include <glib.h>
#include <locale.h>
#include <string.h>

#include "creel-accelerator.h"
#include "creel-definition.h"
#include "creel-error.h"
#include "creel-machine.h"
#include "creel-names.h"

static int
probe (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *reason = NULL;
  gboolean kvm;

  if (!creel_accelerator_probe (CREEL_GUEST_DIR, &kvm, &reason, &error))
    {
      g_printerr ("creel-machine: %s\n", error->message);
      return 1;
    }
  if (kvm)
    g_print ("KVM works: guests run on it\n");
  else
    g_print ("Guests are emulated (TCG): %s\n", reason);
  return 0;
}

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  const char *name = argv[argc - 1];

  setlocale (LC_ALL, "");
  if (argc == 2 && strcmp (name, "--probe") == 0)
    return probe ();
  if (argc != 2 && !(argc == 3 && strcmp (argv[1], "--cleanup") == 0))
    {
      g_printerr ("usage: creel-machine [--cleanup] NAME | --probe\n");
      return 2;
    }
  if (!creel_sandbox_name_check (name, &error))
    {
      g_printerr ("creel-machine: %s\n", error->message);
      return CREEL_MACHINE_EXIT_BASE + CREEL_ERROR_BAD_DEFINITION;
    }
  return argc == 3 ? creel_machine_cleanup (name) : creel_machine_run (name);
}
