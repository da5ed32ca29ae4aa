/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "creel-auth.h"
#include "creel-call.h"
#include "creel-dispatch.h"
#include "creel-error.h"
#include "creel-image-collect.h"
#include "creel-image-store.h"
#include "creel-reference.h"

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

/* Which sandboxes have it as their disk: the caller's by name, others as a number. */
static void
add_users (GVariantBuilder *b, const char *id, uid_t uid)
{
  g_auto (GStrv) names = creel_definition_list ();
  g_autoptr (GPtrArray) own = g_ptr_array_new ();
  guint others = 0;

  for (char **name = names; *name != NULL; name++)
    {
      g_autoptr (CreelDefinition) definition = creel_definition_load (*name, NULL);

      if (definition == NULL || g_strcmp0 (definition->image_id, id) != 0)
        continue;
      if (creel_dispatch_is_own (uid, definition->owner))
        g_ptr_array_add (own, *name);
      else
        others++;
    }
  g_variant_builder_add (b, "{sv}", "used-by", g_variant_new_strv ((const char *const *) own->pdata, own->len));
  g_variant_builder_add (b, "{sv}", "used-by-others", g_variant_new_uint32 (others));
}

static void
add_blobs (GVariantBuilder *b, char **blobs, const char *manifest)
{
  guint64 sum = 0;

  for (char **blob = blobs; *blob != NULL; blob++)
    sum += g_ascii_strtoull (*blob + 65, NULL, 10);
  g_variant_builder_add (b, "{sv}", "blobs-size", g_variant_new_uint64 (sum));
  if (manifest != NULL)
    g_variant_builder_add (b, "{sv}", "manifest", g_variant_new_take_string (g_strconcat ("sha256:", manifest, NULL)));
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
  add_blobs (&b, config->blobs, config->manifest);
  add_users (&b, id, call->uid);
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
  g_auto (GStrv) blobs = NULL;
  const char *reference;

  g_variant_get (call->parameters, "(&s)", &reference);
  if (!creel_image_store_remove (reference, is_in_use, NULL, &blobs, &error))
    {
      creel_call_fail (call, error);
      return;
    }
  creel_image_collect_blobs (call->daemon, blobs);
  creel_call_return (call, NULL);
}

static gboolean
prepare_tag (CreelCall *call, GStrvBuilder *actions, GError **error)
{
  g_autoptr (CreelReference) reference = NULL;
  const char *text;

  g_variant_get (call->parameters, "(&s&s)", NULL, &text);
  reference = creel_reference_parse (text, error);
  if (reference != NULL && reference->digest != NULL)
    {
      g_set_error_literal (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS, "A digest cannot be given to an image: write NAME:TAG");
      return FALSE;
    }
  return reference != NULL;
}

static void
handle_tag (CreelCall *call)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *id = NULL;
  g_autofree char *name = NULL;
  const char *image, *text;

  g_variant_get (call->parameters, "(&s&s)", &image, &text);
  id = creel_image_resolve (image, &error);
  name = id != NULL ? creel_image_reference_normalize (text, &error) : NULL;
  if (name != NULL)
    {
      char *names[] = { name, NULL };

      creel_image_store_add_names (id, names, &error);
    }
  if (error != NULL)
    creel_call_fail (call, error);
  else
    creel_call_return (call, NULL);
}

static gboolean
prepare_prune (CreelCall *call, GStrvBuilder *actions, GError **error)
{
  static const char *const known[] = { "all:b", NULL };
  g_autoptr (GVariant) options = g_variant_get_child_value (call->parameters, 0);

  return creel_options_check (options, known, error);
}

static gboolean
has_tag (char **references)
{
  for (; *references != NULL; references++)
    if (strchr (*references, '@') == NULL)
      return TRUE;
  return FALSE;
}

static void
handle_prune (CreelCall *call)
{
  g_autoptr (GVariant) options = g_variant_get_child_value (call->parameters, 0);
  g_auto (GStrv) ids = creel_image_store_list ();
  g_autoptr (GPtrArray) removed = g_ptr_array_new ();
  g_autoptr (GError) error = NULL;
  gboolean all = FALSE;
  guint64 bytes = 0, freed;

  g_variant_lookup (options, "all", "b", &all);
  /* first, because it says when this is not the time */
  if (!creel_image_collect_all (call->daemon, &freed, &error))
    {
      creel_call_fail (call, error);
      return;
    }
  bytes += freed;
  for (char **id = ids; *id != NULL; id++)
    {
      g_autoptr (CreelImageConfig) config = creel_image_config_load (*id, NULL);

      if (config != NULL && (all || !has_tag (config->references)) && !is_in_use (*id, NULL) &&
          creel_image_store_remove (*id, is_in_use, NULL, NULL, NULL))
        {
          g_ptr_array_add (removed, *id);
          bytes += config->size;
        }
    }
  if (creel_image_collect_all (call->daemon, &freed, NULL))
    bytes += freed;
  creel_call_return (call, g_variant_new ("(@ast)", g_variant_new_strv ((const char *const *) removed->pdata, removed->len), bytes));
}

const CreelMethod creel_image_methods[] = {
  { "Manager", "ListImages", NULL, handle_list },
  { "Manager", "InspectImage", NULL, handle_inspect },
  { "Manager", "RemoveImage", NULL, handle_remove },
  { "Manager", "TagImage", prepare_tag, handle_tag },
  { "Manager", "PruneImages", prepare_prune, handle_prune },
  { NULL }
};
