/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The whole front but main, between clients of the tests and engines of the tests. */
#include <string.h>

#include "creel-names.h"
#include "front-fixture.h"

#define CHAT "/v1/chat/completions"

/* many at once: one load, all are answered; the engine gets the body as it is */
static void
test_load_once (Fixture *f, gconstpointer unused)
{
  static const char body[] = "{\"messages\":[{\"model\":\"no\"}], \"model\" : \"ai\\/a\"}";
  Client *clients[8];
  guint64 limit = 0, context = 0;
  g_autofree char *entry = NULL;

  for (guint i = 0; i < 8; i++)
    {
      clients[i] = client_new (f);
      post (clients[i], i % 2 ? CHAT : "/engines/llama.cpp" CHAT, body);
    }
  for (guint i = 0; i < 8; i++)
    {
      EXPECT (clients[i], "\r\n\r\n{\"ok\":true}");
      g_assert_true (g_str_has_prefix (clients[i]->got->str, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n"));
      client_free (clients[i]);
    }
  g_assert_cmpstr (f->fake->log->str, ==, "+a ");
  g_assert_cmpuint (f->fake->requests->len, ==, 8);
  for (guint i = 0; i < 8; i++)
    {
      EngineRequest *request = f->fake->requests->pdata[i];

      g_assert_cmpstr (request->head->target, ==, CHAT);
      g_assert_cmpstr (request->body->str, ==, body);
    }
  g_assert_true (g_variant_lookup (f->fake->started, "memory-max", "t", &limit) && g_variant_lookup (f->fake->started, "context-size", "t", &context));
  g_assert_cmpuint (context, ==, 8192);
  g_assert_cmpuint (limit, ==, (2048 + 256 + 8) * MIB / 4 * 5 + 512 * MIB);
  entry = read_journal (f);
  g_assert_nonnull (strstr (entry, "\nCREEL_MODEL=ai/a\n"));
  g_assert_nonnull (strstr (entry, "\nCREEL_STATUS=200\n"));
  g_assert_nonnull (strstr (entry, "/v1/chat/completions\n"));
  g_assert_null (strstr (entry, "messages"));
  WAIT_FOR (f->fake->reported != NULL);
}

/* byte by byte, as soon as it is there; then the next request on the same connection */
static void
test_streaming (Fixture *f, gconstpointer unused)
{
  g_autoptr (Client) client = client_new (f);
  EngineRequest *request;

  f->fake->mode = ENGINE_HOLD;
  post (client, CHAT, "{\"model\":\"ai/a:latest\",\"stream\":true}");
  request = fake_engines_get_request (f->fake, 0);
  engine_request_say (request, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
  EXPECT (client, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
  g_string_truncate (client->got, 0);
  for (const char *c = "8\r\ndata: 1\n\r\n"; *c != '\0'; c++)
    {
      char text[2] = { *c, '\0' };
      gsize before = client->got->len;

      engine_request_say (request, text);
      WAIT_FOR (client->got->len == before + 1);
    }
  g_assert_cmpstr (client->got->str, ==, "8\r\ndata: 1\n\r\n");
  engine_request_say (request, "0\r\n\r\n");
  EXPECT (client, "0\r\n\r\n");
  WAIT_FOR (request->gone);
  g_assert_false (client->eof);

  f->fake->mode = ENGINE_ANSWER;
  g_string_truncate (client->got, 0);
  post (client, "/v1/messages?beta=true", "{\"model\":\"docker.io/ai/a\"}");
  EXPECT (client, "{\"ok\":true}");
  g_assert_cmpstr (fake_engines_get_request (f->fake, 1)->head->target, ==, "/v1/messages");
}

/* whoever hangs up costs nothing more: while the model loads, before the first byte, and in the middle */
static void
test_hang_up (Fixture *f, gconstpointer unused)
{
  Client *client = client_new (f);
  EngineRequest *request;

  f->fake->mode = ENGINE_HOLD;
  f->fake->slow = TRUE;
  post (client, CHAT, "{\"model\":\"ai/a\"}");
  WAIT_FOR (f->fake->log->len > 0);
  client_free (client);
  WAIT_FOR (creel_models_server_get_connections (f->server) == 0);
  f->fake->slow = FALSE;
  run_for (200);
  g_assert_cmpuint (f->fake->requests->len, ==, 0);

  client = client_new (f);
  post (client, CHAT, "{\"model\":\"ai/a\"}");
  request = fake_engines_get_request (f->fake, 0);
  client_free (client);
  WAIT_FOR (request->gone);

  client = client_new (f);
  post (client, CHAT, "{\"model\":\"ai/a\"}");
  request = fake_engines_get_request (f->fake, 1);
  engine_request_say (request, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n");
  EXPECT (client, "1\r\nx\r\n");
  client_free (client);
  WAIT_FOR (request->gone);
  WAIT_FOR (creel_models_server_get_connections (f->server) == 0);
  g_assert_cmpstr (f->fake->log->str, ==, "+a ");
}

static void
test_crash (Fixture *f, gconstpointer unused)
{
  g_autoptr (Client) client = client_new (f);
  EngineRequest *request;

  /* without a word: an answer of ours, and the connection stays */
  f->fake->mode = ENGINE_CRASH;
  post (client, "/anthropic/v1/messages", "{\"model\":\"ai/a\"}");
  EXPECT (client, "\"message\":\"The engine of ai/a ended before it answered; the next request starts it again, see: creel model logs\"}}\n");
  g_assert_true (g_str_has_prefix (client->got->str, "HTTP/1.1 502 Bad Gateway\r\n"));
  g_assert_true (has (client, "{\"type\":\"error\",\"error\":{\"type\":\"api_error\","));

  /* the next one starts it again; in the middle: the end */
  f->fake->mode = ENGINE_HOLD;
  g_string_truncate (client->got, 0);
  post (client, CHAT, "{\"model\":\"ai/a\"}");
  request = fake_engines_get_request (f->fake, 1);
  engine_request_say (request, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n");
  EXPECT (client, "1\r\nx\r\n");
  fake_engines_die (f->fake, ID_A, TRUE);
  WAIT_FOR (client->eof);
  g_assert_false (has (client, "\r\n0\r\n"));

  /* it ended, and nobody has said so: found out and started again within the request */
  g_autoptr (Client) other = client_new (f);
  f->fake->mode = ENGINE_ANSWER;
  post (other, CHAT, "{\"model\":\"ai/a\"}");
  EXPECT (other, "{\"ok\":true}");
  fake_engines_die (f->fake, ID_A, FALSE);
  g_string_truncate (f->fake->log, 0);
  g_string_truncate (other->got, 0);
  post (other, CHAT, "{\"model\":\"ai/a\"}");
  EXPECT (other, "{\"ok\":true}");
  g_assert_cmpstr (f->fake->log->str, ==, "-a +a ");
}

static void
test_unknown (Fixture *f, gconstpointer unused)
{
  g_autoptr (Client) client = client_new (f);
  guint lists;

  post (client, CHAT, "{\"model\":\"ai/c\"}");
  EXPECT (client, "There is no model \\\"ai/c\\\"; there are: ai/a and ai/b. Another is fetched by: creel model pull NAME");
  g_assert_true (g_str_has_prefix (client->got->str, "HTTP/1.1 404 Not Found\r\n"));

  /* what comes is told; what was not is asked for */
  f->fake->with_b = FALSE;
  fake_engines_change (f->fake);
  lists = f->fake->lists;
  WAIT_FOR (f->fake->lists > lists);
  run_for (50);
  g_string_truncate (client->got, 0);
  f->fake->with_b = TRUE;
  say (client, "GET /v1/models/ai/b HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT (client, "{\"id\":\"ai/b\",\"object\":\"model\",\"created\":1700000000,\"owned_by\":\"creel\"}");
  g_assert_cmpstr (f->fake->log->str, ==, "");
}

static void
test_refusals (Fixture *f, gconstpointer unused)
{
  static const struct
  {
    const char *head, *expected;
  } cases[] = {
    { "POST /models/create HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 403 Forbidden\r\n" },
    { "DELETE /models/ai/a HTTP/1.1\r\nHost: localhost\r\n\r\n", "use: creel model rm NAME" },
    { "POST /api/pull HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}", "{\"error\":\"Models are not changed through this port; use: creel model pull" },
    { "GET /v1/models HTTP/1.1\r\nHost: evil.example\r\n\r\n", "HTTP/1.1 403 Forbidden\r\n" },
    { "GET /v1/models HTTP/1.1\r\nHost: localhost\r\nOrigin: https://evil.example\r\n\r\n", "\"type\":\"permission_error\"" },
    { "GET /v1/models HTTP/1.1\r\n\r\n", "HTTP/1.1 403 Forbidden\r\n" },
    { "GET /props HTTP/1.1\r\nHost: localhost\r\n\r\n", "HTTP/1.1 404 Not Found\r\n" },
    { "GET /v1/embeddings HTTP/1.1\r\nHost: localhost\r\n\r\n", "HTTP/1.1 405 Method Not Allowed\r\n" },
    { "get / HTTP/1.1\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n" },
    { "POST " CHAT " HTTP/1.1\r\nHost: localhost\r\nContent-Length: 67108865\r\n\r\n", "HTTP/1.1 413 Content Too Large\r\n" },
    { "POST " CHAT " HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n" },
    { "POST " CHAT " HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", "HTTP/1.1 400 Bad Request\r\n" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (Client) client = client_new (f);

      say (client, cases[i].head);
      EXPECT (client, cases[i].expected);
      WAIT_FOR (client->eof);
    }
  g_assert_cmpuint (f->fake->requests->len, ==, 0);
}

/* bodies that nobody can use leave the connection as it was */
static void
test_bad_bodies (Fixture *f, gconstpointer unused)
{
  static const char *const bad[] = { "", "[]", "{}", "{\"model\":1}", "{\"model\":\"\"}", "{\"model\":\"a", "{\"a\":{\"model\":\"ai/a\"}}", "{\"model\":\"\\ud800\"}" };
  g_autoptr (Client) client = client_new (f);

  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_string_truncate (client->got, 0);
      post (client, CHAT, bad[i]);
      EXPECT (client, "HTTP/1.1 400 Bad Request\r\n");
      EXPECT (client, "}}\n");
    }
  /* nor is what is no name in size */
  {
    g_autofree char *name = g_strnfill (2000, 'x'), *body = g_strdup_printf ("{\"model\":\"%s\",\"messages\":[]}", name);

    g_string_truncate (client->got, 0);
    post (client, "/api/chat", body);
    EXPECT (client, "HTTP/1.1 400 Bad Request\r\n");
    EXPECT (client, "}\n");
  }
  g_assert_false (client->eof);
  g_assert_cmpstr (f->fake->log->str, ==, "");
}

static void
test_pages (Fixture *f, gconstpointer unused)
{
  g_autoptr (Client) client = client_new (f);

  say (client, "OPTIONS " CHAT " HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost:3000\r\n\r\n");
  EXPECT (client, "HTTP/1.1 204 No Content\r\nAccess-Control-Allow-Origin: http://localhost:3000\r\n");
  EXPECT (client, "\r\n\r\n");
  g_string_truncate (client->got, 0);
  say (client, "POST " CHAT " HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost:3000\r\nContent-Length: 16\r\n\r\n{\"model\":\"ai/a\"}");
  EXPECT (client, "{\"ok\":true}");
  g_assert_true (has (client, "\r\nAccess-Control-Allow-Origin: http://localhost:3000\r\n"));
  g_assert_false (has (client, "Allow-Origin: *"));
  g_assert_false (has (client, "llama.cpp"));
}

/* two that do not fit together */
static void
test_turns (Fixture *f, gconstpointer unused)
{
  g_autoptr (Client) a = client_new (f), b = client_new (f);
  EngineRequest *request;

  f->fake->mode = ENGINE_HOLD;
  post (a, CHAT, "{\"model\":\"ai/a\"}");
  request = fake_engines_get_request (f->fake, 0);
  post (b, CHAT, "{\"model\":\"ai/b\"}");
  run_for (100);
  g_assert_cmpstr (f->fake->log->str, ==, "+a ");
  f->fake->mode = ENGINE_ANSWER;
  engine_request_say (request, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1");
  EXPECT (b, "{\"ok\":true}");
  g_assert_true (has (a, "\r\n\r\n1"));
  g_assert_cmpstr (f->fake->log->str, ==, "+a -a +b ");
  g_string_truncate (a->got, 0);
  post (a, CHAT, "{\"model\":\"ai/a\"}");
  EXPECT (a, "{\"ok\":true}");
  g_assert_cmpstr (f->fake->log->str, ==, "+a -a +b -b +a ");
}

static void
test_no_room (Fixture *f, gconstpointer unused)
{
  g_autoptr (Client) client = client_new (f);

  creel_models_runner_set_memory (f->runner, 2048 * MIB, 1024 * MIB);
  post (client, CHAT, "{\"model\":\"ai/a\"}");
  EXPECT (client, "HTTP/1.1 507 Insufficient Storage\r\n");
  EXPECT (client, "The model needs 2308 MiB of memory and models may have 896 MiB");
  g_assert_cmpstr (f->fake->log->str, ==, "");
}

static void
test_no_engine (Fixture *f, gconstpointer unused)
{
  g_autoptr (Client) client = client_new (f);

  f->fake->start_error = CREEL_ERROR_PREFIX "NoEngine|llama-server is not installed; apt install llama.cpp";
  post (client, CHAT, "{\"model\":\"ai/a\"}");
  EXPECT (client, "\"message\":\"llama-server is not installed; apt install llama.cpp\"");
  g_assert_true (g_str_has_prefix (client->got->str, "HTTP/1.1 503 Service Unavailable\r\n"));
  g_string_truncate (client->got, 0);
  f->fake->start_error = CREEL_ERROR_PREFIX "Failed|no such blob";
  post (client, CHAT, "{\"model\":\"ai/a\"}");
  EXPECT (client, "\"ai/a was not loaded: no such blob; see: creel model logs\"");
  g_assert_true (g_str_has_prefix (client->got->str, "HTTP/1.1 502 Bad Gateway\r\n"));
}

/* creeld may go and come: what is loaded answers meanwhile, and what ended meanwhile is noticed */
static void
test_creeld (Fixture *f, gconstpointer unused)
{
  g_autoptr (Client) client = client_new (f);

  post (client, CHAT, "{\"model\":\"ai/a\"}");
  EXPECT (client, "{\"ok\":true}");
  fake_engines_drop_name (f->fake);
  run_for (100);
  g_string_truncate (client->got, 0);
  post (client, CHAT, "{\"model\":\"ai/a\"}");
  EXPECT (client, "{\"ok\":true}");
  g_string_truncate (client->got, 0);
  post (client, CHAT, "{\"model\":\"ai/c\"}");
  EXPECT (client, "HTTP/1.1 503 Service Unavailable\r\n");
  EXPECT (client, "creeld, which keeps the models, does not answer: ");
  fake_engines_die (f->fake, ID_A, FALSE);
  fake_engines_own_name (f->fake);
  WAIT_FOR (f->fake->front != NULL);
  run_for (100);
  g_string_truncate (client->got, 0);
  post (client, CHAT, "{\"model\":\"ai/a\"}");
  EXPECT (client, "{\"ok\":true}");
  g_assert_cmpstr (f->fake->log->str, ==, "+a +a ");
}

/* a front that comes anew takes what runs over */
static void
test_take_over (Fixture *f, gconstpointer unused)
{
  stop_front (f);
  fake_engines_run (f->fake, ID_A);
  fake_engines_run (f->fake, "sha256-cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc");
  start_front (f);
  WAIT_FOR (f->fake->reported != NULL);
  g_autoptr (Client) client = client_new (f);
  post (client, CHAT, "{\"model\":\"ai/a\"}");
  EXPECT (client, "{\"ok\":true}");
  say (client, "GET /api/ps HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT (client, "\"context_length\":4096");
  /* a model that is not here is nobody's */
  g_assert_cmpstr (f->fake->log->str, ==, "-c ");
}

/* the engine waits for a client that does not read, and nothing piles up here */
static void
test_slow_client (Fixture *f, gconstpointer unused)
{
  const guint64 total = 64 * MIB;
  g_autoptr (Client) client = client_new (f);
  EngineRequest *request;
  guint64 left;

  f->fake->mode = ENGINE_HOLD;
  client->paused = TRUE;
  post (client, CHAT, "{\"model\":\"ai/a\"}");
  request = fake_engines_get_request (f->fake, 0);
  engine_request_say (request, "HTTP/1.1 200 OK\r\nContent-Length: 67108864\r\n\r\n");
  request->flood = total;
  creel_endpoint_set_func (request->endpoint, NULL, NULL);
  for (guint i = 0; i < 400; i++)
    {
      char block[16384] = { 0 };

      for (; request->flood > 0 && creel_endpoint_has_room (request->endpoint); request->flood -= sizeof block)
        creel_endpoint_write (request->endpoint, block, sizeof block);
      creel_endpoint_flush (request->endpoint);
      run_for (1);
    }
  left = request->flood;
  g_assert_cmpuint (left, >, total / 2);
  client->paused = FALSE;
  on_client (client->endpoint, client);
  while (client->got->len < total)
    {
      char block[16384] = { 0 };

      for (; request->flood > 0 && creel_endpoint_has_room (request->endpoint); request->flood -= sizeof block)
        creel_endpoint_write (request->endpoint, block, sizeof block);
      creel_endpoint_flush (request->endpoint);
      if (!g_main_context_iteration (NULL, FALSE))
        g_usleep (100);
      if (client->got->len > 4 * MIB && request->flood == 0 && client->eof)
        break;
    }
  g_assert_cmpuint (client->got->len, >=, total);
}

/* what comes together is answered one after the other */
static void
test_pipelining (Fixture *f, gconstpointer unused)
{
  g_autoptr (Client) client = client_new (f);
  const char *first, *second, *third;

  say (client, "GET /api/version HTTP/1.1\r\nHost: localhost\r\n\r\n\r\nPOST " CHAT " HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
               "10\r\n{\"model\":\"ai/a\"}\r\n0\r\n\r\nHEAD / HTTP/1.1\r\nHost: localhost\r\n\r\nGET / HTTP/1.0\r\n\r\n");
  WAIT_FOR (client->eof);
  first = strstr (client->got->str, "{\"version\":");
  second = strstr (client->got->str, "{\"ok\":true}");
  third = strstr (client->got->str, "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 32\r\n\r\nHTTP/1.1 200 OK\r\n");
  g_assert_true (first != NULL && second > first && third > second);
  g_assert_true (g_str_has_suffix (client->got->str, "\r\n\r\nCreel's model runner is running\n"));
}

static void
test_large_body (Fixture *f, gconstpointer unused)
{
  g_autoptr (Client) client = client_new (f), other = client_new (f);
  g_autofree char *filler = g_strnfill (8 * MIB, 'x'), *body = g_strconcat ("{\"x\":\"", filler, "\",\"model\":\"ai/a\"}", NULL);
  g_autofree char *chunk = g_strnfill (MIB, ' ');

  say (client, "POST " CHAT " HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 8388631\r\n\r\n");
  EXPECT (client, "HTTP/1.1 100 Continue\r\n\r\n");
  g_assert_cmpuint (strlen (body), ==, 8388631);
  say (client, body);
  EXPECT (client, "{\"ok\":true}");
  g_assert_true (g_str_equal (((EngineRequest *) f->fake->requests->pdata[0])->body->str, body));

  /* chunks without an end */
  say (other, "POST " CHAT " HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
  for (guint i = 0; i < 66 && !has (other, "413"); i++)
    {
      say (other, "100000\r\n");
      say (other, chunk);
      say (other, "\r\n");
      WAIT_FOR (creel_endpoint_get_pending (other->endpoint) == 0 || has (other, "413"));
    }
  EXPECT (other, "HTTP/1.1 413 Content Too Large\r\n");
}

static void
test_ollama (Fixture *f, gconstpointer unused)
{
  g_autoptr (Client) client = client_new (f), old = client_new (f);
  EngineRequest *request;

  f->fake->mode = ENGINE_HOLD;
  post (client, "/api/chat", "{\"model\":\"ai/a\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}");
  request = fake_engines_get_request (f->fake, 0);
  g_assert_cmpstr (request->head->target, ==, CHAT);
  g_assert_nonnull (strstr (request->body->str, "\"stream\":true"));
  engine_request_say (request, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
                               "32\r\ndata: {\"choices\":[{\"delta\":{\"content\":\"Hello\"}}]}\n\r\n");
  EXPECT (client, "\"content\":\"Hello\"},\"done\":false}\n\r\n");
  g_assert_true (has (client, "Content-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n"));
  engine_request_say (request, "c\r\ndata: [DONE]\r\n1\r\n\n\r\n0\r\n\r\n");
  EXPECT (client, "\"done\":true,\"done_reason\":\"stop\"");
  EXPECT (client, "\r\n0\r\n\r\n");
  g_assert_false (client->eof);

  /* an error is one, whole or not */
  g_string_truncate (client->got, 0);
  post (client, "/api/generate", "{\"model\":\"ai/a\",\"prompt\":\"hi\"}");
  engine_request_say (fake_engines_get_request (f->fake, 1),
                      "HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length: 34\r\n\r\n{\"error\":{\"message\":\"too long\"}}   ");
  EXPECT (client, "{\"error\":\"too long\"}\n");
  g_assert_true (g_str_has_prefix (client->got->str, "HTTP/1.1 400 "));

  /* HTTP/1.0 has no chunks */
  say (old, "POST /api/chat HTTP/1.0\r\nContent-Length: 34\r\n\r\n{\"model\":\"ai/a\",\"messages\":[]    }");
  request = fake_engines_get_request (f->fake, 2);
  engine_request_say (request, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: {\"choices\":[{\"delta\":{\"content\":\"Hello\"}}]}\n\ndata: [DONE]\n");
  engine_request_end (request);
  WAIT_FOR (old->eof);
  g_assert_false (has (old, "chunked"));
  g_assert_true (has (old, "\r\nConnection: close\r\n\r\n{\"model\":\"ai/a\",") && g_str_has_suffix (old->got->str, "}\n"));
}

static void
test_lists (Fixture *f, gconstpointer unused)
{
  static const struct
  {
    const char *path, *expected;
  } cases[] = {
    { "/v1/models", "{\"object\":\"list\",\"data\":[{\"id\":\"ai/a\"," },
    { "/api/tags", "{\"models\":[{\"name\":\"ai/a\",\"model\":\"ai/a\",\"digest\":\"aaaaaa" },
    { "/models", "[{\"id\":\"sha256:aaaaa" },
    { "/models/ai/a", "\"tags\":[\"docker.io/ai/a:latest\"]" },
    { "/models/sha256:aaaaaaaaaaaa", "\"quantization\":\"Q4_K_M\"" },
    { "/engines/df", "{\"models_disk_usage\":4294967296," },
    { "/engines/ps", "[]" },
    { "/engines/status", "\"llama.cpp\":\"running, 0 models loaded\"" },
    { "/metrics", "\ncreel_models_connections 1\n" },
  };
  g_autoptr (Client) client = client_new (f);

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *text = g_strdup_printf ("GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", cases[i].path);

      g_string_truncate (client->got, 0);
      say (client, text);
      EXPECT (client, cases[i].expected);
    }
  g_string_truncate (client->got, 0);
  post (client, "/api/show", "{\"name\":\"ai/a\"}");
  EXPECT (client, "\"capabilities\":[\"completion\",\"tools\"]");
}

static void
test_connections (Fixture *f, gconstpointer unused)
{
  g_autoptr (GPtrArray) clients = g_ptr_array_new_with_free_func ((GDestroyNotify) client_free);
  Client *last;

  for (guint i = 0; i < CREEL_MODELS_CONNECTIONS_MAX; i++)
    {
      g_ptr_array_add (clients, client_new (f));
      g_main_context_iteration (NULL, FALSE);
    }
  WAIT_FOR (creel_models_server_get_connections (f->server) == CREEL_MODELS_CONNECTIONS_MAX);
  last = client_new (f);
  g_ptr_array_add (clients, last);
  WAIT_FOR (last->eof);
  g_assert_true (g_str_has_prefix (last->got->str, "HTTP/1.1 503 ") && g_str_has_suffix (last->got->str, "later\n"));
}

static void
on_drained (gpointer user_data)
{
  *(gboolean *) user_data = TRUE;
}

/* answers under way are given, those who only wait are sent away */
static void
test_drain (Fixture *f, gconstpointer unused)
{
  g_autoptr (Client) client = client_new (f), idle = client_new (f);
  gboolean drained = FALSE;
  EngineRequest *request;

  f->fake->mode = ENGINE_HOLD;
  post (client, CHAT, "{\"model\":\"ai/a\"}");
  request = fake_engines_get_request (f->fake, 0);
  creel_models_server_drain (f->server, on_drained, &drained);
  WAIT_FOR (idle->eof);
  g_assert_false (drained);
  engine_request_say (request, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1");
  EXPECT (client, "\r\n\r\n1");
  WAIT_FOR (client->eof);
  creel_endpoint_close (client->endpoint);
  WAIT_FOR (drained);
  creel_models_runner_unload_all (f->runner);
  WAIT_FOR (g_str_equal (f->fake->log->str, "+a -a "));
}

#define ADD(path, func) g_test_add ("/models-front/" path, Fixture, NULL, set_up, func, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("load-once", test_load_once);
  ADD ("streaming", test_streaming);
  ADD ("hang-up", test_hang_up);
  ADD ("crash", test_crash);
  ADD ("unknown", test_unknown);
  ADD ("refusals", test_refusals);
  ADD ("bad-bodies", test_bad_bodies);
  ADD ("pages", test_pages);
  ADD ("turns", test_turns);
  ADD ("no-room", test_no_room);
  ADD ("no-engine", test_no_engine);
  ADD ("creeld", test_creeld);
  ADD ("take-over", test_take_over);
  ADD ("slow-client", test_slow_client);
  ADD ("pipelining", test_pipelining);
  ADD ("large-body", test_large_body);
  ADD ("ollama", test_ollama);
  ADD ("lists", test_lists);
  ADD ("connections", test_connections);
  ADD ("drain", test_drain);
  return g_test_run ();
}
