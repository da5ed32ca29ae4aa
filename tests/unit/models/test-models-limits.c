/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What one client can take from the others. */
#include <string.h>
#include <sys/socket.h>

#include "creel-models-connection.h"
#include "front-fixture.h"

#define CHAT "/v1/chat/completions"
#define SMALL "{\"model\":\"ai/a\"}"
#define SECOND ((gint64) G_USEC_PER_SEC)

/* A head, and of its body so much */
static void
begin (Client *client, const char *path, gsize length, gsize sent)
{
  g_autofree char *head = g_strdup_printf ("POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %zu\r\n\r\n", path, length);
  g_autofree char *body = g_strnfill (sent, ' ');

  creel_endpoint_write (client->endpoint, head, strlen (head));
  creel_endpoint_write (client->endpoint, body, sent);
  creel_endpoint_flush (client->endpoint);
}

/* Bodies that never end fill what is there for large ones, and no more. */
static void
test_bodies (Fixture *f, gconstpointer unused)
{
  g_autoptr (Client) one = client_new (f), two = client_new (f), three = client_new (f), small = client_new (f), large = client_new (f);

  begin (one, CHAT, CREEL_MODELS_BODY_MAX, CREEL_MODELS_BODY_MAX - 1);
  begin (two, CHAT, CREEL_MODELS_BODY_MAX, CREEL_MODELS_BODY_MAX - 1);
  begin (three, CHAT, CREEL_MODELS_BODY_MAX, CREEL_MODELS_BODY_MAX - 1);
  EXPECT (three, "HTTP/1.1 503 Service Unavailable\r\n");
  WAIT_FOR (creel_endpoint_get_pending (one->endpoint) == 0 && creel_endpoint_get_pending (two->endpoint) == 0);
  settle (); /* what the sockets hold is taken */
  post (small, CHAT, SMALL);
  EXPECT (small, "{\"ok\":true}");
  begin (large, CHAT, 8 * MIB, 8 * MIB);
  EXPECT (large, "Too many large requests at once");
  g_assert_false (one->eof);
}

/* One who asks and asks and reads nothing is not answered on and on. */
static void
test_unread (Fixture *f, gconstpointer unused)
{
  const guint n = 20000;
  static const char ask[] = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";
  g_autoptr (Client) client = client_new (f), other = client_new (f);
  const char *count;

  client->paused = TRUE;
  for (guint i = 0; i < n; i++)
    creel_endpoint_write (client->endpoint, ask, strlen (ask));
  creel_endpoint_flush (client->endpoint);
  settle ();
  say (other, ask);
  EXPECT (other, "creel_models_requests_total{status=\"2xx\"} ");
  count = strstr (other->got->str, "{status=\"2xx\"} ") + strlen ("{status=\"2xx\"} ");
  EXPECT (other, "\n");
  g_assert_cmpuint (g_ascii_strtoull (count, NULL, 10), <, n * 3 / 4);
  /* what was asked is answered when it reads */
  client->paused = FALSE;
  on_client (client->endpoint, client);
  WAIT_FOR (creel_endpoint_get_pending (client->endpoint) == 0);
}

typedef struct
{
  CreelModelsFront front;
  CreelModelsConnection *connection;
  Client client;
  gboolean ended;
} Direct;

static void
on_ended (CreelModelsConnection *connection, gpointer user_data)
{
  Direct *direct = user_data;

  direct->ended = TRUE;
  creel_models_connection_free (connection);
}

static GSocketConnection *
wrap (int fd)
{
  g_autoptr (GSocket) socket_object = g_socket_new_from_fd (fd, NULL);

  g_socket_set_blocking (socket_object, FALSE);
  return g_socket_connection_factory_create_connection (socket_object);
}

/* A connection whose time is the test's */
static void
direct_start (Fixture *f, Direct *direct)
{
  int fds[2];
  g_autoptr (GSocketConnection) near = NULL, far = NULL;

  g_assert_cmpint (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), ==, 0);
  near = wrap (fds[0]);
  far = wrap (fds[1]);
  *direct = (Direct){ .front = { .config = &f->config, .runner = f->runner, .audit = f->audit }, .client = { .got = g_string_new (NULL) } };
  direct->client.endpoint = creel_endpoint_new (G_IO_STREAM (far));
  creel_endpoint_set_func (direct->client.endpoint, on_client, &direct->client);
  creel_endpoint_set_reading (direct->client.endpoint, TRUE);
  direct->connection = creel_models_connection_new (&direct->front, near, on_ended, direct);
}

static void
direct_end (Direct *direct)
{
  creel_endpoint_close (direct->client.endpoint);
  WAIT_FOR (direct->ended);
  creel_endpoint_unref (direct->client.endpoint);
  g_string_free (direct->client.got, TRUE);
  g_assert_cmpuint (direct->front.held, ==, 0);
  g_assert_cmpuint (direct->front.answers, ==, 0);
}

/* Time goes on between its end and the moment in which its owner hears of it. */
static void
test_ended (Fixture *f, gconstpointer unused)
{
  Direct direct;

  f->fake->mode = ENGINE_HOLD;
  direct_start (f, &direct);
  post (&direct.client, CHAT, SMALL);
  fake_engines_get_request (f->fake, 0);
  for (guint hour = 2; hour < 5; hour++)
    creel_models_connection_tick (direct.connection, g_get_monotonic_time () + hour * 3600 * SECOND);
  g_assert_false (direct.ended);
  direct_end (&direct);
}

/* A body that comes and comes has an end. */
static void
test_slow_body (Fixture *f, gconstpointer unused)
{
  Direct direct;
  gint64 start = g_get_monotonic_time ();

  direct_start (f, &direct);
  begin (&direct.client, CHAT, MIB, 1);
  run_for (50);
  for (guint i = 1; i < 6; i++)
    {
      say (&direct.client, " ");
      run_for (20);
      creel_models_connection_tick (direct.connection, start + i * 55 * SECOND);
      g_assert_false (has (&direct.client, "408"));
    }
  say (&direct.client, " ");
  run_for (20);
  creel_models_connection_tick (direct.connection, start + 330 * SECOND);
  EXPECT (&direct.client, "HTTP/1.1 408 ");
  direct_end (&direct);
}

/* So has an answer that is read byte by byte, and its model is free for others. */
static void
test_slow_reader (Fixture *f, gconstpointer unused)
{
  g_autofree char *block = g_strnfill (4 * MIB, 'x');
  gint64 start = g_get_monotonic_time ();
  EngineRequest *request;
  Direct direct;

  f->fake->mode = ENGINE_HOLD;
  direct_start (f, &direct);
  direct.client.paused = TRUE;
  post (&direct.client, CHAT, SMALL);
  request = fake_engines_get_request (f->fake, 0);
  engine_request_say (request, "HTTP/1.1 200 OK\r\nContent-Length: 4194304\r\n\r\n");
  engine_request_say (request, block);
  for (guint i = 0; i < 13; i++)
    {
      run_for (20);
      g_assert_true (i * 55 > 600 || !request->gone);
      if (!direct.ended)
        creel_models_connection_tick (direct.connection, start + i * 55 * SECOND);
      /* a little, and all that gives room for */
      creel_endpoint_consume (direct.client.endpoint, 100);
    }
  WAIT_FOR (request->gone);
  direct_end (&direct);
}

/* Answers that are translated as a whole have their limit together. */
static void
test_answers (Fixture *f, gconstpointer unused)
{
  g_autofree char *block = g_strnfill (24 * MIB, ' ');
  g_autoptr (Client) one = client_new (f), two = client_new (f), three = client_new (f);
  Client *clients[] = { one, two, three };

  f->fake->mode = ENGINE_HOLD;
  for (guint i = 0; i < G_N_ELEMENTS (clients); i++)
    {
      EngineRequest *request;

      post (clients[i], "/api/embed", "{\"model\":\"ai/a\",\"input\":\"x\"}");
      request = fake_engines_get_request (f->fake, i);
      engine_request_say (request, "HTTP/1.1 200 OK\r\nContent-Length: 26000000\r\n\r\n");
      engine_request_say (request, block);
      WAIT_FOR (request->gone || creel_endpoint_get_pending (request->endpoint) == 0);
      settle (); /* what the socket holds is taken */
    }
  EXPECT (three, "HTTP/1.1 503 Service Unavailable\r\n");
  EXPECT (three, "Too many large answers at once");
  g_assert_false (has (one, "HTTP") || has (two, "HTTP"));
}

#define ADD(name, func) g_test_add ("/models-limits/" name, Fixture, NULL, set_up, func, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("bodies", test_bodies);
  ADD ("unread", test_unread);
  ADD ("ended", test_ended);
  ADD ("slow-body", test_slow_body);
  ADD ("slow-reader", test_slow_reader);
  ADD ("answers", test_answers);
  return g_test_run ();
}
