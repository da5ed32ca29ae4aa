/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "creel-scrub.h"

/* byte 0: how long the key is, byte 1: how large the pieces are, and whether its second half is a key too; the key, then the stream. It comes out as long as it was and
 * without the key, and the same whatever the pieces are. */
static GByteArray *
scrub_pieces (CreelKeyForms *forms, CreelKeyForms *other, const guint8 *data, gsize size, gsize piece, guint64 *ret_hits)
{
  g_autoptr (CreelScrub) scrub = creel_scrub_new (forms);
  GByteArray *out = g_byte_array_new ();
  const guint8 *clean;
  gsize clean_size;

  if (other != NULL)
    creel_scrub_add (scrub, other);
  for (gsize at = 0; at < size; at += piece)
    {
      if (at % 3 == 0 && creel_scrub_gather (scrub, data + at, MIN (piece, size - at)))
        continue;
      clean = creel_scrub_feed (scrub, data + at, MIN (piece, size - at), FALSE, &clean_size);
      g_byte_array_append (out, clean, (guint) clean_size);
    }
  clean = creel_scrub_feed (scrub, NULL, 0, TRUE, &clean_size);
  g_byte_array_append (out, clean, (guint) clean_size);
  *ret_hits = creel_scrub_get_hits (scrub);
  return out;
}

int
LLVMFuzzerTestOneInput (const guint8 *data, size_t size)
{
  gsize length = size > 2 ? data[0] % 40 + 1 : 0;
  g_autofree char *key = NULL;
  guint64 hits, hits_at_once;

  if (size <= 2 + length)
    return 0;
  key = g_strndup ((const char *) data + 2, length);
  for (char *p = key; *p != '\0'; p++)
    *p = (char) ('!' + (guchar) *p % 94);
  /* what hides it must not be it */
  if (key[0] == '\0' || strspn (key, "*") == strlen (key))
    return 0;
  const char *const secrets[] = { key, NULL };
  const char *const halves[] = { key + strlen (key) / 2, NULL };
  g_autoptr (CreelKeyForms) forms = creel_key_forms_new (secrets);
  g_autoptr (CreelKeyForms) other = data[1] & 1 ? creel_key_forms_new (halves) : NULL;
  const guint8 *text = data + 2 + length;
  gsize text_size = size - 2 - length;
  g_autoptr (GByteArray) out = scrub_pieces (forms, other, text, text_size, data[1] + 1u, &hits);
  g_autoptr (GByteArray) at_once = scrub_pieces (forms, other, text, text_size, text_size, &hits_at_once);

  g_assert_cmpuint (out->len, ==, text_size);
  g_assert_cmpmem (out->data, out->len, at_once->data, at_once->len);
  g_assert_cmpuint (hits, ==, hits_at_once);
  if (strchr (key, '*') == NULL)
    g_assert_null (memmem (out->data, out->len, key, strlen (key)));
  return 0;
}
