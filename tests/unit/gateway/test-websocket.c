/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "creel-websocket.h"

#define KEY "sk-live-0123456789abcdef"

static CreelScrub *
make_scrub (void)
{
  const char *const secrets[] = { KEY, NULL };
  g_autoptr (CreelKeyForms) forms = creel_key_forms_new (secrets);

  return creel_scrub_new (forms);
}

static void
add_frame (GByteArray *out, guint8 first, const char *payload, gsize size, guint form)
{
  guint8 header[10] = { first, (guint8) size };
  guint length = form == 0 && size < 126 ? 2 : form <= 1 && size < 65536 ? 4 : 10;

  if (length > 2)
    {
      header[1] = length == 4 ? 126 : 127;
      for (guint i = 2; i < length; i++)
        header[i] = (guint8) ((guint64) size >> 8 * (length - 1 - i));
    }
  g_byte_array_append (out, header, length);
  g_byte_array_append (out, (const guint8 *) payload, (guint) size);
}

/* What a receiver makes of it: messages as TYPE:PAYLOAD\n in the order of their ends */
static char *
receive (const guint8 *data, gsize size)
{
  GString *all = g_string_new (NULL);
  g_autoptr (GString) message = g_string_new (NULL);
  guint type = 0;
  gboolean open = FALSE;

  while (size > 0)
    {
      gsize length = data[1], head = length == 126 ? 4 : length == 127 ? 10 : 2;
      guint opcode = data[0] & 15;

      g_assert_cmpuint (size, >=, head);
      for (gsize i = 2, sum = 0; i < head; i++)
        length = sum = sum << 8 | data[i];
      g_assert_cmpuint (size, >=, head + length);
      if (opcode >= 8)
        g_string_append_printf (all, "%u:%.*s\n", opcode, (int) length, data + head);
      else
        {
          g_assert_true ((opcode == 0) == open);
          type = opcode != 0 ? opcode : type;
          g_string_append_len (message, (const char *) data + head, (gssize) length);
          open = (data[0] & 0x80) == 0;
          if (!open)
            g_string_append_printf (all, "%u:%s\n", type, message->str);
          if (!open)
            g_string_truncate (message, 0);
        }
      data += head + length;
      size -= head + length;
    }
  g_assert_false (open);
  return g_string_free (all, FALSE);
}

static void
test_messages (void)
{
  for (guint round = 0; round < 300; round++)
    {
      g_autoptr (GByteArray) sent = g_byte_array_new ();
      g_autoptr (GByteArray) got = g_byte_array_new ();
      g_autoptr (CreelScrub) scrub = make_scrub ();
      g_autoptr (CreelWebSocket) socket = creel_websocket_new (scrub);
      g_autoptr (CreelScrub) oracle = make_scrub ();
      guint cut = 1 + (guint) g_random_int_range (0, g_random_boolean () ? 3 : 500);

      for (guint messages = (guint) g_random_int_range (1, 5); messages > 0; messages--)
        {
          g_autoptr (GString) text = g_string_new (NULL);
          guint8 opcode = (guint8) g_random_int_range (1, 3);

          for (guint i = (guint) g_random_int_range (0, 4); i > 0; i--)
            g_string_append (text, g_random_boolean () ? KEY : g_random_boolean () ? "something else" : "sk-live-01");
          if (g_random_int_range (0, 8) == 0)
            g_string_append_printf (text, "%*s", g_random_int_range (0, 70000), KEY);
          for (gsize at = 0; at <= text->len;)
            {
              gsize size = (gsize) g_random_int_range (0, (gint32) MIN (text->len - at, 65536) + 1);
              gboolean last = at + size == text->len && g_random_boolean ();

              add_frame (sent, (guint8) ((last ? 0x80 : 0) | opcode), text->str + at, size, (guint) g_random_int_range (0, 3));
              at += size + last;
              opcode = 0;
              if (g_random_int_range (0, 4) == 0)
                add_frame (sent, (guint8) (0x80 | g_random_int_range (8, 11)), KEY "!", strlen (KEY "!"), 0);
            }
        }
      g_autofree char *wanted = receive (sent->data, sent->len);
      for (gsize at = 0; at < sent->len; at += cut)
        {
          gsize n = MIN (cut, sent->len - at);
          g_autofree guint8 *copy = g_memdup2 (sent->data + at, n);

          g_assert_true (creel_websocket_feed (socket, copy, n, got));
        }
      g_autofree char *clean = creel_scrub_text (oracle, wanted);
      g_autofree char *received = receive (got->data, got->len);
      g_assert_cmpstr (received, ==, clean != NULL ? clean : wanted);
      g_assert_cmpuint (creel_scrub_get_hits (scrub), ==, creel_scrub_get_hits (oracle));
    }
}

/* Each look at what is held back costs something, so a server does not decide how many there are. */
static void
test_crumbs (void)
{
  g_autoptr (GByteArray) sent = g_byte_array_new ();
  g_autoptr (GByteArray) got = g_byte_array_new ();
  g_autoptr (CreelScrub) scrub = make_scrub ();
  g_autoptr (CreelWebSocket) socket = creel_websocket_new (scrub);
  guint frames = 0;

  for (guint i = 0; i < 20000; i++)
    add_frame (sent, i == 0 ? 1 : 0, "x", i % 2, 0);
  g_assert_true (creel_websocket_feed (socket, sent->data, sent->len, got));
  for (gsize at = 0; at < got->len; frames++)
    {
      guint length = got->data[at + 1];

      g_assert_cmpuint (length, <=, 126);
      at += length < 126 ? 2 + length : 4u + (guint) (got->data[at + 2] << 8) + got->data[at + 3];
    }
  g_assert_cmpuint (got->len, >=, 10000);
  g_assert_cmpuint (frames, <, 10);
}

static void
test_wrong (void)
{
  static const struct
  {
    const char *bytes;
    gsize size;
  } frames[] = {
    { "\xc1\x02hi", 4 },                             /* compressed */
    { "\x81\x82\0\0\0\0hi", 8 },                     /* masked */
    { "\x80\x02hi", 4 },                             /* goes on with nothing */
    { "\x01\x02hi\x01\x02hi", 8 },                   /* a message inside a message */
    { "\x83\x02hi", 4 },                             /* unknown */
    { "\x8b\x02hi", 4 },                             /* unknown control */
    { "\x09\x02hi", 4 },                             /* control in parts */
    { "\x89\x7e\x00\x7e", 4 },                       /* control too long */
    { "\x82\x7f\x80\0\0\0\0\0\0\0", 10 },            /* length too long */
  };

  for (gsize i = 0; i < G_N_ELEMENTS (frames); i++)
    {
      g_autoptr (CreelScrub) scrub = make_scrub ();
      g_autoptr (CreelWebSocket) socket = creel_websocket_new (scrub);
      g_autoptr (GByteArray) out = g_byte_array_new ();

      g_test_message ("%d", (int) i);
      g_assert_false (creel_websocket_feed (socket, (const guint8 *) frames[i].bytes, frames[i].size, out));
      g_assert_true (creel_websocket_is_broken (socket));
      g_assert_cmpuint (out->len, <=, 4);
      g_byte_array_set_size (out, 0);
      g_assert_false (creel_websocket_feed (socket, (const guint8 *) "\x81\x02hi", 4, out));
      g_assert_cmpuint (out->len, ==, 0);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/websocket/messages", test_messages);
  g_test_add_func ("/websocket/crumbs", test_crumbs);
  g_test_add_func ("/websocket/wrong", test_wrong);
  return g_test_run ();
}
