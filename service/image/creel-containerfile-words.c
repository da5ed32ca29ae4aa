/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-containerfile-words.h"

#include <string.h>

#include "creel-error.h"

#define MAX_DEPTH 16            /* ${A:-${B:-${C}}} */
#define MAX_WORD (256 * 1024)   /* after expansion: variables that hold variables grow fast */

static gboolean refuse (GError **error, const char *format, ...) G_GNUC_PRINTF (2, 3);

static gboolean
refuse (GError **error, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  if (error != NULL)
    *error = g_error_new_valist (CREEL_ERROR, CREEL_ERROR_BAD_DEFINITION, format, args);
  va_end (args);
  return FALSE;
}

gboolean
creel_words_is_name (const char *text, gssize length)
{
  gsize n = length >= 0 ? (gsize) length : strlen (text);

  if (n == 0 || n > 256 || !(g_ascii_isalpha (text[0]) || text[0] == '_'))
    return FALSE;
  for (gsize i = 0; i < n; i++)
    if (!g_ascii_isalnum (text[i]) && strchr ("_.-", text[i]) == NULL)
      return FALSE;
  return TRUE;
}

/* Expansion reads forward through one text. */
typedef struct
{
  const char *p;
  CreelVariables *variables;
  int depth;
} Scan;

static gboolean scan_word (Scan *scan, char stop, GString *out, GError **error);

static gsize
name_length (const char *p)
{
  gsize n = 0;

  if (g_ascii_isalpha (*p) || *p == '_')
    while (g_ascii_isalnum (p[n]) || p[n] == '_')
      n++;
  else if (g_ascii_isdigit (*p))
    while (g_ascii_isdigit (p[n]))
      n++;
  return n;
}

static gboolean
append (GString *out, const char *text, GError **error)
{
  g_string_append (out, text);
  return out->len <= MAX_WORD ? TRUE : refuse (error, "The variables make it longer than 256 KiB");
}

/* After "${". */
static gboolean
scan_braces (Scan *scan, GString *out, GError **error)
{
  gsize n = name_length (scan->p);
  g_autofree char *name = g_strndup (scan->p, n);
  g_autoptr (GString) word = g_string_new (NULL);
  const char *value = g_hash_table_lookup (scan->variables, name);
  gboolean colon, set;
  char operator;

  if (n == 0)
    return refuse (error, "\"${\" is not followed by a name");
  scan->p += n;
  if (*scan->p == '}')
    {
      scan->p++;
      return append (out, value != NULL ? value : "", error);
    }
  colon = *scan->p == ':';
  scan->p += colon;
  operator = *scan->p;
  if (operator == '\0')
    return refuse (error, "${%s has no closing brace", name);
  if (strchr ("-+?", operator) == NULL)
    return refuse (error, "In ${%s...} only :-, :+ and :? are supported", name);
  scan->p++;
  if (++scan->depth > MAX_DEPTH)
    return refuse (error, "Too many ${ inside each other");
  if (!scan_word (scan, '}', word, error))
    return FALSE;
  scan->depth--;
  set = value != NULL && (!colon || value[0] != '\0');
  if (operator == '+')
    return append (out, set ? word->str : "", error);
  if (set)
    return append (out, value, error);
  if (operator == '-')
    return append (out, word->str, error);
  return refuse (error, "%s is not set%s%s", name, word->len > 0 ? ": " : "", word->str);
}

/* After "$". */
static gboolean
scan_dollar (Scan *scan, GString *out, GError **error)
{
  gsize n = name_length (scan->p);

  if (*scan->p == '{')
    {
      scan->p++;
      return scan_braces (scan, out, error);
    }
  if (n > 0)
    {
      g_autofree char *name = g_strndup (scan->p, n);
      const char *value = g_hash_table_lookup (scan->variables, name);

      scan->p += n;
      return append (out, value != NULL ? value : "", error);
    }
  g_string_append_c (out, '$');
  return TRUE;
}

static gboolean
scan_double_quotes (Scan *scan, GString *out, GError **error)
{
  while (*scan->p != '\0')
    {
      char c = *scan->p++;

      if (c == '"')
        return TRUE;
      if (c == '$')
        {
          if (!scan_dollar (scan, out, error))
            return FALSE;
          continue;
        }
      if (c == '\\' && *scan->p != '\0' && strchr ("\"$\\", *scan->p) != NULL)
        c = *scan->p++;
      g_string_append_c (out, c);
    }
  return refuse (error, "A double quote is not closed");
}

static gboolean
scan_word (Scan *scan, char stop, GString *out, GError **error)
{
  while (*scan->p != '\0')
    {
      char c = *scan->p++;

      if (stop != '\0' && c == stop)
        return TRUE;
      switch (c)
        {
        case '\'':
          {
            const char *end = strchr (scan->p, '\'');

            if (end == NULL)
              return refuse (error, "A single quote is not closed");
            g_string_append_len (out, scan->p, end - scan->p);
            scan->p = end + 1;
            break;
          }
        case '"':
          if (!scan_double_quotes (scan, out, error))
            return FALSE;
          break;
        case '$':
          if (!scan_dollar (scan, out, error))
            return FALSE;
          break;
        case '\\':
          if (*scan->p != '\0')
            g_string_append_c (out, *scan->p++);
          break;
        default:
          g_string_append_c (out, c);
        }
    }
  return stop == '\0' ? TRUE : refuse (error, "\"${\" has no closing brace");
}

char *
creel_words_expand (const char *word, CreelVariables *variables, GError **error)
{
  g_autoptr (GString) out = g_string_new (NULL);
  Scan scan = { word, variables, 0 };

  return scan_word (&scan, '\0', out, error) ? g_string_free (g_steal_pointer (&out), FALSE) : NULL;
}

static gboolean
is_blank (char c)
{
  return c == ' ' || c == '\t';
}

static char **
split (const char *text, gboolean quotes)
{
  g_autoptr (GStrvBuilder) words = g_strv_builder_new ();

  while (TRUE)
    {
      const char *start;
      char quote = '\0';

      while (is_blank (*text))
        text++;
      if (*text == '\0')
        return g_strv_builder_end (words);
      for (start = text; *text != '\0' && (quote != '\0' || !is_blank (*text)); text++)
        {
          if (!quotes)
            continue;
          if (*text == '\\' && text[1] != '\0')
            text++;
          else if (quote != '\0')
            quote = *text == quote ? '\0' : quote;
          else if (*text == '"' || *text == '\'')
            quote = *text;
        }
      {
        g_autofree char *word = g_strndup (start, text - start);

        g_strv_builder_add (words, word);
      }
    }
}

char **
creel_words_split_quoted (const char *text)
{
  return split (text, TRUE);
}

char **
creel_words_split (const char *text)
{
  return split (text, FALSE);
}

/* After the backslash-u: four digits. */
static gboolean
parse_unit (const char **p, gunichar *ret)
{
  *ret = 0;
  for (int i = 0; i < 4; i++, (*p)++)
    {
      if (!g_ascii_isxdigit (**p))
        return FALSE;
      *ret = *ret << 4 | (gunichar) g_ascii_xdigit_value (**p);
    }
  return TRUE;
}

/* After the opening quote. */
static gboolean
parse_string (const char **p, GString *out)
{
  static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
  gunichar c, low;

  while (**p != '"')
    {
      const char *escape;

      if (**p == '\0' || (guchar) **p < 0x20)
        return FALSE;
      if (**p != '\\')
        {
          g_string_append_c (out, *(*p)++);
          continue;
        }
      (*p)++;
      if (**p == 'u')
        {
          (*p)++;
          if (!parse_unit (p, &c))
            return FALSE;
          if (c >= 0xd800 && c < 0xdc00)
            {
              if ((*p)[0] != '\\' || (*p)[1] != 'u')
                return FALSE;
              *p += 2;
              if (!parse_unit (p, &low) || low < 0xdc00 || low > 0xdfff)
                return FALSE;
              c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
            }
          if (c == 0 || !g_unichar_validate (c))
            return FALSE;
          g_string_append_unichar (out, c);
          continue;
        }
      escape = **p != '\0' ? strchr (from, **p) : NULL;
      if (escape == NULL)
        return FALSE;
      g_string_append_c (out, to[escape - from]);
      (*p)++;
    }
  (*p)++;
  return TRUE;
}

char **
creel_words_parse_list (const char *text)
{
  g_autoptr (GPtrArray) words = g_ptr_array_new_with_free_func (g_free);
  const char *p = text + strspn (text, " \t");

  if (*p++ != '[')
    return NULL;
  p += strspn (p, " \t");
  while (*p != ']')
    {
      g_autoptr (GString) word = g_string_new (NULL);

      if (words->len > 0)
        {
          if (*p++ != ',')
            return NULL;
          p += strspn (p, " \t");
        }
      if (*p++ != '"' || !parse_string (&p, word))
        return NULL;
      g_ptr_array_add (words, g_string_free (g_steal_pointer (&word), FALSE));
      p += strspn (p, " \t");
    }
  p++;
  if (p[strspn (p, " \t")] != '\0')
    return NULL;
  g_ptr_array_add (words, NULL);
  return (char **) g_ptr_array_free (g_steal_pointer (&words), FALSE);
}

gboolean
creel_words_has_heredoc (const char *text)
{
  g_auto (GStrv) words = creel_words_split_quoted (text);

  for (char **word = words; *word != NULL; word++)
    {
      const char *p = *word + strspn (*word, "0123456789");

      if (p[0] != '<' || p[1] != '<')
        continue;
      p += 2;
      p += *p == '-';
      if (*p != '\0' && strchr (p, '<') == NULL)
        return TRUE;
    }
  return FALSE;
}
