/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "creel-reference.h"

int
LLVMFuzzerTestOneInput (const unsigned char *data, size_t size)
{
  g_autofree char *text = g_strndup ((const char *) data, size);
  g_autoptr (CreelReference) reference = creel_reference_parse (text, NULL);
  g_autofree char *host = creel_registry_normalize (text, NULL);

  if (reference != NULL)
    {
      g_autofree char *name = creel_reference_format (reference);
      g_autoptr (CreelReference) again = creel_reference_parse (name, NULL);
      g_autofree char *same = again != NULL ? creel_reference_format (again) : NULL;

      /* one spelling, which is safe as a line of references.conf, an argument and a part of a path */
      g_assert_cmpstr (name, ==, same);
      g_assert_true (strpbrk (name, "= \n\t$%\\\"'") == NULL && strstr (name, "..") == NULL && name[0] != '-' && name[0] != '/');
      creel_reference_qualify (again, "docker.io");
      g_free (same);
      same = creel_reference_format (again);
      g_assert_true (strchr (same, '/') != NULL);
    }
  if (host != NULL)
    {
      g_autofree char *same = creel_registry_normalize (host, NULL);

      g_assert_cmpstr (host, ==, same);
    }
  return 0;
}
