/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-http-head.h"

#include <string.h>

#define METHOD_MAX 32

void
creel_http_head_free (CreelHttpHead *head)
{
  if (head == NULL)
    return;
  g_free (head->method);
  g_free (head->target);
  g_free (head->reason);
  g_clear_pointer (&head->headers, soup_message_headers_unref);
  g_free (head);
}

static gboolean
is_tchar (guchar c)
{
  return g_ascii_isalnum (c) || (c != '\0' && strchr ("!#$%&'*+-.^_`|~", c) != NULL);
}

gboolean
creel_http_is_token (const char *text)
{
  if (*text == '\0')
    return FALSE;
  for (; *text != '\0'; text++)
    if (!is_tchar ((guchar) *text))
      return FALSE;
  return TRUE;
}

/* METHOD SP target SP HTTP/1.x; capitals only, because servers differ on "get" */
static const char *
scan_request_line (const char *line, gsize size)
{
  const char *end = line + size;
  const char *p = line;

  while (p < end && (g_ascii_isupper (*p) || (*p == '-' && p > line)))
    p++;
  if (p == line || p - line > METHOD_MAX || p == end || *p != ' ')
    return "the method is not plain capitals";
  const char *target = ++p;
  while (p < end && *p > ' ' && *p < 0x7f)
    p++;
  if (p == target || p == end || *p != ' ')
    return "the target holds a byte that belongs encoded";
  p++;
  if (end - p != 8 || memcmp (p, "HTTP/1.", 7) != 0 || (p[7] != '0' && p[7] != '1'))
    return "not HTTP/1.0 or HTTP/1.1";
  return NULL;
}

static const char *
scan_status_line (const char *line, gsize size)
{
  if (size < 12 || memcmp (line, "HTTP/1.", 7) != 0 || (line[7] != '0' && line[7] != '1') || line[8] != ' ' ||
      line[9] < '1' || line[9] > '5' || !g_ascii_isdigit (line[10]) || !g_ascii_isdigit (line[11]) ||
      (size > 12 && line[12] != ' '))
    return "not a status line";
  for (gsize i = 12; i < size; i++)
    if (((guchar) line[i] < ' ' && line[i] != '\t') || line[i] == 0x7f)
      return "control byte in the status line";
  return NULL;
}

typedef struct
{
  guint fields, hosts, lengths, encodings;
} Count;

static gboolean
name_is (const char *line, gsize size, const char *name)
{
  return size == strlen (name) && g_ascii_strncasecmp (line, name, size) == 0;
}

/* One of the bytes that are no letter and no digit is as good as another. */
static int
fold (char c)
{
  return g_ascii_isalnum (c) ? g_ascii_tolower (c) : '-';
}

gboolean
creel_http_name_is_like (const char *name, gsize size, const char *other)
{
  for (; size > 0 && *other != '\0'; name++, other++, size--)
    if (fold (*name) != fold (*other))
      return FALSE;
  return size == 0 && *other == '\0';
}

/* nobody else sends the one with the underscore */
static gboolean
is_framing_in_disguise (const char *line, gsize size)
{
  return memchr (line, '_', size) != NULL &&
         (creel_http_name_is_like (line, size, "Content-Length") || creel_http_name_is_like (line, size, "Transfer-Encoding"));
}

static const char *
scan_field (const char *line, gsize size, guint max, Count *count)
{
  gsize name = 0;

  if (line[0] == ' ' || line[0] == '\t')
    return "folded header line";
  while (name < size && is_tchar ((guchar) line[name]))
    name++;
  if (name == 0 || name == size || line[name] != ':')
    return "bad header name";
  if (is_framing_in_disguise (line, name))
    return "Content-Length or Transfer-Encoding with an underscore";
  for (gsize i = name + 1; i < size; i++)
    if (((guchar) line[i] < ' ' && line[i] != '\t') || line[i] == 0x7f)
      return "control byte in a header";
  count->fields++;
  if (name_is (line, name, "Host"))
    count->hosts++;
  else if (name_is (line, name, "Content-Length"))
    count->lengths++;
  else if (name_is (line, name, "Transfer-Encoding"))
    count->encodings++;
  if (count->hosts > 1 || count->lengths > 1 || count->encodings > 1)
    return "Host, Content-Length or Transfer-Encoding twice";
  return count->fields > max ? "too many header fields" : NULL;
}

static guint
count_fields (SoupMessageHeaders *headers)
{
  SoupMessageHeadersIter iter;
  const char *name, *value;
  guint n = 0;

  soup_message_headers_iter_init (&iter, headers);
  while (soup_message_headers_iter_next (&iter, &name, &value))
    n++;
  return n;
}

/* libsoup makes other bytes of those that are no UTF-8, and of HTTP/1.0 it drops the fields that Connection names: as they came is as they go on. */
static void
take_fields (const char *text, SoupMessageHeaders *headers)
{
  g_auto (GStrv) lines = g_strsplit (text, "\r\n", -1);

  soup_message_headers_clear (headers);
  for (guint i = 1; lines[i][0] != '\0'; i++)
    {
      char *colon = strchr (lines[i], ':');

      *colon = '\0';
      soup_message_headers_append (headers, lines[i], g_strstrip (colon + 1));
    }
}

static const char *
build (const char *text, gsize size, gboolean request, const Count *count, CreelHttpHead **ret_head)
{
  g_autoptr (CreelHttpHead) head = g_new0 (CreelHttpHead, 1);
  SoupHTTPVersion version;

  head->headers = soup_message_headers_new (request ? SOUP_MESSAGE_HEADERS_REQUEST : SOUP_MESSAGE_HEADERS_RESPONSE);
  /* libsoup wants the head without its empty line */
  if (request ? soup_headers_parse_request (text, (int) size - 2, head->headers, &head->method, &head->target, &version) != SOUP_STATUS_OK
              : !soup_headers_parse_response (text, (int) size - 2, head->headers, &version, &head->status, &head->reason))
    return "not understood";
  if (version != SOUP_HTTP_1_0 && version != SOUP_HTTP_1_1)
    return "not HTTP/1.0 or HTTP/1.1";
  head->minor_version = version == SOUP_HTTP_1_1 ? 1 : 0;
  if (head->minor_version == 0 || !g_utf8_validate (text, (gssize) size, NULL))
    {
      g_autofree char *copy = g_strndup (text, size);

      take_fields (copy, head->headers);
    }
  if (count_fields (head->headers) != count->fields)
    return "header fields read in two ways";
  *ret_head = g_steal_pointer (&head);
  return NULL;
}

CreelHeadResult
creel_http_head_parse (const guint8 *data, gsize size, gboolean request, CreelHttpHead **ret_head, gsize *ret_size,
                       const char **ret_why)
{
  static const CreelHttpHeadMax max = { CREEL_HTTP_HEAD_MAX, CREEL_HTTP_FIELDS_MAX };

  return creel_http_head_parse_within (data, size, request, &max, ret_head, ret_size, ret_why);
}

CreelHeadResult
creel_http_head_parse_within (const guint8 *data, gsize size, gboolean request, const CreelHttpHeadMax *max,
                              CreelHttpHead **ret_head, gsize *ret_size, const char **ret_why)
{
  const char *text = (const char *) data;
  const char *end = size > 0 ? memmem (text, MIN (size, max->size), "\r\n\r\n", 4) : NULL;
  gsize limit = end != NULL ? (gsize) (end - text) + 2 : MIN (size, max->size);
  Count count = { 0 };
  gsize start = 0;
  const char *why = NULL;

  /* every whole line is looked at as soon as it is there, so that nonsense does not wait for its end */
  while (why == NULL && start < limit)
    {
      const char *line = text + start;
      const char *newline = memchr (line, '\n', limit - start);
      gsize length;

      if (newline == NULL)
        break;
      length = (gsize) (newline - line);
      if (length == 0 || line[length - 1] != '\r')
        why = "a line does not end with CR LF";
      else if (memchr (line, '\r', length - 1) != NULL || memchr (line, '\0', length) != NULL)
        why = "CR or NUL inside a line";
      else if (start == 0)
        why = request ? scan_request_line (line, length - 1) : scan_status_line (line, length - 1);
      else if (length == 1)
        why = NULL; /* the empty line */
      else
        why = scan_field (line, length - 1, max->fields, &count);
      start += length + 1;
    }
  if (why == NULL && end == NULL)
    {
      if (size < max->size)
        return CREEL_HEAD_MORE;
      why = "the header is too large";
    }
  if (why == NULL)
    why = build (text, (gsize) (end - text) + 4, request, &count, ret_head);
  if (why != NULL)
    {
      *ret_why = why;
      return CREEL_HEAD_BAD;
    }
  *ret_size = (gsize) (end - text) + 4;
  return CREEL_HEAD_DONE;
}

const char *
creel_http_head_get_framing (const CreelHttpHead *head, const char *request_method, CreelBodyKind *ret_kind,
                             guint64 *ret_length)
{
  const char *encoding = soup_message_headers_get_list (head->headers, "Transfer-Encoding");
  const char *length = soup_message_headers_get_list (head->headers, "Content-Length");
  guint64 value = 0;

  if (encoding != NULL && length != NULL)
    return "Transfer-Encoding together with Content-Length";
  if (encoding != NULL && (g_ascii_strcasecmp (encoding, "chunked") != 0 || head->minor_version == 0))
    return "a Transfer-Encoding other than chunked";
  if (length != NULL)
    {
      gsize digits = strspn (length, "0123456789");

      if (digits == 0 || digits > 18 || length[digits] != '\0')
        return "Content-Length is not a plain number";
      value = g_ascii_strtoull (length, NULL, 10);
    }
  *ret_length = 0;
  if (request_method != NULL &&
      (g_str_equal (request_method, "HEAD") || head->status < 200 || head->status == 204 || head->status == 304))
    *ret_kind = CREEL_BODY_NONE;
  else if (encoding != NULL)
    *ret_kind = CREEL_BODY_CHUNKED;
  else if (length != NULL)
    {
      *ret_kind = value == 0 ? CREEL_BODY_NONE : CREEL_BODY_LENGTH;
      *ret_length = value;
    }
  else
    *ret_kind = request_method != NULL ? CREEL_BODY_EOF : CREEL_BODY_NONE;
  return NULL;
}

gboolean
creel_http_head_has_token (const CreelHttpHead *head, const char *name, const char *token)
{
  return soup_message_headers_header_contains (head->headers, name, token);
}

static gboolean
is_for_one_hop (const char *name)
{
  static const char *const hop[] = {
    "Connection", "Keep-Alive", "TE", "Trailer", "Transfer-Encoding", "Upgrade", "Expect", "HTTP2-Settings", "Alt-Svc", "Alternate-Protocol",
  };

  for (guint i = 0; i < G_N_ELEMENTS (hop); i++)
    if (g_ascii_strcasecmp (hop[i], name) == 0)
      return TRUE;
  /* "Proxy" alone too: CGI makes HTTP_PROXY of it, which programs there believe */
  return g_ascii_strncasecmp (name, "Proxy", 5) == 0 && (name[5] == '\0' || name[5] == '-' || name[5] == '_');
}

/* nobody can make us drop what others rely on */
static gboolean
is_kept (const char *name)
{
  static const char *const kept[] = { "Host", "Authorization", "Cookie", "Range", "Accept-Encoding" };

  for (guint i = 0; i < G_N_ELEMENTS (kept); i++)
    if (g_ascii_strcasecmp (kept[i], name) == 0)
      return TRUE;
  return g_ascii_strncasecmp (name, "Content-", 8) == 0;
}

void
creel_http_head_remove_hop_by_hop (CreelHttpHead *head)
{
  const char *connection = soup_message_headers_get_list (head->headers, "Connection");
  GSList *names = connection != NULL ? soup_header_parse_list (connection) : NULL;
  SoupMessageHeadersIter iter;
  const char *name, *value;

  soup_message_headers_iter_init (&iter, head->headers);
  while (soup_message_headers_iter_next (&iter, &name, &value))
    if (is_for_one_hop (name))
      names = g_slist_prepend (names, g_strdup (name));
  for (GSList *link = names; link != NULL; link = link->next)
    if (!is_kept (link->data) && creel_http_is_token (link->data))
      soup_message_headers_remove (head->headers, link->data);
  soup_header_free_list (names);
}

void
creel_http_head_format_fields (const CreelHttpHead *head, GString *text)
{
  SoupMessageHeadersIter iter;
  const char *name, *value;

  soup_message_headers_iter_init (&iter, head->headers);
  while (soup_message_headers_iter_next (&iter, &name, &value))
    g_string_append_printf (text, "%s: %s\r\n", name, value);
}
