/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-image-json.h"
#include "creel-error.h"

/* JsonParser calls itself for each level, so the depth must be known to be small before. */
static gboolean
depth_is_sane (const char *text, gsize length)
{
  gboolean in_string = FALSE;
  guint depth = 0;

  for (gsize i = 0; i < length; i++)
    {
      if (in_string)
        {
          if (text[i] == '\\')
            i++;
          else if (text[i] == '"')
            in_string = FALSE;
        }
      else if (text[i] == '"')
        in_string = TRUE;
      /* JsonParser's scanner also knows comments and single quotes, which could hide brackets from
       * us. */
      else if (text[i] == '/' || text[i] == '\'' || text[i] == '#')
        return FALSE;
      else if (text[i] == '{' || text[i] == '[')
        {
          if (++depth > CREEL_IMAGE_JSON_DEPTH)
            return FALSE;
        }
      else if ((text[i] == '}' || text[i] == ']') && depth > 0)
        depth--;
    }
  return TRUE;
}

JsonNode *
creel_image_json_parse (GBytes *bytes, const char *what, GError **error)
{
  gsize length;
  const char *text = g_bytes_get_data (bytes, &length);
  g_autoptr (JsonParser) parser = json_parser_new_immutable ();

  if (length > 0 && length <= CREEL_IMAGE_JSON_MAX && g_utf8_validate (text, length, NULL) &&
      depth_is_sane (text, length) && json_parser_load_from_data (parser, text, length, NULL) &&
      json_parser_get_root (parser) != NULL)
    return json_parser_steal_root (parser);
  g_set_error (error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE, "%s is not valid JSON", what);
  return NULL;
}

static JsonNode *
member (JsonObject *object, const char *name)
{
  return object != NULL ? json_object_get_member (object, name) : NULL;
}

static JsonNode *
element (JsonArray *array, guint index)
{
  return array != NULL && index < json_array_get_length (array)
             ? json_array_get_element (array, index)
             : NULL;
}

static const char *
node_string (JsonNode *node)
{
  return node != NULL && JSON_NODE_HOLDS_VALUE (node) &&
                 json_node_get_value_type (node) == G_TYPE_STRING
             ? json_node_get_string (node)
             : NULL;
}

JsonObject *
creel_image_json_object (JsonObject *object, const char *name)
{
  JsonNode *node = member (object, name);

  return node != NULL && JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
}

JsonArray *
creel_image_json_array (JsonObject *object, const char *name)
{
  JsonNode *node = member (object, name);

  return node != NULL && JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;
}

const char *
creel_image_json_string (JsonObject *object, const char *name)
{
  return node_string (member (object, name));
}

JsonObject *
creel_image_json_element_object (JsonArray *array, guint index)
{
  JsonNode *node = element (array, index);

  return node != NULL && JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
}

const char *
creel_image_json_element_string (JsonArray *array, guint index)
{
  return node_string (element (array, index));
}

char *
creel_image_json_format (JsonBuilder *builder)
{
  g_autoptr (JsonGenerator) generator = json_generator_new ();
  g_autoptr (JsonNode) root = json_builder_get_root (builder);

  json_generator_set_root (generator, root);
  return json_generator_to_data (generator, NULL);
}
