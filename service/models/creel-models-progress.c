/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-models-progress.h"

#include <string.h>

#include "creel-models-json.h"

CreelModelsLines
creel_models_lines_choose (CreelModelsForm form, const char *accept)
{
  static const char *const json[] = { "application/json", "application/x-ndjson", "application/*", "*/*" };

  if (form == CREEL_MODELS_FORM_OLLAMA)
    return CREEL_MODELS_LINES_OLLAMA;
  for (gsize i = 0; accept != NULL && i < G_N_ELEMENTS (json); i++)
    if (strstr (accept, json[i]) != NULL)
      return CREEL_MODELS_LINES_DOCKER;
  return accept == NULL ? CREEL_MODELS_LINES_DOCKER : CREEL_MODELS_LINES_TEXT;
}

const char *
creel_models_lines_get_type (CreelModelsLines lines, gboolean stream)
{
  if (lines == CREEL_MODELS_LINES_TEXT)
    return "text/plain; charset=utf-8";
  return lines == CREEL_MODELS_LINES_OLLAMA && stream ? "application/x-ndjson" : "application/json";
}

/* Takes the object. */
static char *
format_line (JsonObject *object)
{
  g_autofree char *text = creel_models_json_format (object);

  return g_strconcat (text, "\n", NULL);
}

static JsonObject *
make_docker (CreelModelsOperation operation, const char *type, const char *message, const char *model)
{
  JsonObject *object = json_object_new ();

  json_object_set_string_member (object, "type", type);
  json_object_set_string_member (object, "message", message);
  json_object_set_string_member (object, "model", model);
  json_object_set_string_member (object, "mode", operation == CREEL_MODELS_PUSH ? "push" : "pull");
  return object;
}

char *
creel_models_lines_format_progress (CreelModelsLines lines, CreelModelsOperation operation, const char *model, guint64 done, guint64 total,
                                    const char *digest)
{
  g_autofree char *message = g_strdup_printf ("%s: %.2f MB", operation == CREEL_MODELS_PUSH ? "Uploaded" : "Downloaded", (double) done / 1024 / 1024);
  g_autofree char *status = g_strdup_printf ("%s %s", operation == CREEL_MODELS_PUSH ? "pushing" : "pulling", model);
  JsonObject *object, *layer;

  if (lines == CREEL_MODELS_LINES_TEXT)
    return g_strconcat (message, "\n", NULL);
  if (lines == CREEL_MODELS_LINES_OLLAMA)
    {
      object = json_object_new ();
      json_object_set_string_member (object, "status", status);
      if (*digest != '\0')
        json_object_set_string_member (object, "digest", digest);
      json_object_set_int_member (object, "total", (gint64) MIN (total, G_MAXINT64));
      json_object_set_int_member (object, "completed", (gint64) MIN (done, G_MAXINT64));
      return format_line (object);
    }
  object = make_docker (operation, "progress", message, model);
  json_object_set_int_member (object, "total", (gint64) MIN (total, G_MAXINT64));
  json_object_set_int_member (object, "pulled", (gint64) MIN (done, G_MAXINT64));
  /* Docker's command line draws one bar for each layer; here is one for all */
  layer = json_object_new ();
  json_object_set_string_member (layer, "id", *digest != '\0' ? digest : "model");
  json_object_set_int_member (layer, "size", (gint64) MIN (total, G_MAXINT64));
  json_object_set_int_member (layer, "current", (gint64) MIN (done, G_MAXINT64));
  json_object_set_object_member (object, "layer", layer);
  return format_line (object);
}

char *
creel_models_lines_format_end (CreelModelsLines lines, CreelModelsOperation operation, const char *model, const char *error)
{
  const char *message = error != NULL ? error : operation == CREEL_MODELS_PUSH ? "Model pushed successfully" : "Model pulled successfully";
  JsonObject *object;

  if (lines == CREEL_MODELS_LINES_TEXT)
    return g_strdup_printf ("%s%s\n", error != NULL ? "Error: " : "", message);
  if (lines == CREEL_MODELS_LINES_DOCKER)
    return format_line (make_docker (operation, error != NULL ? "error" : "success", message, model));
  object = json_object_new ();
  json_object_set_string_member (object, error != NULL ? "error" : "status", error != NULL ? error : "success");
  return format_line (object);
}

static void
add_removed (JsonArray *list, const char *what, const char *name)
{
  JsonObject *object = json_object_new ();

  json_object_set_string_member (object, what, name);
  json_array_add_object_element (list, object);
}

char *
creel_models_answer_removed (const CreelModelsOrder *order, const CreelModelsModel *model)
{
  g_autoptr (JsonNode) node = json_node_new (JSON_NODE_ARRAY);
  JsonArray *list = json_array_new ();
  const char *digits = order->model;

  if (g_str_has_prefix (digits, "sha256:") || g_str_has_prefix (digits, "sha256-"))
    digits += strlen ("sha256:");
  /* its last name, or all of them at once */
  if (model != NULL && (g_strv_length (model->references) <= 1 || g_str_has_prefix (model->id + strlen ("sha256-"), digits)))
    {
      g_autofree char *digest = g_strconcat ("sha256:", model->id + strlen ("sha256-"), NULL);

      for (char **name = model->references; *name != NULL; name++)
        add_removed (list, "Untagged", *name);
      add_removed (list, "Deleted", digest);
    }
  else
    add_removed (list, "Untagged", order->model);
  json_node_take_array (node, list);
  return json_to_string (node, FALSE);
}

char *
creel_models_answer_tagged (const CreelModelsOrder *order)
{
  JsonObject *object = json_object_new ();
  g_autofree char *message = g_strdup_printf ("Model tagged successfully with \"%s\"", order->target);

  json_object_set_string_member (object, "message", message);
  json_object_set_string_member (object, "target", order->target);
  return creel_models_json_format (object);
}

char *
creel_models_answer_unloaded (guint n)
{
  JsonObject *object = json_object_new ();

  json_object_set_int_member (object, "unloaded_runners", n);
  return creel_models_json_format (object);
}
