/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Instead of init-layer.c in a guest that does not behave: sends what the file /hostile of the sandbox names. Built static by the test. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "init-layer.h"
#include "init-tar.h"

static Tar tar;

static void
add (const char *name, char type, const char *link, const char *text)
{
  TarEntry entry = { .name = name, .link = link, .type = type, .mode = 0755, .size = text == NULL ? 0 : strlen (text) };

  if (tar_add (&tar, &entry, -1) && text != NULL)
    tar_add_bytes (&tar, text, strlen (text));
}

static void
send_noise (void)
{
  static char noise[65536];
  int random = open ("/dev/urandom", O_RDONLY | O_CLOEXEC);

  for (int i = 0; i < 64 && read (random, noise, sizeof noise) > 0; i++)
    tar_add_bytes (&tar, noise, sizeof noise);
}

static void
send_devices (void)
{
  add ("opt/device", '3', NULL, NULL);
  add ("opt/disk", '4', NULL, NULL);
  add ("dev/planted", '0', NULL, "x");
  add ("proc/planted", '0', NULL, "x");
  add ("run/planted", '0', NULL, "x");
}

static void
send_without_end (void)
{
  char name[64];

  for (unsigned i = 0; tar.code == 0; i++)
    {
      snprintf (name, sizeof name, "opt/%u", i);
      add (name, '0', NULL, "");
    }
}

int
layer_write (const LayerSource *source, int fd)
{
  int kind_fd = openat (source->upper, "hostile", O_RDONLY | O_CLOEXEC);
  char kind[32] = "";

  if (kind_fd < 0 || read (kind_fd, kind, sizeof kind - 1) < 0 || !tar_open (&tar, fd))
    return 1;
  kind[strcspn (kind, "\n")] = '\0';
  if (strcmp (kind, "mute") == 0)
    for (;;)
      pause ();
  if (strcmp (kind, "noise") == 0)
    send_noise ();
  add ("opt/from-outside", '0', NULL, "fine");
  if (strcmp (kind, "dotdot") == 0)
    add ("../../../../tmp/escaped", '0', NULL, "x");
  else if (strcmp (kind, "absolute") == 0)
    add ("/../../tmp/escaped", '0', NULL, "x");
  else if (strcmp (kind, "parent") == 0)
    {
      add ("opt/way", '2', "/../../../../tmp", NULL);
      add ("opt/way/escaped", '0', NULL, "x");
    }
  else if (strcmp (kind, "link") == 0)
    add ("opt/link", '1', "../../../etc/shadow", NULL);
  else if (strcmp (kind, "device") == 0)
    send_devices ();
  else if (strcmp (kind, "endless") == 0)
    send_without_end ();
  else if (strcmp (kind, "cut") == 0)
    {
      char block[512] = "";

      /* one block of zeros, and the end as if all were well */
      tar_add_bytes (&tar, block, sizeof block);
      return write (fd, tar.buffer, tar.used) != (ssize_t) tar.used;
    }
  return tar_close (&tar) ? 0 : tar.code;
}
