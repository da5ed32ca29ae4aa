/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-websocket.h"

#define KEY "abcdefgh"

/* byte 0: how large the pieces are. What comes out is made of frames again, and nothing of the key is in them. */
static GByteArray *
feed (const guint8 *data, gsize size, gsize piece, gboolean *ret_good, guint64 *ret_hits)
{
  const char *const secrets[] = { KEY, NULL };
  g_autoptr (CreelKeyForms) forms = creel_key_forms_new (secrets);
  g_autoptr (CreelScrub) scrub = creel_scrub_new (forms);
  g_autoptr (CreelWebSocket) socket = creel_websocket_new (scrub);
  GByteArray *out = g_byte_array_new ();

  for (gsize at = 0; at < size; at += piece)
    creel_websocket_feed (socket, data + at, MIN (piece, size - at), out);
  *ret_good = !creel_websocket_is_broken (socket);
  *ret_hits = creel_scrub_get_hits (scrub);
  return out;
}

int
LLVMFuzzerTestOneInput (const guint8 *data, size_t size)
{
  gboolean good, again_good;
  guint64 hits, again_hits;

  if (size < 2)
    return 0;
  g_autoptr (GByteArray) out = feed (data + 1, size - 1, data[0] + 1u, &good, &hits);
  g_autoptr (GByteArray) again = feed (out->data, out->len, out->len + 1, &again_good, &again_hits);
  g_assert_true (again_good);
  g_assert_true (again->len <= out->len);
  g_assert_cmpuint (again_hits, ==, 0);
  return 0;
}
