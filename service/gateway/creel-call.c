/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-call.h"

#include <errno.h>
#include <string.h>

#include "creel-error.h"
#include "creel-records.h"

#define ANSWER_MAX (64 * 1024)
#define ERROR_TEXT_MAX 256

struct _CreelCall
{
  CreelStream *stream;
  GByteArray *body;
  gsize sent;
  GByteArray *answer;
  int status;
  gboolean ended;
  CreelCallHead on_head;
  CreelCallDone on_done;
  gpointer user_data;
};

static void
call_free (CreelCall *call)
{
  g_clear_pointer (&call->body, g_byte_array_unref);
  g_byte_array_unref (call->answer);
  g_free (call);
}

static void
finish (CreelCall *call, const char *failure)
{
  call->on_done (call->status, call->answer->data, call->answer->len, failure, call->user_data);
  call_free (call);
}

static void
on_response (CreelStream *stream, const CreelHead *head, void *user_data)
{
  CreelCall *call = user_data;

  call->status = head->status;
  if (call->on_head != NULL)
    call->on_head (head->status, call->user_data);
}

static size_t
on_data (CreelStream *stream, const uint8_t *bytes, size_t n_bytes, void *user_data)
{
  CreelCall *call = user_data;

  if (call->answer->len + n_bytes > ANSWER_MAX)
    {
      creel_stream_reset (stream, CREEL_STREAM_ENHANCE_YOUR_CALM);
      finish (call, "the guest's answer is too long");
      return n_bytes;
    }
  g_byte_array_append (call->answer, bytes, n_bytes);
  return n_bytes;
}

static void
on_end (CreelStream *stream, void *user_data)
{
  CreelCall *call = user_data;

  call->ended = TRUE;
}

static ssize_t
on_pull (CreelStream *stream, uint8_t *buffer, size_t size, bool *ret_end, void *user_data)
{
  CreelCall *call = user_data;
  gsize n = MIN (size, call->body->len - call->sent);

  if (n > 0)
    memcpy (buffer, call->body->data + call->sent, n);
  call->sent += n;
  *ret_end = call->sent == call->body->len;
  return n;
}

static void
on_closed (CreelStream *stream, uint32_t code, void *user_data)
{
  CreelCall *call = user_data;

  if (call->ended)
    finish (call, NULL);
  else if (code == CREEL_STREAM_LOST)
    finish (call, "the connection to the guest was lost");
  else
    finish (call, "the guest broke the answer off");
}

static const CreelStreamHandler call_handler = { on_response, on_data, on_end, on_pull, on_closed };

CreelCall *
creel_call_start (CreelChannel *channel, const char *path, GByteArray *body, CreelCallHead on_head,
                  CreelCallDone on_done, gpointer user_data, GError **error)
{
  CreelCall *call = g_new0 (CreelCall, 1);

  call->body = body;
  call->answer = g_byte_array_new ();
  call->on_head = on_head;
  call->on_done = on_done;
  call->user_data = user_data;
  if (channel != NULL)
    call->stream = creel_channel_request (channel, "POST", path, "guest", NULL, 0, body != NULL && body->len > 0,
                                          &call_handler, call);
  if (call->stream == NULL)
    {
      if (channel == NULL || errno == ENOTCONN)
        g_set_error (error, CREEL_ERROR, CREEL_ERROR_NOT_RUNNING, "The guest is not connected");
      else
        g_set_error (error, CREEL_ERROR, CREEL_ERROR_LIMITS_EXCEEDED, "Cannot ask the guest: %s", g_strerror (errno));
      call_free (call);
      return NULL;
    }
  return call;
}

void
creel_call_cancel (CreelCall *call)
{
  if (call == NULL)
    return;
  creel_stream_reset (call->stream, CREEL_STREAM_CANCEL);
  call_free (call);
}

static void
find_error (const char *key, const char *value, gpointer user_data)
{
  char **text = user_data;

  if (*text == NULL && g_str_equal (key, "error"))
    *text = creel_text_clean_line (value, -1, ERROR_TEXT_MAX);
}

char *
creel_call_describe_error (int status, const guint8 *body, gsize length, const char *failure)
{
  g_autofree char *text = NULL;

  if (failure != NULL)
    return g_strdup (failure);
  creel_records_parse (body, length, find_error, &text);
  if (text != NULL && text[0] != '\0')
    return g_steal_pointer (&text);
  return g_strdup_printf ("the guest answered %d", status);
}
