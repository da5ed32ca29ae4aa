/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-conf.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "creel-error.h"

static gboolean
fail (GError **error, const char *origin, guint line, const char *message)
{
  g_set_error (error, CREEL_ERROR, CREEL_ERROR_BAD_DEFINITION, "%s:%u: %s", origin, line, message);
  return FALSE;
}

static gboolean
is_text (const char *text, gsize length)
{
  for (gsize i = 0; i < length; i++)
    if (((guchar) text[i] < 0x20 && text[i] != '\t' && text[i] != '\n' && text[i] != '\r') || text[i] == 0x7f)
      return FALSE;
  return g_utf8_validate_len (text, length, NULL);
}

typedef struct
{
  CreelConfFunc func;
  gpointer user_data;
  const char *origin;
  char *section;
} Parser;

static gboolean
call (Parser *parser, const char *key, const char *value, guint number, GError **error)
{
  g_autofree char *where = g_strdup_printf ("%s:%u", parser->origin, number);

  if (parser->func (parser->section, key, value, where, parser->user_data, error))
    return TRUE;
  if (error != NULL && *error != NULL && !g_str_has_prefix ((*error)->message, where))
    g_prefix_error (error, "%s: ", where);
  return FALSE;
}

static gboolean
parse_line (Parser *parser, char *line, guint number, GError **error)
{
  char *equals;

  g_strstrip (line);
  if (line[0] == '[')
    {
      gsize length = strlen (line);

      if (length < 3 || line[length - 1] != ']')
        return fail (error, parser->origin, number, "A section header must end in \"]\"");
      g_free (parser->section);
      parser->section = g_strndup (line + 1, length - 2);
      return call (parser, NULL, NULL, number, error);
    }

  equals = strchr (line, '=');
  if (equals == NULL || equals == line)
    return fail (error, parser->origin, number, "Expected Key=Value");
  if (parser->section == NULL)
    return fail (error, parser->origin, number, "Assignment outside of a section");
  *equals = '\0';
  g_strstrip (line);
  return call (parser, line, g_strstrip (equals + 1), number, error);
}

gboolean
creel_conf_parse (const char *text, gssize length, const char *origin, CreelConfFunc func, gpointer user_data,
                  GError **error)
{
  gsize size = length < 0 ? strlen (text) : (gsize) length;
  g_autoptr (GString) pending = g_string_new (NULL);
  g_autofree char *section = NULL;
  Parser parser = { func, user_data, origin, NULL };
  const char *end = text + size;
  guint number = 0, first = 0;
  gboolean continued = FALSE, ok = TRUE;

  if (size > CREEL_CONF_MAX_SIZE)
    return fail (error, origin, 1, "The file is larger than 1 MiB");
  if (!is_text (text, size))
    return fail (error, origin, 1, "The file is not plain UTF-8 text");

  while (ok && (text < end || continued))
    {
      const char *newline = text < end ? memchr (text, '\n', end - text) : NULL;
      const char *stop = newline != NULL ? newline : end;
      g_autofree char *line = g_strndup (text, stop - text);
      gboolean at_end = text >= end;

      text = newline != NULL ? newline + 1 : end;
      number++;
      g_strchomp (line);
      if (!at_end)
        {
          const char *start = line + strspn (line, " \t\r");

          if (*start == '#' || *start == ';' || (*start == '\0' && !continued))
            continue;
          if (!continued)
            first = number;
          if (g_str_has_suffix (line, "\\"))
            {
              line[strlen (line) - 1] = ' ';
              g_string_append (pending, line);
              continued = TRUE;
              continue;
            }
          g_string_append (pending, line);
        }
      continued = FALSE;
      g_strchomp (pending->str);
      if (pending->str[strspn (pending->str, " \t\r")] != '\0')
        ok = parse_line (&parser, pending->str, first, error);
      g_string_truncate (pending, 0);
    }
  section = parser.section;
  return ok;
}

gboolean
creel_conf_parse_file (const char *path, CreelConfFunc func, gpointer user_data, GError **error)
{
  g_autofree char *text = NULL;
  gsize size = 0;
  struct stat st;
  int fd = open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

  if (fd < 0 || fstat (fd, &st) < 0)
    {
      int code = errno;

      if (fd >= 0)
        close (fd);
      g_set_error (error, G_IO_ERROR, g_io_error_from_errno (code), "Cannot read %s: %s", path, g_strerror (code));
      return FALSE;
    }
  if (!S_ISREG (st.st_mode) || st.st_size > CREEL_CONF_MAX_SIZE)
    {
      close (fd);
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_BAD_DEFINITION, "%s: Not a regular file of at most 1 MiB", path);
      return FALSE;
    }

  text = g_malloc (CREEL_CONF_MAX_SIZE + 1);
  while (size <= CREEL_CONF_MAX_SIZE)
    {
      gssize n = read (fd, text + size, CREEL_CONF_MAX_SIZE + 1 - size);

      if (n < 0 && errno == EINTR)
        continue;
      if (n <= 0)
        break;
      size += n;
    }
  close (fd);
  return creel_conf_parse (text, size, path, func, user_data, error);
}

static int
compare_names (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

char **
creel_conf_list_names (const char *const *directories)
{
  g_autoptr (GHashTable) seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  GPtrArray *names = g_ptr_array_new ();
  GHashTableIter iter;
  gpointer key;

  for (; *directories != NULL; directories++)
    {
      g_autoptr (GDir) dir = g_dir_open (*directories, 0, NULL);
      const char *entry;

      while (dir != NULL && (entry = g_dir_read_name (dir)) != NULL)
        if (g_str_has_suffix (entry, ".conf") && entry[0] != '.')
          g_hash_table_add (seen, g_strndup (entry, strlen (entry) - strlen (".conf")));
    }
  g_hash_table_iter_init (&iter, seen);
  while (g_hash_table_iter_next (&iter, &key, NULL))
    g_ptr_array_add (names, g_strdup (key));
  g_ptr_array_sort (names, compare_names);
  g_ptr_array_add (names, NULL);
  return (char **) g_ptr_array_free (names, FALSE);
}

gboolean
creel_conf_value_is_safe (const char *value)
{
  gsize length = strlen (value);

  if (length == 0 || length > 32 * 1024)
    return FALSE;
  if (!is_text (value, length) || strpbrk (value, "\n\r") != NULL)
    return FALSE;
  return !g_ascii_isspace (value[0]) && !g_ascii_isspace (value[length - 1]) && value[length - 1] != '\\';
}

void
creel_conf_strv_add (char ***strv, const char *value)
{
  guint length = *strv != NULL ? g_strv_length (*strv) : 0;

  if (value[0] == '\0')
    {
      g_strfreev (*strv);
      *strv = g_new0 (char *, 1);
      return;
    }
  *strv = g_renew (char *, *strv, length + 2);
  (*strv)[length] = g_strdup (value);
  (*strv)[length + 1] = NULL;
}
