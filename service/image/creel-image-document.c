/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-image-document.h"
#include "creel-error.h"
#include "creel-image-config.h"
#include "creel-image-digest.h"
#include "creel-image-json.h"
#include <string.h>

/* ---- the base ---- */

void
creel_image_base_free (CreelImageBase *self)
{
  g_clear_pointer (&self->manifest, creel_image_manifest_free);
  g_clear_pointer (&self->document, json_node_unref);
  g_clear_pointer (&self->config, json_node_unref);
  g_free (self);
}

static gboolean
bad (GError **error, const char *text)
{
  g_set_error_literal (error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE, text);
  return FALSE;
}

static JsonArray *
diff_ids (const CreelImageBase *base)
{
  return creel_image_json_array (
      creel_image_json_object (json_node_get_object (base->config), "rootfs"), "diff_ids");
}

static gboolean
check_base (const CreelImageBase *self, GError **error)
{
  g_autoptr (CreelImageConfig) config = creel_image_config_new ();
  JsonArray *ids = JSON_NODE_HOLDS_OBJECT (self->config) ? diff_ids (self) : NULL;

  if (ids == NULL || json_array_get_length (ids) != self->manifest->layers->len)
    return bad (error, "The config of the base does not have one diff_id for each layer");
  for (guint i = 0; i < json_array_get_length (ids); i++)
    {
      const char *id = creel_image_json_element_string (ids, i);

      if (id == NULL || !g_str_has_prefix (id, "sha256:") ||
          !creel_image_digest_is_valid (id + strlen ("sha256:")))
        return bad (error, "A diff_id in the config of the base is no sha256 digest");
    }
  if (self->manifest->layers->len >= CREEL_IMAGE_MAX_LAYERS)
    return bad (error, "The base has as many layers as an image may have; export it as rootfs and "
                       "import that");
  return creel_image_config_load (config, json_node_get_object (self->config), error);
}

CreelImageBase *
creel_image_base_load (CreelImageBlobs *blobs, const char *manifest, GError **error)
{
  g_autoptr (CreelImageBase) self = g_new0 (CreelImageBase, 1);
  g_autoptr (GBytes) bytes = creel_image_blobs_read (blobs, manifest, CREEL_IMAGE_JSON_MAX, error);
  g_autoptr (GBytes) config = NULL;

  if (bytes == NULL || (self->manifest = creel_image_manifest_parse (bytes, error)) == NULL ||
      (self->document = creel_image_json_parse (bytes, "The manifest", error)) == NULL ||
      (config = creel_image_blobs_read (blobs, self->manifest->config->digest, CREEL_IMAGE_JSON_MAX,
                                        error)) == NULL ||
      (self->config = creel_image_json_parse (config, "The config", error)) == NULL ||
      !check_base (self, error))
    return NULL;
  return g_steal_pointer (&self);
}

/* ---- the config ---- */

static void
set_string (JsonObject *object, const char *name, const char *value)
{
  if (value != NULL && *value != '\0')
    json_object_set_string_member (object, name, value);
  else if (value != NULL && json_object_has_member (object, name))
    json_object_remove_member (object, name);
}

static void
set_strings (JsonObject *object, const char *name, GPtrArray *values)
{
  JsonArray *array;

  if (values == NULL)
    return;
  if (values->len == 0)
    {
      if (json_object_has_member (object, name))
        json_object_remove_member (object, name);
      return;
    }
  array = json_array_new ();
  for (guint i = 0; i < values->len; i++)
    json_array_add_string_element (array, values->pdata[i]);
  json_object_set_array_member (object, name, array);
}

static gboolean
same_variable (const char *a, const char *b)
{
  gsize length = strcspn (a, "=");

  return length == strcspn (b, "=") && strncmp (a, b, length) == 0;
}

static void
set_variable (GPtrArray *environment, const char *value)
{
  for (guint i = 0; i < environment->len; i++)
    if (same_variable (environment->pdata[i], value))
      {
        g_free (environment->pdata[i]);
        environment->pdata[i] = g_strdup (value);
        return;
      }
  g_ptr_array_add (environment, g_strdup (value));
}

/* A copy that can be changed, of an object that the parser has sealed. */
static JsonObject *
copy_object (JsonObject *object)
{
  JsonObject *copy = json_object_new ();
  g_autoptr (GList) names = object != NULL ? json_object_get_members (object) : NULL;

  for (GList *l = names; l != NULL; l = l->next)
    json_object_set_member (copy, l->data, json_object_dup_member (object, l->data));
  return copy;
}

static JsonArray *
copy_array (JsonArray *array)
{
  JsonArray *copy = json_array_new ();
  guint n = array != NULL ? json_array_get_length (array) : 0;

  for (guint i = 0; i < n; i++)
    json_array_add_element (copy, json_array_dup_element (array, i));
  return copy;
}

static JsonObject *
make_config (JsonObject *before, const CreelImageChanges *changes)
{
  JsonObject *config = copy_object (before);
  g_autoptr (GPtrArray) environment = g_ptr_array_new_with_free_func (g_free);
  JsonArray *old = creel_image_json_array (before, "Env");

  for (guint i = 0; old != NULL && i < json_array_get_length (old); i++)
    set_variable (environment, creel_image_json_element_string (old, i));
  for (guint i = 0; i < changes->environment->len; i++)
    set_variable (environment, changes->environment->pdata[i]);
  set_strings (config, "Env", environment);
  set_strings (config, "Entrypoint", changes->entrypoint);
  set_strings (config, "Cmd", changes->command);
  set_string (config, "User", changes->user);
  set_string (config, "WorkingDir", changes->working_dir);
  return config;
}

/* Docker minds when there are not as many entries with a layer as there are layers. */
static JsonArray *
make_history (JsonArray *before, guint n_layers)
{
  guint n = before != NULL ? json_array_get_length (before) : 0, with_layer = 0;
  JsonArray *history;

  for (guint i = 0; i < n; i++)
    {
      JsonObject *entry = creel_image_json_element_object (before, i);
      JsonNode *empty = entry != NULL ? json_object_get_member (entry, "empty_layer") : NULL;

      if (entry != NULL &&
          (empty == NULL || !JSON_NODE_HOLDS_VALUE (empty) || !json_node_get_boolean (empty)))
        with_layer++;
    }
  if (with_layer == n_layers)
    return copy_array (before);
  history = json_array_new ();
  for (guint i = 0; i < n_layers; i++)
    {
      JsonObject *entry = json_object_new ();

      json_object_set_string_member (entry, "created_by", "unknown");
      json_array_add_object_element (history, entry);
    }
  return history;
}

static char *
format_time (gint64 seconds)
{
  g_autoptr (GDateTime) time = g_date_time_new_from_unix_utc (seconds);

  return g_date_time_format (time, "%Y-%m-%dT%H:%M:%SZ");
}

static char *
format_object (JsonObject *object)
{
  g_autoptr (JsonGenerator) generator = json_generator_new ();
  g_autoptr (JsonNode) node = json_node_alloc ();

  json_node_init_object (node, object);
  json_generator_set_root (generator, node);
  return json_generator_to_data (generator, NULL);
}

char *
creel_image_document_config (const CreelImageBase *base, const CreelImageChanges *changes,
                             const char *diff_id)
{
  JsonObject *before = base != NULL ? json_node_get_object (base->config) : NULL;
  g_autoptr (JsonObject) root = copy_object (before);
  JsonArray *ids = copy_array (base != NULL ? diff_ids (base) : NULL);
  JsonArray *history = make_history (creel_image_json_array (before, "history"),
                                     base != NULL ? base->manifest->layers->len : 0);
  JsonObject *rootfs = json_object_new (), *entry = json_object_new ();
  g_autofree char *time = changes->created >= 0 ? format_time (changes->created) : NULL;

  if (time != NULL)
    {
      json_object_set_string_member (root, "created", time);
      json_object_set_string_member (entry, "created", time);
    }
  json_object_set_string_member (root, "architecture", creel_image_config_host_architecture ());
  json_object_set_string_member (root, "os", "linux");
  json_object_set_object_member (root, "config",
                                 make_config (creel_image_json_object (before, "config"), changes));
  if (diff_id != NULL)
    {
      g_autofree char *id = g_strconcat ("sha256:", diff_id, NULL);

      json_array_add_string_element (ids, id);
    }
  json_object_set_string_member (rootfs, "type", "layers");
  json_object_set_array_member (rootfs, "diff_ids", ids);
  json_object_set_object_member (root, "rootfs", rootfs);
  json_object_set_string_member (entry, "created_by",
                                 changes->created_by != NULL ? changes->created_by : "creel");
  if (diff_id == NULL)
    json_object_set_boolean_member (entry, "empty_layer", TRUE);
  json_array_add_object_element (history, entry);
  json_object_set_array_member (root, "history", history);
  return format_object (root);
}

/* ---- the manifest ---- */

static JsonObject *
descriptor_object (const char *digest, guint64 size, const char *media_type)
{
  JsonObject *object = json_object_new ();
  g_autofree char *full = g_strconcat ("sha256:", digest, NULL);

  json_object_set_string_member (object, "mediaType", media_type);
  json_object_set_string_member (object, "digest", full);
  json_object_set_int_member (object, "size", size);
  return object;
}

static char *
make_manifest (const CreelImageBase *base, const char *config, gsize config_size,
               const CreelImageDescriptor *layer)
{
  g_autoptr (JsonObject) root = json_object_new ();
  JsonArray *layers =
      base != NULL
          ? copy_array (creel_image_json_array (json_node_get_object (base->document), "layers"))
          : json_array_new ();

  if (layer != NULL)
    json_array_add_object_element (
        layers, descriptor_object (layer->digest, layer->size, layer->media_type));
  json_object_set_int_member (root, "schemaVersion", 2);
  json_object_set_string_member (root, "mediaType", CREEL_IMAGE_TYPE_MANIFEST);
  json_object_set_object_member (root, "config",
                                 descriptor_object (config, config_size, CREEL_IMAGE_TYPE_CONFIG));
  json_object_set_array_member (root, "layers", layers);
  return format_object (root);
}

static char *
put_text (CreelImageBlobs *blobs, const char *text, GError **error)
{
  g_autoptr (GBytes) bytes = g_bytes_new_static (text, strlen (text));

  return creel_image_blobs_put (blobs, bytes, error);
}

gboolean
creel_image_document_write (CreelImageBlobs *blobs, const CreelImageBase *base,
                            const CreelImageChanges *changes, const CreelImageDescriptor *layer,
                            const char *diff_id, CreelImageReport *report, GError **error)
{
  g_autofree char *config = creel_image_document_config (base, changes, diff_id);
  g_autofree char *config_digest = put_text (blobs, config, error);
  g_autofree char *text = NULL;
  g_autofree char *digest = NULL;
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (CreelImageManifest) manifest = NULL;

  if (config_digest == NULL)
    return FALSE;
  text = make_manifest (base, config_digest, strlen (config), layer);
  bytes = g_bytes_new_static (text, strlen (text));
  /* What we would not take from others we do not make. */
  if ((manifest = creel_image_manifest_parse (bytes, error)) == NULL ||
      (digest = creel_image_blobs_put (blobs, bytes, error)) == NULL)
    return FALSE;
  creel_image_report_manifest (report, digest, strlen (text), manifest);
  creel_image_report_done (report, config_digest);
  return TRUE;
}
