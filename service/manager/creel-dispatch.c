/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-dispatch.h"

#include <string.h>

#include "creel-auth.h"
#include "creel-dbus-agentmanager.h"
#include "creel-dbus-engines.h"
#include "creel-dbus-job.h"
#include "creel-dbus-manager.h"
#include "creel-dbus-models.h"
#include "creel-dbus-sandbox.h"
#include "creel-dbus-session.h"
#include "creel-error.h"
#include "creel-job.h"
#include "creel-names.h"
#include "creel-sandbox.h"
#include "creel-session.h"

#define PREFIX CREEL_BUS_NAME "."
#define PROPERTIES "org.freedesktop.DBus.Properties"
#define OBJECT_MANAGER "org.freedesktop.DBus.ObjectManager"
#define N_ROOT 5
#define N_SUBTREES 3

static const CreelMethod *const faces[] = { creel_manager_methods, creel_sandbox_methods, creel_network_methods,
                                            creel_exec_methods,    creel_session_methods, creel_job_methods,
                                            creel_image_methods,   creel_image_make_methods, creel_agent_methods,
                                            creel_log_methods,     creel_ports_methods,   creel_image_save_methods,
                                            creel_image_pull_methods, creel_image_push_methods, creel_build_methods,
                                            creel_model_methods,      creel_model_job_methods,  creel_model_import_methods,
                                            creel_model_runner_methods, creel_engine_methods, creel_management_methods,
                                            creel_question_methods };

gboolean
creel_dispatch_is_own (uid_t uid, uid_t owner)
{
  return uid == 0 || uid == owner;
}

const CreelMethod *
creel_dispatch_find_method (const char *interface, const char *method)
{
  for (guint i = 0; i < G_N_ELEMENTS (faces); i++)
    for (const CreelMethod *m = faces[i]; m->interface != NULL; m++)
      if (g_str_equal (m->interface, interface) && g_str_equal (m->method, method))
        return m;
  return NULL;
}

/* Which object a path names: its owner, or FALSE. The root belongs to everybody. */
static gboolean
find_owner (CreelCall *call, const char *path, uid_t *ret_owner)
{
  *ret_owner = call->uid;
  if (call->node == NULL)
    return TRUE;
  if (g_str_has_prefix (path, CREEL_SANDBOX_PATH "/"))
    {
      CreelSandbox *sandbox = g_hash_table_lookup (call->daemon->sandboxes, call->node);

      if (sandbox != NULL)
        *ret_owner = creel_sandbox_get_owner (sandbox);
      return sandbox != NULL;
    }
  if (g_str_has_prefix (path, CREEL_SESSION_PATH "/"))
    {
      CreelSession *session = g_hash_table_lookup (call->daemon->sessions, call->node);

      if (session != NULL)
        *ret_owner = creel_session_get_owner (session);
      return session != NULL;
    }
  if (g_str_has_prefix (path, CREEL_JOB_PATH "/"))
    {
      CreelJob *job = g_hash_table_lookup (call->daemon->jobs, call->node);

      if (job != NULL)
        *ret_owner = creel_job_get_owner (job);
      return job != NULL;
    }
  return FALSE;
}

/* The same words whether it does not exist or is another's. */
static void
fail_unseen (CreelCall *call)
{
  const char *path = g_dbus_method_invocation_get_object_path (call->invocation);

  if (g_str_has_prefix (path, CREEL_SANDBOX_PATH "/"))
    creel_call_fail_new (call, CREEL_ERROR, CREEL_ERROR_NO_SUCH_SANDBOX, "There is no sandbox \"%s\"", call->node);
  else if (g_str_has_prefix (path, CREEL_SESSION_PATH "/"))
    creel_call_fail_new (call, CREEL_ERROR, CREEL_ERROR_NO_SUCH_SESSION, "There is no session %s", call->node);
  else
    creel_call_fail_new (call, G_DBUS_ERROR, G_DBUS_ERROR_UNKNOWN_OBJECT, "There is no object %s", path);
}

static GVariant *
properties_of (CreelCall *call, const char *path, const char *interface)
{
  if (call->node == NULL)
    return g_str_equal (interface, PREFIX "Manager") ? creel_manager_get_properties (call->daemon) : NULL;
  if (g_str_has_prefix (path, CREEL_SANDBOX_PATH "/"))
    {
      CreelSandbox *sandbox = g_hash_table_lookup (call->daemon->sandboxes, call->node);

      if (sandbox == NULL || !g_str_equal (interface, PREFIX "Sandbox"))
        return NULL;
      creel_sandbox_reload (sandbox);
      return creel_sandbox_get_properties (sandbox);
    }
  if (g_str_has_prefix (path, CREEL_SESSION_PATH "/") && g_str_equal (interface, PREFIX "Session"))
    return creel_session_get_properties (g_hash_table_lookup (call->daemon->sessions, call->node));
  if (g_str_has_prefix (path, CREEL_JOB_PATH "/") && g_str_equal (interface, PREFIX "Job"))
    return creel_job_get_properties (g_hash_table_lookup (call->daemon->jobs, call->node));
  return NULL;
}

static void
handle_properties (CreelCall *call)
{
  g_autofree char *path = g_strdup (g_dbus_method_invocation_get_object_path (call->invocation));
  g_autoptr (GVariant) all = NULL;
  g_autoptr (GVariant) value = NULL;
  const char *interface, *name = NULL;
  uid_t owner;

  if (!find_owner (call, path, &owner))
    {
      fail_unseen (call);
      return;
    }
  if (g_str_equal (call->method, "Get"))
    g_variant_get (call->parameters, "(&s&s)", &interface, &name);
  else
    g_variant_get (call->parameters, "(&s)", &interface);
  all = properties_of (call, path, interface);
  if (all == NULL)
    all = g_variant_new ("a{sv}", NULL);
  g_variant_ref_sink (all);
  if (name == NULL)
    {
      creel_call_return (call, g_variant_new ("(@a{sv})", all));
      return;
    }
  value = g_variant_lookup_value (all, name, NULL);
  if (value != NULL)
    creel_call_return (call, g_variant_new ("(v)", value));
  else
    creel_call_fail_new (call, G_DBUS_ERROR, G_DBUS_ERROR_UNKNOWN_PROPERTY, "No such property");
}

static void
add_object (GVariantBuilder *objects, const char *path, const char *interface, GVariant *properties)
{
  GVariantBuilder interfaces;

  g_variant_builder_init (&interfaces, G_VARIANT_TYPE ("a{sa{sv}}"));
  g_variant_builder_add (&interfaces, "{s@a{sv}}", interface, properties);
  g_variant_builder_add (objects, "{oa{sa{sv}}}", path, &interfaces);
}


static void
on_managed_authorized (gpointer user_data, GError *error)
{
  CreelCall *call = user_data;
  gboolean all = error == NULL;
  GVariantBuilder objects;
  GHashTableIter iter;
  gpointer object;

  g_variant_builder_init (&objects, G_VARIANT_TYPE ("a{oa{sa{sv}}}"));
  g_hash_table_iter_init (&iter, call->daemon->sandboxes);
  while (g_hash_table_iter_next (&iter, NULL, &object))
    if (all || creel_dispatch_is_own (call->uid, creel_sandbox_get_owner (object)))
      {
        creel_sandbox_reload (object);
        add_object (&objects, creel_sandbox_get_path (object), PREFIX "Sandbox", creel_sandbox_get_properties (object));
      }
  g_hash_table_iter_init (&iter, call->daemon->sessions);
  while (g_hash_table_iter_next (&iter, NULL, &object))
    if (creel_dispatch_is_own (call->uid, creel_session_get_owner (object)))
      add_object (&objects, creel_session_get_path (object), PREFIX "Session", creel_session_get_properties (object));
  g_hash_table_iter_init (&iter, call->daemon->jobs);
  while (g_hash_table_iter_next (&iter, NULL, &object))
    if (creel_dispatch_is_own (call->uid, creel_job_get_owner (object)))
      add_object (&objects, creel_job_get_path (object), PREFIX "Job", creel_job_get_properties (object));
  creel_call_return (call, g_variant_new ("(a{oa{sa{sv}}})", &objects));
}

static void
on_authorized (gpointer user_data, GError *error)
{
  CreelCall *call = user_data;
  const CreelMethod *method = creel_dispatch_find_method (call->interface, call->method);
  uid_t owner;

  if (error != NULL)
    creel_call_fail (call, error);
  /* the dialog may have taken minutes: look again */
  else if (!find_owner (call, g_dbus_method_invocation_get_object_path (call->invocation), &owner))
    fail_unseen (call);
  else
    method->handler (call);
}

/* What a rule of the administrator may look at. more: an a{ss}, or NULL. */
static GVariant *
polkit_details (CreelCall *call, GVariant *more)
{
  GVariantBuilder details;
  GVariantIter iter;
  const char *key, *value;

  g_variant_builder_init (&details, G_VARIANT_TYPE ("a{ss}"));
  if (more != NULL)
    {
      g_variant_iter_init (&iter, more);
      while (g_variant_iter_next (&iter, "{&s&s}", &key, &value))
        g_variant_builder_add (&details, "{ss}", key, value);
    }
  g_variant_builder_add (&details, "{ss}", "verb", call->method);
  if (call->node != NULL)
    g_variant_builder_add (&details, "{ss}", "sandbox", call->node);
  else if (g_str_equal (call->method, "CreateSandbox"))
    {
      const char *name;

      g_variant_get_child (call->parameters, 0, "&s", &name);
      g_variant_builder_add (&details, "{ss}", "sandbox", name);
    }
  return g_variant_builder_end (&details);
}

/* aa{ss}, one for each action; those with details of their own are added to both. */
static GVariant *
all_details (CreelCall *call, GStrvBuilder *builder, char ***ret_actions)
{
  g_auto (GStrv) actions = g_strv_builder_end (builder);
  GVariantBuilder details;

  g_variant_builder_init (&details, G_VARIANT_TYPE ("aa{ss}"));
  for (char **action = actions; *action != NULL; action++)
    {
      g_strv_builder_add (builder, *action);
      g_variant_builder_add_value (&details, polkit_details (call, NULL));
    }
  for (guint i = 0; call->needs != NULL && i < call->needs->len; i++)
    {
      g_autoptr (GVariant) more = g_variant_get_child_value (call->needs->pdata[i], 1);
      const char *action;

      g_variant_get_child (call->needs->pdata[i], 0, "&s", &action);
      g_strv_builder_add (builder, action);
      g_variant_builder_add_value (&details, polkit_details (call, more));
    }
  *ret_actions = g_strv_builder_end (builder);
  return g_variant_builder_end (&details);
}

/* The caller may see the object; may it do this? */
static void
authorize (CreelCall *call, uid_t owner)
{
  g_autofree char *interface = g_strconcat (PREFIX, call->interface, NULL);
  const char *action = creel_auth_action (interface, call->method);
  const CreelMethod *method = creel_dispatch_find_method (call->interface, call->method);
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  g_auto (GStrv) actions = NULL;
  g_autoptr (GError) error = NULL;
  GVariant *details;

  if (action == NULL || method == NULL)
    {
      creel_call_fail_new (call, G_DBUS_ERROR, G_DBUS_ERROR_UNKNOWN_METHOD, "No such method");
      return;
    }
  if (g_str_equal (action, CREEL_ACTION_INTERNAL) && !creel_auth_is_internal (call->uid))
    {
      creel_call_fail_new (call, CREEL_ERROR, CREEL_ERROR_NOT_AUTHORIZED, "Only the model runner may do this");
      return;
    }
  if (!g_str_equal (action, CREEL_ACTION_NONE) && !g_str_equal (action, CREEL_ACTION_INTERNAL))
    g_strv_builder_add (builder, creel_auth_effective_action (action, call->uid, owner));
  if (method->prepare != NULL && !method->prepare (call, builder, &error))
    {
      creel_call_fail (call, error);
      return;
    }
  details = all_details (call, builder, &actions);
  creel_auth_check (call->daemon->bus, call->sender, call->uid, (const char *const *) actions, details,
                    creel_call_is_interactive (call), on_authorized, call);
}

static void
run (CreelCall *call, uid_t owner)
{
  if (g_str_equal (call->interface, PROPERTIES))
    handle_properties (call);
  else
    authorize (call, owner);
}

static void
on_may_see (gpointer user_data, GError *error)
{
  CreelCall *call = user_data;
  uid_t owner;

  if (error != NULL || !find_owner (call, g_dbus_method_invocation_get_object_path (call->invocation), &owner))
    fail_unseen (call);
  else
    run (call, owner);
}

static void
on_caller (uid_t uid, gpointer user_data, GError *error)
{
  static const char *const see_others[] = { CREEL_ACTION_SEE_OTHERS, NULL };
  CreelCall *call = user_data;
  const char *path = g_dbus_method_invocation_get_object_path (call->invocation);
  uid_t owner;

  if (error != NULL)
    {
      creel_call_fail (call, error);
      return;
    }
  call->uid = uid;
  if (g_str_equal (call->interface, OBJECT_MANAGER))
    creel_auth_check (call->daemon->bus, call->sender, uid, see_others, NULL, FALSE, on_managed_authorized, call);
  else if (!find_owner (call, path, &owner))
    fail_unseen (call);
  else if (creel_dispatch_is_own (uid, owner))
    run (call, owner);
  else /* never a dialog here: it would tell that the object exists */
    creel_auth_check (call->daemon->bus, call->sender, uid, see_others, NULL, FALSE, on_may_see, call);
}

static void
on_method_call (GDBusConnection *bus, const char *sender, const char *path, const char *interface, const char *method,
                GVariant *parameters, GDBusMethodInvocation *invocation, gpointer user_data)
{
  CreelDaemon *daemon = user_data;
  CreelCall *call = g_new0 (CreelCall, 1);

  call->daemon = daemon;
  call->invocation = invocation;
  call->sender = g_strdup (sender);
  call->node = g_str_equal (path, CREEL_OBJECT_PATH) ? NULL : g_strdup (strrchr (path, '/') + 1);
  if (call->node != NULL && g_str_has_prefix (path, CREEL_SANDBOX_PATH "/"))
    {
      g_autofree guint8 *name = g_dbus_unescape_object_path (call->node);

      if (name != NULL)
        {
          g_free (call->node);
          call->node = g_strdup ((char *) name);
        }
    }
  call->interface = g_strdup (g_str_has_prefix (interface, PREFIX) ? interface + strlen (PREFIX) : interface);
  call->method = g_strdup (method);
  call->parameters = parameters;
  creel_callers_lookup (daemon->callers, sender, on_caller, call);
}

/* No get_property: GLib then sends Properties.Get and GetAll to method_call too, with the sender. */
static const GDBusInterfaceVTable vtable = { .method_call = on_method_call };

/* GLib gives the subtree's path in some places and the object's in others. */
static gboolean
is_in (const char *path, const char *subtree)
{
  return g_str_has_prefix (path, subtree) && (path[strlen (subtree)] == '/' || path[strlen (subtree)] == '\0');
}

static char **
enumerate (GDBusConnection *bus, const char *sender, const char *path, gpointer user_data)
{
  CreelDaemon *daemon = user_data;
  g_autoptr (GStrvBuilder) nodes = g_strv_builder_new ();
  GHashTableIter iter;
  gpointer key, object;
  uid_t uid;

  if (sender == NULL || !creel_callers_lookup_now (daemon->callers, sender, &uid))
    return g_new0 (char *, 1);
  if (is_in (path, CREEL_SANDBOX_PATH))
    {
      g_hash_table_iter_init (&iter, daemon->sandboxes);
      while (g_hash_table_iter_next (&iter, &key, &object))
        if (creel_dispatch_is_own (uid, creel_sandbox_get_owner (object)))
          g_strv_builder_add (nodes, strrchr (creel_sandbox_get_path (object), '/') + 1);
    }
  else if (is_in (path, CREEL_SESSION_PATH))
    {
      g_hash_table_iter_init (&iter, daemon->sessions);
      while (g_hash_table_iter_next (&iter, &key, &object))
        if (creel_dispatch_is_own (uid, creel_session_get_owner (object)))
          g_strv_builder_add (nodes, key);
    }
  else
    {
      g_hash_table_iter_init (&iter, daemon->jobs);
      while (g_hash_table_iter_next (&iter, &key, &object))
        if (creel_dispatch_is_own (uid, creel_job_get_owner (object)))
          g_strv_builder_add (nodes, key);
    }
  return g_strv_builder_end (nodes);
}

/* Every path below gets the interface, whether there is an object or not: what answers then is fail_unseen (). */
static GDBusInterfaceInfo **
introspect (GDBusConnection *bus, const char *sender, const char *path, const char *node, gpointer user_data)
{
  GDBusInterfaceInfo **infos = g_new0 (GDBusInterfaceInfo *, 2);

  if (node == NULL)
    return infos;
  if (is_in (path, CREEL_SANDBOX_PATH))
    infos[0] = g_dbus_interface_info_ref (creel_dbus_sandbox_interface_info ());
  else if (is_in (path, CREEL_SESSION_PATH))
    infos[0] = g_dbus_interface_info_ref (creel_dbus_session_interface_info ());
  else
    infos[0] = g_dbus_interface_info_ref (creel_dbus_job_interface_info ());
  return infos;
}

static const GDBusInterfaceVTable *
dispatch (GDBusConnection *bus, const char *sender, const char *path, const char *interface, const char *node,
          gpointer *ret_user_data, gpointer user_data)
{
  *ret_user_data = user_data;
  return node != NULL ? &vtable : NULL;
}

static GDBusInterfaceInfo *
object_manager_info (void)
{
  static const char xml[] =
      "<node><interface name='" OBJECT_MANAGER "'>"
      "<method name='GetManagedObjects'><arg name='objects' type='a{oa{sa{sv}}}' direction='out'/></method>"
      "<signal name='InterfacesAdded'><arg name='path' type='o'/><arg name='interfaces' type='a{sa{sv}}'/></signal>"
      "<signal name='InterfacesRemoved'><arg name='path' type='o'/><arg name='interfaces' type='as'/></signal>"
      "</interface></node>";
  static GDBusNodeInfo *node;

  if (node == NULL)
    node = g_dbus_node_info_new_for_xml (xml, NULL);
  return node->interfaces[0];
}

gboolean
creel_dispatch_export (CreelDaemon *daemon, GError **error)
{
  static const GDBusSubtreeVTable subtree = { .enumerate = enumerate, .introspect = introspect, .dispatch = dispatch };
  static const char *const paths[N_SUBTREES] = { CREEL_SANDBOX_PATH, CREEL_SESSION_PATH, CREEL_JOB_PATH };
  GDBusInterfaceInfo *root[N_ROOT] = { creel_dbus_manager_interface_info (), creel_dbus_agent_manager_interface_info (),
                                 creel_dbus_models_interface_info (), creel_dbus_engines_interface_info (),
                                 object_manager_info () };
  guint n = 0;

  for (guint i = 0; i < G_N_ELEMENTS (root); i++, n++)
    {
      daemon->registrations[n] = g_dbus_connection_register_object (daemon->bus, CREEL_OBJECT_PATH, root[i], &vtable,
                                                                    daemon, NULL, error);
      if (daemon->registrations[n] == 0)
        return FALSE;
    }
  for (guint i = 0; i < G_N_ELEMENTS (paths); i++, n++)
    {
      daemon->registrations[n] = g_dbus_connection_register_subtree (
          daemon->bus, paths[i], &subtree, G_DBUS_SUBTREE_FLAGS_DISPATCH_TO_UNENUMERATED_NODES, daemon, NULL, error);
      if (daemon->registrations[n] == 0)
        return FALSE;
    }
  return TRUE;
}

void
creel_dispatch_unexport (CreelDaemon *daemon)
{
  for (guint i = 0; i < N_ROOT; i++)
    if (daemon->registrations[i] != 0)
      g_dbus_connection_unregister_object (daemon->bus, daemon->registrations[i]);
  for (guint i = N_ROOT; i < N_ROOT + N_SUBTREES; i++)
    if (daemon->registrations[i] != 0)
      g_dbus_connection_unregister_subtree (daemon->bus, daemon->registrations[i]);
}
