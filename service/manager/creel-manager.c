/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "creel-auth.h"
#include "creel-call.h"
#include "creel-check.h"
#include "creel-config.h"
#include "creel-create.h"
#include "creel-dispatch.h"
#include "creel-error.h"
#include "creel-names.h"
#include "creel-root.h"
#include "creel-sandbox.h"

GVariant *
creel_manager_get_properties (CreelDaemon *daemon)
{
  g_autofree char *path = creel_root_path (CREEL_GUEST_DIR "/accelerator");
  g_autofree char *text = NULL;
  const char *accelerator = "";
  GVariantBuilder b;

  if (g_file_get_contents (path, &text, NULL, NULL))
    accelerator = g_str_has_prefix (text, "kvm") ? "kvm" : g_str_has_prefix (text, "tcg") ? "tcg" : "";
  g_variant_builder_init (&b, G_VARIANT_TYPE ("a{sv}"));
  g_variant_builder_add (&b, "{sv}", "Version", g_variant_new_string (CREEL_VERSION));
  g_variant_builder_add (&b, "{sv}", "Accelerator", g_variant_new_string (accelerator));
  return g_variant_builder_end (&b);
}

static void
on_may_get (gpointer user_data, GError *error)
{
  CreelCall *call = user_data;
  const char *name;
  CreelSandbox *sandbox;

  g_variant_get (call->parameters, "(&s)", &name);
  sandbox = g_hash_table_lookup (call->daemon->sandboxes, name);
  if (error != NULL || sandbox == NULL)
    creel_call_fail_new (call, CREEL_ERROR, CREEL_ERROR_NO_SUCH_SANDBOX, "There is no sandbox \"%s\"", name);
  else
    creel_call_return (call, g_variant_new ("(o)", creel_sandbox_get_path (sandbox)));
}

static gboolean
prepare_get (CreelCall *call, GStrvBuilder *actions, GError **error)
{
  const char *name;

  g_variant_get (call->parameters, "(&s)", &name);
  return creel_sandbox_name_check (name, error);
}

static void
handle_get (CreelCall *call)
{
  static const char *const actions[] = { CREEL_ACTION_SEE_OTHERS, NULL };
  const char *name;
  CreelSandbox *sandbox;

  g_variant_get (call->parameters, "(&s)", &name);
  sandbox = g_hash_table_lookup (call->daemon->sandboxes, name);
  if (sandbox == NULL || creel_dispatch_is_own (call->uid, creel_sandbox_get_owner (sandbox)))
    on_may_get (call, NULL);
  else
    creel_auth_check (call->daemon->bus, call->sender, call->uid, actions, NULL, FALSE, on_may_get, call);
}

static gboolean
prepare_list (CreelCall *call, GStrvBuilder *actions, GError **error)
{
  gboolean all;

  g_variant_get (call->parameters, "(b)", &all);
  if (all)
    g_strv_builder_add (actions, CREEL_ACTION_SEE_OTHERS);
  return TRUE;
}

static int
compare_sandboxes (gconstpointer a, gconstpointer b)
{
  return strcmp (creel_sandbox_get_name (*(CreelSandbox **) a), creel_sandbox_get_name (*(CreelSandbox **) b));
}

static void
handle_list (CreelCall *call)
{
  g_autoptr (GPtrArray) found = g_ptr_array_new ();
  GVariantBuilder b;
  GHashTableIter iter;
  gpointer sandbox;
  gboolean all;

  g_variant_get (call->parameters, "(b)", &all);
  g_hash_table_iter_init (&iter, call->daemon->sandboxes);
  while (g_hash_table_iter_next (&iter, NULL, &sandbox))
    if (all || creel_sandbox_get_owner (sandbox) == call->uid)
      g_ptr_array_add (found, sandbox);
  g_ptr_array_sort (found, compare_sandboxes);
  g_variant_builder_init (&b, G_VARIANT_TYPE ("a(sssuo)"));
  for (guint i = 0; i < found->len; i++)
    {
      const CreelDefinition *definition;

      creel_sandbox_reload (found->pdata[i]);
      definition = creel_sandbox_get_definition (found->pdata[i], NULL);
      g_variant_builder_add (&b, "(sssuo)", creel_sandbox_get_name (found->pdata[i]),
                             creel_sandbox_get_state (found->pdata[i]), definition != NULL ? definition->image : "",
                             (guint32) creel_sandbox_get_owner (found->pdata[i]), creel_sandbox_get_path (found->pdata[i]));
    }
  creel_call_return (call, g_variant_new ("(a(sssuo))", &b));
}

static void
with_models_socket (GHashTable *units, gpointer user_data, GError *error)
{
  CreelCall *call = user_data;
  gboolean listens = g_strcmp0 (g_hash_table_lookup (units, CREEL_MODELS_SOCKET), "active") == 0;

  creel_call_return (call, g_variant_new ("(@a(ssss))", creel_check_report (listens)));
}

static void
handle_check (CreelCall *call)
{
  creel_units_list (call->daemon->units, CREEL_MODELS_SOCKET, with_models_socket, call);
}

const CreelMethod creel_manager_methods[] = {
  { "Manager", "CreateSandbox", creel_create_prepare, creel_create_handle },
  { "Manager", "GetSandbox", prepare_get, handle_get },
  { "Manager", "ListSandboxes", prepare_list, handle_list },
  { "Manager", "Check", NULL, handle_check },
  { NULL }
};
