/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "out-text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct _OutTable
{
  guint n_columns;
  GPtrArray *cells; /* row after row, the headers first */
};

static gboolean
is_safe (gunichar c, gboolean lines)
{
  if (c == '\n' || c == '\t')
    return lines;
  if (c < 0x20 || (c >= 0x7f && c < 0xa0))
    return FALSE;
  /* what reorders or hides the text around it */
  if ((c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) || c == 0xfeff)
    return FALSE;
  return c != 0x061c && g_unichar_isdefined (c);
}

char *
out_printable (const char *text, gssize length, gboolean lines)
{
  const char *end = text + (length < 0 ? (gssize) strlen (text) : length);
  GString *safe = g_string_sized_new (end - text);

  while (text < end)
    {
      gunichar c = g_utf8_get_char_validated (text, end - text);

      if (c == (gunichar) -1 || c == (gunichar) -2)
        g_string_append_printf (safe, "\\x%02x", (guchar) *text++);
      else
        {
          const char *next = text + (c == 0 ? 1 : g_utf8_skip[(guchar) *text]);

          if (c == '\r' && lines && next < end && *next == '\n')
            ; /* the end of a console's line */
          else if (is_safe (c, lines))
            g_string_append_len (safe, text, next - text);
          else if (c < 0x80)
            g_string_append_printf (safe, "\\x%02x", c);
          else
            g_string_append_printf (safe, "\\u{%x}", c);
          text = next;
        }
    }
  return g_string_free (safe, FALSE);
}

char *
out_size (guint64 bytes)
{
  static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB" };
  double value = bytes;
  guint unit = 0;

  while (value >= 1024 && unit < G_N_ELEMENTS (units) - 1)
    {
      value /= 1024;
      unit++;
    }
  if (value == (guint64) value)
    return g_strdup_printf ("%" G_GUINT64_FORMAT " %s", (guint64) value, units[unit]);
  return g_strdup_printf ("%.1f %s", value, units[unit]);
}

char *
out_time (gint64 usec)
{
  g_autoptr (GDateTime) time = usec > 0 ? g_date_time_new_from_unix_local (usec / G_USEC_PER_SEC) : NULL;

  return time != NULL ? g_date_time_format (time, "%Y-%m-%d %H:%M:%S") : g_strdup ("-");
}

char *
out_duration (guint64 seconds)
{
  if (seconds >= 3600)
    return g_strdup_printf ("%" G_GUINT64_FORMAT ":%02d:%02d", seconds / 3600, (int) (seconds / 60 % 60), (int) (seconds % 60));
  return g_strdup_printf ("%d:%02d", (int) (seconds / 60), (int) (seconds % 60));
}

OutTable *
out_table_new (const char *first_header, ...)
{
  OutTable *table = g_new0 (OutTable, 1);
  va_list headers;

  table->cells = g_ptr_array_new_with_free_func (g_free);
  va_start (headers, first_header);
  for (const char *header = first_header; header != NULL; header = va_arg (headers, const char *))
    {
      g_ptr_array_add (table->cells, g_strdup (header));
      table->n_columns++;
    }
  va_end (headers);
  return table;
}

void
out_table_add (OutTable *table, ...)
{
  va_list cells;

  va_start (cells, table);
  for (guint i = 0; i < table->n_columns; i++)
    {
      const char *cell = va_arg (cells, const char *);

      g_ptr_array_add (table->cells, out_printable (cell == NULL || *cell == '\0' ? "-" : cell, -1, FALSE));
    }
  va_end (cells);
}

void
out_table_print (const OutTable *table)
{
  g_autofree glong *widths = g_new0 (glong, table->n_columns);

  for (guint i = 0; i < table->cells->len; i++)
    widths[i % table->n_columns] = MAX (widths[i % table->n_columns], g_utf8_strlen (table->cells->pdata[i], -1));
  for (guint i = 0; i < table->cells->len; i++)
    {
      const char *cell = table->cells->pdata[i];
      gboolean last = i % table->n_columns == table->n_columns - 1;

      fputs (cell, stdout);
      if (last)
        putchar ('\n');
      else
        for (glong n = widths[i % table->n_columns] + 2 - g_utf8_strlen (cell, -1); n > 0; n--)
          putchar (' ');
    }
}

void
out_table_free (OutTable *table)
{
  g_ptr_array_unref (table->cells);
  g_free (table);
}
