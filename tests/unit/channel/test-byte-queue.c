/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What goes in comes out, in any pieces. */
#include <glib.h>
#include <string.h>

#include "creel-byte-queue.h"

static void
test_pieces (void)
{
  CreelByteQueue queue = { 0 };
  guint8 bytes[70000];
  guint32 in = 0, out = 0;

  for (int round = 0; round < 3000; round++)
    {
      gsize n = (gsize) (g_test_rand_bit () ? g_test_rand_int_range (0, 100) : g_test_rand_int_range (0, sizeof bytes));

      for (gsize i = 0; i < n; i++)
        bytes[i] = (guint8) (in++ % 251);
      g_assert_true (creel_byte_queue_add (&queue, bytes, n));
      g_assert_cmpuint (queue.length, ==, in - out);
      /* all of it now and then */
      for (int i = 0; i < 4 && queue.length > 0; i++)
        {
          gsize here, some = (gsize) g_test_rand_int_range (0, sizeof bytes), taken = round % 100 == 0 ? queue.length : MIN (queue.length, some);
          const guint8 *data = creel_byte_queue_peek (&queue, &here);

          g_assert_cmpuint (here, >, 0);
          g_assert_cmpuint (here, <=, queue.length);
          for (gsize k = 0; k < MIN (here, taken); k++)
            g_assert_cmpuint (data[k], ==, (out + k) % 251);
          creel_byte_queue_drop (&queue, taken);
          out += taken;
        }
    }
  creel_byte_queue_drop (&queue, queue.length);
  g_assert_null (creel_byte_queue_peek (&queue, &(gsize){ 0 }));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/byte-queue/pieces", test_pieces);
  return g_test_run ();
}
