/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-models-order.h"

#include <string.h>

#include "creel-keep-alive.h"
#include "creel-models-json.h"

void
creel_models_order_clear (CreelModelsOrder *order)
{
  g_clear_pointer (&order->calls, g_ptr_array_unref);
  g_clear_pointer (&order->model, g_free);
  g_clear_pointer (&order->target, g_free);
}

G_GNUC_PRINTF (2, 3)
static gboolean
refuse (GError **error, const char *format, ...)
{
  g_autofree char *text = NULL;
  va_list args;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error_literal (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS, text);
  return FALSE;
}

/* What a name means creeld knows; this is what may be sent to it at all. */
static gboolean
check_name (const char *member, const char *name, GError **error)
{
  if (name == NULL || *name == '\0')
    return refuse (error, "\"%s\" is missing", member);
  if (strlen (name) > CREEL_MODELS_NAME_MAX || !g_utf8_validate (name, -1, NULL))
    return refuse (error, "\"%s\" is not a name", member);
  for (; *name != '\0'; name++)
    if ((guchar) *name < ' ' || *name == 0x7f)
      return refuse (error, "\"%s\" is not a name", member);
  return TRUE;
}

/* The first of two members that is there; the second may be NULL. */
static gboolean
take_name (JsonObject *object, const char *member, const char *other, char **ret_name, GError **error)
{
  const char *name = creel_models_json_get_string (object, object != NULL && other != NULL && !json_object_has_member (object, member) ? other : member);

  if (!check_name (member, name, error))
    return FALSE;
  *ret_name = g_strdup (name);
  return TRUE;
}

static gboolean
take_boolean (JsonObject *object, const char *member, gboolean *value, GError **error)
{
  JsonNode *node = object != NULL ? json_object_get_member (object, member) : NULL;

  if (node == NULL || JSON_NODE_HOLDS_NULL (node))
    return TRUE;
  if (!JSON_NODE_HOLDS_VALUE (node) || json_node_get_value_type (node) != G_TYPE_BOOLEAN)
    return refuse (error, "\"%s\" is neither true nor false", member);
  *value = json_node_get_boolean (node);
  return TRUE;
}

/* A NULL-terminated array, owned by the caller. */
static gboolean
take_strings (JsonNode *node, const char *member, guint max, char ***ret_strings, GError **error)
{
  JsonArray *array = JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;
  guint n = array != NULL ? json_array_get_length (array) : 0;
  g_auto (GStrv) strings = g_new0 (char *, n + 1);

  if (array == NULL || n > max)
    return refuse (error, "\"%s\" is not a list, or is too long", member);
  for (guint i = 0; i < n; i++)
    {
      JsonNode *element = json_array_get_element (array, i);
      const char *text = JSON_NODE_HOLDS_VALUE (element) && json_node_get_value_type (element) == G_TYPE_STRING ? json_node_get_string (element) : NULL;

      if (!check_name (member, text, error))
        return FALSE;
      strings[i] = g_strdup (text);
    }
  *ret_strings = g_steal_pointer (&strings);
  return TRUE;
}

/* keep_alive: what people write, or seconds; less than none is for ever */
static gboolean
take_keep_alive (JsonNode *node, GVariantDict *options, GError **error)
{
  const char *text = JSON_NODE_HOLDS_VALUE (node) && json_node_get_value_type (node) == G_TYPE_STRING ? json_node_get_string (node) : NULL;
  g_autofree char *seconds = NULL;
  guint64 usec;

  if (text == NULL && JSON_NODE_HOLDS_VALUE (node) && json_node_get_value_type (node) == G_TYPE_INT64)
    text = seconds = g_strdup_printf ("%" G_GINT64_FORMAT, MAX (json_node_get_int (node), -1));
  if (text == NULL || !creel_keep_alive_parse (text, &usec, NULL))
    return refuse (error, "\"keep_alive\" is not a time, such as \"5m\" or 300");
  g_variant_dict_insert (options, "keep-alive", "t", usec);
  return TRUE;
}

static gboolean
take_context (JsonNode *node, GVariantDict *options, GError **error)
{
  gint64 size = JSON_NODE_HOLDS_VALUE (node) && json_node_get_value_type (node) == G_TYPE_INT64 ? json_node_get_int (node) : G_MININT64;

  /* -1 is Docker's word for as it was trained */
  if (size < -1)
    return refuse (error, "\"context-size\" is not a number of tokens");
  g_variant_dict_insert (options, "context-size", "t", (guint64) MAX (size, 0));
  return TRUE;
}

/* raw-runtime-flags: a command line. The words of those that may be given have neither blanks nor quotes in them. */
static char **
split_flags (const char *line)
{
  g_auto (GStrv) parts = g_strsplit (line, " ", -1);
  g_autoptr (GStrvBuilder) words = g_strv_builder_new ();

  for (char **part = parts; *part != NULL; part++)
    if (**part != '\0')
      g_strv_builder_add (words, *part);
  return g_strv_builder_end (words);
}

static gboolean
take_flags (JsonObject *object, const char *member, GVariantDict *options, GError **error)
{
  g_auto (GStrv) flags = NULL;
  const char *line = creel_models_json_get_string (object, member);

  if (g_variant_dict_contains (options, "engine-flags"))
    return refuse (error, "\"runtime-flags\" and \"raw-runtime-flags\" say the same");
  if (g_str_equal (member, "raw-runtime-flags"))
    {
      if (!check_name (member, line, error))
        return FALSE;
      flags = split_flags (line);
    }
  else if (!take_strings (json_object_get_member (object, member), member, CREEL_MODELS_ORDER_MODELS_MAX, &flags, error))
    return FALSE;
  /* which flags there are creeld knows */
  g_variant_dict_insert (options, "engine-flags", "^as", flags);
  return TRUE;
}

static gboolean
take_setting (JsonObject *object, const char *member, GVariantDict *options, GError **error)
{
  JsonNode *node = json_object_get_member (object, member);

  if (g_str_equal (member, "model") || g_str_equal (member, "mode") || JSON_NODE_HOLDS_NULL (node))
    return TRUE;
  if (g_str_equal (member, "context-size"))
    return take_context (node, options, error);
  if (g_str_equal (member, "keep_alive"))
    return take_keep_alive (node, options, error);
  if (g_str_equal (member, "runtime-flags") || g_str_equal (member, "raw-runtime-flags"))
    return take_flags (object, member, options, error);
  return refuse (error, "\"%.64s\" is nothing that can be configured", member);
}

static void
add_call (CreelModelsOrder *order, GVariant *arguments)
{
  g_ptr_array_add (order->calls, g_variant_ref_sink (arguments));
}

static gboolean
parse_configure (JsonObject *object, CreelModelsOrder *order, GError **error)
{
  g_auto (GVariantDict) options = G_VARIANT_DICT_INIT (NULL);
  g_autoptr (GList) members = json_object_get_members (object);

  if (!take_name (object, "model", NULL, &order->model, error))
    return FALSE;
  for (GList *link = members; link != NULL; link = link->next)
    if (!take_setting (object, link->data, &options, error))
      return FALSE;
  order->method = "ConfigureModel";
  add_call (order, g_variant_new ("(s@a{sv})", order->model, g_variant_dict_end (&options)));
  return TRUE;
}

static gboolean
parse_unload (JsonObject *object, CreelModelsOrder *order, GError **error)
{
  JsonNode *node = json_object_get_member (object, "models");
  g_auto (GStrv) models = NULL;
  gboolean all = FALSE;

  order->method = "UnloadModel";
  if (!take_boolean (object, "all", &all, error))
    return FALSE;
  if (all)
    {
      add_call (order, g_variant_new ("(s@a{sv})", "", g_variant_new ("a{sv}", NULL)));
      return TRUE;
    }
  if (node == NULL || JSON_NODE_HOLDS_NULL (node))
    return refuse (error, "\"models\" is missing");
  if (!take_strings (node, "models", CREEL_MODELS_ORDER_MODELS_MAX, &models, error))
    return FALSE;
  for (char **model = models; *model != NULL; model++)
    add_call (order, g_variant_new ("(s@a{sv})", *model, g_variant_new ("a{sv}", NULL)));
  order->model = g_strjoinv (", ", models);
  return models[0] != NULL || refuse (error, "\"models\" is empty");
}

/* ret_value: owned by the caller, NULL when the parameter is not there */
static gboolean
take_parameter (const CreelModelsRoute *route, const char *name, char **ret_value, GError **error)
{
  g_autoptr (GHashTable) parameters = NULL;

  *ret_value = NULL;
  if (route->query == NULL || *route->query == '\0')
    return TRUE;
  parameters = g_uri_parse_params (route->query, -1, "&", G_URI_PARAMS_WWW_FORM, NULL);
  if (parameters == NULL)
    return refuse (error, "The query is not understood");
  *ret_value = g_strdup (g_hash_table_lookup (parameters, name));
  return TRUE;
}

static gboolean
parse_remove (const CreelModelsRoute *route, CreelModelsOrder *order, GError **error)
{
  static const char *const yes[] = { "true", "True", "TRUE", "1", "t", "T", NULL }, *const no[] = { "false", "False", "FALSE", "0", "f", "F", NULL };
  g_auto (GVariantDict) options = G_VARIANT_DICT_INIT (NULL);
  g_autofree char *force = NULL;

  if (!take_parameter (route, "force", &force, error))
    return FALSE;
  if (force != NULL && !g_strv_contains (yes, force) && !g_strv_contains (no, force))
    return refuse (error, "\"force\" is neither true nor false");
  g_variant_dict_insert (&options, "force", "b", force != NULL && g_strv_contains (yes, force));
  order->method = "RemoveModel";
  add_call (order, g_variant_new ("(s@a{sv})", order->model, g_variant_dict_end (&options)));
  return TRUE;
}

static gboolean
parse_tag (const CreelModelsRoute *route, JsonObject *object, CreelModelsOrder *order, GError **error)
{
  g_autofree char *repo = NULL, *tag = NULL;

  if (route->model == NULL)
    {
      if (!take_name (object, "source", NULL, &order->model, error) || !take_name (object, "destination", NULL, &order->target, error))
        return FALSE;
    }
  else
    {
      if (!take_parameter (route, "repo", &repo, error) || !take_parameter (route, "tag", &tag, error) || !check_name ("repo", repo, error) ||
          !check_name ("tag", tag, error))
        return FALSE;
      order->target = g_strconcat (repo, ":", tag, NULL);
    }
  order->method = "TagModel";
  add_call (order, g_variant_new ("(ss@a{sv})", order->model, order->target, g_variant_new ("a{sv}", NULL)));
  return TRUE;
}

static gboolean
parse (const CreelModelsRoute *route, JsonObject *object, CreelModelsOrder *order, GError **error)
{
  if (route->operation == CREEL_MODELS_CONFIGURE)
    return parse_configure (object, order, error);
  if (route->operation == CREEL_MODELS_UNLOAD)
    return parse_unload (object, order, error);
  if (!take_boolean (object, "stream", &order->stream, error))
    return FALSE;
  if (route->model != NULL)
    {
      if (!check_name ("model", route->model, error))
        return FALSE;
      order->model = g_strdup (route->model);
    }
  else if (route->operation != CREEL_MODELS_TAG &&
           !take_name (object, route->form == CREEL_MODELS_FORM_DOCKER ? "from" : "model", route->form == CREEL_MODELS_FORM_DOCKER ? "model" : "name",
                       &order->model, error))
    return FALSE;
  switch (route->operation)
    {
    case CREEL_MODELS_TAG:
      return parse_tag (route, object, order, error);
    case CREEL_MODELS_REMOVE:
      return parse_remove (route, order, error);
    case CREEL_MODELS_PULL:
    case CREEL_MODELS_PUSH:
      order->method = route->operation == CREEL_MODELS_PULL ? "PullModel" : "PushModel";
      add_call (order, g_variant_new ("(s@a{sv})", order->model, g_variant_new ("a{sv}", NULL)));
      return TRUE;
    default:
      return refuse (error, "This cannot be done through this port");
    }
}

gboolean
creel_models_order_parse (const CreelModelsRoute *route, const char *body, gsize size, CreelModelsOrder *ret_order, GError **error)
{
  g_auto (CreelModelsOrder) order = { .calls = g_ptr_array_new_with_free_func ((GDestroyNotify) g_variant_unref), .stream = TRUE };
  g_autoptr (JsonNode) root = NULL;
  JsonObject *object = NULL;

  /* Docker's paths that name a model may come without one */
  if (size > 0 || route->model == NULL)
    {
      root = creel_models_json_parse (body, size, error);
      if (root == NULL)
        return FALSE;
      /* JSON-GLib would end the text there */
      if (g_strstr_len (body, (gssize) size, "\\u0000") != NULL)
        return refuse (error, "The body holds a NUL");
      object = json_node_get_object (root);
    }
  if (!parse (route, object, &order, error))
    return FALSE;
  *ret_order = order;
  memset (&order, 0, sizeof order);
  return TRUE;
}
