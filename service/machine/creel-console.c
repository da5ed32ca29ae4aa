/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-console.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TAIL_BYTES 16384
#define LINE_CHARACTERS 200
#define PANIC "Kernel panic"

/* Terminal sequences and control bytes out, the rest of the line trimmed */
static char *
clean (const char *line, gsize length)
{
  GString *text = g_string_new (NULL);

  for (gsize i = 0; i < length && text->len < LINE_CHARACTERS; i++)
    {
      if (line[i] == '\033' && i + 1 < length && line[i + 1] == '[')
        for (i += 2; i < length && !g_ascii_isalpha (line[i]); i++)
          ;
      else if (line[i] >= 0x20 && line[i] < 0x7f)
        g_string_append_c (text, line[i]);
      else if (line[i] == '\t')
        g_string_append_c (text, ' ');
      else if (line[i] != '\r' && line[i] != '\033')
        g_string_append_c (text, '?');
    }
  return g_strstrip (g_string_free (text, FALSE));
}

gboolean
creel_console_shows_panic (const char *bytes, gsize length)
{
  return memmem (bytes, length, PANIC, strlen (PANIC)) != NULL;
}

char *
creel_console_last_line (const char *bytes, gsize length)
{
  const char *panic = memmem (bytes, length, PANIC, strlen (PANIC));

  if (panic != NULL)
    {
      const char *end = memchr (panic, '\n', length - (gsize) (panic - bytes));

      return clean (panic, (end != NULL ? (gsize) (end - panic) : length - (gsize) (panic - bytes)));
    }
  while (length > 0)
    {
      const char *newline = memrchr (bytes, '\n', length);
      const char *start = newline != NULL ? newline + 1 : bytes;
      g_autofree char *line = clean (start, length - (gsize) (start - bytes));

      if (*line != '\0')
        return g_steal_pointer (&line);
      length = newline != NULL ? (gsize) (newline - bytes) : 0;
    }
  return NULL;
}

char *
creel_console_read_tail (const char *path, gsize *ret_length)
{
  g_autofree char *bytes = g_malloc0 (TAIL_BYTES + 1);
  ssize_t length = 0;
  struct stat st;
  int fd = open (path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

  if (fd >= 0)
    {
      if (fstat (fd, &st) == 0)
        length = pread (fd, bytes, TAIL_BYTES, st.st_size > TAIL_BYTES ? st.st_size - TAIL_BYTES : 0);
      close (fd);
    }
  *ret_length = length > 0 ? (gsize) length : 0;
  bytes[*ret_length] = '\0';
  return g_steal_pointer (&bytes);
}
