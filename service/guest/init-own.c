/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "init-own.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "init.h"

#define TEXT_MAX (16 * 1024 * 1024)

static bool
is_one_of (const char *path, const char *const *list)
{
  for (; *list != NULL; list++)
    if (strcmp (*list, path) == 0)
      return true;
  return false;
}

/* Those of init-configure.c, init-user.c and init-trust.c */
static const char *const files[] = { "etc/hostname",        "etc/hosts",
                                     "etc/resolv.conf",     "etc/ca-certificates/update.d/creel",
                                     "etc/sudoers.d/creel", NULL };
static const char *const databases[] = { "etc/passwd", "etc/group", "etc/shadow", NULL };

OwnKind
own_kind (const LayerSource *source, const char *path)
{
  size_t length = strlen (path);

  for (size_t i = 0; i < LAYER_BUNDLES_MAX; i++)
    {
      const char *bundle = source->bundles[i];

      if (bundle == NULL || strncmp (path, bundle, strlen (bundle)) != 0)
        continue;
      if (length == strlen (bundle))
        return OWN_TAIL;
      if (strcmp (path + strlen (bundle), TRUST_NEW) == 0)
        return OWN_FILE; /* left by a crash */
    }
  if (strncmp (path, "etc/", 4) != 0)
    return OWN_NOT;
  return is_one_of (path, files) ? OWN_FILE : is_one_of (path, databases) ? OWN_LINE : OWN_NOT;
}

bool
own_directory (const char *path)
{
  static const char *const directories[] = { "dev", "proc", "run", "sys", "tmp", NULL };

  return is_one_of (path, directories);
}

bool
own_whiteout (const char *directory, const char *name)
{
  char path[64];

  return (size_t) snprintf (path, sizeof path, "%s/%s", directory, name) < sizeof path && is_one_of (path, files);
}

static int
open_lower (int lower, const char *path, int flags)
{
  struct open_how how = { .flags = (unsigned) flags | O_CLOEXEC, .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS };

  return lower < 0 ? -1 : (int) syscall (SYS_openat2, lower, path, &how, sizeof how);
}

bool
own_stat_lower (int lower, const char *path, struct stat *ret_stat)
{
  int fd = open_lower (lower, path, O_PATH | O_NOFOLLOW);
  bool there = fd >= 0 && fstat (fd, ret_stat) == 0;

  if (fd >= 0)
    close (fd);
  return there;
}

static char *
read_fd (int fd, size_t *ret_length)
{
  char path[64];

  snprintf (path, sizeof path, "/proc/self/fd/%d", fd);
  return read_file (path, TEXT_MAX, ret_length);
}

/* Whether text is one line as user_ensure() appends them, after the end of a line that had none. */
static bool
is_appended_line (const char *text, size_t length)
{
  if (length > 0 && text[0] == '\n')
    text++, length--;
  return length > 6 && (strncmp (text, "agent:", 6) == 0 || strncmp (text, "creel:", 6) == 0) &&
         memchr (text, '\n', length) == text + length - 1;
}

bool
own_cut (const LayerSource *source, const char *path, OwnKind kind, int fd, char **ret_text, size_t *ret_length)
{
  int lower_fd = open_lower (source->lower, path, O_RDONLY);
  size_t length = 0, lower_length = 0;
  char *text = read_fd (fd, &length);
  char *lower = lower_fd < 0 ? NULL : read_fd (lower_fd, &lower_length);
  bool same;

  *ret_text = NULL;
  if (lower_fd >= 0)
    close (lower_fd);
  if (text == NULL)
    return free (lower), false;
  if (kind == OWN_TAIL)
    length = trust_cut (text, length);
  same = lower != NULL && length >= lower_length && memcmp (text, lower, lower_length) == 0 &&
         (length == lower_length || (kind == OWN_LINE && is_appended_line (text + lower_length, length - lower_length)));
  /* a bundle that nobody had before us */
  same = same || (kind == OWN_TAIL && lower == NULL && length == 0);
  free (lower);
  if (same || kind == OWN_LINE)
    return free (text), same;
  *ret_text = text;
  *ret_length = length;
  return false;
}
