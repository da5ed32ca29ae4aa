/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-definition.h"

#include <string.h>

/* Why a name is not one, or NULL. */
static const char *
name_problem (const char *name)
{
  gsize length = strnlen (name, 64);

  if (length == 0)
    return "it is empty";
  if (length > 63)
    return "it is longer than 63 bytes";
  for (gsize i = 0; i < length; i++)
    if (!g_ascii_islower (name[i]) && !g_ascii_isdigit (name[i]) && name[i] != '-')
      return "only a-z, 0-9 and \"-\" may be used";
  if (name[0] == '-' || name[length - 1] == '-')
    return "it must begin and end with a letter or digit";
  return NULL;
}

gboolean
creel_sandbox_name_is_valid (const char *name)
{
  return name != NULL && name_problem (name) == NULL;
}

gboolean
creel_sandbox_name_check (const char *name, GError **error)
{
  const char *problem = name_problem (name);
  g_autofree char *shown = NULL;

  if (problem == NULL)
    return TRUE;
  shown = g_strndup (name, 80);
  g_strcanon (shown, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._/ :@+", '?');
  g_set_error (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS, "\"%s\" cannot be the name of a sandbox: %s", shown,
               problem);
  return FALSE;
}
