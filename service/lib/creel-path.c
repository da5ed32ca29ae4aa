/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "creel-policy.h"

static gboolean
is_unreserved (guchar c)
{
  return g_ascii_isalnum (c) || strchr ("-._~", c) != NULL;
}

static char *
refuse (GError **error, const char *why)
{
  g_set_error (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS, "The path can be read in two ways: %s", why);
  return NULL;
}

/* RFC 3629 section 3: servers that do not know it read %C0%AE as a dot, and some take any byte for the second. */
static gboolean
is_overlong (guchar c, const char *next)
{
  guchar second;

  /* five bytes and six, which it had once */
  if (c >= 0xf8 || (c == 0xc0 && (next[0] == '.' || g_ascii_strncasecmp (next, "%2E", 3) == 0)))
    return TRUE;
  if ((c != 0xc0 && c != 0xc1 && c != 0xe0 && c != 0xf0) || next[0] != '%' || !g_ascii_isxdigit (next[1]) || !g_ascii_isxdigit (next[2]))
    return FALSE;
  second = (guchar) (g_ascii_xdigit_value (next[1]) << 4 | g_ascii_xdigit_value (next[2]));
  return second >= 0x80 && second < (c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0xc0);
}

/* Some servers cut off what follows before they look at dots: parameters, and when another has decoded them already, a query or a fragment. */
static gboolean
is_dots_and_more (const char *segment)
{
  gsize dots = strspn (segment, ".");
  const char *rest = segment + dots;

  return dots > 0 && dots < 3 &&
         (rest[0] == ';' || g_str_has_prefix (rest, "%3B") || g_str_has_prefix (rest, "%3F") || g_str_has_prefix (rest, "%23"));
}

/* Decodes what needs no encoding, writes the rest in one way. NULL when a server may read it otherwise. */
static char *
normalize_escapes (const char *path, GError **error)
{
  g_autoptr (GString) text = g_string_new (NULL);

  for (const char *p = path; *p != '\0'; p++)
    {
      guchar c = (guchar) *p;

      if (c == '\\')
        return refuse (error, "it holds a backslash");
      if (c <= ' ' || c >= 0x7f || c == '?' || c == '#')
        return refuse (error, "it holds a byte that belongs encoded");
      if (c != '%')
        {
          g_string_append_c (text, (char) c);
          continue;
        }
      if (!g_ascii_isxdigit (p[1]) || !g_ascii_isxdigit (p[2]))
        return refuse (error, "a percent sign is not followed by two hex digits");
      c = (guchar) (g_ascii_xdigit_value (p[1]) << 4 | g_ascii_xdigit_value (p[2]));
      p += 2;
      if (c < ' ' || c == 0x7f)
        return refuse (error, "it holds an encoded control byte");
      if (c == '/' || c == '\\')
        return refuse (error, "it holds an encoded slash");
      if (is_overlong (c, p + 1))
        return refuse (error, "it holds a longer form of a character than UTF-8 has");
      if (is_unreserved (c))
        g_string_append_c (text, (char) c);
      else
        g_string_append_printf (text, "%%%02X", c);
    }
  /* of what is written now, because the digits may have been encoded too */
  for (const char *p = strstr (text->str, "%25"); p != NULL; p = strstr (p + 3, "%25"))
    if (g_ascii_isxdigit (p[3]) && g_ascii_isxdigit (p[4]))
      return refuse (error, "it is encoded twice");
  return g_string_free (g_steal_pointer (&text), FALSE);
}

char *
creel_path_canonicalize (const char *path, GError **error)
{
  g_autofree char *text = NULL;
  g_auto (GStrv) segments = NULL;
  g_autoptr (GPtrArray) kept = g_ptr_array_new ();
  gboolean directory = FALSE;

  if (g_str_equal (path, "*"))
    return g_strdup (path);
  if (path[0] != '/')
    return refuse (error, "it does not start with a slash");
  text = normalize_escapes (path, error);
  if (text == NULL)
    return NULL;

  segments = g_strsplit (text + 1, "/", -1);
  for (char **segment = segments; *segment != NULL; segment++)
    {
      if (is_dots_and_more (*segment))
        return refuse (error, "a dot segment has parameters");
      directory = TRUE;
      if (**segment == '\0' || g_str_equal (*segment, "."))
        continue;
      if (g_str_equal (*segment, ".."))
        {
          if (kept->len > 0)
            g_ptr_array_set_size (kept, (int) kept->len - 1);
          continue;
        }
      directory = FALSE;
      g_ptr_array_add (kept, *segment);
    }

  g_autoptr (GString) canonical = g_string_new (NULL);
  for (guint i = 0; i < kept->len; i++)
    g_string_append_printf (canonical, "/%s", (const char *) kept->pdata[i]);
  if (directory || kept->len == 0)
    g_string_append_c (canonical, '/');
  return g_string_free (g_steal_pointer (&canonical), FALSE);
}
