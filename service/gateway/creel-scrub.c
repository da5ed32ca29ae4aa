/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-scrub.h"

#include <string.h>

/* shorter pieces would be found by chance */
#define PATTERN_MIN 6

struct _CreelScrub
{
  GPtrArray *patterns; /* of GBytes */
  GByteArray *held;
  guint hits;
};

static void
wipe_free (gpointer data)
{
  explicit_bzero (data, strlen (data));
  g_free (data);
}

static void
add_pattern (CreelScrub *scrub, char *text)
{
  if (strlen (text) < PATTERN_MIN && scrub->patterns->len > 0)
    {
      wipe_free (text);
      return;
    }
  g_ptr_array_add (scrub->patterns, g_bytes_new_with_free_func (text, strlen (text), wipe_free, text));
}

/* What base64 of anything around the key must contain: for each of the three alignments, the characters whose six
 * bits come from the key alone. */
static void
add_base64 (CreelScrub *scrub, const char *key, gsize size, gboolean url_safe)
{
  for (gsize shift = 0; shift < 3; shift++)
    {
      g_autofree guint8 *padded = g_malloc0 (shift + size);
      g_autofree char *encoded = NULL;
      gsize first = (shift * 8 + 5) / 6, last = (shift + size) * 8 / 6;

      memcpy (padded + shift, key, size);
      encoded = g_base64_encode (padded, shift + size);
      explicit_bzero (padded, shift + size);
      if (url_safe)
        {
          if (strpbrk (encoded, "+/") == NULL)
            continue;
          g_strdelimit (encoded, "+", '-');
          g_strdelimit (encoded, "/", '_');
        }
      if (last > first)
        add_pattern (scrub, g_strndup (encoded + first, last - first));
      explicit_bzero (encoded, strlen (encoded));
    }
}

static void
add_escaped (CreelScrub *scrub, const char *key, gsize size)
{
  g_autoptr (GString) hex = g_string_new (NULL);
  g_autoptr (GString) upper = g_string_new (NULL);
  g_autoptr (GString) percent = g_string_new (NULL);
  g_autoptr (GString) percent_lower = g_string_new (NULL);
  g_autoptr (GString) json = g_string_new (NULL);
  g_autoptr (GString) slashed = g_string_new (NULL);
  g_autoptr (GString) reversed = g_string_new (NULL);
  GString *all[] = { hex, upper, percent, percent_lower, json, slashed, reversed };

  for (gsize i = 0; i < size; i++)
    {
      guchar c = (guchar) key[i];

      g_string_append_printf (hex, "%02x", c);
      g_string_append_printf (upper, "%02X", c);
      g_string_append_c (reversed, key[size - 1 - i]);
      if (g_ascii_isalnum (c) || strchr ("-._~", c) != NULL)
        {
          g_string_append_c (percent, (char) c);
          g_string_append_c (percent_lower, (char) c);
        }
      else
        {
          g_string_append_printf (percent, "%%%02X", c);
          g_string_append_printf (percent_lower, "%%%02x", c);
        }
      if (c == '"' || c == '\\')
        g_string_append_c (json, '\\');
      g_string_append_c (json, (char) c);
      if (c == '"' || c == '\\' || c == '/')
        g_string_append_c (slashed, '\\');
      g_string_append_c (slashed, (char) c);
    }
  for (gsize i = 0; i < G_N_ELEMENTS (all); i++)
    {
      if (strcmp (all[i]->str, key) != 0)
        add_pattern (scrub, g_strdup (all[i]->str));
      explicit_bzero (all[i]->str, all[i]->len);
    }
}

CreelScrub *
creel_scrub_new (const char *key, gsize size)
{
  CreelScrub *scrub = g_new0 (CreelScrub, 1);
  char *copy = g_strndup (key, size);

  scrub->patterns = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);
  scrub->held = g_byte_array_new ();
  add_base64 (scrub, copy, size, FALSE);
  add_base64 (scrub, copy, size, TRUE);
  add_escaped (scrub, copy, size);
  g_ptr_array_insert (scrub->patterns, 0, g_bytes_new_with_free_func (copy, size, wipe_free, copy));
  return scrub;
}

void
creel_scrub_free (CreelScrub *scrub)
{
  if (scrub == NULL)
    return;
  if (scrub->held->len > 0)
    explicit_bzero (scrub->held->data, scrub->held->len);
  g_byte_array_unref (scrub->held);
  g_ptr_array_unref (scrub->patterns);
  g_free (scrub);
}

static void
overwrite (CreelScrub *scrub, guint8 *data, gsize size)
{
  for (guint i = 0; i < scrub->patterns->len; i++)
    {
      gsize length;
      const char *pattern = g_bytes_get_data (scrub->patterns->pdata[i], &length);
      guint8 *p = data;

      while (length > 0 && (p = memmem (p, size - (gsize) (p - data), pattern, length)) != NULL)
        {
          memset (p, '*', length);
          p += length;
          scrub->hits++;
        }
    }
}

/* How many bytes at the end may be the start of a pattern. */
static gsize
get_open_tail (CreelScrub *scrub, const guint8 *data, gsize size)
{
  gsize longest = 0;

  for (guint i = 0; i < scrub->patterns->len; i++)
    {
      gsize length;
      const char *pattern = g_bytes_get_data (scrub->patterns->pdata[i], &length);

      for (gsize tail = MIN (length - 1, size); tail > longest; tail--)
        if (data[size - tail] == (guint8) pattern[0] && memcmp (data + size - tail, pattern, tail) == 0)
          {
            longest = tail;
            break;
          }
    }
  return longest;
}

void
creel_scrub_feed (CreelScrub *scrub, const guint8 *data, gsize size, GByteArray *out)
{
  gsize tail;

  if (size == 0)
    return;
  g_byte_array_append (scrub->held, data, (guint) size);
  overwrite (scrub, scrub->held->data, scrub->held->len);
  tail = get_open_tail (scrub, scrub->held->data, scrub->held->len);
  if (scrub->held->len > tail)
    {
      guint go = scrub->held->len - (guint) tail;

      g_byte_array_append (out, scrub->held->data, go);
      g_byte_array_remove_range (scrub->held, 0, go);
    }
}

void
creel_scrub_finish (CreelScrub *scrub, GByteArray *out)
{
  if (scrub->held->len > 0)
    g_byte_array_append (out, scrub->held->data, scrub->held->len);
  g_byte_array_set_size (scrub->held, 0);
}

char *
creel_scrub_text (CreelScrub *scrub, const char *text)
{
  g_autofree char *copy = g_strdup (text);
  guint before = scrub->hits;

  overwrite (scrub, (guint8 *) copy, strlen (copy));
  return scrub->hits > before ? g_steal_pointer (&copy) : NULL;
}

guint
creel_scrub_get_hits (CreelScrub *scrub)
{
  return scrub->hits;
}
