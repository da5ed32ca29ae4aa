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
static const char *const files[] = { "etc/hostname",
                                     "etc/hosts",
                                     "etc/resolv.conf",
                                     "etc/ca-certificates/update.d/creel",
                                     "etc/ca-certificates/trust-source/anchors/creel.pem",
                                     "etc/pki/ca-trust/source/anchors/creel.pem",
                                     "etc/pki/trust/anchors/creel.pem",
                                     "etc/sudoers.d/creel",
                                     NULL };
/* What p11-kit's programs make of the anchors: bundles of several forms, and single certificates */
static const char *const made_of_anchors[] = { "etc/pki/ca-trust/extracted/", "etc/ca-certificates/extracted/", "var/lib/ca-certificates/", NULL };
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
        return OWN_BUNDLE;
      if (strcmp (path + strlen (bundle), TRUST_NEW) == 0)
        return OWN_FILE; /* left by a crash */
    }
  for (size_t i = 0; made_of_anchors[i] != NULL; i++)
    if (strncmp (path, made_of_anchors[i], strlen (made_of_anchors[i])) == 0)
      return OWN_BUNDLE;
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

/* Takes the certificate out of a bundle, wherever it stands. False: it is in there in a form of which it cannot be taken out. */
static bool
cut_certificate (const LayerSource *source, char *text, size_t *length)
{
  size_t ca_length = source->ca == NULL ? 0 : strlen (source->ca);
  uint8_t *ca = malloc (ca_length + 1);
  PemBlock block = { .end = source->ca };
  bool is_free;

  *length = trust_cut (text, *length);
  if (ca_length > 0)
    *length = pem_cut (text, *length, source->ca);
  is_free = ca != NULL && (ca_length == 0 || !pem_next (&block, "CERTIFICATE", source->ca + ca_length, ca) || block.n_bytes == 0 ||
                           memmem (text, *length, ca, block.n_bytes) == NULL);
  free (ca);
  return is_free;
}

bool
own_cut (const LayerSource *source, const char *path, OwnKind kind, int fd, char **ret_text, size_t *ret_length)
{
  int lower_fd = open_lower (source->lower, path, O_RDONLY);
  size_t whole = 0, length, lower_length = 0;
  char *text = read_fd (fd, &whole);
  char *lower = lower_fd < 0 ? NULL : read_fd (lower_fd, &lower_length);
  bool same;

  *ret_text = NULL;
  if (lower_fd >= 0)
    close (lower_fd);
  if (text == NULL)
    return free (lower), false;
  length = whole;
  /* a key store, whose digest would be wrong then: the image's own is better, its owner makes it anew */
  if (kind == OWN_BUNDLE && !cut_certificate (source, text, &length))
    return free (lower), free (text), true;
  same = lower != NULL && length >= lower_length && memcmp (text, lower, lower_length) == 0 &&
         (length == lower_length || (kind == OWN_LINE && is_appended_line (text + lower_length, length - lower_length)));
  /* a bundle that nobody had before us */
  same = same || (kind == OWN_BUNDLE && lower == NULL && length == 0 && whole > 0);
  free (lower);
  if (same || kind == OWN_LINE)
    return free (text), same;
  *ret_text = text;
  *ret_length = length;
  return false;
}
