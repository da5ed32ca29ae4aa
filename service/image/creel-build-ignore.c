/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-build-ignore.h"

#include <string.h>

#include "creel-error.h"

#define MAX_PATTERNS 1000
#define MAX_PATTERN 1024

typedef enum
{
  LITERAL,
  ONE,    /* ? */
  CLASS,  /* [...] */
  STAR,   /* * */
  DEEP,   /* ** */
  FOLDERS /* any number of whole folders, slashes included */
} TokenKind;

typedef struct
{
  TokenKind kind;
  gunichar c;
  const char *class; /* after the bracket */
} Token;

gboolean
creel_glob_is_pattern (const char *text)
{
  return strpbrk (text, "*?[\\") != NULL;
}

static gunichar
take_char (const char **p)
{
  gunichar c;

  if (**p == '\\' && (*p)[1] != '\0')
    (*p)++;
  c = g_utf8_get_char (*p);
  *p = g_utf8_next_char (*p);
  return c;
}

/* Past the class, or NULL when it is not closed. `c` may be 0 just to find the end. */
static const char *
match_class (const char *p, gunichar c, gboolean *ret_matches)
{
  gboolean negated = *p == '^' || *p == '!', matches = FALSE, first = TRUE;

  p += negated;
  while (first || *p != ']')
    {
      gunichar low, high;

      if (*p == '\0')
        return NULL;
      low = high = take_char (&p);
      if (*p == '-' && p[1] != ']' && p[1] != '\0')
        {
          p++;
          high = take_char (&p);
        }
      matches |= low <= c && c <= high;
      first = FALSE;
    }
  *ret_matches = matches != negated;
  return p + 1;
}

static GArray *
tokenize (const char *pattern, gboolean deep)
{
  g_autoptr (GArray) tokens = g_array_new (FALSE, TRUE, sizeof (Token));

  for (const char *p = pattern; *p != '\0';)
    {
      Token token = { LITERAL, 0, NULL };
      gboolean unused;

      if (*p == '*')
        {
          gsize n = strspn (p, "*");

          token.kind = deep && n > 1 ? DEEP : STAR;
          p += n;
          if (token.kind == DEEP && *p == '/')
            {
              token.kind = FOLDERS;
              p++;
            }
        }
      else if (*p == '?')
        {
          token.kind = ONE;
          p++;
        }
      else if (*p == '[')
        {
          token.kind = CLASS;
          token.class = p + 1;
          p = match_class (p + 1, 0, &unused);
          if (p == NULL)
            return NULL;
        }
      else
        token.c = take_char (&p);
      g_array_append_val (tokens, token);
    }
  return g_steal_pointer (&tokens);
}

/* Each token has two states: just before it (2 i), and inside it (2 i + 1, FOLDERS only). */
static void
enter (GArray *tokens, gboolean *states, guint i)
{
  for (; !states[2 * i]; i++)
    {
      states[2 * i] = TRUE;
      if (i == tokens->len || g_array_index (tokens, Token, i).kind < STAR)
        return;
      /* these match nothing, too */
    }
}

static void
step (GArray *tokens, const gboolean *now, gboolean *next, gunichar c)
{
  for (guint i = 0; i < tokens->len; i++)
    {
      Token *token = &g_array_index (tokens, Token, i);
      gboolean matches = FALSE;

      if (!now[2 * i] && !now[2 * i + 1])
        continue;
      switch (token->kind)
        {
        case LITERAL:
          matches = c == token->c;
          break;
        case ONE:
          matches = c != '/';
          break;
        case CLASS:
          match_class (token->class, c, &matches);
          matches = matches && c != '/';
          break;
        case STAR:
          if (c != '/')
            enter (tokens, next, i);
          break;
        case DEEP:
          enter (tokens, next, i);
          break;
        case FOLDERS:
          next[2 * i + 1] = TRUE;
          matches = c == '/';
          break;
        }
      if (matches)
        enter (tokens, next, i + 1);
    }
}

gboolean
creel_glob_match (const char *pattern, const char *path, gboolean deep)
{
  g_autoptr (GArray) tokens = tokenize (pattern, deep);
  g_autofree gboolean *now = NULL;
  g_autofree gboolean *next = NULL;
  gsize n;

  if (tokens == NULL)
    return FALSE;
  n = 2 * tokens->len + 2;
  now = g_new0 (gboolean, n);
  next = g_new0 (gboolean, n);
  enter (tokens, now, 0);
  for (; *path != '\0'; path = g_utf8_next_char (path))
    {
      gboolean *swap = now;

      memset (next, 0, n * sizeof (gboolean));
      step (tokens, now, next, g_utf8_get_char (path));
      now = next;
      next = swap;
    }
  return now[2 * tokens->len];
}

typedef struct
{
  char *pattern;
  gboolean exception;
} Line;

struct _CreelBuildIgnore
{
  GArray *lines;
  gboolean exceptions;
};

static void
line_clear (gpointer data)
{
  g_free (((Line *) data)->pattern);
}

void
creel_build_ignore_free (CreelBuildIgnore *ignore)
{
  g_array_unref (ignore->lines);
  g_free (ignore);
}

/* "a//b/./c/" is "a/b/c"; ".." goes up, at most to the folder itself. */
static char *
clean (const char *pattern)
{
  g_autofree char *absolute = g_canonicalize_filename (pattern, "/");

  return g_strdup (absolute + 1);
}

CreelBuildIgnore *
creel_build_ignore_parse (const char *text, gsize length, GError **error)
{
  g_autoptr (CreelBuildIgnore) ignore = g_new0 (CreelBuildIgnore, 1);
  g_autofree char *copy = g_strndup (text, length);
  g_auto (GStrv) lines = NULL;

  ignore->lines = g_array_new (FALSE, FALSE, sizeof (Line));
  g_array_set_clear_func (ignore->lines, line_clear);
  lines = g_strsplit (g_str_has_prefix (copy, "\xef\xbb\xbf") ? copy + 3 : copy, "\n", -1);
  for (guint i = 0; lines[i] != NULL; i++)
    {
      Line line = { NULL, FALSE };
      char *word = g_strstrip (lines[i]);

      if (*word == '#' || *word == '\0')
        continue;
      line.exception = *word == '!';
      if (line.exception)
        word = g_strchug (word + 1);
      if (!g_utf8_validate (word, -1, NULL) || strlen (word) > MAX_PATTERN || ignore->lines->len == MAX_PATTERNS)
        {
          g_set_error (error, CREEL_ERROR, CREEL_ERROR_BAD_DEFINITION, "%u: %s", i + 1,
                       ignore->lines->len == MAX_PATTERNS ? "More than 1000 patterns" : "Not a pattern: longer than 1 KiB, or not UTF-8");
          return NULL;
        }
      line.pattern = clean (word);
      {
        g_autoptr (GArray) tokens = tokenize (line.pattern, TRUE);

        if (tokens == NULL || *word == '\0')
          {
            g_free (line.pattern);
            g_set_error (error, CREEL_ERROR, CREEL_ERROR_BAD_DEFINITION, "%u: %s", i + 1,
                         tokens == NULL ? "A bracket is not closed" : "\"!\" without a pattern");
            return NULL;
          }
      }
      ignore->exceptions |= line.exception;
      g_array_append_val (ignore->lines, line);
    }
  return g_steal_pointer (&ignore);
}

gboolean
creel_build_ignore_has_exceptions (const CreelBuildIgnore *ignore)
{
  return ignore != NULL && ignore->exceptions;
}

/* The path or one of the folders that it is in. */
static gboolean
matches_or_parent (const char *pattern, const char *path)
{
  g_autofree char *copy = g_strdup (path);

  while (TRUE)
    {
      char *slash;

      if (creel_glob_match (pattern, copy, TRUE))
        return TRUE;
      slash = strrchr (copy, '/');
      if (slash == NULL)
        return FALSE;
      *slash = '\0';
    }
}

gboolean
creel_build_ignore_matches (const CreelBuildIgnore *ignore, const char *path)
{
  gboolean ignored = FALSE;

  if (ignore == NULL || *path == '\0' || !g_utf8_validate (path, -1, NULL))
    return FALSE;
  for (guint i = 0; i < ignore->lines->len; i++)
    {
      const Line *line = &g_array_index (ignore->lines, Line, i);

      /* the last line that matches decides */
      if (ignored == line->exception && matches_or_parent (line->pattern, path))
        ignored = !line->exception;
    }
  return ignored;
}
