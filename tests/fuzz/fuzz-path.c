/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-policy.h"

#include <string.h>

int
LLVMFuzzerTestOneInput (const guint8 *data, size_t size)
{
  g_autofree char *text = size > 0 ? g_strndup ((const char *) data, size) : g_strdup ("");
  g_autofree char *path = creel_path_canonicalize (text, NULL);

  if (path != NULL)
    {
      g_autofree char *again = creel_path_canonicalize (path, NULL);

      g_assert_cmpstr (again, ==, path);
      g_assert_null (strstr (path, "/../"));
      g_assert_null (strstr (path, "//"));
    }
  return 0;
}
