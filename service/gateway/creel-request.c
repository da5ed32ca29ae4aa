/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-request.h"

#include <string.h>

#include "creel-rule.h"

void
creel_request_free (CreelRequest *request)
{
  if (request == NULL)
    return;
  creel_http_head_free (request->head);
  creel_host_unref (request->host);
  g_free (request->target);
  g_free (request->path);
  creel_decision_clear (&request->decision);
  g_free (request);
}

/* http://host[:port]/path?query: split by hand, because a URI parser decodes what must be seen as it is */
static const char *
resolve_absolute (CreelRequest *request, const char **ret_message)
{
  const char *authority;
  gsize length;

  if (g_ascii_strncasecmp (request->head->target, "http://", 7) != 0)
    {
      *ret_message = request->head->target[0] == '/'
                         ? "This is an HTTP proxy: set HTTP_PROXY and HTTPS_PROXY to it, it serves no pages itself"
                         : "Only http:// goes through the proxy in this form; https:// needs CONNECT";
      return CREEL_REASON_MALFORMED;
    }
  authority = request->head->target + strlen ("http://");
  length = strcspn (authority, "/?#");
  request->host = creel_host_parse_authority (authority, (gssize) length, 80, &request->port, NULL);
  if (request->host == NULL)
    {
      *ret_message = "The URL does not name a host";
      return CREEL_REASON_MALFORMED;
    }
  request->scheme = CREEL_SCHEME_HTTP;
  if (authority[length] == '/')
    request->target = g_strdup (authority + length);
  else if (authority[length] == '\0' && g_str_equal (request->head->method, "OPTIONS"))
    request->target = g_strdup ("*"); /* RFC 9112 section 3.2.4: about the server, not about its root */
  else
    request->target = g_strconcat ("/", authority + length, NULL);
  return NULL;
}

/* This machine has several names in a guest, and what connects to one of them comes here as localhost. */
static gboolean
is_same_host (const CreelHost *a, const CreelHost *b)
{
  return creel_host_equal (a, b) || ((creel_rule_is_localhost_name (a) || g_str_equal (creel_host_get_text (a), "::1")) && creel_rule_is_localhost_name (b));
}

static const char *
check_host_header (CreelRequest *request, const char **ret_message)
{
  const char *text = soup_message_headers_get_list (request->head->headers, "Host");
  guint16 port = 0;

  if (text == NULL)
    {
      if (request->head->minor_version == 0)
        return NULL; /* the target says it all */
      *ret_message = "The Host header is missing";
      return CREEL_REASON_MALFORMED;
    }
  g_autoptr (CreelHost) host =
      creel_host_parse_authority (text, -1, request->scheme == CREEL_SCHEME_HTTPS ? 443 : 80, &port, NULL);
  if (host == NULL)
    {
      *ret_message = "The Host header does not name a host";
      return CREEL_REASON_MALFORMED;
    }
  if (!is_same_host (host, request->host) || port != request->port)
    {
      *ret_message = "The Host header names another host than the connection";
      return CREEL_REASON_IDENTITY;
    }
  return NULL;
}

const char *
creel_request_resolve (CreelHttpHead *head, const CreelRequestContext *context, CreelRequest **ret_request,
                       const char **ret_message)
{
  g_autoptr (CreelRequest) request = g_new0 (CreelRequest, 1);
  const char *reason;

  request->head = head;
  if (context->fixed_host != NULL)
    {
      request->host = creel_host_ref (context->fixed_host);
      request->port = context->fixed_port;
      request->scheme = context->scheme;
      request->target = g_strdup (head->target);
      if (head->target[0] != '/' && !(g_str_equal (head->target, "*") && g_str_equal (head->method, "OPTIONS")))
        {
          *ret_message = g_str_equal (head->method, "CONNECT") ? "A tunnel inside a tunnel is not possible"
                                                               : "The target must start with a slash here";
          return CREEL_REASON_MALFORMED;
        }
    }
  else if ((reason = resolve_absolute (request, ret_message)) != NULL)
    return reason;

  request->path = g_strndup (request->target, strcspn (request->target, "?#"));
  if (strchr (request->target, '#') != NULL)
    {
      *ret_message = "A fragment (#) does not belong into a request";
      return CREEL_REASON_MALFORMED;
    }
  if (g_str_equal (head->method, "TRACE") || g_str_equal (head->method, "TRACK") || g_str_equal (head->method, "CONNECT") ||
      g_str_equal (head->method, "PRI"))
    {
      *ret_message = "This method is not forwarded";
      return CREEL_REASON_MALFORMED;
    }
  reason = check_host_header (request, ret_message);
  if (reason != NULL)
    return reason;
  *ret_message = creel_http_head_get_framing (head, NULL, &request->body_kind, &request->body_length);
  if (*ret_message != NULL)
    return CREEL_REASON_MALFORMED;

  request->keep_alive = head->minor_version == 1 && !creel_http_head_has_token (head, "Connection", "close") &&
                        !creel_http_head_has_token (head, "Proxy-Connection", "close");
  request->expects_continue = head->minor_version == 1 && soup_message_headers_get_one (head->headers, "Expect") != NULL;
  request->wants_websocket = head->minor_version == 1 && g_str_equal (head->method, "GET") &&
                             request->body_kind == CREEL_BODY_NONE &&
                             creel_http_head_has_token (head, "Connection", "upgrade") &&
                             g_ascii_strcasecmp (soup_message_headers_get_list (head->headers, "Upgrade") ?: "", "websocket") == 0;
  *ret_request = g_steal_pointer (&request);
  return NULL;
}

void
creel_request_decide (CreelRequest *request, const CreelPolicy *policy)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = creel_path_canonicalize (request->path, &error);
  CreelDecision *decision = &request->decision;

  creel_decision_clear (decision);
  /* the first question tells whether the path matters at all; only then it must be readable in one way */
  creel_policy_decide (policy, request->scheme, request->host, request->port, NULL, NULL, decision);
  if (!decision->needs_request)
    return;
  creel_decision_clear (decision);
  creel_policy_decide (policy, request->scheme, request->host, request->port, request->head->method, path, decision);
  if (path == NULL)
    {
      /* npm asks for /@scope%2fname: fine as long as no rule depends on where its slashes are */
      if (decision->needs_request)
        {
          creel_decision_clear (decision);
          decision->reason = g_strdup (CREEL_REASON_MALFORMED);
        }
      return;
    }
  /* what was decided on is what is sent */
  const char *query = strchr (request->target, '?');
  g_autofree char *target = g_strconcat (path, query != NULL ? query : "", NULL);
  g_free (request->target);
  request->target = g_steal_pointer (&target);
  g_free (request->path);
  request->path = g_steal_pointer (&path);
}

GString *
creel_request_format (CreelRequest *request)
{
  GString *text = g_string_new (NULL);
  g_autofree char *authority = NULL;
  gboolean default_port = request->port == (request->scheme == CREEL_SCHEME_HTTPS ? 443 : 80);

  authority = creel_host_format_authority (request->host, request->port);
  if (default_port)
    *strrchr (authority, ':') = '\0';
  soup_message_headers_remove (request->head->headers, "Host");
  soup_message_headers_remove (request->head->headers, "Content-Length");
  g_string_append_printf (text, "%s %s HTTP/1.1\r\nHost: %s\r\n", request->head->method, request->target, authority);
  creel_http_head_remove_hop_by_hop (request->head);
  creel_http_head_format_fields (request->head, text);
  if (request->body_kind == CREEL_BODY_CHUNKED)
    g_string_append (text, "Transfer-Encoding: chunked\r\n");
  else if (request->body_kind == CREEL_BODY_LENGTH)
    g_string_append_printf (text, "Content-Length: %" G_GUINT64_FORMAT "\r\n", request->body_length);
  else if (!g_str_equal (request->head->method, "GET") && !g_str_equal (request->head->method, "HEAD"))
    g_string_append (text, "Content-Length: 0\r\n");
  if (request->wants_websocket)
    g_string_append (text, "Connection: Upgrade\r\nUpgrade: websocket\r\n");
  return text;
}
