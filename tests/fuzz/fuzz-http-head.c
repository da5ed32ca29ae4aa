/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-request.h"

int
LLVMFuzzerTestOneInput (const guint8 *data, size_t size)
{
  CreelRequestContext context = { 0 };
  g_autoptr (CreelHttpHead) response = NULL;
  g_autoptr (CreelRequest) request = NULL;
  CreelHttpHead *head = NULL;
  CreelBodyKind kind;
  guint64 length;
  gsize used;
  const char *why = NULL;

  if (creel_http_head_parse (data, size, TRUE, &head, &used, &why) == CREEL_HEAD_DONE)
    {
      g_assert_cmpuint (used, <=, size);
      if (creel_request_resolve (head, &context, &request, &why) == NULL)
        {
          g_autoptr (GString) text = creel_request_format (request);
          CreelRequestContext fixed = { request->host, request->port, request->scheme };
          g_autoptr (CreelRequest) again = NULL;

          /* what we send has one meaning: ours */
          g_string_append (text, "\r\n");
          head = NULL;
          g_assert_cmpint (creel_http_head_parse ((guint8 *) text->str, text->len, TRUE, &head, &used, &why), !=, CREEL_HEAD_MORE);
          if (head != NULL && creel_request_resolve (head, &fixed, &again, &why) == NULL)
            g_assert_cmpint (again->body_kind, ==, request->body_kind);
        }
    }
  if (creel_http_head_parse (data, size, FALSE, &response, &used, &why) == CREEL_HEAD_DONE)
    {
      creel_http_head_get_framing (response, "GET", &kind, &length);
      creel_http_head_remove_hop_by_hop (response);
    }
  return 0;
}
