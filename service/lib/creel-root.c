/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-root.h"

#include <stdlib.h>

char *
creel_root_path (const char *path)
{
  const char *root = secure_getenv ("CREEL_ROOT");

  g_return_val_if_fail (path != NULL && path[0] == '/', NULL);

  if (root == NULL || root[0] != '/' || root[1] == '\0')
    return g_strdup (path);
  return g_strconcat (root, path, NULL);
}
