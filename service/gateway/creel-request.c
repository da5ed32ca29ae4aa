/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-request.h"

#include <string.h>

#include "creel-rule.h"

/* of one request; nobody needs two */
#define METHODS_MAX 8

void
creel_request_free (CreelRequest *request)
{
  if (request == NULL)
    return;
  creel_http_head_free (request->head);
  creel_host_unref (request->host);
  g_free (request->target);
  g_free (request->path);
  g_free (request->asked_method);
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

gboolean
creel_request_is_repeatable (const CreelRequest *request)
{
  const char *method = request->head->method;

  return request->body_kind == CREEL_BODY_NONE &&
         (g_str_equal (method, "GET") || g_str_equal (method, "HEAD") || g_str_equal (method, "OPTIONS"));
}

static gboolean
is_one_of (const char *name, const char *const *others)
{
  for (; *others != NULL; others++)
    if (creel_http_name_is_like (name, strlen (name), *others))
      return TRUE;
  return FALSE;
}

/* "delete, GET": each in capitals, as frameworks make them; what is no method, or one too many, is "" */
static void
add_methods (GPtrArray *methods, const char *text)
{
  g_auto (GStrv) words = g_strsplit (text, ",", METHODS_MAX);

  for (char **word = words; *word != NULL; word++)
    {
      char *method = g_strstrip (g_ascii_strup (*word, -1));

      if (method[0] == '\0')
        {
          g_free (method);
          continue;
        }
      if (strspn (method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ-") != strlen (method) || methods->len >= METHODS_MAX)
        method[0] = '\0';
      g_ptr_array_add (methods, method);
    }
}

/* PHP makes an underscore of some characters and drops leading spaces */
static gboolean
is_method_parameter (const char *name)
{
  name += strspn (name, " +");
  return *name != '\0' && strchr ("_.[", *name) != NULL && g_str_equal (name + 1, "method");
}

static void
add_query_methods (GPtrArray *methods, const char *target)
{
  const char *query = strchr (target, '?');
  g_auto (GStrv) parameters = query != NULL ? g_strsplit_set (query + 1, "&;", -1) : NULL;

  for (char **parameter = parameters; parameter != NULL && *parameter != NULL; parameter++)
    {
      char *value = strchr (*parameter, '='), *nul = strstr (*parameter, "%00");
      /* to PHP a name ends at a NUL */
      g_autofree char *name = g_uri_unescape_segment (*parameter, nul != NULL && nul < value ? nul : value, NULL);

      if (value == NULL || name == NULL || !is_method_parameter (name))
        continue;
      g_autofree char *text = g_uri_unescape_string (value + 1, NULL);
      add_methods (methods, text != NULL ? text : "?");
    }
}

/* All methods that a server may see: frameworks take the real one also from these headers and this parameter, so that forms and old
 * proxies can do more than GET and POST. ret_moved: the path may be taken from elsewhere too, as a module of IIS and those who copied it do. */
static GPtrArray *
list_methods (const CreelRequest *request, gboolean *ret_moved)
{
  static const char *const overrides[] = { "X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", NULL };
  static const char *const movers[] = { "X-Original-URL", "X-Rewrite-URL", NULL };
  GPtrArray *methods = g_ptr_array_new_with_free_func (g_free);
  SoupMessageHeadersIter iter;
  const char *name, *value;

  *ret_moved = FALSE;
  g_ptr_array_add (methods, g_strdup (request->head->method));
  soup_message_headers_iter_init (&iter, request->head->headers);
  while (soup_message_headers_iter_next (&iter, &name, &value))
    {
      *ret_moved |= is_one_of (name, movers);
      if (is_one_of (name, overrides))
        add_methods (methods, value);
    }
  add_query_methods (methods, request->target);
  return methods;
}

/* TRUE when the policy asks about this and the answer was yes, which is an allow then. */
static gboolean
apply_answer (CreelRequest *request, const char *method, const char *path, CreelApprovedFunc approved, gpointer user_data)
{
  CreelDecision *decision = &request->decision;
  CreelQuery query = { request->host, request->port, request->scheme, method, path != NULL ? path : request->path, decision };

  if (decision->verdict != CREEL_VERDICT_ASK || approved == NULL || !approved (&query, user_data))
    return FALSE;
  decision->verdict = CREEL_VERDICT_ALLOW;
  return TRUE;
}

void
creel_request_decide (CreelRequest *request, const CreelPolicy *policy, CreelApprovedFunc approved, gpointer user_data)
{
  g_autoptr (GPtrArray) methods = NULL;
  g_autofree char *path = NULL;
  g_auto (CreelDecision) question = { 0 };
  CreelDecision *decision = &request->decision;
  gboolean moved, asked = FALSE;

  creel_decision_clear (decision);
  g_clear_pointer (&request->asked_method, g_free);
  /* the first question tells whether path and method matter at all; only then they must be readable in one way */
  creel_policy_decide (policy, request->scheme, request->host, request->port, NULL, NULL, decision);
  if (!decision->needs_request)
    {
      decision->asked = apply_answer (request, request->head->method, request->path, approved, user_data);
      return;
    }
  methods = list_methods (request, &moved);
  path = moved ? NULL : creel_path_canonicalize (request->path, NULL);
  for (guint i = 0; i < methods->len; i++)
    {
      const char *method = methods->pdata[i];

      creel_decision_clear (decision);
      creel_policy_decide (policy, request->scheme, request->host, request->port, *method != '\0' ? method : NULL, path, decision);
      if (decision->needs_request)
        {
          creel_decision_clear (decision);
          decision->reason = g_strdup (CREEL_REASON_MALFORMED);
        }
      asked |= apply_answer (request, method, path, approved, user_data);
      if (decision->verdict == CREEL_VERDICT_DENY)
        return;
      /* the first question; the others come when it has its answer, but a denial comes first */
      if (decision->verdict == CREEL_VERDICT_ASK && request->asked_method == NULL)
        {
          question = *decision;
          *decision = (CreelDecision) { 0 };
          request->asked_method = g_strdup (method);
        }
    }
  if (request->asked_method != NULL)
    {
      creel_decision_clear (decision);
      *decision = question;
      question = (CreelDecision) { 0 };
    }
  decision->asked = asked;
  /* npm asks for /@scope%2fname: fine as long as no rule depends on where its slashes are */
  if (path == NULL)
    return;
  /* what was decided on is what is sent */
  const char *query = strchr (request->target, '?');
  g_autofree char *target = g_strconcat (path, query != NULL ? query : "", NULL);
  g_free (request->target);
  request->target = g_steal_pointer (&target);
  g_free (request->path);
  request->path = g_steal_pointer (&path);
}

CreelQuery
creel_request_get_query (const CreelRequest *request)
{
  return (CreelQuery) { request->host, request->port, request->scheme,
                        request->asked_method != NULL ? request->asked_method : request->head->method, request->path, &request->decision };
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
