/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-response.h"

/* rules that ask for method and path */
static CreelPolicy *
make_policy (void)
{
  CreelPolicy *policy = creel_policy_new (CREEL_VERDICT_DENY);

  g_assert_true (creel_policy_add_text (policy, "Allow=**:* GET,POST /ok/**\nDeny=**:* /ok/no/**", "fuzz", NULL));
  return policy;
}

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
          g_autoptr (CreelPolicy) policy = make_policy ();
          creel_request_decide (request, policy, NULL, NULL);
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
      CreelHttpHead asked = { .method = (char *) "GET", .minor_version = size % 2 };
      CreelRequest question = { .head = &asked, .keep_alive = TRUE, .wants_websocket = TRUE };
      CreelResponse answer;

      if (creel_response_resolve (response, &question, &answer, &why) == NULL)
        {
          g_autoptr (GString) text = creel_response_format (&answer, response, NULL);
          g_autoptr (CreelHttpHead) again = NULL;

          /* nor has what the guest gets another */
          g_assert_cmpint (creel_http_head_parse ((guint8 *) text->str, text->len, FALSE, &again, &used, &why), !=, CREEL_HEAD_MORE);
          if (again != NULL)
            g_assert_null (creel_http_head_get_framing (again, "GET", &kind, &length));
        }
    }
  return 0;
}
