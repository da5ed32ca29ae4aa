/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-port-units.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "creel-config.h"
#include "creel-definition.h"
#include "creel-error.h"
#include "creel-names.h"

#define DROP_IN "50-port.conf"

static gboolean
write_drop_in (const char *directory, const char *unit, const char *text, GError **error)
{
  g_autofree char *below = g_strconcat (directory, "/", unit, ".d", NULL);
  g_autofree char *path = g_build_filename (below, DROP_IN, NULL);

  if (g_mkdir_with_parents (below, 0755) < 0)
    {
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_FAILED, "Cannot make %s: %s", below, g_strerror (errno));
      return FALSE;
    }
  return g_file_set_contents (path, text, -1, error);
}

static gboolean
write_link (const char *directory, const char *sandbox, const char *unit, GError **error)
{
  g_autofree char *below = g_strdup_printf ("%s/" CREEL_UNIT_PREFIX "%s.service.wants", directory, sandbox);
  g_autofree char *path = g_build_filename (below, unit, NULL);

  if (g_mkdir_with_parents (below, 0755) < 0 || (symlink (CREEL_PORT_TEMPLATE, path) < 0 && errno != EEXIST))
    {
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_FAILED, "Cannot make %s: %s", path, g_strerror (errno));
      return FALSE;
    }
  return TRUE;
}

static gboolean
write_port (const char *directory, const char *sandbox, const CreelPublish *publish, GError **error)
{
  g_autofree char *socket_unit = creel_publish_unit (publish, sandbox);
  g_autofree char *instance = g_strndup (socket_unit, strlen (socket_unit) - strlen (".socket"));
  g_autofree char *service_unit = g_strconcat (instance, ".service", NULL);
  g_autofree char *address = creel_publish_format_socket (publish);
  /* an address of an interface is there when the network is */
  gboolean early = g_inet_address_get_is_loopback (publish->address) || g_inet_address_get_is_any (publish->address);
  g_autofree char *socket_text = g_strdup_printf ("[Unit]\n"
                                                  "Description=Port %s of this machine, published by sandbox %s\n"
                                                  "BindsTo=" CREEL_UNIT_PREFIX "%s.service\n"
                                                  "Before=" CREEL_UNIT_PREFIX "%s.service\n"
                                                  /* a gateway that stops has the socket open to its end */
                                                  "After=creel-gateway@%s.service\n"
                                                  "%s"
                                                  "[Socket]\n"
                                                  "ListenStream=%s\n",
                                                  address, sandbox, sandbox, sandbox, sandbox,
                                                  early ? "" : "Wants=network-online.target\nAfter=network-online.target\n", address);
  g_autofree char *service_text = g_strdup_printf ("[Unit]\n"
                                                   "Description=Port %s of this machine, led to sandbox %s\n"
                                                   "[Service]\n"
                                                   "BindReadOnlyPaths=" CREEL_CHANNEL_DIR "/%s.gateway\n",
                                                   address, sandbox, sandbox);

  return write_drop_in (directory, socket_unit, socket_text, error) && write_drop_in (directory, service_unit, service_text, error) &&
         write_link (directory, sandbox, socket_unit, error);
}

gboolean
creel_port_units_write (const char *directory, GError **error)
{
  g_auto (GStrv) names = creel_definition_list ();
  gboolean ok = TRUE;

  for (char **name = names; *name != NULL; name++)
    {
      g_auto (GStrv) list = creel_definition_load_publish (*name);

      for (char **entry = list; *entry != NULL; entry++)
        {
          g_autoptr (CreelPublish) publish = creel_publish_parse (*entry, NULL);

          if (publish != NULL && !write_port (directory, *name, publish, ok ? error : NULL))
            ok = FALSE;
        }
    }
  return ok;
}
