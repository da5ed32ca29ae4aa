/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-scrub.h"

#include <string.h>

/* of small pieces that are looked at together, and the first that is not small */
#define GATHERED_MAX (16 * 1024)
#define SMALL 4096

typedef struct
{
  guint8 *data;
  gsize size, allocated;
} Buffer;

struct _CreelScrub
{
  GPtrArray *forms; /* of CreelKeyForms, one for each key */
  Buffer held;  /* as it came; its end was not looked at yet: */
  gsize gathered;
  Buffer clean; /* what was given out last */
  gsize given;  /* bytes of what is held that went out already: they belong to a key that was found */
  GArray *spans;
  guint64 hits;
};

CreelScrub *
creel_scrub_new (CreelKeyForms *forms)
{
  CreelScrub *scrub = g_new0 (CreelScrub, 1);

  scrub->forms = g_ptr_array_new_with_free_func ((GDestroyNotify) creel_key_forms_unref);
  scrub->spans = g_array_new (FALSE, FALSE, sizeof (CreelKeySpan));
  creel_scrub_add (scrub, forms);
  return scrub;
}

void
creel_scrub_add (CreelScrub *scrub, CreelKeyForms *forms)
{
  g_ptr_array_add (scrub->forms, creel_key_forms_ref (forms));
}

static void
buffer_clear (Buffer *buffer)
{
  if (buffer->data != NULL)
    explicit_bzero (buffer->data, buffer->allocated);
  g_clear_pointer (&buffer->data, g_free);
  buffer->size = buffer->allocated = 0;
}

/* Makes it the two pieces, neither of which is in it */
static void
buffer_set (Buffer *buffer, const guint8 *first, gsize first_size, const guint8 *second, gsize second_size)
{
  if (buffer->allocated < first_size + second_size)
    {
      buffer_clear (buffer);
      buffer->allocated = first_size + second_size;
      buffer->data = g_malloc (buffer->allocated);
    }
  if (first_size > 0)
    memcpy (buffer->data, first, first_size);
  if (second_size > 0)
    memcpy (buffer->data + first_size, second, second_size);
  buffer->size = first_size + second_size;
}

void
creel_scrub_free (CreelScrub *scrub)
{
  if (scrub == NULL)
    return;
  buffer_clear (&scrub->held);
  buffer_clear (&scrub->clean);
  g_array_unref (scrub->spans);
  g_ptr_array_unref (scrub->forms);
  g_free (scrub);
}

static int
compare_spans (gconstpointer a, gconstpointer b)
{
  const CreelKeySpan *first = a, *second = b;

  return first->start < second->start ? -1 : first->start > second->start;
}

/* As creel_key_forms_find(), for all keys. What is decided is so for each of them; a span that is there already stays. */
static gsize
find (CreelScrub *scrub, const guint8 *data, gsize size, gboolean last, GArray *spans)
{
  gboolean is_known = spans->len > 0;
  gsize decided = creel_key_forms_find (scrub->forms->pdata[0], data, size, last, spans);
  guint n = 0;

  if (scrub->forms->len == 1)
    return decided;
  for (guint i = 1; i < scrub->forms->len; i++)
    {
      g_autoptr (GArray) others = g_array_new (FALSE, FALSE, sizeof (CreelKeySpan));

      decided = MIN (decided, creel_key_forms_find (scrub->forms->pdata[i], data, size, last, others));
      g_array_append_vals (spans, others->data, others->len);
    }
  g_array_sort (spans, compare_spans);
  for (guint i = 0; i < spans->len; i++)
    {
      const CreelKeySpan span = g_array_index (spans, CreelKeySpan, i);
      CreelKeySpan *before = n > 0 ? &g_array_index (spans, CreelKeySpan, n - 1) : NULL;

      if (before != NULL && span.start < before->end)
        before->end = MAX (before->end, span.end);
      else if (span.start < decided || last || (is_known && n == 0)) /* else it will be found again */
        g_array_index (spans, CreelKeySpan, n++) = span;
    }
  g_array_set_size (spans, n);
  return decided;
}

/* Returns where the last one ends. */
static gsize
overwrite (GArray *spans, guint8 *data)
{
  gsize end = 0;

  for (guint i = 0; i < spans->len; i++)
    {
      const CreelKeySpan *span = &g_array_index (spans, CreelKeySpan, i);

      memset (data + span->start, '*', span->end - span->start);
      end = span->end;
    }
  return end;
}

gboolean
creel_scrub_gather (CreelScrub *scrub, const guint8 *data, gsize size)
{
  Buffer *held = &scrub->held;

  if (size >= SMALL || scrub->gathered + size > GATHERED_MAX)
    return FALSE;
  if (held->allocated - held->size < size)
    {
      Buffer larger = { .allocated = 2 * (held->size + size) };

      larger.data = g_malloc (larger.allocated);
      buffer_set (&larger, held->data, held->size, NULL, 0);
      buffer_clear (held);
      *held = larger;
    }
  if (size > 0)
    memcpy (held->data + held->size, data, size);
  held->size += size;
  scrub->gathered += size;
  return TRUE;
}

const guint8 *
creel_scrub_feed (CreelScrub *scrub, const guint8 *data, gsize size, gboolean last, gsize *ret_size)
{
  const CreelKeySpan known = { 0, scrub->given };
  gsize decided, out, given = scrub->given;

  *ret_size = 0;
  if (size + scrub->gathered == 0 && !last)
    return NULL;
  scrub->gathered = 0;
  g_array_set_size (scrub->spans, 0);
  if (given > 0)
    g_array_append_val (scrub->spans, known);
  if (scrub->held.size > 0)
    {
      buffer_set (&scrub->clean, scrub->held.data, scrub->held.size, data, size);
      data = scrub->clean.data;
      size = scrub->clean.size;
    }
  decided = find (scrub, data, size, last, scrub->spans);
  scrub->hits += scrub->spans->len - (given > 0 ? 1 : 0);
  buffer_set (&scrub->held, data + decided, size - decided, NULL, 0);
  if (scrub->spans->len == 0)
    {
      *ret_size = decided;
      return data;
    }
  if (data != scrub->clean.data)
    buffer_set (&scrub->clean, data, size, NULL, 0);
  /* of a key that was found nothing has to wait */
  out = overwrite (scrub->spans, scrub->clean.data);
  out = MAX (out, decided);
  scrub->given = out - decided;
  *ret_size = out - given;
  return scrub->clean.data + given;
}

guint8 *
creel_scrub_bytes (CreelScrub *scrub, const guint8 *data, gsize size)
{
  g_autoptr (GArray) spans = g_array_new (FALSE, FALSE, sizeof (CreelKeySpan));
  guint8 *copy;

  find (scrub, data, size, TRUE, spans);
  if (spans->len == 0)
    return NULL;
  scrub->hits += spans->len;
  copy = g_memdup2 (data, size);
  overwrite (spans, copy);
  return copy;
}

char *
creel_scrub_text (CreelScrub *scrub, const char *text)
{
  gsize size = strlen (text);
  /* the zero goes along: it is part of no form */
  return size > 0 ? (char *) creel_scrub_bytes (scrub, (const guint8 *) text, size + 1) : NULL;
}

guint64
creel_scrub_get_hits (CreelScrub *scrub)
{
  return scrub->hits;
}
