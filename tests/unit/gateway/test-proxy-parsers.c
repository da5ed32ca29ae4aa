/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "creel-client-hello.h"
#include "creel-http-body.h"
#include "creel-http-head.h"
#include "creel-inject.h"
#include "creel-model-runner.h"
#include "creel-refusal.h"
#include "creel-request.h"

/* What the explicit proxy makes of a request: NULL: it goes on to host:port; else the reason of the refusal.
 * R is a request line and Host that are right. */
#define H "GET http://ok.com/ HTTP/1.1\r\nHost: ok.com\r\n"
#define P "POST http://ok.com/ HTTP/1.1\r\nHost: ok.com\r\n"
#define M "malformed"
#define I "identity"

static const struct
{
  const char *request, *reason;
  gsize size; /* when it holds NUL */
} requests[] = {
  { H "\r\n", NULL }, { H "Accept: */*\r\n\r\n", NULL }, { "GET http://OK.com./ HTTP/1.1\r\nHost: ok.com\r\n\r\n", NULL },
  { "GET http://ok.com:80/ HTTP/1.1\r\nHost: ok.com\r\n\r\n", NULL }, { "GET http://ok.com HTTP/1.1\r\nHost: ok.com\r\n\r\n", NULL },
  { "GET http://ok.com?a HTTP/1.1\r\nHost: ok.com\r\n\r\n", NULL }, { "GET http://ok.com/ HTTP/1.0\r\n\r\n", NULL },
  /* lengths */
  { P "Content-Length: 5\r\n\r\n", NULL }, { P "Content-Length: 0\r\n\r\n", NULL }, { P "Content-Length: +5\r\n\r\n", M },
  { P "Content-Length: -1\r\n\r\n", M }, { P "Content-Length: 0x5\r\n\r\n", M }, { P "Content-Length: 5 \r\n\r\n", NULL },
  { P "Content-Length: 5, 5\r\n\r\n", M }, { P "Content-Length: 5\r\nContent-Length: 5\r\n\r\n", M },
  { P "Content-Length: 5\r\nContent-Length: 6\r\n\r\n", M }, { P "Content-Length:\r\n\r\n", M }, { P "Content-Length: 5x\r\n\r\n", M },
  { P "Content-Length: 99999999999999999999\r\n\r\n", M }, { P "Content-Length: 9223372036854775808\r\n\r\n", M },
  { P "Content-Length: 5;a\r\n\r\n", M }, { P "Content-Length: 1e3\r\n\r\n", M }, { P "Content-Length: 5\r\ncontent-length: 5\r\n\r\n", M },
  { P "Content-Length : 5\r\n\r\n", M }, { P " Content-Length: 5\r\n\r\n", M }, { P "Content_Length: 5\r\n\r\n", M }, { P "Transfer_encoding: chunked\r\n\r\n", M }, { P "X_Y: 5\r\n\r\n", NULL },
  { P "Content-Length: \t5\r\n\r\n", NULL }, { P "Content-Length: 5\v\r\n\r\n", M }, { P "Content-Length: \"5\"\r\n\r\n", M },
  /* encodings */
  { P "Transfer-Encoding: chunked\r\n\r\n", NULL }, { P "Transfer-Encoding: Chunked\r\n\r\n", NULL },
  { P "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", M }, { P "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", M },
  { P "Transfer-Encoding: chunked, chunked\r\n\r\n", M }, { P "Transfer-Encoding: gzip, chunked\r\n\r\n", M },
  { P "Transfer-Encoding: chunked, identity\r\n\r\n", M }, { P "Transfer-Encoding: identity\r\n\r\n", M },
  { P "Transfer-Encoding: xchunked\r\n\r\n", M }, { P "Transfer-Encoding: chunkedx\r\n\r\n", M }, { P "Transfer-Encoding: \"chunked\"\r\n\r\n", M },
  { P "Transfer-Encoding: chunked;q=1\r\n\r\n", M }, { P "Transfer-Encoding:\r\n\r\n", M }, { P "Transfer-Encoding : chunked\r\n\r\n", M },
  { P "Transfer-Encoding\t: chunked\r\n\r\n", M }, { P "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", M },
  { P "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n", M }, { P "Transfer-Encoding:\vchunked\r\n\r\n", M },
  { P "Transfer-Encoding: \x00" "chunked\r\n\r\n", M, sizeof (P) - 1 + 31 }, { P "X: y\nTransfer-Encoding: chunked\r\n\r\n", M },
  { P "X: y\rTransfer-Encoding: chunked\r\n\r\n", M }, { P "Transfer-Encoding:\r\n chunked\r\n\r\n", M },
  { "POST http://ok.com/ HTTP/1.0\r\nHost: ok.com\r\nTransfer-Encoding: chunked\r\n\r\n", M },
  { P "Transfer-Encoding: chunk\r\n\r\n", M }, { P "Transfer-Encoding: cow\r\n\r\n", M }, { P "Transfer-Encoding: chunked\x0b\r\n\r\n", M },
  { P "Transfer-Encoding: ,chunked\r\n\r\n", M },
  /* lines */
  { "GET http://ok.com/ HTTP/1.1\nHost: ok.com\n\n", M }, { "GET http://ok.com/ HTTP/1.1\r\nHost: ok.com\n\r\n", M },
  { H "X: a\r\n b\r\n\r\n", M }, { H "X: a\r\n\tb\r\n\r\n", M }, { H " X: a\r\n\r\n", M }, { H "X\r\n\r\n", M }, { H ": a\r\n\r\n", M }, { H "X : a\r\n\r\n", M },
  { H "X\x01: a\r\n\r\n", M }, { H "X: a\x01\r\n\r\n", M }, { H "X: a\x7f\r\n\r\n", M }, { H "X(: a\r\n\r\n", M }, { H "X\xc3\xbc: a\r\n\r\n", M },
  { H "X: a\rb\r\n\r\n", M }, { H "X: a\r\r\n\r\n", M }, { H "X: \xc3\xbc\r\n\r\n", NULL }, { H "X:\r\n\r\n", NULL }, { H "X:a\r\n\r\n", NULL },
  { H "{X}: a\r\n\r\n", M }, { H "X@y: a\r\n\r\n", M }, { H "\"X\": a\r\n\r\n", M },
  { "\r\n" H "\r\n", M }, { " " H "\r\n", M }, { "\n" H "\r\n", M },
  /* request lines */
  { "get http://ok.com/ HTTP/1.1\r\nHost: ok.com\r\n\r\n", M }, { "GeT http://ok.com/ HTTP/1.1\r\nHost: ok.com\r\n\r\n", M },
  { "G{T http://ok.com/ HTTP/1.1\r\nHost: ok.com\r\n\r\n", M }, { "GET  http://ok.com/ HTTP/1.1\r\nHost: ok.com\r\n\r\n", M },
  { "GET\thttp://ok.com/ HTTP/1.1\r\nHost: ok.com\r\n\r\n", M }, { "GET http://ok.com/  HTTP/1.1\r\nHost: ok.com\r\n\r\n", M },
  { "GET http://ok.com/ HTTP/1.1 \r\nHost: ok.com\r\n\r\n", M }, { "GET http://ok.com/\r\nHost: ok.com\r\n\r\n", M },
  { "GET http://ok.com/ HTTP/2.0\r\nHost: ok.com\r\n\r\n", M }, { "GET http://ok.com/ HTTP/1.2\r\nHost: ok.com\r\n\r\n", M },
  { "GET http://ok.com/ HTTP/0.9\r\nHost: ok.com\r\n\r\n", M }, { "GET http://ok.com/ http/1.1\r\nHost: ok.com\r\n\r\n", M },
  { "GET http://ok.com/ HTTP/1.01\r\nHost: ok.com\r\n\r\n", M }, { "GET http://ok.com/ HTTP/1.1x\r\nHost: ok.com\r\n\r\n", M },
  { "GET http://ok.com/a b HTTP/1.1\r\nHost: ok.com\r\n\r\n", M }, { "GET http://ok.com/\xc3\xbc HTTP/1.1\r\nHost: ok.com\r\n\r\n", M },
  { "GET http://ok.com/\x01 HTTP/1.1\r\nHost: ok.com\r\n\r\n", M }, { "GET http://ok.com/#x HTTP/1.1\r\nHost: ok.com\r\n\r\n", M },
  { "GET / HTTP/1.1\r\nHost: ok.com\r\n\r\n", M }, { "GET * HTTP/1.1\r\nHost: ok.com\r\n\r\n", M }, { "GET ok.com HTTP/1.1\r\nHost: ok.com\r\n\r\n", M },
  { "GET https://ok.com/ HTTP/1.1\r\nHost: ok.com\r\n\r\n", M }, { "GET ftp://ok.com/ HTTP/1.1\r\nHost: ok.com\r\n\r\n", M },
  { "GET file:///etc/passwd HTTP/1.1\r\nHost: ok.com\r\n\r\n", M }, { "GET http:ok.com HTTP/1.1\r\nHost: ok.com\r\n\r\n", M },
  { "GET http:/ok.com HTTP/1.1\r\nHost: ok.com\r\n\r\n", M }, { "GET http:///x HTTP/1.1\r\nHost: ok.com\r\n\r\n", M },
  { "TRACE http://ok.com/ HTTP/1.1\r\nHost: ok.com\r\n\r\n", M }, { "TRACK http://ok.com/ HTTP/1.1\r\nHost: ok.com\r\n\r\n", M },
  { "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", M }, { "CONNECT http://ok.com/ HTTP/1.1\r\nHost: ok.com\r\n\r\n", M },
  { "GET http://ok.com\\@evil.com/ HTTP/1.1\r\nHost: ok.com\r\n\r\n", M }, { "GET http://u:p@ok.com/ HTTP/1.1\r\nHost: ok.com\r\n\r\n", M },
  { "GET http://ok.com%2eevil.com/ HTTP/1.1\r\nHost: ok.com\r\n\r\n", M }, { "GET http://ok.com:0/ HTTP/1.1\r\nHost: ok.com\r\n\r\n", M },
  { "GET http://ok.com:080/ HTTP/1.1\r\nHost: ok.com\r\n\r\n", M }, { "GET http://ok.com:/ HTTP/1.1\r\nHost: ok.com\r\n\r\n", M },
  { "GET http://ok.com:80:80/ HTTP/1.1\r\nHost: ok.com\r\n\r\n", M }, { "GET http://2130706433/ HTTP/1.1\r\nHost: 2130706433\r\n\r\n", M },
  { "GET http://0x7f.1/ HTTP/1.1\r\nHost: 0x7f.1\r\n\r\n", M }, { "GET http://[::1%25lo]/ HTTP/1.1\r\nHost: ok.com\r\n\r\n", M },
  { "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA http://ok.com/ HTTP/1.1\r\nHost: ok.com\r\n\r\n", M },
  /* who */
  { "GET http://ok.com/ HTTP/1.1\r\n\r\n", M }, { "GET http://ok.com/ HTTP/1.1\r\nHost: evil.com\r\n\r\n", I },
  { "GET http://ok.com/ HTTP/1.1\r\nHost: ok.com\r\nHost: ok.com\r\n\r\n", M }, { "GET http://ok.com/ HTTP/1.1\r\nHost: ok.com\r\nhost: evil.com\r\n\r\n", M },
  { "GET http://ok.com/ HTTP/1.1\r\nHost: ok.com, evil.com\r\n\r\n", M }, { "GET http://ok.com/ HTTP/1.1\r\nHost:\r\n\r\n", M },
  { "GET http://ok.com/ HTTP/1.1\r\nHost: ok.com:81\r\n\r\n", I }, { "GET http://ok.com/ HTTP/1.1\r\nHost: ok.com:080\r\n\r\n", M },
  { "GET http://ok.com/ HTTP/1.1\r\nHost: a@ok.com\r\n\r\n", M }, { "GET http://ok.com/ HTTP/1.1\r\nHost: ok.com/\r\n\r\n", M },
  { "GET http://ok.com/ HTTP/1.1\r\nHost: OK.COM.\r\n\r\n", NULL }, { "GET http://ok.com/ HTTP/1.1\r\nHost: ok.com.evil\r\n\r\n", I },
  { "GET http://ok.com/ HTTP/1.1\r\nHost : ok.com\r\n\r\n", M }, { "GET http://127.0.0.1/ HTTP/1.1\r\nHost: [::ffff:7f00:1]\r\n\r\n", NULL },
  /* the names of this machine are one host, and no other's */
  { "GET http://localhost:12434/ HTTP/1.1\r\nHost: model.creel.internal:12434\r\n\r\n", NULL },
  { "GET http://localhost:12434/ HTTP/1.1\r\nHost: 127.0.0.1:12434\r\n\r\n", NULL },
  { "GET http://localhost:12434/ HTTP/1.1\r\nHost: [::1]:12434\r\n\r\n", NULL },
  { "GET http://localhost:12434/ HTTP/1.1\r\nHost: localhost:22\r\n\r\n", I },
  { "GET http://localhost:12434/ HTTP/1.1\r\nHost: 127.0.0.2:12434\r\n\r\n", I },
  { "GET http://localhost/ HTTP/1.1\r\nHost: ok.com\r\n\r\n", I }, { "GET http://ok.com/ HTTP/1.1\r\nHost: localhost\r\n\r\n", I },
};

static void
test_requests (void)
{
  g_assert_cmpuint (G_N_ELEMENTS (requests), >=, 100);
  for (gsize i = 0; i < G_N_ELEMENTS (requests); i++)
    {
      gsize size = requests[i].size != 0 ? requests[i].size : strlen (requests[i].request);
      CreelRequestContext context = { 0 };
      g_autoptr (CreelRequest) request = NULL;
      CreelHttpHead *head = NULL;
      gsize used = 0;
      const char *why = NULL, *reason;

      g_test_message ("%s", requests[i].request);
      switch (creel_http_head_parse ((const guint8 *) requests[i].request, size, TRUE, &head, &used, &why))
        {
        case CREEL_HEAD_DONE:
          g_assert_cmpuint (used, ==, size);
          reason = creel_request_resolve (head, &context, &request, &why);
          break;
        case CREEL_HEAD_BAD:
          g_assert_nonnull (why);
          reason = M;
          break;
        default:
          reason = "more";
          break;
        }
      g_assert_cmpstr (reason, ==, requests[i].reason);
      /* what is sent is read by ourselves as the same request */
      if (reason == NULL)
        {
          g_autoptr (GString) text = creel_request_format (request);
          CreelRequestContext fixed = { request->host, request->port, request->scheme };
          g_autoptr (CreelRequest) again = NULL;

          g_string_append (text, "\r\n");
          g_assert_cmpint (creel_http_head_parse ((guint8 *) text->str, text->len, TRUE, &head, &used, &why), ==, CREEL_HEAD_DONE);
          g_assert_null (creel_request_resolve (head, &fixed, &again, &why));
          g_assert_cmpuint (again->body_length, ==, request->body_length);
          g_assert_cmpint (again->body_kind, ==, request->body_kind);
          /* and no shorter piece of the first was taken for a head */
          for (gsize cut = 0; cut < size; cut++)
            {
              head = NULL;
              g_assert_cmpint (creel_http_head_parse ((const guint8 *) requests[i].request, cut, TRUE, &head, &used, &why), !=, CREEL_HEAD_DONE);
            }
        }
    }
}

static void
test_head_limits (void)
{
  g_autoptr (GString) text = g_string_new (H);
  CreelHttpHead *head = NULL;
  const char *why = NULL;
  gsize used;

  for (guint i = 0; i < 99; i++)
    g_string_append (text, "X: y\r\n");
  g_string_append (text, "\r\n");
  g_assert_cmpint (creel_http_head_parse ((guint8 *) text->str, text->len, TRUE, &head, &used, &why), ==, CREEL_HEAD_DONE);
  creel_http_head_free (head);
  g_string_insert (text, (gssize) strlen (H), "X: y\r\n");
  g_assert_cmpint (creel_http_head_parse ((guint8 *) text->str, text->len, TRUE, &head, &used, &why), ==, CREEL_HEAD_BAD);
  g_string_assign (text, H "X: ");
  while (text->len < CREEL_HTTP_HEAD_MAX - 1)
    g_string_append_c (text, 'a');
  g_assert_cmpint (creel_http_head_parse ((guint8 *) text->str, text->len, TRUE, &head, &used, &why), ==, CREEL_HEAD_MORE);
  g_string_append (text, "aa");
  g_assert_cmpint (creel_http_head_parse ((guint8 *) text->str, text->len, TRUE, &head, &used, &why), ==, CREEL_HEAD_BAD);
}

static const struct
{
  const char *response, *method;
  int kind; /* -1: refused */
  guint64 length;
} responses[] = {
  { "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "GET", CREEL_BODY_LENGTH, 5 },
  { "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "HEAD", CREEL_BODY_NONE, 0 },
  { "HTTP/1.1 200\r\n\r\n", "GET", CREEL_BODY_EOF, 0 }, { "HTTP/1.1 204 No\r\n\r\n", "GET", CREEL_BODY_NONE, 0 },
  { "HTTP/1.1 304 Not\r\nContent-Length: 9\r\n\r\n", "GET", CREEL_BODY_NONE, 0 },
  { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "GET", CREEL_BODY_CHUNKED, 0 },
  { "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "GET", -1, 0 },
  { "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", "GET", -1, 0 },
  { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n", "GET", -1, 0 },
  { "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", "GET", -1, 0 }, { "HTTP/1.1 600 OK\r\n\r\n", "GET", -1, 0 },
  { "HTTP/1.1 20 OK\r\n\r\n", "GET", -1, 0 }, { "HTTP/2 200 OK\r\n\r\n", "GET", -1, 0 }, { "200 OK\r\n\r\n", "GET", -1, 0 }, { "HTTP/1.1 200 O\x01K\r\n\r\n", "GET", -1, 0 },
  { "HTTP/1.1 200 OK\nContent-Length: 1\r\n\r\n", "GET", -1, 0 }, { "HTTP/1.1 200 OK\r\nSet-Cookie : a\r\n\r\n", "GET", -1, 0 }, { "ICY 200 OK\r\n\r\n", "GET", -1, 0 },
};

static void
test_responses (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (responses); i++)
    {
      g_autoptr (CreelHttpHead) head = NULL;
      CreelBodyKind kind = CREEL_BODY_NONE;
      guint64 length = 0;
      gsize used;
      const char *why = NULL;
      gboolean good;

      g_test_message ("%s", responses[i].response);
      good = creel_http_head_parse ((const guint8 *) responses[i].response, strlen (responses[i].response), FALSE, &head, &used, &why) == CREEL_HEAD_DONE &&
             creel_http_head_get_framing (head, responses[i].method, &kind, &length) == NULL;
      g_assert_cmpint (good ? (int) kind : -1, ==, responses[i].kind);
      g_assert_cmpuint (length, ==, responses[i].length);
    }
}

static const struct
{
  const char *body, *payload; /* NULL: refused; "…" not whole */
} bodies[] = {
  { "5\r\nhello\r\n0\r\n\r\n", "hello" }, { "5\r\nhello\r\n3\r\nyou\r\n0\r\n\r\n", "helloyou" }, { "A\r\n0123456789\r\n0\r\n\r\n", "0123456789" },
  { "5;ext=1\r\nhello\r\n0\r\n\r\n", "hello" }, { "0\r\nTrailer: x\r\n\r\n", "" }, { "05\r\nhello\r\n0\r\n\r\n", "hello" }, { "000\r\n\r\n", "" },
  { "0\r\n", "…" }, { "5\r\nhel", "…" }, { "", "…" }, { "5\r\nhello\r\n", "…" },
  { "5\nhello\r\n0\r\n\r\n", NULL }, { "0x5\r\nhello\r\n0\r\n\r\n", NULL }, { "-5\r\nhello\r\n", NULL }, { "+5\r\nhello\r\n", NULL }, { " 5\r\nhello\r\n", NULL },
  { "5 \r\nhello\r\n0\r\n\r\n", NULL }, { "\r\n", NULL }, { "g\r\n", NULL }, { "5\r\nhelloX\r\n", NULL }, { "5\r\nhello\n0\r\n\r\n", NULL }, { "5\rhello", NULL },
  { "FFFFFFFFFFFFFFFF\r\n", NULL }, { "1000000000000000\r\n", NULL }, { "0\r\nX: y\n\r\n", NULL }, { "0\r\n\r", "…" }, { "0\r\n\rX", NULL }, { ";\r\n", NULL },
  { "5;\x01\r\nhello\r\n", NULL }, { "5\r\nhello\r\n0\r\n\n", NULL }, { "zz\r\n", NULL },
};

static void
test_bodies (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (bodies); i++)
    for (gsize piece = 1; piece < 8; piece++)
      {
        CreelHttpBody body;
        g_autoptr (GString) got = g_string_new (NULL);
        gsize size = strlen (bodies[i].body), at = 0;
        gboolean bad = FALSE;

        g_test_message ("%s by %d", bodies[i].body, (int) piece);
        creel_http_body_init (&body, CREEL_BODY_CHUNKED, 0);
        while (at < size && !bad && !body.done)
          {
            const guint8 *payload;
            gsize n;
            gssize used = creel_http_body_feed (&body, (const guint8 *) bodies[i].body + at, MIN (piece, size - at), &payload, &n);

            bad = used < 0;
            g_assert_cmpint (used, !=, 0);
            g_string_append_len (got, (const char *) payload, (gssize) n);
            at += (gsize) MAX (used, 0);
          }
        if (bodies[i].payload == NULL)
          g_assert_true (bad);
        else if (g_str_equal (bodies[i].payload, "…"))
          g_assert_true (!bad && !creel_http_body_end (&body));
        else
          {
            g_assert_true (!bad && body.done);
            g_assert_cmpstr (got->str, ==, bodies[i].payload);
          }
      }
}

static void
test_inject (void)
{
  const char *text = "POST /v1?key=mine&a=b&ke%79=mine HTTP/1.1\r\nHost: ok.com\r\nAuthorization: Bearer mine\r\n"
                     "x-api-key: mine\r\nRange: bytes=1-2\r\nX-Strip: mine\r\nX-Keep: 1\r\nX_Api_Key: mine\r\nx_strip: mine\r\n"
                     "X_Keep: 2\r\n\r\n";
  char *hosts[] = { (char *) "ok.com", (char *) "other.com:8443", NULL };
  char *strip[] = { (char *) "X-Strip", NULL };
  CreelCredential credential = { .name = (char *) "c", .hosts = hosts, .header = (char *) "Authorization", .format = (char *) "Bearer {}",
                                 .strip_headers = strip, .parameter = NULL };
  g_autoptr (CreelHost) ok = creel_host_parse ("ok.com", -1, NULL);
  g_autoptr (CreelHost) other = creel_host_parse ("other.com", -1, NULL);
  g_autoptr (CreelHost) evil = creel_host_parse ("evilok.com", -1, NULL);
  g_autoptr (CreelHttpHead) head = NULL;
  const char *why;
  gsize used;

  g_assert_true (creel_inject_matches (&credential, ok, 443));
  g_assert_false (creel_inject_matches (&credential, ok, 80));
  g_assert_false (creel_inject_matches (&credential, ok, 8443));
  g_assert_true (creel_inject_matches (&credential, other, 8443));
  g_assert_false (creel_inject_matches (&credential, other, 443));
  g_assert_false (creel_inject_matches (&credential, evil, 443));

  g_assert_cmpint (creel_http_head_parse ((const guint8 *) text, strlen (text), TRUE, &head, &used, &why), ==, CREEL_HEAD_DONE);
  credential.parameter = (char *) "key";
  creel_inject_strip (&credential, head);
  g_assert_cmpstr (head->target, ==, "/v1?a=b");
  g_assert_null (soup_message_headers_get_one (head->headers, "Authorization"));
  g_assert_null (soup_message_headers_get_one (head->headers, "X-Api-Key"));
  g_assert_null (soup_message_headers_get_one (head->headers, "X-Strip"));
  g_assert_null (soup_message_headers_get_one (head->headers, "Range"));
  /* to servers that make variables of headers these are the same */
  g_assert_null (soup_message_headers_get_one (head->headers, "X_Api_Key"));
  g_assert_null (soup_message_headers_get_one (head->headers, "X_Strip"));
  g_assert_cmpstr (soup_message_headers_get_one (head->headers, "X-Keep"), ==, "1");
  g_assert_cmpstr (soup_message_headers_get_one (head->headers, "X_Keep"), ==, "2");
  g_assert_cmpstr (soup_message_headers_get_one (head->headers, "Accept-Encoding"), ==, "identity");

  g_autofree char *target = g_strdup ("/v1?a=b");
  g_autofree char *line = creel_inject_format (&credential, "k/1", &target);
  g_assert_cmpstr (line, ==, "Authorization: Bearer k/1\r\n");
  credential.header = NULL;
  g_autofree char *none = creel_inject_format (&credential, "k/1", &target);
  g_assert_cmpstr (none, ==, "");
  g_assert_cmpstr (target, ==, "/v1?a=b&key=k%2F1");
  credential.header = (char *) "Authorization";
  credential.format = (char *) "basic:git";
  g_autofree char *basic = creel_inject_format (&credential, "pw", &target);
  g_assert_cmpstr (basic, ==, "Authorization: Basic Z2l0OnB3\r\n");

  g_assert_false (creel_inject_key_is_valid ("a\r\nX: y", 7));
  g_assert_false (creel_inject_key_is_valid ("", 0));
  g_assert_false (creel_inject_key_is_valid ("a b", 3));
  g_assert_true (creel_inject_key_is_valid ("sk-1", 4));
}

static void
test_refusal (void)
{
  g_autoptr (GString) text = creel_refusal_format ("policy", 403, "ok.com", 443, "GET", "say \"no\"\n\\", FALSE);

  g_assert_true (g_str_has_prefix (text->str, "HTTP/1.1 403 Forbidden\r\nCreel-Denied: policy\r\n"));
  g_assert_nonnull (strstr (text->str, "\"message\": \"say \\\"no\\\"\\u000a\\\\\"}"));
  g_assert_cmpuint (creel_refusal_get_status ("identity"), ==, 421);
  g_assert_cmpuint (creel_refusal_get_status ("nonsense"), ==, 403);
}

/* a ClientHello of TLS 1.2 with the extensions given as hex, in one record */
static GByteArray *
make_hello (const guint8 *extensions, gsize size)
{
  GByteArray *hello = g_byte_array_new ();
  guint8 body[38] = { 3, 3 };
  gsize length = sizeof body + 6 + 1 + size;
  guint8 start[] = { 22, 3, 1, (guint8) ((length + 4) >> 8), (guint8) (length + 4), 1, 0, (guint8) (length >> 8), (guint8) length };
  guint8 tail[] = { 1, 0, (guint8) (size >> 8), (guint8) size };

  body[34] = 0; /* no session id */
  body[35] = 0;
  body[36] = 2;
  body[37] = 0x13;
  g_byte_array_append (hello, start, sizeof start);
  g_byte_array_append (hello, body, sizeof body);
  g_byte_array_append (hello, (const guint8 *) "\x01", 1);
  g_byte_array_append (hello, tail, sizeof tail);
  g_byte_array_append (hello, extensions, (guint) size);
  /* 38 + 1 + 4: two less than reckoned above */
  hello->data[4] = (guint8) (hello->len - 5);
  hello->data[8] = (guint8) (hello->len - 9);
  return hello;
}

static void
check_hello (const char *extensions, gsize size, CreelHelloResult wanted, const char *name)
{
  g_autoptr (GByteArray) hello = make_hello ((const guint8 *) extensions, size);
  g_auto (CreelClientHello) parsed = { 0 };

  g_assert_cmpint (creel_client_hello_parse (hello->data, hello->len, &parsed), ==, wanted);
  g_assert_cmpstr (parsed.server_name, ==, name);
  for (gsize cut = 0; cut < hello->len; cut++)
    {
      g_auto (CreelClientHello) partly = { 0 };

      g_assert_cmpint (creel_client_hello_parse (hello->data, cut, &partly), ==, CREEL_HELLO_MORE);
    }
}

static void
test_client_hello (void)
{
  g_auto (CreelClientHello) hello = { 0 };

  check_hello ("\x00\x00\x00\x09\x00\x07\x00\x00\x04" "a.de", 13, CREEL_HELLO_DONE, "a.de");
  check_hello ("\x00\x17\x00\x00", 4, CREEL_HELLO_DONE, NULL);
  check_hello ("\x00\x00\x00\x09\x00\x07\x00\x00\x04" "a\x00" "de", 13, CREEL_HELLO_BAD, NULL);
  check_hello ("\x00\x00\x00\x05\x00\x03\x00\x00\x00", 9, CREEL_HELLO_BAD, NULL);
  check_hello ("\x00\x00\x00\x09\x00\x07\x01\x00\x04" "a.de", 13, CREEL_HELLO_BAD, NULL);
  /* two names, and the extension twice */
  check_hello ("\x00\x00\x00\x0d\x00\x0b\x00\x00\x04" "a.de\x00\x00\x01" "b", 17, CREEL_HELLO_BAD, NULL);
  check_hello ("\x00\x00\x00\x09\x00\x07\x00\x00\x04" "a.de\x00\x00\x00\x09\x00\x07\x00\x00\x04" "b.de", 26, CREEL_HELLO_BAD, NULL);
  check_hello ("\x00\x00\x00\x09\x00\x08\x00\x00\x04" "a.de", 13, CREEL_HELLO_BAD, NULL);
  g_assert_cmpint (creel_client_hello_parse ((const guint8 *) "GET / HTTP", 10, &hello), ==, CREEL_HELLO_BAD);
  g_assert_cmpint (creel_client_hello_parse ((const guint8 *) "\x16\x02", 2, &hello), ==, CREEL_HELLO_BAD);
  g_assert_cmpint (creel_client_hello_parse ((const guint8 *) "\x16\x03\x01\x00\x00", 5, &hello), ==, CREEL_HELLO_BAD);
  g_assert_cmpint (creel_client_hello_parse ((const guint8 *) "\x16\x03\x01\x00\x10\x02", 6, &hello), ==, CREEL_HELLO_BAD);
}

static void
test_model_runner (void)
{
  static const struct
  {
    const char *method, *path, *sent;
  } cases[] = {
    { "POST", "/v1/chat/completions", "/v1/chat/completions" }, { "POST", "/engines/v1/chat/completions", "/engines/v1/chat/completions" },
    { "POST", "/engines/llama.cpp/v1/completions", "/engines/llama.cpp/v1/completions" }, { "POST", "/v1/embeddings", "/v1/embeddings" },
    { "POST", "/engines/v1/responses", "/engines/v1/responses" }, { "POST", "/v1/messages", "/v1/messages" },
    { "POST", "/anthropic/v1/messages", "/anthropic/v1/messages" }, { "POST", "/anthropic/v1/messages/count_tokens", "/anthropic/v1/messages/count_tokens" },
    { "POST", "/engines/anthropic/v1/messages", "/engines/anthropic/v1/messages" },
    { "GET", "/v1/models", "/v1/models" }, { "HEAD", "/engines/v1/models", "/engines/v1/models" },
    { "GET", "/v1/models/ai/gpt-oss:20B", "/v1/models/ai/gpt-oss:20B" }, { "GET", "/v1/models/ai%2Fgpt-oss%3a20B", "/v1/models/ai/gpt-oss:20B" },
    { "POST", "/api/chat", "/api/chat" }, { "POST", "/api/generate", "/api/generate" }, { "POST", "/api/show", "/api/show" },
    { "POST", "/api/embed", "/api/embed" }, { "GET", "/api/tags", "/api/tags" }, { "GET", "/api/ps", "/api/ps" },
    { "GET", "/api/version", "/api/version" }, { "HEAD", "/api/version", "/api/version" }, { "GET", "/", "/" }, { "HEAD", "/", "/" },
    { "POST", "//v1/./chat//completions", "/v1/chat/completions" }, { "POST", "/x/../v1/completions", "/v1/completions" },
    { "POST", "/v1/chat%2fcompletions", "/v1/chat/completions" }, { "GET", "/v1/%6dodels", "/v1/models" },
    /* what changes or tells more */
    { "GET", "/models", NULL }, { "GET", "/models/x", NULL }, { "POST", "/models/create", NULL }, { "DELETE", "/models/x", NULL },
    { "DELETE", "/v1/models/x", NULL }, { "POST", "/engines/unload", NULL }, { "POST", "/engines/_configure", NULL },
    { "GET", "/engines/ps", NULL }, { "GET", "/engines/df", NULL }, { "GET", "/engines/status", NULL }, { "GET", "/metrics", NULL },
    { "POST", "/api/pull", NULL }, { "POST", "/api/push", NULL }, { "POST", "/api/create", NULL }, { "DELETE", "/api/delete", NULL },
    { "POST", "/api/copy", NULL }, { "POST", "/", NULL }, { "PUT", "/v1/models", NULL }, { "OPTIONS", "/v1/models", NULL }, { "OPTIONS", "*", NULL },
    { "GET", "/v1/chat/completions", NULL }, { "POST", "/v1/models", NULL }, { "post", "/v1/completions", NULL },
    { "POST", "/V1/completions", NULL }, { "POST", "/v1/completions/", NULL }, { "GET", "/v1/models/", NULL }, { "GET", "/v1/models//", NULL },
    { "GET", "/v1/models/../../models", NULL }, { "GET", "/v1/models/..%2f..%2fmodels", NULL }, { "GET", "/v1/models/%2e%2e/%2e%2e/metrics", NULL },
    { "GET", "/v1/models/..;/..;/metrics", NULL }, { "GET", "/v1/models/x;y", NULL }, { "GET", "/v1/models/%252e%252e", NULL },
    { "GET", "/v1/models/a%00", NULL }, { "GET", "/v1/models/a%5c..", NULL }, { "GET", "v1/models", NULL }, { "GET", "/engines/x/v1/models", NULL },
    { "POST", "/v1/completionsx", NULL }, { "POST", "/x/v1/completions", NULL }, { "GET", "/v1/modelsx", NULL },
  };
  static const struct
  {
    const char *host;
    guint16 port;
    gboolean is;
  } hosts[] = { { "localhost", 12434, TRUE }, { "model.creel.internal", 12434, TRUE }, { "model-runner.docker.internal", 12434, TRUE },
                { "host.docker.internal", 12434, TRUE }, { "127.0.0.1", 12434, TRUE }, { "127.9.9.9", 12434, TRUE }, { "::1", 12434, TRUE },
                { "localhost", 12435, FALSE }, { "ok.com", 12434, FALSE }, { "10.0.0.1", 12434, FALSE } };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *sent = creel_model_runner_check (cases[i].method, cases[i].path);

      g_test_message ("%s %s", cases[i].method, cases[i].path);
      g_assert_cmpstr (sent, ==, cases[i].sent);
    }
  for (gsize i = 0; i < G_N_ELEMENTS (hosts); i++)
    {
      g_autoptr (CreelHost) host = creel_host_parse (hosts[i].host, -1, NULL);

      g_assert_nonnull (host);
      g_assert_cmpint (creel_model_runner_is (host, hosts[i].port), ==, hosts[i].is);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/proxy/requests", test_requests);
  g_test_add_func ("/proxy/head-limits", test_head_limits);
  g_test_add_func ("/proxy/responses", test_responses);
  g_test_add_func ("/proxy/bodies", test_bodies);
  g_test_add_func ("/proxy/inject", test_inject);
  g_test_add_func ("/proxy/refusal", test_refusal);
  g_test_add_func ("/proxy/client-hello", test_client_hello);
  g_test_add_func ("/proxy/model-runner-paths", test_model_runner);
  return g_test_run ();
}
