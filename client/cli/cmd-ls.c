/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli.h"

#include <pwd.h>
#include <stdio.h>

#include "out-json.h"
#include "out-text.h"

static void
add_sandbox (JsonBuilder *builder, CreelDBusSandbox *sandbox)
{
  GVariant *guest = creel_dbus_sandbox_get_guest (sandbox);
  GVariant *limits = creel_dbus_sandbox_get_limits (sandbox);

  json_builder_begin_object (builder);
  out_json_string (builder, "name", creel_dbus_sandbox_get_name (sandbox));
  out_json_string (builder, "state", creel_dbus_sandbox_get_state (sandbox));
  out_json_string (builder, "status_text", creel_dbus_sandbox_get_status_text (sandbox));
  out_json_integer (builder, "owner", creel_dbus_sandbox_get_owner (sandbox));
  out_json_string (builder, "unit", creel_dbus_sandbox_get_unit (sandbox));
  out_json_string (builder, "agent", creel_dbus_sandbox_get_agent (sandbox));
  out_json_string (builder, "image", creel_dbus_sandbox_get_image (sandbox));
  out_json_string (builder, "image_id", creel_dbus_sandbox_get_image_id (sandbox));
  out_json_integer (builder, "memory", creel_dbus_sandbox_get_memory (sandbox));
  out_json_integer (builder, "cpus", creel_dbus_sandbox_get_cpus (sandbox));
  out_json_integer (builder, "disk", creel_dbus_sandbox_get_disk (sandbox));
  out_json_strings (builder, "workspaces", creel_dbus_sandbox_get_workspaces (sandbox));
  out_json_strings (builder, "environment", creel_dbus_sandbox_get_environment (sandbox));
  out_json_strings (builder, "command", creel_dbus_sandbox_get_command (sandbox));
  out_json_strings (builder, "credentials", creel_dbus_sandbox_get_credentials (sandbox));
  out_json_string (builder, "policy", creel_dbus_sandbox_get_policy (sandbox));
  out_json_string (builder, "preset", creel_dbus_sandbox_get_preset (sandbox));
  out_json_strings (builder, "allow", creel_dbus_sandbox_get_allow (sandbox));
  out_json_strings (builder, "ask", creel_dbus_sandbox_get_ask (sandbox));
  out_json_strings (builder, "approved", creel_dbus_sandbox_get_approved (sandbox));
  out_json_strings (builder, "deny", creel_dbus_sandbox_get_deny (sandbox));
  out_json_strings (builder, "bypass", creel_dbus_sandbox_get_bypass (sandbox));
  out_json_strings (builder, "publish", creel_dbus_sandbox_get_publish (sandbox));
  json_builder_set_member_name (builder, "limits");
  json_builder_begin_object (builder);
  if (limits != NULL)
    out_json_vardict (builder, limits);
  json_builder_end_object (builder);
  out_json_boolean (builder, "ephemeral", creel_dbus_sandbox_get_ephemeral (sandbox));
  out_json_integer (builder, "created", creel_dbus_sandbox_get_created (sandbox));
  json_builder_set_member_name (builder, "guest");
  json_builder_begin_object (builder);
  if (guest != NULL)
    out_json_vardict (builder, guest);
  json_builder_end_object (builder);
  json_builder_end_object (builder);
}

static char *
user_name (guint uid)
{
  struct passwd *user = getpwuid (uid);

  return user != NULL ? g_strdup (user->pw_name) : g_strdup_printf ("%u", uid);
}

int
cmd_ls (Cli *cli, char **args)
{
  gboolean all = FALSE;
  const GOptionEntry entries[] = {
    { "all", 'a', 0, G_OPTION_ARG_NONE, &all, NULL, NULL },
    { NULL },
  };
  g_auto (GStrv) words = NULL;
  g_autoptr (GVariant) list = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (OutTable) table = all ? out_table_new ("NAME", "STATE", "IMAGE", "OWNER", "PORTS", "WORKSPACE", NULL)
                                   : out_table_new ("NAME", "STATE", "IMAGE", "PORTS", "WORKSPACE", NULL);
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  GVariantIter iter;
  const char *name, *state, *image, *path;
  guint uid;
  int status;

  if (!cli_parse (cli, args, entries, CLI_PARSE_PERMUTE, 0, 0, &words, NULL, &status))
    return status;
  if (!cli_connect (cli, &error)
      || !CLI_CALL (cli, &error, creel_dbus_manager_call_list_sandboxes_sync (cli->manager, all, CLI_FLAGS (cli), &list, NULL, &error)))
    return cli_fail (error);
  json_builder_begin_array (builder);
  g_variant_iter_init (&iter, list);
  while (g_variant_iter_next (&iter, "(&s&s&su&o)", &name, &state, &image, &uid, &path))
    {
      g_autoptr (CreelDBusSandbox) sandbox = NULL;
      const char *const *workspaces = NULL;
      g_autofree char *workspace = NULL, *owner = NULL, *ports = NULL;

      if (cli->quiet && !cli->json)
        {
          puts (name);
          continue;
        }
      /* gone since, or of somebody whose properties we may not see: the row itself is still true */
      sandbox = creel_dbus_sandbox_proxy_new_sync (cli->bus, G_DBUS_PROXY_FLAGS_DO_NOT_CONNECT_SIGNALS, CREEL_BUS_NAME, path, NULL, NULL);
      if (sandbox != NULL && creel_dbus_sandbox_get_name (sandbox) != NULL)
        {
          if (cli->json)
            {
              add_sandbox (builder, sandbox);
              continue;
            }
          workspaces = creel_dbus_sandbox_get_workspaces (sandbox);
          workspace = workspaces != NULL ? g_strjoinv (", ", (char **) workspaces) : NULL;
          ports = cli_format_ports (creel_dbus_sandbox_get_publish (sandbox));
        }
      if (cli->json)
        {
          json_builder_begin_object (builder);
          out_json_string (builder, "name", name);
          out_json_string (builder, "state", state);
          out_json_string (builder, "image", image);
          out_json_integer (builder, "owner", uid);
          json_builder_end_object (builder);
        }
      owner = user_name (uid);
      if (all)
        out_table_add (table, name, state, image, owner, ports, workspace);
      else
        out_table_add (table, name, state, image, ports, workspace);
    }
  json_builder_end_array (builder);
  if (cli->json)
    out_json_print (builder, TRUE);
  else if (!cli->quiet)
    out_table_print (table);
  return CLI_OK;
}

static void
print_line (const char *label, const char *value)
{
  g_autofree char *safe = value != NULL && *value != '\0' ? out_printable (value, -1, FALSE) : NULL;

  if (safe != NULL)
    printf ("%-12s %s\n", label, safe);
}

static void
print_list (const char *label, const char *const *values)
{
  for (guint i = 0; values != NULL && values[i] != NULL; i++)
    print_line (i == 0 ? label : "", values[i]);
}

/* "connections 1024, half-open 512, ..."; owned by the caller */
static char *
format_limits (GVariant *limits)
{
  GString *text = g_string_new (NULL);
  GVariantIter iter;
  const char *name;
  GVariant *value;

  if (limits != NULL)
    g_variant_iter_init (&iter, limits);
  while (limits != NULL && g_variant_iter_loop (&iter, "{&sv}", &name, &value))
    if (g_variant_is_of_type (value, G_VARIANT_TYPE_UINT32))
      g_string_append_printf (text, "%s%s %u", text->len > 0 ? ", " : "", name, g_variant_get_uint32 (value));
  return g_string_free (text, FALSE);
}

static void
print_sandbox (CreelDBusSandbox *sandbox)
{
  g_autofree char *memory = out_size (creel_dbus_sandbox_get_memory (sandbox));
  g_autofree char *disk = out_size (creel_dbus_sandbox_get_disk (sandbox));
  g_autofree char *limits = g_strdup_printf ("%s memory, %u CPU%s, %s disk", memory, creel_dbus_sandbox_get_cpus (sandbox),
                                             creel_dbus_sandbox_get_cpus (sandbox) == 1 ? "" : "s", disk);
  g_autofree char *created = out_time (creel_dbus_sandbox_get_created (sandbox));
  g_autofree char *owner = user_name (creel_dbus_sandbox_get_owner (sandbox));
  g_autofree char *command = creel_dbus_sandbox_get_command (sandbox) != NULL
                                 ? g_strjoinv (" ", (char **) creel_dbus_sandbox_get_command (sandbox))
                                 : NULL;
  g_autofree char *policy = g_strdup_printf ("%s%s%s", creel_dbus_sandbox_get_policy (sandbox),
                                             creel_dbus_sandbox_get_preset (sandbox) != NULL && *creel_dbus_sandbox_get_preset (sandbox) != '\0' ? ", preset " : "",
                                             creel_dbus_sandbox_get_preset (sandbox) != NULL ? creel_dbus_sandbox_get_preset (sandbox) : "");
  GVariant *guest = creel_dbus_sandbox_get_guest (sandbox);
  g_autofree char *at_most = format_limits (creel_dbus_sandbox_get_limits (sandbox));
  const char *text;

  print_line ("Name", creel_dbus_sandbox_get_name (sandbox));
  print_line ("State", creel_dbus_sandbox_get_state (sandbox));
  print_line ("Status", creel_dbus_sandbox_get_status_text (sandbox));
  print_line ("Unit", creel_dbus_sandbox_get_unit (sandbox));
  print_line ("Owner", owner);
  print_line ("Created", created);
  print_line ("Agent", creel_dbus_sandbox_get_agent (sandbox));
  print_line ("Image", creel_dbus_sandbox_get_image (sandbox));
  print_line ("Image ID", creel_dbus_sandbox_get_image_id (sandbox));
  print_line ("Limits", limits);
  print_list ("Workspace", creel_dbus_sandbox_get_workspaces (sandbox));
  print_list ("Environment", creel_dbus_sandbox_get_environment (sandbox));
  print_line ("Command", command);
  print_list ("Credential", creel_dbus_sandbox_get_credentials (sandbox));
  print_line ("Network", policy);
  print_list ("  allow", creel_dbus_sandbox_get_allow (sandbox));
  print_list ("  ask", creel_dbus_sandbox_get_ask (sandbox));
  print_list ("  approved", creel_dbus_sandbox_get_approved (sandbox));
  print_list ("  deny", creel_dbus_sandbox_get_deny (sandbox));
  print_list ("  bypass", creel_dbus_sandbox_get_bypass (sandbox));
  print_line ("  at most", at_most);
  print_list ("Ports", creel_dbus_sandbox_get_publish (sandbox));
  if (creel_dbus_sandbox_get_ephemeral (sandbox))
    print_line ("Ephemeral", "yes, removed when it stops");
  if (guest != NULL && g_variant_lookup (guest, "kernel", "&s", &text))
    print_line ("Guest says", text);
}

int
cmd_inspect (Cli *cli, char **args)
{
  g_auto (GStrv) words = NULL;
  g_autoptr (CreelDBusSandbox) sandbox = NULL;
  g_autoptr (GError) error = NULL;
  int status;

  if (!cli_parse (cli, args, NULL, CLI_PARSE_PERMUTE, 1, 1, &words, NULL, &status))
    return status;
  if ((sandbox = cli_get_sandbox (cli, words[0], TRUE, &error)) == NULL)
    return cli_fail (error);
  if (creel_dbus_sandbox_get_name (sandbox) == NULL)
    return cli_fail_with (CLI_FAILED, "The Creel service does not show sandbox %s; see: journalctl -u creeld", words[0]);
  if (cli->json)
    {
      g_autoptr (JsonBuilder) builder = json_builder_new ();

      add_sandbox (builder, sandbox);
      out_json_print (builder, TRUE);
    }
  else
    print_sandbox (sandbox);
  return CLI_OK;
}
