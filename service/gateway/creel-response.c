/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-response.h"

#include "creel-names.h"

static gboolean
is_websocket (const CreelHttpHead *head)
{
  return g_ascii_strcasecmp (soup_message_headers_get_list (head->headers, "Upgrade") ?: "", "websocket") == 0;
}

const char *
creel_response_resolve (const CreelHttpHead *head, const CreelRequest *request, CreelResponse *ret_response,
                        const char **ret_message)
{
  CreelResponse response = { .status = head->status, .upgrade = head->status == 101 };

  *ret_message = creel_http_head_get_framing (head, request->head->method, &response.body_kind, &response.body_length);
  if (*ret_message != NULL)
    return CREEL_REASON_UPSTREAM;
  if (response.upgrade && (!request->wants_websocket || !is_websocket (head)))
    {
      *ret_message = "The server switched to a protocol that nobody asked for";
      return CREEL_REASON_UPSTREAM;
    }
  response.upstream_keeps = head->minor_version == 1 && response.body_kind != CREEL_BODY_EOF && !response.upgrade &&
                            !creel_http_head_has_token (head, "Connection", "close");
  response.guest_keeps = request->keep_alive && !response.upgrade;
  response.chunked = (response.body_kind == CREEL_BODY_CHUNKED || response.body_kind == CREEL_BODY_EOF) &&
                     request->head->minor_version == 1;
  *ret_response = response;
  return NULL;
}

static void
scrub_headers (CreelScrub *scrub, CreelHttpHead *head)
{
  g_autoptr (GPtrArray) fields = g_ptr_array_new_with_free_func (g_free);
  SoupMessageHeadersIter iter;
  const char *name, *value;
  gboolean dirty = FALSE;

  soup_message_headers_iter_init (&iter, head->headers);
  while (soup_message_headers_iter_next (&iter, &name, &value))
    {
      char *clean_name = creel_scrub_text (scrub, name);
      char *clean = creel_scrub_text (scrub, value);

      dirty |= clean != NULL || clean_name != NULL;
      g_ptr_array_add (fields, clean_name != NULL ? clean_name : g_strdup (name));
      g_ptr_array_add (fields, clean != NULL ? clean : g_strdup (value));
    }
  if (!dirty)
    return;
  soup_message_headers_clear (head->headers);
  for (guint i = 0; i < fields->len; i += 2)
    soup_message_headers_append (head->headers, fields->pdata[i], fields->pdata[i + 1]);
}

GString *
creel_response_format (const CreelResponse *response, CreelHttpHead *head, CreelScrub *scrub)
{
  const char *length = soup_message_headers_get_list (head->headers, "Content-Length");
  /* RFC 9110 section 8.6: not with these */
  gboolean has_length = length != NULL && !response->chunked && head->status >= 200 && head->status != 204;
  guint64 value = has_length ? g_ascii_strtoull (length, NULL, 10) : 0;
  g_autofree char *reason = scrub != NULL ? creel_scrub_text (scrub, head->reason) : NULL;
  GString *text = g_string_new (NULL);

  soup_message_headers_remove (head->headers, "Content-Length");
  soup_message_headers_remove (head->headers, CREEL_DENIED_HEADER);
  creel_http_head_remove_hop_by_hop (head);
  if (scrub != NULL)
    scrub_headers (scrub, head);
  g_string_printf (text, "HTTP/1.1 %u %s\r\n", head->status, reason != NULL ? reason : head->reason);
  creel_http_head_format_fields (head, text);
  if (has_length)
    g_string_append_printf (text, "Content-Length: %" G_GUINT64_FORMAT "\r\n", value);
  if (response->chunked)
    g_string_append (text, "Transfer-Encoding: chunked\r\n");
  if (response->upgrade)
    g_string_append (text, "Connection: Upgrade\r\nUpgrade: websocket\r\n");
  else if (!response->guest_keeps)
    g_string_append (text, "Connection: close\r\n");
  g_string_append (text, "\r\n");
  return text;
}
