/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A request that changes something: its first line is METHOD TARGET, the rest its body. What comes of it creeld can be sent. */
#include <string.h>

#include "creel-models-order.h"

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  const char *text = (const char *) data, *end = memchr (text, '\n', size);
  g_autofree char *line = end != NULL ? g_strndup (text, (gsize) (end - text)) : NULL;
  g_auto (GStrv) words = line != NULL ? g_strsplit (line, " ", 2) : NULL;
  g_auto (CreelModelsRoute) route = { 0 };
  g_auto (CreelModelsOrder) order = { 0 };

  if (words == NULL || words[0] == NULL || words[1] == NULL || creel_models_api_route (words[0], words[1], &route) != 0 ||
      !creel_models_operation_manages (route.operation) ||
      !creel_models_order_parse (&route, end + 1, size - (gsize) (end + 1 - text), &order, NULL))
    return 0;
  g_assert_cmpuint (order.calls->len, >, 0);
  g_assert_true (order.model == NULL || g_utf8_validate (order.model, -1, NULL));
  for (guint i = 0; i < order.calls->len; i++)
    {
      GVariant *call = order.calls->pdata[i];

      g_assert_cmpstr (g_variant_get_type_string (call), ==, g_str_equal (order.method, "TagModel") ? "(ssa{sv})" : "(sa{sv})");
      g_assert_true (g_variant_is_normal_form (call));
    }
  return 0;
}
