/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Published ports. The definition says which; their units are made of it by creel-port-generator whenever systemd reads its units, so
 * all there is to do is to write it, have systemd read it, and start and stop. */
#include "creel-ports.h"

#include <string.h>

#include "creel-auth.h"
#include "creel-conf.h"
#include "creel-error.h"
#include "creel-sandbox-store.h"
#include "creel-sandbox.h"

/* The gateway may hold the socket of a port that was just stopped for a moment longer. */
#define RETRIES 10
#define RETRY_MS 100

static gboolean
has (char **list, const char *text)
{
  return list != NULL && g_strv_contains ((const char *const *) list, text);
}

static char **
canonical_list (GVariant *changes, const char *key, GError **error)
{
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  g_auto (GStrv) texts = NULL;

  g_variant_lookup (changes, key, "^as", &texts);
  for (char **text = texts; text != NULL && *text != NULL; text++)
    {
      g_autoptr (CreelPublish) publish = creel_publish_parse (*text, error);
      g_autofree char *canonical = NULL;

      if (publish == NULL)
        return NULL;
      canonical = creel_publish_format (publish);
      g_strv_builder_add (builder, canonical);
    }
  return g_strv_builder_end (builder);
}

static gboolean
remove_named (CreelDefinition *d, const char *text, GError **error)
{
  g_auto (GStrv) found = creel_publish_find (d->publish, text, error);
  g_autoptr (GStrvBuilder) kept = g_strv_builder_new ();

  if (found == NULL)
    return FALSE;
  if (found[0] == NULL)
    {
      g_set_error (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS,
                   "Port %s is not published by creeld; what was written by hand is changed by hand", text);
      return FALSE;
    }
  for (char **entry = d->publish; *entry != NULL; entry++)
    if (!has (found, *entry))
      g_strv_builder_add (kept, *entry);
  g_strfreev (d->publish);
  d->publish = g_strv_builder_end (kept);
  return TRUE;
}

gboolean
creel_ports_apply (CreelDefinition *d, GVariant *changes, GError **error)
{
  static const char *const known[] = { "publish:as", "unpublish:as", NULL };
  g_auto (GStrv) remove = NULL, added = NULL;

  if (!creel_options_check (changes, known, error))
    return FALSE;
  g_variant_lookup (changes, "unpublish", "^as", &remove);
  for (char **text = remove; text != NULL && *text != NULL; text++)
    if (!remove_named (d, *text, error))
      return FALSE;
  added = canonical_list (changes, "publish", error);
  if (added == NULL)
    return FALSE;
  for (char **text = added; *text != NULL; text++)
    if (!has (d->publish, *text))
      creel_conf_strv_add (&d->publish, *text);
  if (!creel_definition_validate (d, error))
    {
      if (error != NULL && g_error_matches (*error, CREEL_ERROR, CREEL_ERROR_BAD_DEFINITION))
        {
          (*error)->domain = G_DBUS_ERROR;
          (*error)->code = G_DBUS_ERROR_INVALID_ARGS;
        }
      return FALSE;
    }
  return TRUE;
}

char **
creel_ports_find_guarded (char **list, char **before)
{
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();

  for (; *list != NULL; list++)
    {
      g_autoptr (CreelPublish) publish = creel_publish_parse (*list, NULL);

      if (publish != NULL && !creel_publish_is_plain (publish) && !has (before, *list))
        g_strv_builder_add (builder, *list);
    }
  return g_strv_builder_end (builder);
}

void
creel_ports_need (CreelCall *call, char **guarded)
{
  for (; *guarded != NULL; guarded++)
    {
      g_autoptr (CreelPublish) publish = creel_publish_parse (*guarded, NULL);
      g_autofree char *address = g_inet_address_to_string (publish->address);
      g_autofree char *port = g_strdup_printf ("%u", publish->port);
      GVariantBuilder details;

      g_variant_builder_init (&details, G_VARIANT_TYPE ("a{ss}"));
      g_variant_builder_add (&details, "{ss}", "address", address);
      g_variant_builder_add (&details, "{ss}", "port", port);
      creel_call_need (call, CREEL_ACTION_PUBLISH_PORT, g_variant_builder_end (&details));
    }
}

/* A running sandbox that publishes what is in the way of `publish`, or NULL. */
static CreelSandbox *
find_rival (CreelDaemon *daemon, const char *name, const CreelPublish *publish)
{
  GHashTableIter iter;
  gpointer sandbox;

  g_hash_table_iter_init (&iter, daemon->sandboxes);
  while (g_hash_table_iter_next (&iter, NULL, &sandbox))
    {
      const CreelDefinition *d = creel_sandbox_get_definition (sandbox, NULL);

      if (d == NULL || g_str_equal (d->name, name) || !creel_sandbox_is_active (sandbox))
        continue;
      for (char **entry = d->publish; *entry != NULL; entry++)
        {
          g_autoptr (CreelPublish) other = creel_publish_parse (*entry, NULL);

          if (other != NULL && creel_publish_overlaps (other, publish))
            return sandbox;
        }
    }
  return NULL;
}

void
creel_ports_explain (CreelDaemon *daemon, const char *name, uid_t owner, const CreelPublish *publish, GError **error)
{
  CreelSandbox *rival = find_rival (daemon, name, publish);
  g_autofree char *address = creel_publish_format_socket (publish);
  gboolean always_there = g_inet_address_get_is_any (publish->address) ||
                          (g_inet_address_get_is_loopback (publish->address) &&
                           g_inet_address_get_family (publish->address) == G_SOCKET_FAMILY_IPV4);

  if (rival != NULL && (owner == 0 || creel_sandbox_get_owner (rival) == owner))
    g_set_error (error, CREEL_ERROR, CREEL_ERROR_PORT_IN_USE,
                 "Port %s is in use: sandbox \"%s\" publishes it; \"creel ports %s --unpublish %u\" frees it", address,
                 creel_sandbox_get_name (rival), creel_sandbox_get_name (rival), publish->port);
  else if (rival != NULL)
    g_set_error (error, CREEL_ERROR, CREEL_ERROR_PORT_IN_USE,
                 "Port %s is in use by a sandbox of another user; publish another port, or ask an administrator", address);
  else
    g_set_error (error, CREEL_ERROR, CREEL_ERROR_PORT_IN_USE,
                 "Port %s is in use by another program%s; publish another port, or stop that program: \"sudo ss -ltnp sport = :%u\" names it",
                 address, always_there ? "" : ", or it is no address of this machine", publish->port);
}

/* A SetPorts while it waits: systemd and the gateway are asked one thing after the other. */
typedef struct
{
  CreelCall *call;
  CreelDefinition *before, *after;
  GPtrArray *stop, *start; /* units; the other way round once it failed */
  GPtrArray *ports;        /* of `start` as it was first */
  guint next;
  guint retries;
  guint timer;
  GError *failure; /* the old definition is put back */
} SetPorts;

static void
set_ports_free (gpointer data)
{
  SetPorts *set = data;

  g_clear_handle_id (&set->timer, g_source_remove);
  g_clear_pointer (&set->before, creel_definition_free);
  g_clear_pointer (&set->after, creel_definition_free);
  g_ptr_array_unref (set->stop);
  g_ptr_array_unref (set->start);
  g_ptr_array_unref (set->ports);
  g_clear_error (&set->failure);
  g_free (set);
}

static void start_next (SetPorts *set);
static void stop_next (SetPorts *set);

static void
finish (SetPorts *set)
{
  CreelCall *call = set->call;

  if (set->failure != NULL)
    {
      g_autoptr (GError) failure = g_steal_pointer (&set->failure);

      creel_call_fail (call, failure);
    }
  else
    creel_call_return (call, NULL);
}

static void
on_stopped (gpointer user_data, GError *error)
{
  SetPorts *set = user_data;

  /* it may have been stopped before, or never have been there */
  if (error != NULL)
    g_debug ("%s", error->message);
  set->next++;
  stop_next (set);
}

static void
stop_next (SetPorts *set)
{
  if (set->next < set->stop->len)
    creel_units_job (set->call->daemon->units, "StopUnit", set->stop->pdata[set->next], on_stopped, set);
  else
    {
      set->next = 0;
      start_next (set);
    }
}

static void
on_gateway_reloaded (GVariant *reply, GUnixFDList *fds, gpointer user_data, GError *error)
{
  SetPorts *set = user_data;

  if (error != NULL && !g_error_matches (error, CREEL_ERROR, CREEL_ERROR_NOT_RUNNING) && set->failure == NULL)
    g_warning ("The gateway of sandbox %s: %s", set->after->name, error->message);
  set->next = 0;
  stop_next (set);
}

static void
on_units_reloaded (gpointer user_data, GError *error)
{
  SetPorts *set = user_data;
  CreelSandbox *sandbox = g_hash_table_lookup (set->call->daemon->sandboxes, set->call->node);

  if (error != NULL && set->failure == NULL)
    set->failure = g_error_copy (error);
  if (sandbox == NULL)
    {
      if (set->failure == NULL)
        set->failure = g_error_new (CREEL_ERROR, CREEL_ERROR_NO_SUCH_SANDBOX, "There is no sandbox \"%s\" any more", set->call->node);
      finish (set);
      return;
    }
  creel_sandbox_reload (sandbox);
  if (!creel_sandbox_is_active (sandbox))
    {
      finish (set); /* its start brings them */
      return;
    }
  creel_gateway_link_call (creel_sandbox_get_link (sandbox), "Reload", NULL, "()", -1, on_gateway_reloaded, set);
}

/* Nothing of a change that cannot be is kept; what others changed meanwhile is. */
static void
roll_back (SetPorts *set)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (CreelDefinition) now = creel_definition_load_own (set->call->node, &error);
  g_autoptr (GStrvBuilder) kept = g_strv_builder_new ();
  GPtrArray *stop = set->stop;

  set->stop = set->start;
  set->start = stop;
  for (char **entry = now != NULL ? now->publish : NULL; entry != NULL && *entry != NULL; entry++)
    if (has (set->before->publish, *entry) || !has (set->after->publish, *entry))
      g_strv_builder_add (kept, *entry);
  for (char **entry = set->before->publish; *entry != NULL; entry++)
    if (!has (set->after->publish, *entry))
      g_strv_builder_add (kept, *entry);
  if (now != NULL)
    {
      g_strfreev (now->publish);
      now->publish = g_strv_builder_end (kept);
    }
  if (now == NULL || !creel_sandbox_store_write (now, &error))
    g_warning ("%s", error->message);
  creel_units_reload (set->call->daemon->units, on_units_reloaded, set);
}

static gboolean
on_retry (gpointer user_data)
{
  SetPorts *set = user_data;

  set->timer = 0;
  start_next (set);
  return G_SOURCE_REMOVE;
}

static void
on_started (gpointer user_data, GError *error)
{
  SetPorts *set = user_data;
  CreelCall *call = set->call;

  if (error == NULL || set->failure != NULL)
    {
      set->next++;
      set->retries = 0;
      start_next (set);
    }
  else if (set->stop->len > 0 && set->retries < RETRIES)
    {
      set->retries++;
      set->timer = g_timeout_add (RETRY_MS, on_retry, set);
    }
  else
    {
      creel_ports_explain (call->daemon, call->node, set->after->owner, set->ports->pdata[set->next], &set->failure);
      /* those that run already stay; the one that failed is not among them */
      g_ptr_array_set_size (set->start, set->next);
      for (guint i = set->start->len; i > 0; i--)
        {
          g_autofree char *text = creel_publish_format (set->ports->pdata[i - 1]);

          if (has (set->before->publish, text))
            g_ptr_array_remove_index (set->start, i - 1);
        }
      roll_back (set);
    }
}

static void
start_next (SetPorts *set)
{
  if (set->next < set->start->len)
    creel_units_job (set->call->daemon->units, "StartUnit", set->start->pdata[set->next], on_started, set);
  else
    finish (set);
}

static gboolean
prepare_set_ports (CreelCall *call, GStrvBuilder *actions, GError **error)
{
  g_autoptr (GVariant) changes = g_variant_get_child_value (call->parameters, 0);
  g_autoptr (CreelDefinition) before = creel_definition_load_own (call->node, error);
  g_autoptr (CreelDefinition) after = before != NULL ? creel_definition_load_own (call->node, error) : NULL;

  if (after == NULL || !creel_ports_apply (after, changes, error))
    return FALSE;
  call->data = creel_ports_find_guarded (after->publish, before->publish);
  call->free_data = (GDestroyNotify) g_strfreev;
  creel_ports_need (call, call->data);
  return TRUE;
}

/* Whether polkit was asked about everything that is new now; another change may have come while it was. */
static gboolean
was_authorized (CreelCall *call, const CreelDefinition *before, const CreelDefinition *after)
{
  g_auto (GStrv) guarded = creel_ports_find_guarded (after->publish, before->publish);

  for (char **entry = guarded; *entry != NULL; entry++)
    if (call->uid != 0 && !has (call->data, *entry))
      return FALSE;
  return TRUE;
}

static SetPorts *
set_ports_new (CreelCall *call, CreelDefinition *before, CreelDefinition *after, GVariant *changes)
{
  SetPorts *set = g_new0 (SetPorts, 1);
  g_auto (GStrv) wanted = canonical_list (changes, "publish", NULL);

  set->call = call;
  set->before = before;
  set->after = after;
  set->stop = g_ptr_array_new_with_free_func (g_free);
  set->start = g_ptr_array_new_with_free_func (g_free);
  set->ports = g_ptr_array_new_with_free_func ((GDestroyNotify) creel_publish_free);
  for (char **entry = before->publish; *entry != NULL; entry++)
    if (!has (after->publish, *entry))
      {
        g_autoptr (CreelPublish) publish = creel_publish_parse (*entry, NULL);

        g_ptr_array_add (set->stop, creel_publish_unit (publish, after->name));
      }
  /* one that is there already is tried again: its port may have been busy when the sandbox started */
  for (char **entry = wanted; *entry != NULL; entry++)
    {
      CreelPublish *publish = creel_publish_parse (*entry, NULL);

      g_ptr_array_add (set->start, creel_publish_unit (publish, after->name));
      g_ptr_array_add (set->ports, publish);
    }
  return set;
}

static void
handle_set_ports (CreelCall *call)
{
  g_autoptr (GVariant) changes = g_variant_get_child_value (call->parameters, 0);
  g_autoptr (GError) error = NULL;
  g_autoptr (CreelDefinition) before = creel_definition_load_own (call->node, &error);
  g_autoptr (CreelDefinition) after = before != NULL ? creel_definition_load_own (call->node, &error) : NULL;
  SetPorts *set;

  if (after == NULL || !creel_ports_apply (after, changes, &error))
    creel_call_fail (call, error);
  else if (!was_authorized (call, before, after))
    creel_call_fail_new (call, CREEL_ERROR, CREEL_ERROR_FAILED, "The ports changed meanwhile; try again");
  else if (!creel_sandbox_store_write (after, &error))
    creel_call_fail (call, error);
  else
    {
      set = set_ports_new (call, g_steal_pointer (&before), g_steal_pointer (&after), changes);
      g_strfreev (call->data);
      call->data = set;
      call->free_data = set_ports_free;
      creel_units_reload (call->daemon->units, on_units_reloaded, set);
    }
}

static void
on_swept (gpointer user_data, GError *error)
{
  g_autofree char *unit = user_data;

  if (error != NULL)
    g_warning ("Cannot stop %s: %s", unit, error->message);
}

static void
on_found (GHashTable *units, gpointer user_data, GError *error)
{
  CreelDaemon *daemon = user_data;
  g_auto (GStrv) names = creel_definition_list ();
  GHashTableIter iter;
  gpointer unit;

  /* as the generator reads them */
  for (char **name = names; *name != NULL; name++)
    {
      g_auto (GStrv) list = creel_definition_load_publish (*name);

      for (char **entry = list; *entry != NULL; entry++)
        {
          g_autoptr (CreelPublish) publish = creel_publish_parse (*entry, NULL);
          g_autofree char *published = creel_publish_unit (publish, *name);

          g_hash_table_remove (units, published);
        }
    }
  g_hash_table_iter_init (&iter, units);
  while (g_hash_table_iter_next (&iter, &unit, NULL))
    creel_units_job (daemon->units, "StopUnit", unit, on_swept, g_strdup (unit));
}

void
creel_ports_sweep (CreelDaemon *daemon)
{
  creel_units_list (daemon->units, "creel-port@*.socket", on_found, daemon);
}

/* ListPorts: the definition's, and what systemd says of each. */
static void
on_listed (GHashTable *units, gpointer user_data, GError *error)
{
  CreelCall *call = user_data;
  CreelSandbox *sandbox = creel_call_sandbox (call);
  const CreelDefinition *d;
  g_autoptr (GError) local_error = NULL;
  GVariantBuilder list;

  if (sandbox == NULL)
    return;
  creel_sandbox_reload (sandbox);
  d = creel_sandbox_get_definition (sandbox, &local_error);
  if (d == NULL || error != NULL)
    {
      creel_call_fail (call, d == NULL ? local_error : error);
      return;
    }
  g_variant_builder_init (&list, G_VARIANT_TYPE ("aa{sv}"));
  for (char **entry = d->publish; *entry != NULL; entry++)
    {
      g_autoptr (CreelPublish) publish = creel_publish_parse (*entry, NULL);
      g_autofree char *unit = creel_publish_unit (publish, d->name);
      g_autofree char *address = g_inet_address_to_string (publish->address);
      g_autoptr (GError) problem = NULL;
      const char *state = "stopped";

      if (g_strcmp0 (g_hash_table_lookup (units, unit), "active") == 0)
        state = "listening";
      else if (g_str_equal (creel_sandbox_get_state (sandbox), "running"))
        {
          state = "failed";
          creel_ports_explain (call->daemon, d->name, d->owner, publish, &problem);
        }
      g_variant_builder_open (&list, G_VARIANT_TYPE ("a{sv}"));
      g_variant_builder_add (&list, "{sv}", "address", g_variant_new_string (address));
      g_variant_builder_add (&list, "{sv}", "port", g_variant_new_uint16 (publish->port));
      g_variant_builder_add (&list, "{sv}", "guest-port", g_variant_new_uint16 (publish->guest));
      g_variant_builder_add (&list, "{sv}", "state", g_variant_new_string (state));
      g_variant_builder_add (&list, "{sv}", "problem", g_variant_new_string (problem != NULL ? problem->message : ""));
      g_variant_builder_close (&list);
    }
  creel_call_return (call, g_variant_new ("(aa{sv})", &list));
}

static void
handle_list_ports (CreelCall *call)
{
  g_autofree char *pattern = g_strdup_printf ("creel-port@%s:*.socket", call->node);

  creel_units_list (call->daemon->units, pattern, on_listed, call);
}

const CreelMethod creel_ports_methods[] = {
  { "Sandbox", "SetPorts", prepare_set_ports, handle_set_ports },
  { "Sandbox", "ListPorts", NULL, handle_list_ports },
  { NULL }
};
