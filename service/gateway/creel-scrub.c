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
  CreelKeyForms *forms;
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

  scrub->forms = creel_key_forms_ref (forms);
  scrub->spans = g_array_new (FALSE, FALSE, sizeof (CreelKeySpan));
  return scrub;
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
  creel_key_forms_unref (scrub->forms);
  g_free (scrub);
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
  decided = creel_key_forms_find (scrub->forms, data, size, last, scrub->spans);
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

  creel_key_forms_find (scrub->forms, data, size, TRUE, spans);
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
