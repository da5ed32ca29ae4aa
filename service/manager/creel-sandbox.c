/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-sandbox.h"

#include <string.h>

#include "creel-error.h"
#include "creel-life.h"
#include "creel-names.h"

#define INTERFACE CREEL_BUS_NAME ".Sandbox"
#define EXIT_STATUS_BASE 70

struct _CreelSandbox
{
  CreelDaemon *daemon;
  char *name;
  char *path;
  char *unit;
  uid_t owner;
  CreelDefinition *definition; /* NULL: broken, and `problem` says why */
  char *problem;
  CreelUnitState unit_state;
  CreelGatewayLink *link;      /* while it runs */
  gboolean fresh;
  GVariant *shown;             /* the properties that clients were told of last */
};

const char *
creel_sandbox_state_from_unit (const char *active)
{
  if (active == NULL || g_str_equal (active, "inactive"))
    return "stopped";
  if (g_str_equal (active, "active") || g_str_equal (active, "reloading"))
    return "running";
  if (g_str_equal (active, "activating"))
    return "starting";
  if (g_str_equal (active, "deactivating"))
    return "stopping";
  return "failed";
}

void
creel_sandbox_explain_failure (const CreelUnitState *state, const char *name, GError **error)
{
  int code = CREEL_ERROR_GUEST_FAILED;
  const char *text = state != NULL ? state->status_text : NULL;
  g_autofree char *shown = NULL;

  if (state != NULL && state->exit_status >= EXIT_STATUS_BASE && state->exit_status < EXIT_STATUS_BASE + CREEL_ERROR_NOT_AUTHORIZED)
    code = state->exit_status - EXIT_STATUS_BASE;
  else if (state != NULL && g_strcmp0 (state->result, "timeout") == 0)
    code = CREEL_ERROR_TIMED_OUT;
  else if (state != NULL && state->exit_status == 203)
    code = CREEL_ERROR_NO_HYPERVISOR;
  if (text != NULL && text[0] != '\0')
    shown = g_utf8_make_valid (text, MIN (strlen (text), 512));
  if (shown != NULL)
    g_set_error_literal (error, CREEL_ERROR, code, shown);
  else
    g_set_error (error, CREEL_ERROR, code, "Sandbox \"%s\" did not start (%s); \"journalctl -u creel@%s\" says more", name,
                 state != NULL && state->result != NULL ? state->result : "no reason given", name);
}

const char *creel_sandbox_get_name (CreelSandbox *sandbox) { return sandbox->name; }
const char *creel_sandbox_get_path (CreelSandbox *sandbox) { return sandbox->path; }
const char *creel_sandbox_get_unit (CreelSandbox *sandbox) { return sandbox->unit; }
void creel_sandbox_set_fresh (CreelSandbox *sandbox, gboolean fresh) { sandbox->fresh = fresh; }
uid_t creel_sandbox_get_owner (CreelSandbox *sandbox) { return sandbox->owner; }
CreelGatewayLink *creel_sandbox_get_link (CreelSandbox *sandbox) { return sandbox->link; }

gboolean
creel_sandbox_is_active (CreelSandbox *sandbox)
{
  const char *state = creel_sandbox_state_from_unit (sandbox->unit_state.active_state);

  return !g_str_equal (state, "stopped") && !g_str_equal (state, "failed");
}

const char *
creel_sandbox_get_state (CreelSandbox *sandbox)
{
  if (sandbox->definition == NULL && !creel_sandbox_is_active (sandbox))
    return "broken";
  return creel_sandbox_state_from_unit (sandbox->unit_state.active_state);
}

const CreelDefinition *
creel_sandbox_get_definition (CreelSandbox *sandbox, GError **error)
{
  if (sandbox->definition == NULL)
    g_set_error_literal (error, CREEL_ERROR, CREEL_ERROR_BAD_DEFINITION, sandbox->problem);
  return sandbox->definition;
}

static char *
status_text (CreelSandbox *sandbox)
{
  g_autoptr (GError) error = NULL;
  const char *state = creel_sandbox_get_state (sandbox);

  if (sandbox->definition == NULL)
    return g_strdup (sandbox->problem);
  if (g_str_equal (state, "failed"))
    {
      creel_sandbox_explain_failure (&sandbox->unit_state, sandbox->name, &error);
      return g_strdup (error->message);
    }
  if (sandbox->link != NULL && creel_gateway_link_get_problem (sandbox->link) != NULL)
    return g_strdup (creel_gateway_link_get_problem (sandbox->link));
  if (g_str_equal (state, "stopped") || sandbox->unit_state.status_text == NULL)
    return g_strdup ("");
  return g_utf8_make_valid (sandbox->unit_state.status_text, MIN (strlen (sandbox->unit_state.status_text), 512));
}

static void
put_text (GVariantBuilder *b, const char *key, const char *value)
{
  g_variant_builder_add (b, "{sv}", key, g_variant_new_string (value != NULL ? value : ""));
}

static void
put_list (GVariantBuilder *b, const char *key, char **values)
{
  g_variant_builder_add (b, "{sv}", key, g_variant_new_strv ((const char *const *) values, values != NULL ? -1 : 0));
}

GVariant *
creel_sandbox_get_properties (CreelSandbox *sandbox)
{
  g_autoptr (CreelDefinition) empty = NULL;
  const CreelDefinition *d = sandbox->definition;
  g_autoptr (GStrvBuilder) workspaces = g_strv_builder_new ();
  g_auto (GStrv) paths = NULL;
  g_autofree char *status = status_text (sandbox);
  GVariant *questions = sandbox->link != NULL ? creel_gateway_link_get_questions (sandbox->link) : NULL;
  GVariant *guest = sandbox->link != NULL ? creel_gateway_link_get_guest (sandbox->link) : NULL;
  GVariantBuilder b, limits;

  if (d == NULL)
    d = empty = creel_definition_new (sandbox->name);
  for (guint i = 0; i < d->workspaces->len; i++)
    {
      const CreelWorkspace *workspace = d->workspaces->pdata[i];
      g_autofree char *text = g_strconcat (workspace->path, workspace->read_only ? ":ro" : NULL, NULL);

      g_strv_builder_add (workspaces, text);
    }
  paths = g_strv_builder_end (workspaces);

  g_variant_builder_init (&b, G_VARIANT_TYPE ("a{sv}"));
  put_text (&b, "Name", sandbox->name);
  g_variant_builder_add (&b, "{sv}", "Owner", g_variant_new_uint32 (sandbox->owner));
  put_text (&b, "State", creel_sandbox_get_state (sandbox));
  put_text (&b, "StatusText", status);
  put_text (&b, "Unit", sandbox->unit);
  put_text (&b, "Agent", d->agent);
  put_text (&b, "Image", d->image);
  put_text (&b, "ImageID", d->image_id);
  g_variant_builder_add (&b, "{sv}", "Memory", g_variant_new_uint64 (d->memory));
  g_variant_builder_add (&b, "{sv}", "CPUs", g_variant_new_uint32 (d->cpus));
  g_variant_builder_add (&b, "{sv}", "Disk", g_variant_new_uint64 (d->disk));
  put_list (&b, "Workspaces", paths);
  put_list (&b, "Environment", d->environment);
  put_list (&b, "Command", d->command);
  put_list (&b, "Credentials", d->credentials);
  put_text (&b, "Policy", creel_verdict_get_name (d->default_verdict));
  put_text (&b, "Preset", d->preset);
  put_list (&b, "Allow", d->allow);
  put_list (&b, "Ask", d->ask);
  put_list (&b, "Approved", d->approved);
  put_list (&b, "Deny", d->deny);
  put_list (&b, "Bypass", d->bypass);
  put_list (&b, "Publish", d->publish);
  g_variant_builder_init (&limits, G_VARIANT_TYPE ("a{sv}"));
  for (guint i = 0; i < CREEL_N_LIMITS; i++)
    g_variant_builder_add (&limits, "{sv}", creel_limit_infos[i].name, g_variant_new_uint32 (d->limits.values[i]));
  g_variant_builder_add (&b, "{sv}", "Limits", g_variant_builder_end (&limits));
  g_variant_builder_add (&b, "{sv}", "Ephemeral", g_variant_new_boolean (d->ephemeral));
  g_variant_builder_add (&b, "{sv}", "Created", g_variant_new_int64 (d->created));
  g_variant_builder_add (&b, "{sv}", "Guest", guest != NULL ? guest : g_variant_new ("a{sv}", NULL));
  g_variant_builder_add (&b, "{sv}", "Questions", questions != NULL ? questions : g_variant_new ("aa{sv}", NULL));
  return g_variant_builder_end (&b);
}

void
creel_sandbox_emit_changed (CreelSandbox *sandbox)
{
  g_autoptr (GVariant) now = g_variant_ref_sink (creel_sandbox_get_properties (sandbox));
  GVariantBuilder changed;
  GVariantIter iter;
  const char *key;
  GVariant *value;
  guint n = 0;

  g_variant_builder_init (&changed, G_VARIANT_TYPE ("a{sv}"));
  g_variant_iter_init (&iter, now);
  while (g_variant_iter_next (&iter, "{&sv}", &key, &value))
    {
      g_autoptr (GVariant) owned = value;
      g_autoptr (GVariant) before = sandbox->shown != NULL ? g_variant_lookup_value (sandbox->shown, key, NULL) : NULL;

      if (before != NULL && g_variant_equal (before, owned))
        continue;
      g_variant_builder_add (&changed, "{sv}", key, owned);
      n++;
    }
  if (n > 0 && sandbox->shown != NULL)
    creel_daemon_emit (sandbox->daemon, sandbox->owner, sandbox->path, "org.freedesktop.DBus.Properties",
                       "PropertiesChanged", g_variant_new ("(sa{sv}as)", INTERFACE, &changed, NULL));
  else
    g_variant_builder_clear (&changed);
  g_clear_pointer (&sandbox->shown, g_variant_unref);
  sandbox->shown = g_steal_pointer (&now);
}

static void
load (CreelSandbox *sandbox)
{
  g_autoptr (GError) error = NULL;
  CreelDefinition *definition = creel_definition_load (sandbox->name, &error);

  g_clear_pointer (&sandbox->definition, creel_definition_free);
  g_clear_pointer (&sandbox->problem, g_free);
  sandbox->definition = definition;
  if (definition != NULL)
    sandbox->owner = definition->owner;
  else
    {
      g_autoptr (CreelDefinition) own = creel_definition_load_own (sandbox->name, NULL);

      /* whoever made it may still see and remove it; if even that cannot be read, root alone */
      sandbox->problem = g_strdup (error->message);
      sandbox->owner = own != NULL ? own->owner : 0;
    }
}

CreelSandbox *
creel_sandbox_new (CreelDaemon *daemon, const char *name)
{
  CreelSandbox *sandbox = g_new0 (CreelSandbox, 1);
  g_autofree char *node = g_dbus_escape_object_path (name);

  sandbox->daemon = daemon;
  sandbox->name = g_strdup (name);
  sandbox->path = g_strconcat (CREEL_SANDBOX_PATH "/", node, NULL);
  sandbox->unit = g_strconcat (CREEL_UNIT_PREFIX, name, ".service", NULL);
  load (sandbox);
  return sandbox;
}

void
creel_sandbox_free (CreelSandbox *sandbox)
{
  g_clear_pointer (&sandbox->link, creel_gateway_link_free);
  g_clear_pointer (&sandbox->definition, creel_definition_free);
  g_clear_pointer (&sandbox->shown, g_variant_unref);
  creel_unit_state_clear (&sandbox->unit_state);
  g_free (sandbox->problem);
  g_free (sandbox->name);
  g_free (sandbox->path);
  g_free (sandbox->unit);
  g_free (sandbox);
}

void
creel_sandbox_reload (CreelSandbox *sandbox)
{
  load (sandbox);
  creel_sandbox_emit_changed (sandbox);
}

static void
log_life (CreelSandbox *sandbox, const char *before, const char *after)
{
  const char *id = NULL, *what = NULL;

  if (g_str_equal (after, "running"))
    id = CREEL_MESSAGE_SANDBOX_STARTED, what = "runs";
  else if (g_str_equal (after, "failed"))
    id = CREEL_MESSAGE_SANDBOX_FAILED, what = "failed";
  else if (g_str_equal (after, "stopped"))
    id = CREEL_MESSAGE_SANDBOX_STOPPED, what = "stopped";
  if (id == NULL || g_str_equal (before, after))
    return;
  g_log_structured (G_LOG_DOMAIN, G_LOG_LEVEL_MESSAGE, "MESSAGE_ID", id, CREEL_FIELD_SANDBOX, sandbox->name,
                    CREEL_FIELD_EVENT, "life", "MESSAGE", "Sandbox %s %s", sandbox->name, what);
}

/* Keeps the link to the gateway for as long as the unit lives. */
static void
update_link (CreelSandbox *sandbox)
{
  gboolean active = creel_sandbox_is_active (sandbox);

  if (active && sandbox->link == NULL)
    sandbox->link = creel_gateway_link_new (sandbox->daemon, sandbox->name);
  else if (!active)
    g_clear_pointer (&sandbox->link, creel_gateway_link_free);
}

typedef struct
{
  CreelDaemon *daemon;
  char *name;
  CreelUnitFunc done;
  gpointer user_data;
} Refresh;

static void
on_state (const CreelUnitState *state, gpointer user_data)
{
  g_autofree Refresh *refresh = user_data;
  g_autofree char *name = refresh->name;
  CreelDaemon *daemon = refresh->daemon;
  CreelSandbox *sandbox = g_hash_table_lookup (daemon->sandboxes, name);

  if (sandbox != NULL && state != NULL)
    {
      gboolean first = sandbox->unit_state.active_state == NULL;
      const char *before = creel_sandbox_state_from_unit (sandbox->unit_state.active_state);
      gboolean over;

      creel_unit_state_clear (&sandbox->unit_state);
      sandbox->unit_state = (CreelUnitState) { g_strdup (state->active_state), g_strdup (state->status_text),
                                               g_strdup (state->result), state->exit_status };
      if (!first)
        log_life (sandbox, before, creel_sandbox_state_from_unit (state->active_state));
      update_link (sandbox);
      creel_sandbox_emit_changed (sandbox);

      over = !creel_sandbox_is_active (sandbox);
      /* an ephemeral one goes when it stopped, whoever stopped it, and when we find it dead at our own start */
      if (!over)
        sandbox->fresh = FALSE; /* systemctl start */
      if (over && !sandbox->fresh && sandbox->definition != NULL && sandbox->definition->ephemeral &&
          !g_hash_table_contains (daemon->reserved, name))
        creel_life_forget (daemon, name);
    }
  if (refresh->done != NULL)
    refresh->done (refresh->user_data, NULL);
}

void
creel_sandbox_refresh (CreelSandbox *sandbox, CreelUnitFunc done, gpointer user_data)
{
  Refresh *refresh = g_new0 (Refresh, 1);

  *refresh = (Refresh) { sandbox->daemon, g_strdup (sandbox->name), done, user_data };
  creel_units_get_state (sandbox->daemon->units, sandbox->unit, on_state, refresh);
}

CreelSandbox *
creel_sandbox_add (CreelDaemon *daemon, const char *name)
{
  CreelSandbox *sandbox = creel_sandbox_new (daemon, name);
  GVariantBuilder interfaces;

  g_hash_table_insert (daemon->sandboxes, g_strdup (name), sandbox);
  creel_sandbox_emit_changed (sandbox);
  g_variant_builder_init (&interfaces, G_VARIANT_TYPE ("a{sa{sv}}"));
  g_variant_builder_add (&interfaces, "{s@a{sv}}", INTERFACE, sandbox->shown);
  creel_daemon_emit (daemon, sandbox->owner, CREEL_OBJECT_PATH, "org.freedesktop.DBus.ObjectManager", "InterfacesAdded",
                     g_variant_new ("(oa{sa{sv}})", sandbox->path, &interfaces));
  creel_sandbox_refresh (sandbox, NULL, NULL);
  return sandbox;
}

void
creel_sandbox_drop (CreelDaemon *daemon, const char *name)
{
  static const char *const interfaces[] = { INTERFACE, NULL };
  CreelSandbox *sandbox = g_hash_table_lookup (daemon->sandboxes, name);

  if (sandbox == NULL)
    return;
  creel_daemon_emit (daemon, sandbox->owner, CREEL_OBJECT_PATH, "org.freedesktop.DBus.ObjectManager", "InterfacesRemoved",
                     g_variant_new ("(o^as)", sandbox->path, interfaces));
  g_hash_table_remove (daemon->sandboxes, name);
}
