/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A client that goes while its question waits and more of its request waits than anybody reads. */
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "creel-channel-stream.h"
#include "creel-hangup.h"
#include "creel-link.h"
#include "creel-tls-stream.h"
#include "proxy-fixture.h"

#define OK "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
/* more than an endpoint reads ahead, less than a socket or a stream's window takes */
#define SIZE 100000

static void
set_up_asking (Fixture *f, gconstpointer unused)
{
  g_autoptr (CreelPolicy) policy = creel_policy_new (CREEL_VERDICT_DENY);
  g_autofree char *rules = NULL;

  set_up (f, NULL);
  rules = make_request (f, "Ask=localhost:PORT");
  g_assert_true (creel_policy_add_text (policy, rules, "test", NULL));
  creel_proxy_set_policy (f->proxy, policy, NULL);
  creel_questions_set_attended (f->proxy->questions, TRUE);
  f->origin_says = OK;
}

/* The head and all of its body, or the first bytes of what is to go through a tunnel. */
static GString *
make_large (Fixture *f, const char *format)
{
  g_autofree char *head = make_request (f, format);
  g_autofree char *body = g_strnfill (SIZE, 'x');
  GString *request = g_string_new (head);

  return g_string_append (request, body);
}

#define POST "POST http://localhost:PORT/ HTTP/1.1\r\nHost: localhost:PORT\r\nContent-Length: " G_STRINGIFY (SIZE) "\r\n\r\n"
#define CONNECT "CONNECT localhost:PORT HTTP/1.1\r\n\r\n"

static guint
count (Fixture *f)
{
  g_autoptr (GVariant) list = g_variant_ref_sink (creel_questions_list (f->proxy->questions));

  return (guint) g_variant_n_children (list);
}

/* -- the client is a socket, or a stream of a channel whose guest's end is driven by hand -- */

typedef struct
{
  Fixture *f;
  CreelLink *link;
  CreelChannel *guest;
  CreelStream *stream;
  int fd;
  gboolean opened, end;
  const GString *request;
  gsize sent;
} Guest;

static void
on_link_request (CreelLink *link, CreelStream *stream, const CreelHead *head, gpointer user_data)
{
  Guest *guest = user_data;

  creel_stream_respond (stream, 200, NULL, 0, true);
  g_autoptr (CreelChannelStream) io = creel_channel_stream_new (stream);
  creel_proxy_accept (guest->f->proxy, G_IO_STREAM (io), NULL, CREEL_WAY_PROXY);
}

static const CreelLinkHandler link_handler = { NULL, NULL, on_link_request };

static void
on_opened (CreelChannel *channel, void *user_data)
{
  ((Guest *) user_data)->opened = TRUE;
}

static const CreelChannelHandler guest_handler = { on_opened, NULL, NULL };

static ssize_t
on_pull (CreelStream *stream, uint8_t *buffer, size_t size, bool *ret_end, void *user_data)
{
  Guest *guest = user_data;
  gsize n = MIN (size, guest->request->len - guest->sent);

  memcpy (buffer, guest->request->str + guest->sent, n);
  guest->sent += n;
  *ret_end = guest->end && guest->sent == guest->request->len;
  return (ssize_t) n;
}

static const CreelStreamHandler stream_handler = { NULL, NULL, NULL, on_pull, NULL };

static void
step (Guest *guest)
{
  g_main_context_iteration (NULL, FALSE);
  if (guest->guest != NULL)
    creel_channel_dispatch (guest->guest, G_IO_IN);
}

#define STEP_UNTIL(guest, condition)                                                \
  G_STMT_START                                                                      \
  {                                                                                 \
    gint64 limit_ = g_get_monotonic_time () + 20 * G_USEC_PER_SEC;                  \
    while (!(condition))                                                            \
      {                                                                             \
        step (guest);                                                               \
        g_assert_cmpint (g_get_monotonic_time (), <, limit_);                       \
      }                                                                             \
  }                                                                                 \
  G_STMT_END

/* what has to happen was made to happen by then */
static void
settle (Guest *guest)
{
  for (guint i = 0; i < 500; i++)
    step (guest);
}

static void
open_channel (Guest *guest)
{
  int pair[2];

  g_assert_cmpint (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), ==, 0);
  guest->fd = pair[1];
  guest->link = creel_link_new (-1, FALSE, &link_handler, guest);
  guest->guest = creel_channel_new (guest->fd, CREEL_CHANNEL_GUEST, true, &guest_handler, guest);
  g_assert_true (creel_link_take_connection (guest->link, pair[0]));
  STEP_UNTIL (guest, guest->opened);
}

static void
close_channel (Guest *guest)
{
  creel_link_free (guest->link);
  creel_channel_free (guest->guest);
  close (guest->fd);
}

static void
start_stream (Guest *guest)
{
  guest->sent = 0;
  guest->stream = creel_channel_request (guest->guest, "CONNECT", NULL, "proxy:3128", NULL, 0, true, &stream_handler, guest);
  g_assert_nonnull (guest->stream);
}

static void
test_socket_gone (Fixture *f, gconstpointer data)
{
  g_autoptr (GString) request = make_large (f, data);
  Guest none = { .f = f };

  start_client (f, NULL);
  g_assert_cmpint (write (f->client_fd, request->str, request->len), ==, (gssize) request->len);
  STEP_UNTIL (&none, count (f) == 1);
  settle (&none);
  close (f->client_fd);
  f->client_fd = 0;
  STEP_UNTIL (&none, count (f) == 0);
  STEP_UNTIL (&none, creel_proxy_get_n_connections (f->proxy) == 0);
  g_assert_cmpuint (f->origin_connections->len, ==, 0);
}

static void
answer_yes (Fixture *f)
{
  g_autoptr (GVariant) list = g_variant_ref_sink (creel_questions_list (f->proxy->questions));
  g_autoptr (GVariant) question = g_variant_get_child_value (list, 0);
  g_autoptr (GError) error = NULL;
  guint64 id = 0;

  g_variant_lookup (question, "id", "t", &id);
  creel_questions_answer (f->proxy->questions, id, "once", "0", &error);
  g_assert_no_error (error);
}

static void
test_socket_half_close (Fixture *f, gconstpointer unused)
{
  g_autoptr (GString) request = make_large (f, POST);
  Guest none = { .f = f };

  start_client (f, NULL);
  g_assert_cmpint (write (f->client_fd, request->str, request->len), ==, (gssize) request->len);
  shutdown (f->client_fd, SHUT_WR);
  STEP_UNTIL (&none, count (f) == 1);
  settle (&none);
  g_assert_cmpuint (count (f), ==, 1);
  answer_yes (f);
  g_autofree char *got = talk (f, NULL, "\r\n\r\nok", NULL);
  g_assert_nonnull (strstr (got, "200 OK"));
}

/* The code is what a program's reset gives, or what nothing went wrong with: the bytes before it are kept then. */
static void
test_stream_gone (Fixture *f, gconstpointer data)
{
  static const guint32 codes[] = { CREEL_STREAM_CANCEL, CREEL_STREAM_NO_ERROR };
  g_autoptr (GString) request = make_large (f, data);
  Guest guest = { .f = f, .request = request };

  open_channel (&guest);
  for (guint i = 0; i < G_N_ELEMENTS (codes); i++)
    {
      start_stream (&guest);
      STEP_UNTIL (&guest, count (f) == 1 && guest.sent == request->len);
      settle (&guest);
      creel_stream_reset (guest.stream, codes[i]);
      STEP_UNTIL (&guest, count (f) == 0);
      STEP_UNTIL (&guest, creel_proxy_get_n_connections (f->proxy) == 0);
    }
  g_assert_cmpuint (f->origin_connections->len, ==, 0);
  close_channel (&guest);
}

static void
test_stream_half_close (Fixture *f, gconstpointer unused)
{
  g_autoptr (GString) request = make_large (f, POST);
  Guest guest = { .f = f, .request = request, .end = TRUE };

  open_channel (&guest);
  start_stream (&guest);
  STEP_UNTIL (&guest, count (f) == 1 && guest.sent == request->len);
  settle (&guest);
  g_assert_cmpuint (count (f), ==, 1);
  answer_yes (f);
  STEP_UNTIL (&guest, f->origin_got->len > SIZE);
  close_channel (&guest);
}

/* All streams of a channel that is lost are gone. */
static void
test_channel_lost (Fixture *f, gconstpointer unused)
{
  g_autoptr (GString) request = make_large (f, POST);
  Guest guest = { .f = f, .request = request };

  open_channel (&guest);
  start_stream (&guest);
  STEP_UNTIL (&guest, count (f) == 1 && guest.sent == request->len);
  settle (&guest);
  close_channel (&guest);
  guest.guest = NULL;
  STEP_UNTIL (&guest, count (f) == 0);
}

static gboolean
on_hangup (GObject *stream, gpointer user_data)
{
  *(gboolean *) user_data = TRUE;
  return G_SOURCE_REMOVE;
}

static void
test_tls (Fixture *f, gconstpointer unused)
{
  Guest none = { .f = f };
  int pair[2];
  gboolean gone = FALSE;
  CreelLeaf *leaf = creel_ca_get_leaf (f->ca, "localhost", NULL);

  g_assert_cmpint (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), ==, 0);
  g_autoptr (GSocket) socket = g_socket_new_from_fd (pair[0], NULL);
  g_autoptr (GSocketConnection) base = g_socket_connection_factory_create_connection (socket);
  g_autoptr (CreelTlsStream) stream = creel_tls_stream_new_server (G_IO_STREAM (base), NULL, 0, leaf->credentials, NULL);
  g_autoptr (GSource) source = creel_hangup_source_new (G_IO_STREAM (stream));
  g_source_set_callback (source, G_SOURCE_FUNC (on_hangup), &gone, NULL);
  g_source_attach (source, NULL);
  shutdown (pair[1], SHUT_WR);
  settle (&none);
  g_assert_false (gone);
  close (pair[1]);
  STEP_UNTIL (&none, gone);
  creel_leaf_unref (leaf);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, data, func) g_test_add ("/hangup/" name, Fixture, data, set_up_asking, func, tear_down)
  ADD ("socket/request", POST, test_socket_gone);
  ADD ("socket/connect", CONNECT, test_socket_gone);
  ADD ("socket/half-close", NULL, test_socket_half_close);
  ADD ("stream/request", POST, test_stream_gone);
  ADD ("stream/connect", CONNECT, test_stream_gone);
  ADD ("stream/half-close", NULL, test_stream_half_close);
  ADD ("stream/channel-lost", NULL, test_channel_lost);
  ADD ("tls", NULL, test_tls);
  return g_test_run ();
}
