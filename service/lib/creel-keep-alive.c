/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-keep-alive.h"

#include <string.h>

#define SECONDS_MAX (100LL * 365 * 24 * 3600)

gboolean
creel_keep_alive_parse (const char *text, guint64 *ret_usec, GError **error)
{
  static const struct
  {
    char unit;
    guint seconds;
  } units[] = { { 'd', 24 * 3600 }, { 'h', 3600 }, { 'm', 60 }, { 's', 1 } };
  guint next = 0; /* larger units come first, each once */
  guint64 sum = 0, value;
  const char *p = text;

  if (g_str_equal (text, "never") || g_str_equal (text, "-1"))
    {
      *ret_usec = G_MAXUINT64;
      return TRUE;
    }
  while (g_ascii_isdigit (*p) && strspn (p, "0123456789") <= 10)
    {
      char *end;

      value = g_ascii_strtoull (p, &end, 10);
      if (*end == '\0' && p == text) /* a number alone: seconds */
        next = G_N_ELEMENTS (units) - 1;
      else
        while (next < G_N_ELEMENTS (units) && units[next].unit != *end)
          next++;
      if (next == G_N_ELEMENTS (units))
        break;
      sum += value * units[next++].seconds;
      p = *end != '\0' ? end + 1 : end;
    }
  if (p != text && *p == '\0' && sum <= SECONDS_MAX)
    {
      *ret_usec = sum * G_USEC_PER_SEC;
      return TRUE;
    }
  g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "\"%.64s\" is not a time; write for example 30s, 5m, 0 or never", text);
  return FALSE;
}
