/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-create.h"

#include <sched.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "creel-auth.h"
#include "creel-conf.h"
#include "creel-config.h"
#include "creel-error.h"
#include "creel-make.h"
#include "creel-ports.h"
#include "creel-sandbox.h"

static gboolean
invalid (GError **error, const char *message)
{
  g_set_error_literal (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS, message);
  return FALSE;
}

static void
take_list (GVariant *options, const char *key, char ***list)
{
  char **values;

  if (!g_variant_lookup (options, key, "^as", &values))
    return;
  g_strfreev (*list);
  *list = values;
}

static void
append_new (char ***list, char **values)
{
  for (; values != NULL && *values != NULL; values++)
    if (!g_strv_contains ((const char *const *) *list, *values))
      creel_conf_strv_add (list, *values);
}

static gboolean
take_workspaces (CreelDefinition *d, GVariant *options, GError **error)
{
  g_auto (GStrv) paths = NULL;

  if (!g_variant_lookup (options, "workspaces", "^as", &paths))
    return TRUE;
  for (char **path = paths; *path != NULL; path++)
    {
      gboolean read_only = g_str_has_suffix (*path, ":ro");
      g_autofree char *bare = g_strndup (*path, strlen (*path) - (read_only ? 3 : 0));
      CreelWorkspace *workspace;

      if (bare[0] != '/')
        {
          g_set_error (error, CREEL_ERROR, CREEL_ERROR_BAD_WORKSPACE, "Workspace \"%.255s\" is not an absolute path", *path);
          return FALSE;
        }
      workspace = g_new0 (CreelWorkspace, 1);
      workspace->path = g_canonicalize_filename (bare, "/");
      workspace->read_only = read_only;
      g_ptr_array_add (d->workspaces, workspace);
      if (g_str_equal (workspace->path, "/"))
        {
          g_set_error_literal (error, CREEL_ERROR, CREEL_ERROR_BAD_WORKSPACE,
                               "/ cannot be a workspace: name the folder that the sandbox shall see");
          return FALSE;
        }
    }
  return TRUE;
}

static gboolean
take_ports (CreelDefinition *d, GVariant *options, GError **error)
{
  g_auto (GStrv) texts = NULL;

  g_variant_lookup (options, "publish", "^as", &texts);
  for (char **text = texts; text != NULL && *text != NULL; text++)
    {
      g_autoptr (CreelPublish) publish = creel_publish_parse (*text, error);
      g_autofree char *canonical = NULL;

      if (publish == NULL)
        return FALSE;
      canonical = creel_publish_format (publish);
      creel_conf_strv_add (&d->publish, canonical);
    }
  return TRUE;
}

static gboolean
take_sizes (CreelDefinition *d, const CreelAgentType *agent, GVariant *options, guint64 host_memory, guint host_cpus,
            GError **error)
{
  guint64 needed = agent->minimum_memory;

  d->memory = MIN (MAX (d->memory, needed), MAX (host_memory / 2, CREEL_MIN_MEMORY));
  d->cpus = MIN (d->cpus, host_cpus);
  g_variant_lookup (options, "memory", "t", &d->memory);
  g_variant_lookup (options, "cpus", "u", &d->cpus);
  g_variant_lookup (options, "disk", "t", &d->disk);
  if (d->memory < CREEL_MIN_MEMORY)
    return invalid (error, "memory is too small: a sandbox needs at least 128 MiB");
  if (d->memory > host_memory)
    {
      g_set_error (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS,
                   "memory is more than this machine has (%" G_GUINT64_FORMAT " MiB)", host_memory >> 20);
      return FALSE;
    }
  if (d->memory < needed)
    {
      g_set_error (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS, "Agent \"%s\" needs at least %" G_GUINT64_FORMAT " MiB of memory",
                   agent->name, needed >> 20);
      return FALSE;
    }
  if (d->cpus < 1 || d->cpus > host_cpus)
    {
      g_set_error (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS, "cpus must be 1 to %u on this machine", host_cpus);
      return FALSE;
    }
  return TRUE;
}

static gboolean
take_network (CreelDefinition *d, GVariant *options, gboolean *ret_widens, GError **error)
{
  const char *policy = NULL;

  if (g_variant_lookup (options, "policy", "&s", &policy) && !creel_verdict_parse (policy, &d->default_verdict))
    return invalid (error, "policy must be \"ask\", \"allow\" or \"deny\"");
  /* "locked" and "allow" contradict each other: who asks for one only means that one */
  d->preset = d->default_verdict == CREEL_VERDICT_ALLOW ? NULL : g_strdup ("locked");
  if (g_variant_lookup (options, "preset", "&s", &policy))
    {
      g_free (d->preset);
      d->preset = policy[0] != '\0' ? g_strdup (policy) : g_strdup ("locked");
    }
  take_list (options, "allow", &d->allow);
  take_list (options, "deny", &d->deny);
  take_list (options, "ask", &d->ask);
  take_list (options, "bypass", &d->bypass);
  *ret_widens = d->allow[0] != NULL || d->ask[0] != NULL || d->bypass[0] != NULL || d->default_verdict != CREEL_VERDICT_DENY ||
                (d->preset != NULL && !g_str_equal (d->preset, "locked"));
  return TRUE;
}

/* Every name must lead to something now: at the start it would be too late to ask. */
static gboolean
check_credentials (const CreelDefinition *d, GError **error)
{
  for (char **name = d->credentials; *name != NULL; name++)
    {
      g_autoptr (CreelCredential) credential = creel_definition_find_credential (d, *name, error);

      if (credential == NULL)
        return FALSE;
    }
  return TRUE;
}

CreelDefinition *
creel_create_definition (const char *name, uid_t owner, GVariant *options, guint64 host_memory, guint host_cpus,
                         gboolean *ret_widens, GError **error)
{
  static const char *const known[] = { "image:s", "agent:s", "workspaces:as", "memory:t", "cpus:u", "disk:t",
                                       "environment:as", "command:as", "credentials:as", "policy:s", "preset:s", "allow:as",
                                       "deny:as", "ask:as", "bypass:as", "publish:as", "ephemeral:b", "start:b", NULL };
  g_autoptr (CreelDefinition) d = NULL;
  g_autoptr (CreelAgentType) agent = NULL;
  g_auto (GStrv) environment = NULL;
  const char *agent_name = "shell";

  if (!creel_sandbox_name_check (name, error) || !creel_options_check (options, known, error))
    return NULL;
  g_variant_lookup (options, "agent", "&s", &agent_name);
  agent = creel_agent_type_load (agent_name, error);
  if (agent == NULL)
    return NULL;

  d = creel_definition_new (name);
  d->owner = owner;
  d->agent = g_strdup (agent_name);
  d->created = g_get_real_time ();
  if (!g_variant_lookup (options, "image", "s", &d->image))
    d->image = g_strdup (agent->image);
  append_new (&d->command, agent->command);
  take_list (options, "command", &d->command);
  take_list (options, "credentials", &d->credentials);
  append_new (&d->credentials, agent->credentials);
  append_new (&d->environment, agent->environment);
  if (g_variant_lookup (options, "environment", "^as", &environment))
    append_new (&d->environment, environment);
  g_variant_lookup (options, "ephemeral", "b", &d->ephemeral);
  if (!take_workspaces (d, options, error) || !take_sizes (d, agent, options, host_memory, host_cpus, error) ||
      !take_network (d, options, ret_widens, error) || !take_ports (d, options, error))
    return NULL;
  append_new (&d->allow, agent->allow);

  if (!creel_definition_validate (d, error) || !check_credentials (d, error))
    {
      /* what is wrong stands in the arguments, there is no file yet */
      if (error != NULL && g_error_matches (*error, CREEL_ERROR, CREEL_ERROR_BAD_DEFINITION))
        {
          (*error)->domain = G_DBUS_ERROR;
          (*error)->code = G_DBUS_ERROR_INVALID_ARGS;
        }
      return NULL;
    }
  d->image_id = creel_image_resolve (d->image, error);
  return d->image_id != NULL ? g_steal_pointer (&d) : NULL;
}

void
creel_create_explain_workspace (int status, const char *path, GError **error)
{
  static const char *const reasons[] = {
    "does not exist", "is not a folder", "is the system's own", "does not belong to you",
    "is a symbolic link or lies behind one; name the folder itself", "cannot be entered by you", "is not an absolute path",
  };

  if (status >= 10 && status < 10 + (int) G_N_ELEMENTS (reasons))
    g_set_error (error, CREEL_ERROR, CREEL_ERROR_BAD_WORKSPACE, "Workspace %s %s", path, reasons[status - 10]);
  else
    g_set_error (error, CREEL_ERROR, CREEL_ERROR_BAD_WORKSPACE, "Workspace %s cannot be checked (status %d)", path, status);
}

/* The call while it waits: what it will write, how far it is. */
typedef struct
{
  CreelDefinition *definition;
  gboolean start;
  guint checked;  /* workspaces that are right */
  char *unit;     /* of the check under way */
} Create;

static void
create_free (gpointer data)
{
  Create *create = data;

  creel_definition_free (create->definition);
  g_free (create->unit);
  g_free (create);
}

guint64
creel_create_host_memory (void)
{
  struct sysinfo info = { 0 };

  sysinfo (&info);
  return (guint64) info.totalram * info.mem_unit;
}

guint
creel_create_host_cpus (void)
{
  cpu_set_t set;

  /* /sys is not ours to see */
  return sched_getaffinity (0, sizeof set, &set) == 0 ? CPU_COUNT (&set) : 1;
}

gboolean
creel_create_prepare (CreelCall *call, GStrvBuilder *actions, GError **error)
{
  g_autoptr (GVariant) options = g_variant_get_child_value (call->parameters, 1);
  g_auto (GStrv) guarded = NULL;
  CreelDefinition *definition;
  gboolean widens = FALSE;
  const char *name;
  Create *create;

  g_variant_get_child (call->parameters, 0, "&s", &name);
  definition = creel_create_definition (name, call->uid, options, creel_create_host_memory (), creel_create_host_cpus (), &widens, error);
  if (definition == NULL)
    return FALSE;
  create = g_new0 (Create, 1);
  create->definition = definition;
  g_variant_lookup (options, "start", "b", &create->start);
  call->data = create;
  call->free_data = create_free;
  if (widens)
    g_strv_builder_add (actions, CREEL_ACTION_WIDEN_POLICY);
  if (definition->credentials[0] != NULL)
    g_strv_builder_add (actions, CREEL_ACTION_USE_CREDENTIAL);
  guarded = creel_ports_find_guarded (definition->publish, NULL);
  creel_ports_need (call, guarded);
  return TRUE;
}

static void
create_fail (CreelCall *call, const GError *error)
{
  Create *create = call->data;

  creel_make_release (call->daemon, create->definition->name);
  creel_call_fail (call, error);
}

static void
on_made (gpointer user_data, GError *error)
{
  CreelCall *call = user_data;
  Create *create = call->data;
  CreelSandbox *sandbox = g_hash_table_lookup (call->daemon->sandboxes, create->definition->name);

  if (error != NULL)
    creel_call_fail (call, error);
  else if (sandbox != NULL)
    creel_call_return (call, g_variant_new ("(o)", creel_sandbox_get_path (sandbox)));
  else
    creel_call_fail_new (call, CREEL_ERROR, CREEL_ERROR_NO_SUCH_SANDBOX, "Sandbox \"%s\" was removed meanwhile",
                         create->definition->name);
}

static void check_next (CreelCall *call);

static void
on_check_state (const CreelUnitState *state, gpointer user_data)
{
  CreelCall *call = user_data;
  Create *create = call->data;
  CreelWorkspace *workspace = create->definition->workspaces->pdata[create->checked];
  g_autoptr (GError) error = NULL;

  creel_create_explain_workspace (state != NULL ? state->exit_status : -1, workspace->path, &error);
  creel_units_reset_failed (call->daemon->units, create->unit);
  create_fail (call, error);
}

static void
on_check_done (gpointer user_data, GError *error)
{
  CreelCall *call = user_data;
  Create *create = call->data;

  if (error == NULL)
    {
      create->checked++;
      check_next (call);
    }
  else
    creel_units_get_state (call->daemon->units, create->unit, on_check_state, call);
}

/* creeld sees no home: a unit that is nobody but the owner looks for it. */
static void
check_next (CreelCall *call)
{
  static guint counter;
  Create *create = call->data;
  GVariantBuilder properties, commands;
  CreelWorkspace *workspace;
  g_autofree char *user = g_strdup_printf ("%u", create->definition->owner);
  const char *argv[] = { CREEL_LIBEXECDIR "/creel-share", "--check", NULL, NULL };

  if (create->checked == create->definition->workspaces->len)
    {
      creel_make_run (call->daemon, create->definition, NULL, create->start, on_made, call);
      return;
    }
  workspace = create->definition->workspaces->pdata[create->checked];
  argv[2] = workspace->path;
  g_free (create->unit);
  create->unit = g_strdup_printf ("creel-check-%d-%u.service", getpid (), ++counter);

  g_variant_builder_init (&properties, G_VARIANT_TYPE ("a(sv)"));
  g_variant_builder_init (&commands, G_VARIANT_TYPE ("a(sasb)"));
  g_variant_builder_add (&commands, "(s^asb)", argv[0], argv, FALSE);
  g_variant_builder_add (&properties, "(sv)", "ExecStart", g_variant_builder_end (&commands));
  g_variant_builder_add (&properties, "(sv)", "Description", g_variant_new_string ("Check of a workspace"));
  g_variant_builder_add (&properties, "(sv)", "Type", g_variant_new_string ("oneshot"));
  g_variant_builder_add (&properties, "(sv)", "User", g_variant_new_string (user));
  g_variant_builder_add (&properties, "(sv)", "NoNewPrivileges", g_variant_new_boolean (TRUE));
  /* a dead network file system must not hold the caller for ever */
  g_variant_builder_add (&properties, "(sv)", "TimeoutStartUSec", g_variant_new_uint64 (20 * G_USEC_PER_SEC));
  creel_units_start_transient (call->daemon->units, create->unit, g_variant_builder_end (&properties), NULL, on_check_done, call);
}

void
creel_create_handle (CreelCall *call)
{
  Create *create = call->data;
  g_autoptr (GError) error = NULL;

  if (creel_make_reserve (call->daemon, create->definition, &error))
    check_next (call);
  else
    creel_call_fail (call, error);
}
