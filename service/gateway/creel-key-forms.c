/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-key-forms.h"

#include <string.h>

/* shorter pieces would be found by chance */
#define PATTERN_MIN 6
#define PATTERNS_MAX 32
#define WAYS 9
#define WAY_MAX 8 /* bytes, with the zero */
/* readings of one place that are followed at once: more than one needs a key that looks like an escape itself */
#define PLACES_MAX 16

typedef enum
{
  EXACT,
  HEX,    /* the case of a digit does not count */
  BASE64, /* both alphabets */
  ALPHABETS,
} Alphabet;

typedef struct
{
  char *text;
  gsize length;
  Alphabet alphabet;
} Pattern;

struct _CreelKeyForms
{
  gatomicrefcount ref_count;
  Pattern patterns[PATTERNS_MAX];
  guint n_patterns;
  gsize shortest;
  guint32 first[256];  /* set of the patterns that a byte may start */
  guint8 (*seen)[256][256 / 8]; /* while they are made: of each alphabet the neighbours in patterns */
  guint8 pairs[65536 / 8]; /* set of the two bytes that may stand side by side inside any form */
};

/* The characters that stand for c */
static guint
get_members (Alphabet alphabet, char c, char members[2])
{
  members[0] = c;
  if (alphabet == HEX && g_ascii_isalpha (c))
    members[1] = g_ascii_toupper (c);
  else if (alphabet == BASE64 && (c == '+' || c == '/'))
    members[1] = c == '+' ? '-' : '_';
  else
    return 1;
  return 2;
}

/* Way 0 is the character itself. In the others the case of letters does not count. Returns 0 where there is no such way. */
static gsize
spell (char c, guint way, char text[WAY_MAX])
{
  guint code = (guchar) c;
  int length = 0;

  switch (way)
    {
    case 0: length = g_snprintf (text, WAY_MAX, "%c", c); break;
    case 1: length = g_snprintf (text, WAY_MAX, "%%%02x", code); break;
    case 2: length = g_snprintf (text, WAY_MAX, "%%25%02x", code); break;
    case 3: length = g_snprintf (text, WAY_MAX, "\\u%04x", code); break;
    case 4: length = g_snprintf (text, WAY_MAX, "\\x%02x", code); break;
    case 5: length = g_snprintf (text, WAY_MAX, "&#%u;", code); break;
    case 6: length = g_snprintf (text, WAY_MAX, "&#x%x;", code); break;
    case 7: length = g_ascii_isalnum (c) ? 0 : g_snprintf (text, WAY_MAX, "\\%c", c); break;
    default:
      if (strchr ("&<>\"", c) != NULL)
        length = g_snprintf (text, WAY_MAX, "&%s;", c == '&' ? "amp" : c == '<' ? "lt" : c == '>' ? "gt" : "quot");
    }
  return (gsize) length;
}

/* of each way, how it begins */
static const char escapes[WAYS] = { 0, '%', '%', '\\', '\\', '&', '&', '\\', '&' };

static gboolean
starts_escape (guint8 c)
{
  return c == '%' || c == '\\' || c == '&';
}

static void
allow_pair (CreelKeyForms *forms, char a, char b)
{
  guint8 both[2] = { (guint8) a, (guint8) b };
  guint16 index;

  memcpy (&index, both, sizeof index);
  forms->pairs[index >> 3] |= (guint8) (1 << (index & 7));
}

static inline gboolean
pair_may_be (const CreelKeyForms *forms, const guint8 *data)
{
  guint16 index;

  memcpy (&index, data, sizeof index);
  return (forms->pairs[index >> 3] >> (index & 7)) & 1;
}

/* How base64 and hex are broken into lines, as it is and in JSON */
static const char *const breaks[] = { "\n", "\r\n", "\\n", "\\r\\n" };

/* `a` may stand before the character at `next`, in any spelling of it. */
static void
allow_character (CreelKeyForms *forms, const Pattern *pattern, gsize next, char a)
{
  char members[2];

  for (guint i = 0; i < get_members (pattern->alphabet, pattern->text[next], members); i++)
    allow_pair (forms, a, members[i]);
  for (const char *p = "%\\&"; *p != '\0'; p++)
    allow_pair (forms, a, *p);
}

static void
allow_next (CreelKeyForms *forms, const Pattern *pattern, gsize next, char a)
{
  if (next >= pattern->length)
    return;
  allow_character (forms, pattern, next, a);
  for (guint i = 0; pattern->alphabet != EXACT && i < G_N_ELEMENTS (breaks); i++)
    {
      const char *p = breaks[i];

      for (allow_pair (forms, a, *p); p[1] != '\0'; p++)
        allow_pair (forms, p[0], p[1]);
      allow_character (forms, pattern, next, *p);
    }
}

static void
allow_spelling (CreelKeyForms *forms, const Pattern *pattern, gsize at, guint way, const char *text, gsize length)
{
  for (gsize i = 0; i + 1 < length; i++)
    {
      allow_pair (forms, g_ascii_tolower (text[i]), g_ascii_tolower (text[i + 1]));
      allow_pair (forms, g_ascii_tolower (text[i]), g_ascii_toupper (text[i + 1]));
      allow_pair (forms, g_ascii_toupper (text[i]), g_ascii_tolower (text[i + 1]));
      allow_pair (forms, g_ascii_toupper (text[i]), g_ascii_toupper (text[i + 1]));
    }
  allow_next (forms, pattern, at + 1, text[length - 1]);
  if (way > 0 && g_ascii_isalpha (text[length - 1]))
    allow_next (forms, pattern, at + 1, g_ascii_toupper (text[length - 1]));
}

/* Takes text. Neighbours that were seen before allow nothing new: that is what makes long keys quick. */
static void
add_pattern (CreelKeyForms *forms, char *text, Alphabet alphabet)
{
  Pattern *pattern = &forms->patterns[forms->n_patterns];

  g_assert (forms->n_patterns < PATTERNS_MAX);
  *pattern = (Pattern){ text, strlen (text), alphabet };
  forms->shortest = forms->n_patterns == 0 ? pattern->length : MIN (forms->shortest, pattern->length);
  for (gsize at = 0; at < pattern->length; at++)
    {
      char members[2], spelling[WAY_MAX];
      guint n = get_members (alphabet, text[at], members);
      guint8 *seen = &forms->seen[alphabet][(guint8) text[at]][(guint8) text[at + 1] / 8], bit = (guint8) (1 << text[at + 1] % 8);

      if (at > 0 && (*seen & bit) != 0)
        continue;
      *seen |= bit;
      for (guint i = 0; i < n; i++)
        for (guint way = 0; way < WAYS; way++)
          {
            gsize length = spell (members[i], way, spelling);

            if (length == 0)
              continue;
            allow_spelling (forms, pattern, at, way, spelling, length);
            if (at == 0)
              forms->first[(guint8) spelling[0]] |= 1u << forms->n_patterns;
          }
    }
  forms->n_patterns++;
}

static void
add_long_pattern (CreelKeyForms *forms, char *text, Alphabet alphabet)
{
  if (strlen (text) >= PATTERN_MIN)
    {
      add_pattern (forms, text, alphabet);
      return;
    }
  explicit_bzero (text, strlen (text));
  g_free (text);
}

/* What base64 of anything around the secret must contain: for each of the three alignments, the characters whose six bits
 * come from the secret alone. */
static void
add_base64 (CreelKeyForms *forms, const char *secret, gsize size)
{
  for (gsize shift = 0; shift < 3; shift++)
    {
      g_autofree guint8 *padded = g_malloc0 (shift + size);
      g_autofree char *encoded = NULL;
      gsize first = (shift * 8 + 5) / 6, last = (shift + size) * 8 / 6;

      memcpy (padded + shift, secret, size);
      encoded = g_base64_encode (padded, shift + size);
      explicit_bzero (padded, shift + size);
      add_long_pattern (forms, g_strndup (encoded + first, last > first ? last - first : 0), BASE64);
      explicit_bzero (encoded, strlen (encoded));
    }
}

CreelKeyForms *
creel_key_forms_new (const char *const *secrets)
{
  CreelKeyForms *forms = g_new0 (CreelKeyForms, 1);

  g_atomic_ref_count_init (&forms->ref_count);
  forms->seen = g_malloc0 (ALPHABETS * sizeof forms->seen[0]);
  for (; *secrets != NULL; secrets++)
    {
      gsize size = strlen (*secrets);
      char *hex = g_malloc (2 * size + 1);

      for (gsize i = 0; i < size; i++)
        g_snprintf (hex + 2 * i, 3, "%02x", (guchar) (*secrets)[i]);
      add_pattern (forms, g_strdup (*secrets), EXACT);
      add_long_pattern (forms, hex, HEX);
      add_base64 (forms, *secrets, size);
      add_long_pattern (forms, g_strreverse (g_strdup (*secrets)), EXACT);
    }
  explicit_bzero (forms->seen, ALPHABETS * sizeof forms->seen[0]);
  g_clear_pointer (&forms->seen, g_free);
  return forms;
}

CreelKeyForms *
creel_key_forms_ref (CreelKeyForms *forms)
{
  g_atomic_ref_count_inc (&forms->ref_count);
  return forms;
}

void
creel_key_forms_unref (CreelKeyForms *forms)
{
  if (forms == NULL || !g_atomic_ref_count_dec (&forms->ref_count))
    return;
  for (guint i = 0; i < forms->n_patterns; i++)
    {
      explicit_bzero (forms->patterns[i].text, forms->patterns[i].length);
      g_free (forms->patterns[i].text);
    }
  explicit_bzero (forms, sizeof *forms);
  g_free (forms);
}

/* Where one place leads to */
typedef struct
{
  gsize at[PLACES_MAX];
  guint n;
} Places;

static void
add_place (Places *places, gsize at)
{
  for (guint i = 0; i < places->n; i++)
    if (places->at[i] == at)
      return;
  if (places->n < PLACES_MAX)
    places->at[places->n++] = at;
}

/* Adds the places after character c, in whatever way it is written at `at`. TRUE: the data ends inside of one. */
static gboolean
take_character (char c, const guint8 *data, gsize size, gsize at, Places *next)
{
  gboolean open = FALSE;

  if (data[at] == (guint8) c)
    add_place (next, at + 1);
  for (guint way = 1; starts_escape (data[at]) && way < WAYS; way++)
    {
      char spelling[WAY_MAX];
      gsize length = escapes[way] == (char) data[at] ? spell (c, way, spelling) : 0, there = MIN (length, size - at);

      if (length == 0 || g_ascii_strncasecmp (spelling, (const char *) data + at, there) != 0)
        continue;
      if (there == length)
        add_place (next, at + length);
      else
        open = TRUE;
    }
  return open;
}

/* Adds the places after line breaks. TRUE: the data ends inside of one. */
static gboolean
skip_break (const guint8 *data, gsize size, Places *places)
{
  guint n = places->n;
  gboolean open = FALSE;

  for (guint i = 0; i < n; i++)
    for (guint j = 0; j < G_N_ELEMENTS (breaks); j++)
      {
        gsize length = strlen (breaks[j]), there = MIN (length, size - places->at[i]);

        if (memcmp (data + places->at[i], breaks[j], there) != 0)
          continue;
        open |= there < length;
        if (there == length)
          add_place (places, places->at[i] + length);
      }
  return open;
}

/* ret_end: where the longest one that starts there ends, 0 when there is none. TRUE: more data may make one of it. */
static gboolean
match (const Pattern *pattern, const guint8 *data, gsize size, gsize start, gsize *ret_end)
{
  Places places = { { start }, 1 };
  gboolean open = FALSE;

  for (gsize k = 0; k < pattern->length && places.n > 0; k++)
    {
      Places next = { .n = 0 };
      char members[2];
      guint n = get_members (pattern->alphabet, pattern->text[k], members);

      if (k > 0 && pattern->alphabet != EXACT)
        open |= skip_break (data, size, &places);
      for (guint i = 0; i < places.n; i++)
        if (places.at[i] == size)
          open = TRUE;
        else
          for (guint j = 0; j < n; j++)
            open |= take_character (members[j], data, size, places.at[i], &next);
      places.n = next.n;
      memcpy (places.at, next.at, next.n * sizeof next.at[0]);
    }
  *ret_end = 0;
  for (guint i = 0; i < places.n; i++)
    *ret_end = MAX (*ret_end, places.at[i]);
  return open;
}

static void
add_span (GArray *spans, gsize start, gsize end)
{
  CreelKeySpan span = { start, end };
  CreelKeySpan *last = spans->len > 0 ? &g_array_index (spans, CreelKeySpan, spans->len - 1) : NULL;

  if (last != NULL && start < last->end)
    last->end = MAX (last->end, end);
  else
    g_array_append_val (spans, span);
}

/* Looks at every place from..to. Returns the first that may be the start of a form which the data does not hold all of. */
static gsize
search (const CreelKeyForms *forms, const guint8 *data, gsize size, gsize from, gsize to, gboolean last, GArray *spans)
{
  for (gsize start = from; start < to; start++)
    {
      gsize end = 0;
      gboolean open = FALSE;

      for (guint32 set = forms->first[data[start]]; set != 0; set &= set - 1)
        {
          gsize its_end;

          open |= match (&forms->patterns[__builtin_ctz (set)], data, size, start, &its_end);
          end = MAX (end, its_end);
        }
      if (open && !last)
        return start;
      if (end > 0)
        add_span (spans, start, end);
    }
  return size;
}

/* Every form is a run of possible pairs with one less than `shortest` of them at least. So it is enough to look at one pair in
 * so many: when that one is impossible there is no form around it. */
gsize
creel_key_forms_find (const CreelKeyForms *forms, const guint8 *data, gsize size, gboolean last, GArray *spans)
{
  gsize step = forms->shortest - 1, floor = 0, at = step - 1, n_pairs = size - 1;

  if (size == 0)
    return 0;
  if (step == 0)
    return search (forms, data, size, 0, size, last, spans);
  while (at < n_pairs)
    {
      gsize low = at, high = at + 1;

      if (!pair_may_be (forms, data + at))
        {
          floor = at + 1;
          at += step;
          continue;
        }
      while (low > floor && pair_may_be (forms, data + low - 1))
        low--;
      while (high < n_pairs && pair_may_be (forms, data + high))
        high++;
      if (high == n_pairs)
        break;
      if (high - low >= step)
        search (forms, data, size, low, high + 1, last, spans);
      floor = high + 1;
      at = high + step;
    }
  /* the run at the end may go on */
  for (at = n_pairs; at > floor && pair_may_be (forms, data + at - 1); at--)
    ;
  return search (forms, data, size, at, size, last, spans);
}
