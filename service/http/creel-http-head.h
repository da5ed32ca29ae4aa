/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <libsoup/soup.h>

#define CREEL_HTTP_HEAD_MAX (32 * 1024)
#define CREEL_HTTP_FIELDS_MAX 100

/* The head of a message. A strict scan of ours decides whether all parsers would read the bytes alike; only then
 * libsoup's parser turns them into its model. */
typedef struct
{
  char *method; /* of a request */
  char *target; /* as sent */
  guint status; /* of a response */
  char *reason;
  guint minor_version; /* HTTP/1.minor */
  SoupMessageHeaders *headers;
} CreelHttpHead;
void creel_http_head_free (CreelHttpHead *head);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CreelHttpHead, creel_http_head_free)

typedef enum
{
  CREEL_HEAD_MORE,
  CREEL_HEAD_DONE,
  CREEL_HEAD_BAD,
} CreelHeadResult;

/* Finds and reads a head at the start of data. ret_size: its bytes; ret_why: what is wrong, static. */
CreelHeadResult creel_http_head_parse (const guint8 *data, gsize size, gboolean request, CreelHttpHead **ret_head,
                                       gsize *ret_size, const char **ret_why);

/* The same with other bounds than CREEL_HTTP_HEAD_MAX bytes and CREEL_HTTP_FIELDS_MAX fields. */
typedef struct
{
  gsize size;
  guint fields;
} CreelHttpHeadMax;
CreelHeadResult creel_http_head_parse_within (const guint8 *data, gsize size, gboolean request, const CreelHttpHeadMax *max,
                                              CreelHttpHead **ret_head, gsize *ret_size, const char **ret_why);

typedef enum
{
  CREEL_BODY_NONE,
  CREEL_BODY_LENGTH,
  CREEL_BODY_CHUNKED,
  CREEL_BODY_EOF,
} CreelBodyKind;

/* How the body is framed; request_method is of the request that a response answers, NULL for a request.
 * NULL when unambiguous, else what is wrong, static. */
const char *creel_http_head_get_framing (const CreelHttpHead *head, const char *request_method, CreelBodyKind *ret_kind,
                                         guint64 *ret_length);

/* TRUE when the list header (Connection, Upgrade) holds the token. */
gboolean creel_http_head_has_token (const CreelHttpHead *head, const char *name, const char *token);
/* Removes what is for one hop only, and everything that Connection names unless it is needed to frame or route. */
void creel_http_head_remove_hop_by_hop (CreelHttpHead *head);
/* Appends the fields, each with CRLF, without the empty line. */
void creel_http_head_format_fields (const CreelHttpHead *head, GString *text);
gboolean creel_http_is_token (const char *text);
/* TRUE when CGI and its heirs, to whom _ and - are one, and with some servers all that is no letter and no digit, may take the name (of
 * size bytes) for the other. */
gboolean creel_http_name_is_like (const char *name, gsize size, const char *other);
