/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Runs the files of a directory through a fuzz target, for builds without libFuzzer, and each of them cut short and with
 * a flipped byte too: cheap, and enough to find what a parser does at the end of its input. */
#include <glib.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

/* An exact copy, so that the sanitizer sees a read past the end; never NULL, as libFuzzer gives none */
static guint8 *
copy_of (const guint8 *data, gsize size)
{
  guint8 *copy = malloc (size);

  if (copy == NULL)
    abort ();
  memcpy (copy, data, size);
  return copy;
}

static void
replay (const guint8 *data, gsize size)
{
  g_autofree guint8 *copy = copy_of (data, size);
  gsize step = MAX (size / 16, 1);

  LLVMFuzzerTestOneInput (copy, size);
  for (gsize cut = 0; cut < size; cut += step)
    {
      g_autofree guint8 *shorter = copy_of (data, cut);
      g_autofree guint8 *flipped = copy_of (data, size);

      LLVMFuzzerTestOneInput (shorter, cut);
      flipped[cut] ^= 0x80;
      LLVMFuzzerTestOneInput (flipped, size);
    }
}

int
main (int argc, char **argv)
{
  guint n = 0;

  LLVMFuzzerTestOneInput ((const guint8 *) "", 0);
  for (int i = 1; i < argc; i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (GDir) dir = g_dir_open (argv[i], 0, &error);
      const char *name;

      if (dir == NULL)
        {
          g_printerr ("%s\n", error->message);
          return 1;
        }
      while ((name = g_dir_read_name (dir)) != NULL)
        {
          g_autofree char *path = g_build_filename (argv[i], name, NULL);
          g_autofree char *data = NULL;
          gsize size;

          if (!g_file_get_contents (path, &data, &size, &error))
            {
              g_printerr ("%s\n", error->message);
              return 1;
            }
          replay ((const guint8 *) data, size);
          n++;
        }
    }
  if (n == 0)
    {
      g_printerr ("No input to replay\n");
      return 1;
    }
  g_print ("%u inputs replayed\n", n);
  return 0;
}
