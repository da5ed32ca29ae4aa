/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-network.h"

#include <string.h>

#include "creel-auth.h"
#include "creel-call.h"
#include "creel-conf.h"
#include "creel-error.h"
#include "creel-network-check.h"
#include "creel-sandbox-store.h"
#include "creel-sandbox.h"

static gboolean
has (char **list, const char *value)
{
  return g_strv_contains ((const char *const *) list, value);
}

static gboolean
add (GVariant *changes, const char *key, char ***list, gboolean *ret_added, GError **error)
{
  g_auto (GStrv) values = NULL;

  if (!g_variant_lookup (changes, key, "^as", &values))
    return TRUE;
  for (char **value = values; *value != NULL; value++)
    {
      /* in the file an empty one clears the list, which would be widening that looks like adding a denial */
      if ((*value)[strspn (*value, " \t\r\n")] == '\0')
        {
          g_set_error (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS, "An empty rule in \"%s\": it names no host", key);
          return FALSE;
        }
      if (!has (*list, *value))
        {
          creel_conf_strv_add (list, *value);
          *ret_added = TRUE;
        }
    }
  return TRUE;
}

static gboolean
drop (char ***list, const char *value)
{
  g_autoptr (GStrvBuilder) kept = g_strv_builder_new ();
  gboolean found = FALSE;

  for (char **entry = *list; *entry != NULL; entry++)
    if (g_str_equal (*entry, value))
      found = TRUE;
    else
      g_strv_builder_add (kept, *entry);
  g_strfreev (*list);
  *list = g_strv_builder_end (kept);
  return found;
}

static void
clear (char ***list)
{
  g_strfreev (*list);
  *list = g_new0 (char *, 1);
}

static gboolean
remove_rules (CreelDefinition *d, GVariant *changes, gboolean *ret_widens, GError **error)
{
  g_auto (GStrv) values = NULL;

  if (!g_variant_lookup (changes, "remove", "^as", &values))
    return TRUE;
  for (char **value = values; *value != NULL; value++)
    {
      gboolean refusing = drop (&d->deny, *value) | drop (&d->ask, *value);
      gboolean allowing = drop (&d->allow, *value) | drop (&d->approved, *value) | drop (&d->bypass, *value);

      *ret_widens |= refusing;
      if (!refusing && !allowing)
        {
          g_set_error (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS,
                       "There is no rule \"%.255s\" that creeld wrote; what was written by hand is changed by hand", *value);
          return FALSE;
        }
    }
  return TRUE;
}

/* For hosts that no rule names: a preset that allows makes a permission of a denial, but not of a question. */
static CreelVerdict
get_default (const CreelDefinition *d)
{
  return d->default_verdict == CREEL_VERDICT_DENY && g_strcmp0 (d->preset, "open") == 0 ? CREEL_VERDICT_ALLOW : d->default_verdict;
}

gboolean
creel_network_apply (CreelDefinition *d, GVariant *changes, gboolean *ret_widens, GError **error)
{
  static const char *const known[] = { "policy:s", "preset:s", "allow:as", "deny:as", "ask:as", "bypass:as", "remove:as",
                                       "reset:b", NULL };
  gboolean reset = FALSE, widens = FALSE, tightens = FALSE;
  CreelVerdict before = get_default (d);
  CreelVerdict verdict;
  const char *text;

  if (!creel_options_check (changes, known, error))
    return FALSE;
  g_variant_lookup (changes, "reset", "b", &reset);
  if (reset)
    {
      widens = d->deny[0] != NULL || d->ask[0] != NULL;
      clear (&d->allow);
      clear (&d->deny);
      clear (&d->ask);
      clear (&d->approved);
      clear (&d->bypass);
      d->default_verdict = CREEL_VERDICT_DENY;
    }
  if (!remove_rules (d, changes, &widens, error))
    return FALSE;
  if (g_variant_lookup (changes, "policy", "&s", &text))
    {
      if (!creel_verdict_parse (text, &verdict))
        {
          g_set_error_literal (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS, "policy must be \"ask\", \"allow\" or \"deny\"");
          return FALSE;
        }
      widens |= verdict > d->default_verdict;
      d->default_verdict = verdict;
      /* what a fresh sandbox has; asked for together they are a contradiction */
      if (verdict == CREEL_VERDICT_ALLOW && g_strcmp0 (d->preset, "locked") == 0)
        g_clear_pointer (&d->preset, g_free);
    }
  if (g_variant_lookup (changes, "preset", "&s", &text))
    {
      widens |= g_strcmp0 (text, d->preset) != 0 && !g_str_equal (text, "locked");
      g_free (d->preset);
      d->preset = g_strdup (text);
    }
  /* asking instead of a plain refusal lets more through */
  if (!add (changes, "allow", &d->allow, &widens, error) || !add (changes, "bypass", &d->bypass, &widens, error) ||
      !add (changes, "ask", &d->ask, &widens, error) || !add (changes, "deny", &d->deny, &tightens, error))
    return FALSE;
  if (!creel_definition_validate (d, error))
    {
      if (error != NULL && g_error_matches (*error, CREEL_ERROR, CREEL_ERROR_BAD_DEFINITION))
        {
          (*error)->domain = G_DBUS_ERROR;
          (*error)->code = G_DBUS_ERROR_INVALID_ARGS;
        }
      return FALSE;
    }
  *ret_widens = widens || get_default (d) > before;
  return TRUE;
}

static void
on_gateway_reloaded (GVariant *reply, GUnixFDList *fds, gpointer user_data, GError *error)
{
  CreelCall *call = user_data;

  if (error != NULL && !g_error_matches (error, CREEL_ERROR, CREEL_ERROR_NOT_RUNNING))
    creel_call_fail_new (call, CREEL_ERROR, CREEL_ERROR_FAILED,
                         "The change is kept, but the gateway did not take it and refuses everything now: %s", error->message);
  else
    creel_call_return (call, NULL);
}

/* The changed definition is on disk: the gateway of a running one reads it now. */
static void
saved (CreelCall *call)
{
  CreelSandbox *sandbox = creel_call_sandbox (call);

  if (sandbox == NULL)
    return;
  creel_sandbox_reload (sandbox);
  if (creel_sandbox_get_link (sandbox) != NULL)
    creel_gateway_link_call (creel_sandbox_get_link (sandbox), "Reload", NULL, "()", -1, on_gateway_reloaded, call);
  else
    creel_call_return (call, NULL);
}

static void
save (CreelCall *call, const CreelDefinition *definition)
{
  g_autoptr (GError) error = NULL;

  if (!creel_sandbox_store_write (definition, &error))
    creel_call_fail (call, error);
  else
    saved (call);
}

static gboolean
prepare_set_network (CreelCall *call, GStrvBuilder *actions, GError **error)
{
  g_autoptr (GVariant) changes = g_variant_get_child_value (call->parameters, 0);
  g_autoptr (CreelDefinition) definition = creel_definition_load_own (call->node, error);
  gboolean widens = FALSE;

  if (definition == NULL || !creel_network_apply (definition, changes, &widens, error))
    return FALSE;
  if (widens)
    g_strv_builder_add (actions, CREEL_ACTION_WIDEN_POLICY);
  call->data = GINT_TO_POINTER (widens);
  return TRUE;
}

static void
handle_set_network (CreelCall *call)
{
  g_autoptr (GVariant) changes = g_variant_get_child_value (call->parameters, 0);
  g_autoptr (GError) error = NULL;
  g_autoptr (CreelDefinition) definition = creel_definition_load_own (call->node, &error);
  gboolean widens = FALSE;

  /* again, on what is there now: another change may have come while polkit was asked */
  if (definition == NULL || !creel_network_apply (definition, changes, &widens, &error))
    creel_call_fail (call, error);
  else if (widens && !GPOINTER_TO_INT (call->data) && call->uid != 0)
    creel_call_fail_new (call, CREEL_ERROR, CREEL_ERROR_FAILED, "The rules changed meanwhile; try again");
  else
    save (call, definition);
}

static gboolean
check_names (const CreelDefinition *d, char **names, GError **error)
{
  for (char **name = names; *name != NULL; name++)
    {
      g_autoptr (CreelCredential) credential = creel_definition_find_credential (d, *name, error);

      if (credential == NULL)
        {
          if (error != NULL)
            {
              (*error)->domain = G_DBUS_ERROR;
              (*error)->code = G_DBUS_ERROR_INVALID_ARGS;
            }
          return FALSE;
        }
    }
  return TRUE;
}

static gboolean
prepare_set_credentials (CreelCall *call, GStrvBuilder *actions, GError **error)
{
  g_autoptr (CreelDefinition) definition = creel_definition_load_own (call->node, error);
  g_auto (GStrv) names = NULL;

  if (definition == NULL)
    return FALSE;
  g_variant_get (call->parameters, "(^as)", &names);
  if (!check_names (definition, names, error))
    return FALSE;
  if (names[0] != NULL)
    g_strv_builder_add (actions, CREEL_ACTION_USE_CREDENTIAL);
  return TRUE;
}

static void
handle_set_credentials (CreelCall *call)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (CreelDefinition) definition = creel_definition_load_own (call->node, &error);

  if (definition == NULL)
    {
      creel_call_fail (call, error);
      return;
    }
  g_strfreev (definition->credentials);
  g_variant_get (call->parameters, "(^as)", &definition->credentials);
  if (!creel_definition_validate (definition, &error))
    creel_call_fail_new (call, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS, "%s", error->message);
  else
    save (call, definition);
}

static void
on_checked (GVariant *reply, GUnixFDList *fds, gpointer user_data, GError *error)
{
  if (error != NULL)
    creel_call_fail (user_data, error);
  else
    creel_call_return (user_data, reply);
}

static void
handle_check_network (CreelCall *call)
{
  CreelSandbox *sandbox = creel_call_sandbox (call);
  g_autoptr (GError) error = NULL;
  const CreelDefinition *definition;
  const char *url, *method;
  CreelGatewayLink *link;
  GVariant *decision;

  if (sandbox == NULL)
    return;
  link = creel_sandbox_get_link (sandbox);
  if (link != NULL && creel_gateway_link_is_connected (link))
    {
      creel_gateway_link_call (link, "Check", call->parameters, "(a{sv})", -1, on_checked, call);
      return;
    }
  creel_sandbox_reload (sandbox);
  g_variant_get (call->parameters, "(&s&s)", &url, &method);
  definition = creel_sandbox_get_definition (sandbox, &error);
  decision = definition != NULL ? creel_network_check (definition->policy, url, method, &error) : NULL;
  if (decision != NULL)
    creel_call_return (call, g_variant_new ("(@a{sv})", decision));
  else
    creel_call_fail (call, error);
}

const CreelMethod creel_network_methods[] = {
  { "Sandbox", "SetNetwork", prepare_set_network, handle_set_network },
  { "Sandbox", "SetCredentials", prepare_set_credentials, handle_set_credentials },
  { "Sandbox", "CheckNetwork", NULL, handle_check_network },
  { NULL }
};
