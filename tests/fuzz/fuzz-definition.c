/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-definition.h"

int
LLVMFuzzerTestOneInput (const unsigned char *data, size_t size)
{
  g_autoptr (CreelDefinition) a = creel_definition_parse ("fuzz", (const char *) data, size, "fuzz", NULL);

  if (a != NULL)
    {
      /* what we accept we can write, and it means the same */
      g_autofree char *text = creel_definition_format (a);
      g_autoptr (GError) error = NULL;
      g_autoptr (CreelDefinition) b = creel_definition_parse ("fuzz", text, -1, "again", &error);
      g_autofree char *again = NULL;

      g_assert_no_error (error);
      again = creel_definition_format (b);
      g_assert_cmpstr (text, ==, again);
    }
  return 0;
}
