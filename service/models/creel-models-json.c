/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-models-json.h"

#include <string.h>


#define CONTAINER_UNITS 8

static gboolean
is_small (const char *text, gsize size, guint max)
{
  gboolean quoted = FALSE;
  guint depth = 0, units = 0;

  for (gsize i = 0; i < size; i++)
    if (quoted)
      {
        if (text[i] == '\\')
          i++;
        else if (text[i] == '"')
          quoted = FALSE;
      }
    else if (text[i] == '"')
      quoted = TRUE;
    /* what JSON-GLib would take for a string or a comment, and this counter would not */
    else if (text[i] == '\'' || text[i] == '/' || text[i] == '#')
      return FALSE;
    else if (text[i] == '{' || text[i] == '[')
      {
        units += CONTAINER_UNITS;
        if (++depth > CREEL_MODELS_JSON_DEPTH_MAX || units > max)
          return FALSE;
      }
    else if (text[i] == ',' && ++units > max)
      return FALSE;
    else if ((text[i] == '}' || text[i] == ']') && depth > 0)
      depth--;
  return TRUE;
}

static JsonNode *
parse (const char *text, gsize size, guint max, GError **error)
{
  g_autoptr (JsonParser) parser = json_parser_new_immutable ();
  JsonNode *root;

  if (!g_utf8_validate_len (text, size, NULL) || !is_small (text, size, max) || !json_parser_load_from_data (parser, text, (gssize) size, NULL) ||
      (root = json_parser_get_root (parser)) == NULL || !JSON_NODE_HOLDS_OBJECT (root))
    {
      g_set_error_literal (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS, "The body is not a JSON object, is nested too deeply or has too many values");
      return NULL;
    }
  return json_node_ref (root);
}

JsonNode *
creel_models_json_parse (const char *text, gsize size, GError **error)
{
  return parse (text, size, CREEL_MODELS_JSON_MAX, error);
}

JsonNode *
creel_models_json_parse_vectors (const char *text, gsize size, GError **error)
{
  return parse (text, size, CREEL_MODELS_JSON_VECTORS_MAX, error);
}

/* The end of a string whose first quote is at start: behind its last one; 0 when it has none. */
static gsize
skip_string (const char *text, gsize size, gsize start)
{
  for (gsize i = start + 1; i < size; i++)
    if (text[i] == '\\')
      i++;
    else if (text[i] == '"')
      return i + 1;
  return 0;
}

static gsize
skip_blank (const char *text, gsize size, gsize i)
{
  while (i < size && (text[i] == ' ' || text[i] == '\t' || text[i] == '\r' || text[i] == '\n'))
    i++;
  return i;
}

/* What a string says, by the one parser there is */
static char *
read_string (const char *text, gsize size)
{
  g_autofree char *object = size <= CREEL_MODELS_NAME_MAX ? g_strdup_printf ("{\"model\":%.*s}", (int) size, text) : NULL;
  g_autoptr (JsonNode) root = object != NULL ? creel_models_json_parse (object, strlen (object), NULL) : NULL;

  return root != NULL ? g_strdup (creel_models_json_get_string (json_node_get_object (root), "model")) : NULL;
}

char *
creel_models_json_find_model (const char *text, gsize size, GError **error)
{
  static const char key[] = "\"model\"";
  g_autofree char *model = NULL;
  gsize i = skip_blank (text, size, 0), depth = 0, last = 0, last_size = 0;
  gboolean found = FALSE;

  if (i == size || text[i] != '{')
    {
      g_set_error_literal (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS, "The body is not a JSON object");
      return NULL;
    }
  while (i < size)
    if (text[i] == '"')
      {
        gsize start = i, end = skip_string (text, size, i), value;

        if (end == 0)
          break;
        i = skip_blank (text, size, end);
        if (depth != 1 || i == size || text[i] != ':' || end - start != strlen (key) || memcmp (text + start, key, strlen (key)) != 0)
          continue;
        found = TRUE;
        last_size = 0;
        value = skip_blank (text, size, i + 1);
        if (value < size && text[value] == '"' && (end = skip_string (text, size, value)) > 0)
          {
            last = value;
            last_size = end - value;
            i = end;
          }
      }
    else
      {
        if (text[i] == '{' || text[i] == '[')
          depth++;
        else if ((text[i] == '}' || text[i] == ']') && --depth == 0)
          break;
        i++;
      }
  if (last_size > 0)
    model = read_string (text + last, last_size);
  if (model == NULL || *model == '\0')
    {
      g_set_error_literal (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS, found ? "\"model\" is not a name" : "\"model\" is missing");
      return NULL;
    }
  return g_steal_pointer (&model);
}

static JsonNode *
get (JsonObject *object, const char *name)
{
  return object != NULL ? json_object_get_member (object, name) : NULL;
}

static gboolean
is_value (JsonNode *node, GType type)
{
  return node != NULL && JSON_NODE_HOLDS_VALUE (node) && json_node_get_value_type (node) == type;
}

const char *
creel_models_json_get_string (JsonObject *object, const char *name)
{
  JsonNode *node = get (object, name);

  return is_value (node, G_TYPE_STRING) ? json_node_get_string (node) : NULL;
}

JsonObject *
creel_models_json_get_object (JsonObject *object, const char *name)
{
  JsonNode *node = get (object, name);

  return node != NULL && JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
}

JsonArray *
creel_models_json_get_array (JsonObject *object, const char *name)
{
  JsonNode *node = get (object, name);

  return node != NULL && JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;
}

gboolean
creel_models_json_get_boolean (JsonObject *object, const char *name, gboolean fallback)
{
  JsonNode *node = get (object, name);

  return is_value (node, G_TYPE_BOOLEAN) ? json_node_get_boolean (node) : fallback;
}

gint64
creel_models_json_get_int (JsonObject *object, const char *name, gint64 fallback)
{
  JsonNode *node = get (object, name);

  return is_value (node, G_TYPE_INT64) ? json_node_get_int (node) : fallback;
}

JsonObject *
creel_models_json_get_element (JsonArray *array, guint i)
{
  JsonNode *node = array != NULL && i < json_array_get_length (array) ? json_array_get_element (array, i) : NULL;

  return node != NULL && JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
}

char *
creel_models_json_format (JsonObject *object)
{
  g_autoptr (JsonNode) node = json_node_new (JSON_NODE_OBJECT);

  json_node_take_object (node, object);
  return json_to_string (node, FALSE);
}
