/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "init.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void
say (const char *format, ...)
{
  char line[512] = "creel-init: ";
  size_t length = strlen (line);
  va_list arguments;
  ssize_t n;

  va_start (arguments, format);
  vsnprintf (line + length, sizeof line - length - 1, format, arguments);
  va_end (arguments);
  strcat (line, "\n");
  n = write (STDERR_FILENO, line, strlen (line));
  (void) n; /* without a console there is nobody to tell */
}

int
write_file (const char *path, const char *text, size_t length, mode_t mode)
{
  int fd = open (path, O_WRONLY | O_CLOEXEC | (mode != 0 ? O_CREAT | O_TRUNC : 0), mode);
  int result = 0;

  if (fd < 0)
    return -1;
  while (length > 0 && result == 0)
    {
      ssize_t n = write (fd, text, length);

      if (n < 0)
        result = -1;
      else
        {
          text += n;
          length -= n;
        }
    }
  int code = errno;
  close (fd);
  errno = code;
  return result;
}

int
write_own_file (const char *directory, const char *name, const char *text, size_t length, mode_t mode)
{
  char path[512];
  char *real = realpath (directory, NULL);
  bool is_there = real != NULL && strcmp (real, directory) == 0;

  free (real);
  if (!is_there || (size_t) snprintf (path, sizeof path, "%s/%s", directory, name) >= sizeof path)
    return errno = is_there ? ENAMETOOLONG : ELOOP, -1;
  if (unlink (path) < 0 && errno != ENOENT)
    return -1;
  return write_file (path, text, length, mode);
}

char *
read_file (const char *path, size_t max, size_t *ret_length)
{
  int fd = open (path, O_RDONLY | O_CLOEXEC);
  size_t length = 0;
  size_t size = 0;
  char *text = NULL;

  if (fd < 0)
    return NULL;
  while (true)
    {
      ssize_t n;

      if (size - length < 4096)
        {
          char *grown = size >= max ? NULL : realloc (text, size = size == 0 ? 8192 : size * 2);

          if (grown == NULL)
            {
              free (text);
              close (fd);
              errno = EFBIG;
              return NULL;
            }
          text = grown;
        }
      n = read (fd, text + length, size - length - 1);
      if (n <= 0)
        break;
      length += n;
    }
  close (fd);
  text[length] = '\0';
  if (ret_length != NULL)
    *ret_length = length;
  return text;
}

int
make_directories (const char *path, mode_t mode)
{
  char copy[4096];

  if (strlen (path) >= sizeof copy)
    return errno = ENAMETOOLONG, -1;
  strcpy (copy, path);
  for (char *at = copy + 1; *at != '\0'; at++)
    if (*at == '/')
      {
        *at = '\0';
        if (mkdir (copy, 0755) < 0 && errno != EEXIST)
          return -1;
        *at = '/';
      }
  if (mkdir (copy, mode) < 0 && errno != EEXIST)
    return -1;
  return 0;
}
