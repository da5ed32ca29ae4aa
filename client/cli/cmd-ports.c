/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli.h"

#include <stdio.h>

#include "creel-publish.h"
#include "out-json.h"
#include "out-text.h"

char *
cli_format_ports (const char *const *publish)
{
  g_autoptr (GString) text = g_string_new (NULL);

  for (; publish != NULL && *publish != NULL; publish++)
    {
      g_autoptr (CreelPublish) port = creel_publish_parse (*publish, NULL);
      g_autofree char *socket = port != NULL ? creel_publish_format_socket (port) : NULL;

      if (port == NULL)
        continue;
      if (text->len > 0)
        g_string_append (text, ", ");
      /* the loopback is what people mean when they say nothing */
      if (g_str_has_prefix (socket, "127.0.0.1:"))
        g_string_append_printf (text, "%u->%u", port->port, port->guest);
      else
        g_string_append_printf (text, "%s->%u", socket, port->guest);
    }
  return text->len > 0 ? g_string_free (g_steal_pointer (&text), FALSE) : NULL;
}

typedef struct
{
  char *socket;
  const char *state, *problem;
  guint16 port, guest;
} Row;

/* What ListPorts says of one, borrowed from `entry` but for row->socket. */
static void
read_row (GVariant *entry, Row *row)
{
  const char *address = "?";

  *row = (Row){ .state = "", .problem = "" };
  g_variant_lookup (entry, "address", "&s", &address);
  g_variant_lookup (entry, "port", "q", &row->port);
  g_variant_lookup (entry, "guest-port", "q", &row->guest);
  g_variant_lookup (entry, "state", "&s", &row->state);
  g_variant_lookup (entry, "problem", "&s", &row->problem);
  row->socket = g_strdup_printf (strchr (address, ':') != NULL ? "[%s]:%u" : "%s:%u", address, row->port);
}

static void
print_json (GVariant *ports)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();

  json_builder_begin_array (builder);
  for (gsize i = 0; i < g_variant_n_children (ports); i++)
    {
      g_autoptr (GVariant) entry = g_variant_get_child_value (ports, i);

      json_builder_begin_object (builder);
      out_json_vardict (builder, entry);
      json_builder_end_object (builder);
    }
  json_builder_end_array (builder);
  out_json_print (builder, TRUE);
}

static int
list_ports (Cli *cli, CreelDBusSandbox *sandbox)
{
  g_autoptr (OutTable) table = out_table_new ("LISTENS ON", "GUEST", "STATE", NULL);
  g_autoptr (GVariant) ports = NULL;
  g_autoptr (GError) error = NULL;

  if (!CLI_CALL (cli, &error, creel_dbus_sandbox_call_list_ports_sync (sandbox, CLI_FLAGS (cli), &ports, NULL, &error)))
    return cli_fail (error);
  if (cli->json)
    {
      print_json (ports);
      return CLI_OK;
    }
  for (gsize i = 0; i < g_variant_n_children (ports); i++)
    {
      g_autoptr (GVariant) entry = g_variant_get_child_value (ports, i);
      g_autofree char *guest = NULL, *state = NULL;
      Row row;

      read_row (entry, &row);
      guest = g_strdup_printf ("%u", row.guest);
      state = row.problem[0] != '\0' ? g_strdup_printf ("%s: %s", row.state, row.problem) : g_strdup (row.state);
      if (cli->quiet)
        puts (row.socket);
      else
        out_table_add (table, row.socket, guest, state);
      g_free (row.socket);
    }
  if (!cli->quiet)
    out_table_print (table);
  return CLI_OK;
}

gboolean
cli_set_ports (Cli *cli, CreelDBusSandbox *sandbox, char **publish, char **unpublish, GError **error)
{
  g_auto (GVariantDict) dict = G_VARIANT_DICT_INIT (NULL);
  g_autoptr (GVariant) changes = NULL;

  if (publish != NULL)
    g_variant_dict_insert_value (&dict, "publish", g_variant_new_strv ((const char *const *) publish, -1));
  if (unpublish != NULL)
    g_variant_dict_insert_value (&dict, "unpublish", g_variant_new_strv ((const char *const *) unpublish, -1));
  changes = g_variant_ref_sink (g_variant_dict_end (&dict));
  return CLI_CALL (cli, error, creel_dbus_sandbox_call_set_ports_sync (sandbox, changes, CLI_FLAGS (cli), NULL, error));
}

void
cli_warn_ports (Cli *cli, CreelDBusSandbox *sandbox)
{
  g_autoptr (GVariant) ports = NULL;

  if (!creel_dbus_sandbox_call_list_ports_sync (sandbox, G_DBUS_CALL_FLAGS_NONE, -1, &ports, NULL, NULL))
    return;
  for (gsize i = 0; i < g_variant_n_children (ports); i++)
    {
      g_autoptr (GVariant) entry = g_variant_get_child_value (ports, i);
      g_autofree char *safe = NULL;
      Row row;

      read_row (entry, &row);
      g_free (row.socket);
      if (row.problem[0] == '\0')
        continue;
      safe = out_printable (row.problem, -1, FALSE);
      fprintf (stderr, "creel: warning: %s\n", safe);
    }
}

int
cmd_ports (Cli *cli, char **args)
{
  g_auto (GStrv) publish = NULL, unpublish = NULL, words = NULL;
  const GOptionEntry entries[] = {
    { "publish", 'p', 0, G_OPTION_ARG_STRING_ARRAY, &publish, NULL, NULL },
    { "unpublish", 0, 0, G_OPTION_ARG_STRING_ARRAY, &unpublish, NULL, NULL },
    { NULL },
  };
  g_autoptr (CreelDBusSandbox) sandbox = NULL;
  g_autoptr (GError) error = NULL;
  int status;

  if (!cli_parse (cli, args, entries, CLI_PARSE_PERMUTE, 1, 1, &words, NULL, &status))
    return status;
  if ((sandbox = cli_get_sandbox (cli, words[0], FALSE, &error)) == NULL)
    return cli_fail (error);
  if (publish == NULL && unpublish == NULL)
    return list_ports (cli, sandbox);
  return cli_set_ports (cli, sandbox, publish, unpublish, &error) ? CLI_OK : cli_fail (error);
}
