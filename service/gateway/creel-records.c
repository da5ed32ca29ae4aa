/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-records.h"

#include <string.h>

void
creel_records_add (GByteArray *records, const char *key, const char *value)
{
  g_byte_array_append (records, (const guint8 *) key, strlen (key));
  g_byte_array_append (records, (const guint8 *) "=", 1);
  g_byte_array_append (records, (const guint8 *) value, strlen (value) + 1);
}

gboolean
creel_records_parse (const void *data, gsize length, CreelRecordFunc callback, gpointer user_data)
{
  const char *at = data, *end = at + length;

  while (at < end)
    {
      const char *nul = memchr (at, '\0', end - at);
      const char *equals;
      g_autofree char *key = NULL;

      if (nul == NULL)
        return FALSE;
      equals = memchr (at, '=', nul - at);
      if (equals == NULL || equals == at)
        return FALSE;
      key = g_strndup (at, equals - at);
      callback (key, equals + 1, user_data);
      at = nul + 1;
    }
  return TRUE;
}

char *
creel_text_clean_line (const char *data, gssize length, gsize max)
{
  gsize size = length < 0 ? strlen (data) : (gsize) length;
  g_autofree char *valid = creel_text_clean_output (data, size, max);
  GString *line = g_string_new (NULL);

  for (const char *p = valid; *p != '\0'; p = g_utf8_next_char (p))
    {
      gunichar c = g_utf8_get_char (p);

      /* U+FFFD marks what was invalid; format characters could reorder the line on a terminal */
      if (c == 0xfffd || !g_unichar_isprint (c) || g_unichar_type (c) == G_UNICODE_FORMAT)
        c = '?';
      if (line->len + g_unichar_to_utf8 (c, NULL) > max)
        break;
      g_string_append_unichar (line, c);
    }
  return g_string_free (line, FALSE);
}

char *
creel_text_clean_output (const void *data, gsize length, gsize max)
{
  const char *bytes = data;

  if (length > max)
    {
      /* do not cut a character in two: its half would show as garbage */
      length = max;
      for (int i = 0; i < 3 && length > 0 && ((guchar) bytes[length] & 0xc0) == 0x80; i++)
        length--;
    }
  return g_utf8_make_valid (length > 0 ? bytes : "", length);
}
