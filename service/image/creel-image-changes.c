/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-error.h"
#include "creel-image-document.h"
#include <string.h>

#define MAX_WORDS 4096
#define MAX_CREATED G_GINT64_CONSTANT (253402300799) /* the last second of the year 9999 */

void
creel_image_changes_free (CreelImageChanges *self)
{
  g_ptr_array_unref (self->environment);
  g_clear_pointer (&self->entrypoint, g_ptr_array_unref);
  g_clear_pointer (&self->command, g_ptr_array_unref);
  g_free (self->user);
  g_free (self->working_dir);
  g_free (self->created_by);
  g_free (self);
}

/* The first value of a list takes the place of all; an empty one is a list without any. */
static gboolean
append (GPtrArray **list, char *value)
{
  if (*list == NULL)
    *list = g_ptr_array_new_with_free_func (g_free);
  if (*value != '\0' || (*list)->len > 0)
    g_ptr_array_add (*list, value);
  else
    g_free (value);
  return TRUE;
}

static gboolean
set (char **text, char *value)
{
  g_free (*text);
  *text = value;
  return TRUE;
}

/* Takes value when it returns TRUE. */
static gboolean
take (CreelImageChanges *self, const char *key, char *value)
{
  if (g_str_equal (key, "environment"))
    {
      const char *equals = strchr (value, '=');

      if (equals == NULL || equals == value)
        return FALSE;
      g_ptr_array_add (self->environment, value);
      return TRUE;
    }
  if (g_str_equal (key, "entrypoint"))
    return append (&self->entrypoint, value);
  if (g_str_equal (key, "command"))
    return append (&self->command, value);
  if (g_str_equal (key, "user"))
    return set (&self->user, value);
  if (g_str_equal (key, "working-dir"))
    return set (&self->working_dir, value);
  if (g_str_equal (key, "created-by"))
    return set (&self->created_by, value);
  /* Our own architecture and where the image is from: config lines have them, a config does not
   * want them. */
  if (g_str_equal (key, "architecture") || g_str_equal (key, "source") ||
      g_str_equal (key, "reference"))
    {
      g_free (value);
      return TRUE;
    }
  if (g_str_equal (key, "created"))
    {
      guint64 seconds;

      if (!g_ascii_string_to_unsigned (value, 10, 0, MAX_CREATED, &seconds, NULL))
        return FALSE;
      self->created = seconds;
      g_free (value);
      return TRUE;
    }
  return FALSE;
}

CreelImageChanges *
creel_image_changes_parse (char **words, GError **error)
{
  g_autoptr (CreelImageChanges) self = g_new0 (CreelImageChanges, 1);

  self->environment = g_ptr_array_new_with_free_func (g_free);
  self->created = -1;
  for (guint i = 0; words[i] != NULL; i++)
    {
      const char *equals = strchr (words[i], '=');
      g_autofree char *key = equals != NULL ? g_strndup (words[i], equals - words[i]) : NULL;
      char *value = key != NULL ? g_uri_unescape_string (equals + 1, NULL) : NULL;
      g_autofree char *quoted = NULL;

      if (value != NULL && i < MAX_WORDS && g_utf8_validate (value, -1, NULL) &&
          take (self, key, value))
        continue;
      g_free (value);
      quoted = creel_image_quote (words[i]);
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_FAILED,
                   "%s is nothing that the config of an image can be told", quoted);
      return NULL;
    }
  return g_steal_pointer (&self);
}
