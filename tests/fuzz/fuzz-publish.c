/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-publish.h"

#include <string.h>

int
LLVMFuzzerTestOneInput (const guint8 *data, size_t size)
{
  g_autofree char *text = size > 0 ? g_strndup ((const char *) data, size) : g_strdup ("");
  g_autoptr (GError) error = NULL;
  g_autoptr (CreelPublish) publish = creel_publish_parse (text, &error);

  g_assert_true ((publish == NULL) == (error != NULL));
  if (publish != NULL)
    {
      g_autofree char *once = creel_publish_format (publish);
      g_autofree char *unit = creel_publish_unit (publish, "box");
      g_autoptr (CreelPublish) again = creel_publish_parse (once, NULL);
      g_autofree char *twice = creel_publish_format (again);
      char *list[] = { once, NULL };
      g_auto (GStrv) found = creel_publish_find (list, once, NULL);

      /* what becomes a unit's name and a line of it has one spelling, and nothing else in it */
      g_assert_cmpstr (once, ==, twice);
      g_assert_cmpuint (strspn (unit, "creel-port@box:0123456789abcdef..socket"), ==, strlen (unit));
      g_assert_true (creel_publish_overlaps (publish, again));
      g_assert_cmpuint (g_strv_length (found), ==, 1);
    }
  return 0;
}
