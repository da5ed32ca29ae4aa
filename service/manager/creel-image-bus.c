/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-call.h"
#include "creel-image-store.h"

/* Images that are here: what needs no worker. */

static void
handle_list (CreelCall *call)
{
  g_auto (GStrv) ids = creel_image_store_list ();
  GVariantBuilder b;

  g_variant_builder_init (&b, G_VARIANT_TYPE ("a(sastx)"));
  for (char **id = ids; *id != NULL; id++)
    {
      g_autoptr (CreelImageConfig) config = creel_image_config_load (*id, NULL);

      if (config != NULL)
        g_variant_builder_add (&b, "(s^astx)", *id, config->references, config->size, config->created);
    }
  creel_call_return (call, g_variant_new ("(a(sastx))", &b));
}

static void
handle_inspect (CreelCall *call)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *id = NULL;
  g_autoptr (CreelImageConfig) config = NULL;
  const char *reference;
  GVariantBuilder b;

  g_variant_get (call->parameters, "(&s)", &reference);
  id = creel_image_resolve (reference, &error);
  config = id != NULL ? creel_image_config_load (id, &error) : NULL;
  if (config == NULL)
    {
      creel_call_fail (call, error);
      return;
    }
  g_variant_builder_init (&b, G_VARIANT_TYPE ("a{sv}"));
  g_variant_builder_add (&b, "{sv}", "id", g_variant_new_string (id));
  g_variant_builder_add (&b, "{sv}", "references", g_variant_new_strv ((const char *const *) config->references, -1));
  g_variant_builder_add (&b, "{sv}", "environment", g_variant_new_strv ((const char *const *) config->environment, -1));
  g_variant_builder_add (&b, "{sv}", "entrypoint", g_variant_new_strv ((const char *const *) config->entrypoint, -1));
  g_variant_builder_add (&b, "{sv}", "command", g_variant_new_strv ((const char *const *) config->command, -1));
  g_variant_builder_add (&b, "{sv}", "user", g_variant_new_string (config->user));
  g_variant_builder_add (&b, "{sv}", "working-dir", g_variant_new_string (config->working_dir));
  g_variant_builder_add (&b, "{sv}", "architecture", g_variant_new_string (config->architecture));
  g_variant_builder_add (&b, "{sv}", "size", g_variant_new_uint64 (config->size));
  g_variant_builder_add (&b, "{sv}", "created", g_variant_new_int64 (config->created));
  g_variant_builder_add (&b, "{sv}", "source", g_variant_new_string (config->source));
  creel_call_return (call, g_variant_new ("(a{sv})", &b));
}

static gboolean
is_in_use (const char *id, gpointer unused)
{
  g_auto (GStrv) names = creel_definition_list ();

  for (char **name = names; *name != NULL; name++)
    {
      g_autoptr (CreelDefinition) definition = creel_definition_load (*name, NULL);

      if (definition != NULL && g_strcmp0 (definition->image_id, id) == 0)
        return TRUE;
    }
  return FALSE;
}

static void
handle_remove (CreelCall *call)
{
  g_autoptr (GError) error = NULL;
  const char *reference;

  g_variant_get (call->parameters, "(&s)", &reference);
  if (creel_image_store_remove (reference, is_in_use, NULL, &error))
    creel_call_return (call, NULL);
  else
    creel_call_fail (call, error);
}

const CreelMethod creel_image_methods[] = {
  { "Manager", "ListImages", NULL, handle_list },
  { "Manager", "InspectImage", NULL, handle_inspect },
  { "Manager", "RemoveImage", NULL, handle_remove },
  { NULL }
};
