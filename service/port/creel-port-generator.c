/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* creel-port-generator DIRECTORY...: run by systemd when it reads its units. Published ports are in the definitions and nowhere else:
 * from there their units come, whoever wrote them, and with a definition they go. */
#include <glib.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "creel-port-units.h"

/* Definitions hold words of users: reading them needs to be root, and nothing more. */
static void
drop_rights (void)
{
  struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
  struct __user_cap_data_struct none[2] = { 0 };

  prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  if (syscall (SYS_capset, &head, none) < 0 && geteuid () == 0)
    g_printerr ("creel-port-generator: capabilities stay\n");
}

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;

  if (argc < 2)
    {
      g_printerr ("Usage: creel-port-generator DIRECTORY...\nRun by systemd; see systemd.generator(7).\n");
      return EXIT_FAILURE;
    }
  drop_rights ();
  if (creel_port_units_write (argv[1], &error))
    return EXIT_SUCCESS;
  g_printerr ("creel-port-generator: %s\n", error->message);
  return EXIT_FAILURE;
}
