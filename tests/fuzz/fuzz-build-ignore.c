/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "creel-build-ignore.h"

/* The first line is a path, the rest the patterns. */
int
LLVMFuzzerTestOneInput (const unsigned char *data, size_t size)
{
  const unsigned char *newline = memchr (data, '\n', size);
  size_t length = newline != NULL ? (size_t) (newline - data) : size;
  g_autofree char *path = g_strndup ((const char *) data, length);
  g_autoptr (GError) error = NULL;
  g_autoptr (CreelBuildIgnore) ignore = NULL;

  if (newline == NULL)
    return 0;
  ignore = creel_build_ignore_parse ((const char *) newline + 1, size - length - 1, &error);
  g_assert_true ((ignore != NULL) == (error == NULL));
  creel_build_ignore_matches (ignore, path);
  return 0;
}
