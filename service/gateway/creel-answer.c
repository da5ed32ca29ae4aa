/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-answer.h"

#include "creel-account.h"
#include "creel-decoder.h"
#include "creel-policy.h"

/* Decoders ask for their window when they have seen the first bytes, so it is counted before. */
#define DECODERS_MEMORY ((gsize) 192 * 1024 * 1024)
/* of bytes through decoders from one flush to the next, so that others get their turn */
#define STEP_MAX (128 * 1024)

struct _CreelAnswer
{
  CreelEndpoint *guest;
  CreelScrub *scrub;
  CreelDecoder *decoder;
  GString *head; /* until it goes */
  gsize *memory, work; /* work: left of STEP_MAX */
  CreelAnswerFunc func;
  gpointer user_data;
  guint wake;
  gboolean chunked, waiting, broken; /* waiting: the decoder may have more */
};

CreelAnswer *
creel_answer_new (CreelEndpoint *guest, CreelScrub *scrub, gsize *memory, CreelAnswerFunc func, gpointer user_data)
{
  CreelAnswer *answer = g_new0 (CreelAnswer, 1);

  answer->guest = creel_endpoint_ref (guest);
  answer->scrub = scrub;
  answer->memory = memory;
  answer->work = STEP_MAX;
  answer->func = func;
  answer->user_data = user_data;
  return answer;
}

void
creel_answer_free (CreelAnswer *answer)
{
  if (answer == NULL)
    return;
  g_clear_handle_id (&answer->wake, g_source_remove);
  if (answer->decoder != NULL)
    {
      *answer->memory -= creel_decoder_get_cost (answer->decoder);
      creel_account_drop (creel_decoder_get_cost (answer->decoder));
    }
  creel_decoder_free (answer->decoder);
  creel_scrub_free (answer->scrub);
  if (answer->head != NULL)
    g_string_free (answer->head, TRUE);
  creel_endpoint_unref (answer->guest);
  g_free (answer);
}

/* The bytes are others now: what names or sums up the coded ones goes, a tag stays as a weak one. */
static void
forget_coding (CreelHttpHead *head)
{
  static const char *const of_coded[] = { "Content-Encoding", "Content-Length", "Content-MD5", "Content-Digest", "Repr-Digest", "Digest", "Accept-Ranges" };
  const char *tag = soup_message_headers_get_one (head->headers, "ETag");

  for (gsize i = 0; i < G_N_ELEMENTS (of_coded); i++)
    soup_message_headers_remove (head->headers, of_coded[i]);
  if (tag != NULL && tag[0] == '"')
    {
      g_autofree char *weak = g_strconcat ("W/", tag, NULL);

      soup_message_headers_replace (head->headers, "ETag", weak);
    }
}

static const char *
prepare_decoder (CreelAnswer *answer, CreelHttpHead *head, CreelResponse *response, gboolean can_chunk, const char **ret_message)
{
  g_autoptr (CreelDecoder) decoder = creel_decoder_new (soup_message_headers_get_list (head->headers, "Content-Encoding"), ret_message);
  gboolean has_body = response->body_kind != CREEL_BODY_NONE;

  if (decoder == NULL)
    return *ret_message != NULL && has_body ? CREEL_REASON_LEAK : NULL;
  /* HEAD and 304 tell about the body that GET gets */
  if (response->status != 204)
    forget_coding (head);
  if (!has_body)
    return NULL;
  if (*answer->memory + creel_decoder_get_cost (decoder) > DECODERS_MEMORY)
    {
      *ret_message = "Too many compressed answers at a time";
      return CREEL_REASON_LIMIT;
    }
  *answer->memory += creel_decoder_get_cost (decoder);
  creel_account_add (creel_decoder_get_cost (decoder));
  answer->decoder = g_steal_pointer (&decoder);
  response->chunked = can_chunk;
  return NULL;
}

const char *
creel_answer_prepare (CreelAnswer *answer, CreelHttpHead *head, CreelResponse *response, gboolean can_chunk, const char **ret_message)
{
  const char *reason = NULL;

  if (answer->scrub != NULL && (response->status == 206 || response->status == 226))
    {
      *ret_message = "The server sent a part or a difference that nobody asked for, and the key could be in two pieces";
      reason = CREEL_REASON_LEAK;
    }
  else if (answer->scrub != NULL && response->upgrade && soup_message_headers_get_list (head->headers, "Sec-WebSocket-Extensions") != NULL)
    {
      *ret_message = "The server compresses messages, which nobody asked for, and the key could hide in them";
      reason = CREEL_REASON_LEAK;
    }
  else if (answer->scrub != NULL)
    reason = prepare_decoder (answer, head, response, can_chunk, ret_message);
  answer->chunked = response->chunked;
  return reason;
}

static void
write_head (CreelAnswer *answer)
{
  if (answer->head == NULL)
    return;
  creel_endpoint_write (answer->guest, answer->head->str, answer->head->len);
  g_string_free (g_steal_pointer (&answer->head), TRUE);
}

void
creel_answer_start (CreelAnswer *answer, GString *head)
{
  answer->head = head;
  if (answer->decoder == NULL)
    write_head (answer);
}

gboolean
creel_answer_has_started (CreelAnswer *answer)
{
  return answer->head == NULL;
}

static void
write_clean (CreelAnswer *answer, const guint8 *data, gsize size, gboolean last)
{
  char line[32];

  write_head (answer);
  if (answer->scrub != NULL)
    data = creel_scrub_feed (answer->scrub, data, size, last, &size);
  if (size == 0)
    return;
  if (answer->chunked)
    creel_endpoint_write (answer->guest, line, (gsize) g_snprintf (line, sizeof line, "%" G_GSIZE_MODIFIER "x\r\n", size));
  creel_endpoint_write (answer->guest, data, size);
  if (answer->chunked)
    creel_endpoint_write (answer->guest, "\r\n", 2);
}

static void
add_clean (CreelAnswer *answer, const guint8 *data, gsize size)
{
  write_head (answer);
  if (answer->scrub == NULL || !creel_scrub_gather (answer->scrub, data, size))
    write_clean (answer, data, size, FALSE);
}

static gboolean
on_wake (gpointer user_data)
{
  CreelAnswer *answer = user_data;

  answer->wake = 0;
  answer->func (answer->user_data);
  return G_SOURCE_REMOVE;
}

static void
decode (CreelAnswer *answer)
{
  while (answer->waiting && !answer->broken && creel_endpoint_has_room (answer->guest))
    {
      const guint8 *data;
      gssize size;

      if (answer->work == 0)
        {
          if (answer->wake == 0)
            answer->wake = g_idle_add_full (G_PRIORITY_DEFAULT, on_wake, answer, NULL);
          return;
        }
      size = creel_decoder_take (answer->decoder, &data, &answer->work);
      answer->broken = size < 0;
      answer->waiting = size > 0 || answer->work == 0;
      if (size > 0)
        add_clean (answer, data, (gsize) size);
    }
}

gboolean
creel_answer_has_room (CreelAnswer *answer)
{
  decode (answer);
  return !answer->waiting && !answer->broken && creel_endpoint_has_room (answer->guest);
}

void
creel_answer_write (CreelAnswer *answer, const guint8 *data, gsize size)
{
  if (size == 0)
    return;
  if (answer->decoder == NULL)
    {
      add_clean (answer, data, size);
      return;
    }
  creel_decoder_give (answer->decoder, data, size);
  answer->waiting = TRUE;
  decode (answer);
}

void
creel_answer_flush (CreelAnswer *answer)
{
  answer->work = STEP_MAX;
  if (answer->scrub != NULL && answer->head == NULL)
    write_clean (answer, NULL, 0, FALSE);
}

gboolean
creel_answer_end (CreelAnswer *answer)
{
  if (answer->waiting || answer->broken)
    return FALSE;
  answer->broken = answer->decoder != NULL && !creel_decoder_is_whole (answer->decoder);
  if (answer->broken)
    return FALSE;
  write_clean (answer, NULL, 0, TRUE);
  if (answer->chunked)
    creel_endpoint_write (answer->guest, "0\r\n\r\n", 5);
  return TRUE;
}

gboolean
creel_answer_is_broken (CreelAnswer *answer)
{
  return answer->broken;
}

CreelScrub *
creel_answer_get_scrub (CreelAnswer *answer)
{
  return answer->scrub;
}

guint64
creel_answer_get_hits (CreelAnswer *answer)
{
  return answer->scrub != NULL ? creel_scrub_get_hits (answer->scrub) : 0;
}
