/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "chat-sse.h"

#include <string.h>

struct _ChatSse
{
  ChatSseFunc func;
  gpointer user_data;
  GString *line, *data;
  gboolean has_data, after_cr, over;
};

ChatSse *
chat_sse_new (ChatSseFunc func, gpointer user_data)
{
  ChatSse *sse = g_new0 (ChatSse, 1);

  sse->func = func;
  sse->user_data = user_data;
  sse->line = g_string_new (NULL);
  sse->data = g_string_new (NULL);
  return sse;
}

void
chat_sse_free (ChatSse *sse)
{
  g_string_free (sse->line, TRUE);
  g_string_free (sse->data, TRUE);
  g_free (sse);
}

static gboolean
take_line (ChatSse *sse)
{
  const char *line = sse->line->str;
  gboolean go_on = TRUE;

  if (sse->line->len == 0)
    {
      if (sse->has_data)
        go_on = sse->func (sse->data->str, sse->data->len, sse->user_data);
      g_string_truncate (sse->data, 0);
      sse->has_data = FALSE;
    }
  else if (g_str_has_prefix (line, "data") && (line[4] == ':' || sse->line->len == 4))
    {
      gsize skip = line[4] == ':' ? (line[5] == ' ' ? 6 : 5) : 4;

      if (sse->has_data)
        g_string_append_c (sse->data, '\n');
      g_string_append_len (sse->data, line + skip, sse->line->len - skip);
      sse->has_data = TRUE;
      go_on = sse->data->len <= CHAT_SSE_EVENT_MAX;
    }
  /* comments and other fields say nothing to us */
  g_string_truncate (sse->line, 0);
  return go_on;
}

gboolean
chat_sse_feed (ChatSse *sse, const char *bytes, gsize size)
{
  for (gsize i = 0; i < size && !sse->over;)
    {
      gsize length = 0;

      if (bytes[i] == '\n' && sse->after_cr) /* the other half of a line's end */
        {
          sse->after_cr = FALSE;
          i++;
          continue;
        }
      sse->after_cr = FALSE;
      while (i + length < size && bytes[i + length] != '\n' && bytes[i + length] != '\r')
        length++;
      if (sse->line->len + length > CHAT_SSE_EVENT_MAX)
        {
          sse->over = TRUE;
          break;
        }
      g_string_append_len (sse->line, bytes + i, length);
      i += length;
      if (i < size)
        {
          sse->after_cr = bytes[i++] == '\r';
          sse->over = !take_line (sse);
        }
    }
  return !sse->over;
}
