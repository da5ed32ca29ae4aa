/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <brotli/encode.h>
#include <string.h>

#include "creel-answer.h"

#define PIECES 100
#define BLOCKS 10000 /* in each */

static void
on_more (gpointer user_data)
{
  ++*(guint *) user_data;
}

/* gzip in br. Each piece is a few bytes, ends at a byte, and holds 50 kB of gzip's blocks, which hold nothing. */
static GPtrArray *
make_pieces (void)
{
  GPtrArray *pieces = g_ptr_array_new_with_free_func ((GDestroyNotify) g_byte_array_unref);
  BrotliEncoderState *encoder = BrotliEncoderCreateInstance (NULL, NULL, NULL);

  BrotliEncoderSetParameter (encoder, BROTLI_PARAM_QUALITY, 2);
  for (guint i = 0; i < PIECES; i++)
    {
      g_autoptr (GByteArray) in = g_byte_array_new ();
      GByteArray *piece = g_byte_array_new ();
      const guint8 *next;
      gsize size;

      if (i == 0)
        g_byte_array_append (in, (const guint8 *) "\x1f\x8b\x08\0\0\0\0\0\0\3", 10);
      for (guint block = 0; block < BLOCKS; block++)
        g_byte_array_append (in, (const guint8 *) "\0\0\0\xff\xff", 5);
      next = in->data;
      size = in->len;
      do
        {
          gsize room = 0;

          g_assert_true (BrotliEncoderCompressStream (encoder, BROTLI_OPERATION_FLUSH, &size, &next, &room, NULL, NULL));
          const guint8 *out = BrotliEncoderTakeOutput (encoder, &room);
          g_byte_array_append (piece, out, (guint) room);
        }
      while (size > 0 || BrotliEncoderHasMoreOutput (encoder));
      g_assert_cmpuint (piece->len, <, 1000);
      g_ptr_array_add (pieces, piece);
    }
  BrotliEncoderDestroyInstance (encoder);
  return pieces;
}

/* However a server cuts what holds nothing, there is an end to what is done in one step. */
static void
test_steps (void)
{
  static const char text[] = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip, br\r\n\r\n", *const secrets[] = { "sk-live-0123456789", NULL };
  g_autoptr (GInputStream) in = g_memory_input_stream_new ();
  g_autoptr (GOutputStream) out = g_memory_output_stream_new_resizable ();
  g_autoptr (GIOStream) stream = g_simple_io_stream_new (in, out);
  g_autoptr (CreelEndpoint) guest = creel_endpoint_new (stream);
  g_autoptr (CreelKeyForms) forms = creel_key_forms_new (secrets);
  g_autoptr (CreelHttpHead) head = NULL;
  g_autoptr (GPtrArray) pieces = make_pieces ();
  CreelResponse response = { .status = 200, .body_kind = CREEL_BODY_EOF };
  const char *why = NULL;
  gsize memory = 0, used;
  guint wakes = 0, written = 0, steps;
  CreelAnswer *answer = creel_answer_new (guest, creel_scrub_new (forms), &memory, on_more, &wakes);

  g_assert_cmpint (creel_http_head_parse ((const guint8 *) text, strlen (text), FALSE, &head, &used, &why), ==, CREEL_HEAD_DONE);
  g_assert_null (creel_answer_prepare (answer, head, &response, TRUE, &why));
  g_assert_cmpuint (memory, >, 16 * 1024 * 1024);
  creel_answer_start (answer, g_string_new ("head"));
  for (steps = 0; written < PIECES; steps++)
    {
      guint before = written;

      while (written < PIECES && creel_answer_has_room (answer))
        {
          const GByteArray *piece = pieces->pdata[written++];

          creel_answer_write (answer, piece->data, piece->len);
        }
      g_assert_cmpuint (written - before, <, 10);
      g_assert_false (creel_answer_is_broken (answer));
      creel_answer_flush (answer);
      while (wakes == 0 && written < PIECES)
        g_main_context_iteration (NULL, TRUE);
      wakes = 0;
    }
  g_assert_cmpuint (steps, >, 10);
  g_assert_false (creel_answer_has_started (answer));
  creel_answer_free (answer);
  g_assert_cmpuint (memory, ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/answer/steps", test_steps);
  return g_test_run ();
}
