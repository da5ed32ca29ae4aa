/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "creel-scrub.h"

/* ---- known texts, cut at every place ---- */

#define KEY "sk-live/0123+456789abcdef"

static void
feed (CreelScrub *scrub, const char *text, gsize size, gboolean last, GByteArray *out)
{
  gsize clean_size;
  const guint8 *clean = creel_scrub_feed (scrub, (const guint8 *) text, size, last, &clean_size);

  g_byte_array_append (out, clean, (guint) clean_size);
}

static void
check_scrub (const char *text, gboolean hides)
{
  const char *const secrets[] = { KEY, NULL };
  g_autoptr (CreelKeyForms) forms = creel_key_forms_new (secrets);
  gsize size = strlen (text);

  /* cut in two at every place, and byte by byte */
  for (gsize cut = 0; cut <= size + 1; cut++)
    {
      g_autoptr (CreelScrub) scrub = creel_scrub_new (forms);
      g_autoptr (GByteArray) out = g_byte_array_new ();

      if (cut <= size)
        {
          feed (scrub, text, cut, FALSE, out);
          feed (scrub, text + cut, size - cut, FALSE, out);
        }
      else
        for (gsize i = 0; i < size; i++)
          feed (scrub, text + i, 1, FALSE, out);
      feed (scrub, "", 0, TRUE, out);
      g_assert_cmpuint (out->len, ==, size);
      g_assert_cmpint (creel_scrub_get_hits (scrub) > 0, ==, hides);
      g_assert_cmpint (memcmp (out->data, text, size) == 0, ==, !hides);
      g_assert_null (memmem (out->data, out->len, KEY, strlen (KEY)));
    }
}

static void
test_known (void)
{
  static const char *const wraps[] = { "%s", "x%s", "xx%s", "xxx%sy", "{\"a\": \"user:%syyy\"}", "user:%s" };
  g_autofree char *percent = g_uri_escape_string (KEY, NULL, FALSE);
  g_autoptr (GString) hex = g_string_new (NULL);

  check_scrub ("nothing here, sk-live/0123+4567 is only a part", FALSE);
  check_scrub ("a " KEY " b " KEY, TRUE);
  check_scrub ("sk-sk-live/0123+" KEY, TRUE);
  check_scrub (percent, TRUE);
  check_scrub ("\"sk-live\\/0123+456789abcdef\"", TRUE);
  check_scrub ("s\\u006B-li%76e%2f\\x3012&#51;&#X2b;456%25378%39abc\\u0064ef", TRUE);
  for (const char *p = KEY; *p != '\0'; p++)
    g_string_append_printf (hex, "%02x", *p);
  check_scrub (hex->str, TRUE);
  check_scrub ("c2stbGl2\nZS8wMTIz\r\nKzQ1Njc4\\nOWFiY2Rl\\r\\nZg==", TRUE);
  for (gsize i = 0; i < G_N_ELEMENTS (wraps); i++)
    {
      g_auto (GStrv) parts = g_strsplit (wraps[i], "%s", 2);
      g_autofree char *text = g_strconcat (parts[0], KEY, parts[1], NULL);
      g_autofree char *base64 = g_base64_encode ((const guint8 *) text, strlen (text));

      check_scrub (base64, TRUE);
      g_strdelimit (base64, "+", '-');
      g_strdelimit (base64, "/", '_');
      check_scrub (base64, TRUE);
    }
}

/* Several keys, one beside, over or inside of another, cut at every place. */
static void
test_several (void)
{
  static const char *const all[] = { KEY, "abcdef-other-key-0123", "456789abc", "f-other" };
  static const struct
  {
    const char *text, *clean;
  } cases[] = {
    { "nothing of them", "nothing of them" },
    { "a " KEY " b abcdef-other-key-0123 c", "a ************************* b ********************* c" },
    { "sk-live/0123+456789abcdef-other-key-0123!", "****************************************!" },
    { "sk-live/0123+456789abcdeX", "sk-live/0123+*********deX" },
    { "sk-live/0123+456789abcdef-othe", "*************************-othe" },
    { "abcdef-other-key-012", "abcde*******-key-012" },
    { KEY KEY "456789abc456789abc", "********************************************************************" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    for (gsize size = strlen (cases[i].text), cut = 0; cut <= size + 1; cut++)
      {
        g_autoptr (CreelScrub) scrub = NULL;
        g_autoptr (GByteArray) out = g_byte_array_new ();

        for (guint j = 0; j < G_N_ELEMENTS (all); j++)
          {
            const char *const secrets[] = { all[(j + cut) % G_N_ELEMENTS (all)], NULL };
            g_autoptr (CreelKeyForms) forms = creel_key_forms_new (secrets);

            if (scrub == NULL)
              scrub = creel_scrub_new (forms);
            else
              creel_scrub_add (scrub, forms);
          }
        if (cut <= size)
          {
            feed (scrub, cases[i].text, cut, FALSE, out);
            feed (scrub, cases[i].text + cut, size - cut, FALSE, out);
          }
        else
          for (gsize j = 0; j < size; j++)
            feed (scrub, cases[i].text + j, 1, FALSE, out);
        feed (scrub, "", 0, TRUE, out);
        g_byte_array_append (out, (const guint8 *) "", 1);
        g_assert_cmpstr ((const char *) out->data, ==, cases[i].clean);
      }
}

/* An event waits for nothing that could not be a key. */
static void
test_delay (void)
{
  const char *const secrets[] = { KEY, NULL };
  g_autoptr (CreelKeyForms) forms = creel_key_forms_new (secrets);
  g_autoptr (CreelScrub) scrub = creel_scrub_new (forms);
  gsize size;

  creel_scrub_feed (scrub, (const guint8 *) "data: {\"x\": 1}\n\n", 16, FALSE, &size);
  g_assert_cmpuint (size, ==, 16);
  creel_scrub_feed (scrub, (const guint8 *) "data: sk-live", 13, FALSE, &size);
  g_assert_cmpuint (size, ==, 6);
  creel_scrub_feed (scrub, (const guint8 *) "\n\n", 2, FALSE, &size);
  g_assert_cmpuint (size, ==, 9);
}

/* Small pieces wait for each other, but not for ever. */
static void
test_gather (void)
{
  const char *const secrets[] = { KEY, NULL };
  g_autoptr (CreelKeyForms) forms = creel_key_forms_new (secrets);
  g_autoptr (CreelScrub) scrub = creel_scrub_new (forms);
  gsize size, gathered = 0;
  const guint8 *clean;

  g_assert_true (creel_scrub_gather (scrub, (const guint8 *) "a sk-live", 9));
  g_assert_true (creel_scrub_gather (scrub, (const guint8 *) "/0123+456789abcdef sk", 21));
  clean = creel_scrub_feed (scrub, NULL, 0, FALSE, &size);
  g_assert_cmpmem (clean, size, "a ************************* ", 28);
  creel_scrub_feed (scrub, NULL, 0, FALSE, &size);
  g_assert_cmpuint (size, ==, 0);
  while (creel_scrub_gather (scrub, (const guint8 *) "x", 1))
    gathered++;
  g_assert_cmpuint (gathered, >=, 4096);
  g_assert_cmpuint (gathered, <=, 65536);
  clean = creel_scrub_feed (scrub, (const guint8 *) "x", 1, TRUE, &size);
  g_assert_cmpuint (size, ==, 2 + gathered + 1);
  g_assert_cmpint (memcmp (clean, "skxx", 4), ==, 0);
}

/* ---- random keys, texts and cuts against an oracle that looks at all of it, slowly ---- */

static guint
random_below (guint limit)
{
  return (guint) g_random_int_range (0, (gint32) limit);
}

static char *
to_hex (const char *text)
{
  GString *hex = g_string_new (NULL);

  for (; *text != '\0'; text++)
    g_string_append_printf (hex, "%02x", (guchar) *text);
  return g_string_free (hex, FALSE);
}

/* base64 of the text with `before` bytes in front and some behind, which is cut off together with all that they touch */
static char *
to_base64 (const char *text, guint before)
{
  g_autofree char *low = g_strdup_printf ("%.*s%s%c%c%c", (int) before, "\x01\x01", text, 1, 1, 1);
  g_autofree char *high = g_strdup_printf ("%.*s%s%c%c%c", (int) before, "\xfe\xfe", text, 0xfe, 0xfe, 0xfe);
  g_autofree char *a = g_base64_encode ((const guint8 *) low, strlen (low));
  g_autofree char *b = g_base64_encode ((const guint8 *) high, strlen (high));
  GString *same = g_string_new (NULL);

  for (gsize i = 0; a[i] != '\0'; i++)
    if (a[i] == b[i] && a[i] != '=' && i * 6 + 6 > before * 8 && i * 6 < (before + strlen (text)) * 8)
      g_string_append_c (same, a[i]);
  return g_string_free (same, FALSE);
}

static const char *const breaks[] = { "\n", "\r\n", "\\n", "\\r\\n" };

/* ways to write each character, mixed at will; lines of so many, 0 for one line */
static char *
disguise (const char *text, guint intensity, guint columns)
{
  GString *out = g_string_new (NULL);

  for (guint i = 0; *text != '\0'; text++)
    {
      if (columns > 0 && ++i % columns == 0)
        g_string_append (out, breaks[random_below (G_N_ELEMENTS (breaks))]);
      switch (random_below (100) < intensity ? random_below (8) : 8)
        {
        case 0: g_string_append_printf (out, "%%%02x", *text); break;
        case 1: g_string_append_printf (out, "%%%02X", *text); break;
        case 2: g_string_append_printf (out, "\\u%04x", *text); break;
        case 3: g_string_append_printf (out, "\\u%04X", *text); break;
        case 4: g_string_append_printf (out, g_ascii_isalnum (*text) ? "%c" : "\\%c", *text); break;
        case 5: g_string_append_printf (out, "&#%d;", *text); break;
        case 6: g_string_append_printf (out, "\\x%02X", *text); break;
        case 7: g_string_append_printf (out, "%%25%02X", *text); break;
        default: g_string_append_c (out, *text); break;
        }
    }
  return g_string_free (out, FALSE);
}

typedef struct
{
  char *text;
  guint alphabet; /* 0 as it is, 1 hex, 2 base64 */
} Form;

static char
fold (char c, guint alphabet)
{
  return alphabet == 1 ? g_ascii_tolower (c) : alphabet == 2 && c == '-' ? '+' : alphabet == 2 && c == '_' ? '/' : c;
}

/* Where the longest reading of form[k...] at `at` ends, 0 for none */
static gsize
read_form (const Form *form, gsize k, const char *text, gsize at, gboolean after_break)
{
  static const char *const escapes[] = { "%", "%25", "\\u00", "\\x", "&#x", "&#", "\\", "&amp;", "&lt;", "&gt;", "&quot;" };
  static const char entities[] = "&<>\"";
  gsize best = 0;

  if (form->text[k] == '\0')
    return at;
  for (guint i = 0; !after_break && k > 0 && (form->alphabet == 1 || form->alphabet == 2) && i < G_N_ELEMENTS (breaks); i++)
    if (strncmp (text + at, breaks[i], strlen (breaks[i])) == 0)
      {
        gsize its_end = read_form (form, k, text, at + strlen (breaks[i]), TRUE);

        best = MAX (best, its_end);
      }
  if (fold (text[at], form->alphabet) == form->text[k])
    {
      gsize its_end = read_form (form, k + 1, text, at + 1, FALSE);

      best = MAX (best, its_end);
    }
  for (guint i = 0; strchr ("%\\&", text[at]) != NULL && text[at] != '\0' && i < G_N_ELEMENTS (escapes); i++)
    {
      gsize length = strlen (escapes[i]);
      const char *rest = text + at + length;
      char *end = NULL;
      guint64 code = 0;

      if (g_ascii_strncasecmp (text + at, escapes[i], length) != 0)
        continue;
      if (i >= 7)
        code = (guchar) entities[i - 7], end = (char *) rest;
      else if (i == 6)
        code = g_ascii_isalnum (*rest) ? 0 : (guchar) *rest, end = (char *) rest + 1;
      else if (i == 4 || i == 5)
        {
          for (end = (char *) rest; i == 4 ? g_ascii_isxdigit (*end) : g_ascii_isdigit (*end); end++)
            code = code * (i == 4 ? 16 : 10) + (guint) g_ascii_xdigit_value (*end);
          if (*rest == '0' || *end++ != ';')
            continue;
        }
      else if (g_ascii_isxdigit (rest[0]) && g_ascii_isxdigit (rest[1]))
        code = (guint) (g_ascii_xdigit_value (rest[0]) * 16 + g_ascii_xdigit_value (rest[1])), end = (char *) rest + 2;
      if (code > 0 && code < 128 && fold ((char) code, form->alphabet) == form->text[k])
        {
          gsize its_end = read_form (form, k + 1, text, (gsize) (end - text), FALSE);

          best = MAX (best, its_end);
        }
    }
  return best;
}

static guint
apply_oracle (GArray *forms, const char *text, char *out)
{
  gsize end = 0;
  guint hits = 0;

  for (gsize at = 0; text[at] != '\0'; at++)
    {
      gsize longest = 0;

      for (guint i = 0; i < forms->len; i++)
        {
          gsize its_end = read_form (&g_array_index (forms, Form, i), 0, text, at, FALSE);

          longest = MAX (longest, its_end);
        }
      if (longest > 0 && at >= end)
        hits++;
      end = MAX (end, longest);
      out[at] = at < end ? '*' : text[at];
    }
  return hits;
}

static void
add_form (GArray *forms, char *text, guint alphabet)
{
  Form form = { text, alphabet };

  if (strlen (text) >= 6 || alphabet == 3)
    g_array_append_val (forms, form);
  else
    g_free (text);
}

static void
clear_form (gpointer form)
{
  g_free (((Form *) form)->text);
}

static char *
make_key (void)
{
  static const char *const alphabets[] = { "ab", "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_", "%25u0\\/&#;+\"x3" };
  const char *alphabet = alphabets[random_below (G_N_ELEMENTS (alphabets))];
  guint length = 1 + random_below (random_below (4) == 0 ? 200 : 40);
  GString *key = g_string_new (NULL);

  while (length-- > 0)
    g_string_append_c (key, random_below (10) == 0 ? (char) ('!' + random_below (94)) : alphabet[random_below ((guint) strlen (alphabet))]);
  return g_string_free (key, FALSE);
}

/* Forms, beginnings and ends of forms, and noise */
static GString *
make_text (GArray *forms)
{
  static const char noise[] = "%\\&#u0025xX;/+-_ab \n\xc3\xa4";
  GString *text = g_string_new (NULL);

  for (guint pieces = 1 + random_below (8); pieces > 0; pieces--)
    {
      const Form *form = &g_array_index (forms, Form, random_below (forms->len));
      guint kind = random_below (4);
      g_autofree char *piece = disguise (form->text, kind == 0 ? 0 : random_below (101), form->alphabet % 3 > 0 ? random_below (20) : 0);
      gsize length = strlen (piece), cut = random_below (4);

      cut = MIN (cut, length);
      if (form->alphabet == 1 && random_below (2) == 0)
        for (char *p = piece; *p != '\0'; p++)
          *p = g_ascii_toupper (*p);
      if (form->alphabet == 2 && random_below (2) == 0)
        g_strdelimit (g_strdelimit (piece, "+", '-'), "/", '_');
      if (kind == 1)
        piece[length - cut] = '\0';
      g_string_append (text, piece + (kind == 2 ? cut : 0));
      for (guint i = random_below (random_below (8) == 0 ? 300 : 4); i > 0; i--)
        g_string_append_c (text, random_below (3) == 0 ? (char) (1 + random_below (255)) : noise[random_below (sizeof noise - 1)]);
    }
  return text;
}

static void
test_random (void)
{
  gint64 deadline = g_get_monotonic_time () + G_USEC_PER_SEC;
  guint rounds = 0, found = 0;

  /* some rounds however slow the machine is, more where it is fast */
  for (; rounds < 30 || (rounds < 2000 && g_get_monotonic_time () < deadline); rounds++)
    {
      g_autofree char *key = make_key ();
      const char *const secrets[] = { key, NULL };
      g_autoptr (CreelKeyForms) compiled = creel_key_forms_new (secrets);
      g_autoptr (GArray) forms = g_array_new (FALSE, FALSE, sizeof (Form));

      g_array_set_clear_func (forms, clear_form);
      add_form (forms, g_strdup (key), 3);
      add_form (forms, to_hex (key), 1);
      for (guint before = 0; before < 3; before++)
        add_form (forms, to_base64 (key, before), 2);
      add_form (forms, g_strreverse (g_strdup (key)), 0);
      for (guint texts = 0; texts < 4; texts++)
        {
          g_autoptr (CreelScrub) scrub = creel_scrub_new (compiled);
          GString *text = make_text (forms);
          g_autofree char *wanted = g_malloc0 (text->len + 1);
          guint hits = apply_oracle (forms, text->str, wanted);
          g_autoptr (GByteArray) got = g_byte_array_new ();
          guint longest = 1 + random_below (random_below (3) == 0 ? 4 : 600);

          for (gsize at = 0; at < text->len;)
            {
              gsize piece = random_below (longest + 1);

              piece = MIN (piece, text->len - at);
              /* a copy of its own, so that a sanitizer sees a step too far */
              g_autofree char *copy = g_memdup2 (text->str + at, piece);
              if (random_below (2) == 0 || !creel_scrub_gather (scrub, (const guint8 *) copy, piece))
                feed (scrub, copy, piece, FALSE, got);
              at += piece;
            }
          feed (scrub, NULL, 0, TRUE, got);
          if (got->len != text->len || memcmp (got->data, wanted, text->len) != 0)
            {
              gsize same = 0;

              while (same < MIN (got->len, text->len) && got->data[same] == (guint8) wanted[same])
                same++;
              g_error ("key %s, byte %d of %d and %d:\ntext %s\nwanted %s\ngot %.*s", key, (int) same, (int) text->len, (int) got->len,
                       text->str, wanted, (int) got->len, (char *) got->data);
            }
          g_assert_cmpuint (creel_scrub_get_hits (scrub), ==, hits);
          g_autofree char *whole = creel_scrub_text (scrub, text->str);
          g_assert_cmpstr (whole != NULL ? whole : text->str, ==, wanted);
          found += hits;
          g_string_free (text, TRUE);
        }
    }
  g_test_message ("%u rounds, %u keys found", rounds, found);
  g_assert_cmpuint (found, >, rounds);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/scrub/known", test_known);
  g_test_add_func ("/scrub/several", test_several);
  g_test_add_func ("/scrub/delay", test_delay);
  g_test_add_func ("/scrub/gather", test_gather);
  g_test_add_func ("/scrub/random", test_random);
  return g_test_run ();
}
