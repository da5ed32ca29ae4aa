/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <gio/gio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "creel-account.h"
#include "creel-endpoint.h"
#include "creel-socket-source.h"

typedef struct
{
  CreelEndpoint *endpoint;
  int peer;
  guint steps;
} Fixture;

static void
on_step (CreelEndpoint *endpoint, gpointer user_data)
{
  ((Fixture *) user_data)->steps++;
}

static void
setup (Fixture *f, gconstpointer unused)
{
  int fds[2];

  g_assert_cmpint (socketpair (AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), ==, 0);
  g_autoptr (GSocket) socket = g_socket_new_from_fd (fds[0], NULL);
  g_autoptr (GSocketConnection) connection = g_socket_connection_factory_create_connection (socket);
  g_assert_cmpint (creel_socket_get_fd (G_IO_STREAM (connection)), ==, fds[0]);
  f->peer = fds[1];
  f->endpoint = creel_endpoint_new (G_IO_STREAM (connection));
  creel_endpoint_set_func (f->endpoint, on_step, f);
  creel_endpoint_set_reading (f->endpoint, TRUE);
}

static void
teardown (Fixture *f, gconstpointer unused)
{
  g_clear_pointer (&f->endpoint, creel_endpoint_unref);
  if (f->peer >= 0)
    close (f->peer);
}

/* Returns how often the loop had something to do. */
static guint
turn (void)
{
  guint n = 0;

  while (n < 100 && g_main_context_iteration (NULL, FALSE))
    n++;
  return n;
}

static void
send_text (Fixture *f, const char *text)
{
  g_assert_cmpint (write (f->peer, text, strlen (text)), ==, (gssize) strlen (text));
}

static void
assert_unread (Fixture *f, const char *text)
{
  gsize size;
  const guint8 *data = creel_endpoint_peek (f->endpoint, &size);

  g_assert_cmpmem (data, size, text, strlen (text));
}

/* What comes while nobody wants it is not read, does not keep the loop busy, and is there once it is wanted. */
static void
test_pause (Fixture *f, gconstpointer unused)
{
  for (int i = 0; i < 3; i++)
    {
      send_text (f, "one");
      turn ();
      assert_unread (f, "one");
      creel_endpoint_consume (f->endpoint, 3);
      if (i == 1)
        creel_endpoint_set_reading (f->endpoint, FALSE);
      else
        creel_endpoint_set_func (f->endpoint, NULL, NULL);
      send_text (f, "two");
      g_assert_cmpuint (turn (), <, 10);
      assert_unread (f, "");
      g_assert_cmpuint (f->steps, ==, 2 * i + 1);
      creel_endpoint_set_reading (f->endpoint, TRUE);
      creel_endpoint_set_func (f->endpoint, on_step, f);
      turn ();
      assert_unread (f, "two");
      creel_endpoint_consume (f->endpoint, 3);
    }
}

/* A full buffer stops the reading, and its use starts it again. */
static void
test_full (Fixture *f, gconstpointer unused)
{
  g_autofree guint8 *bytes = g_malloc0 (CREEL_ENDPOINT_READ_MAX);
  gsize size;

  g_assert_cmpint (write (f->peer, bytes, CREEL_ENDPOINT_READ_MAX), ==, CREEL_ENDPOINT_READ_MAX);
  send_text (f, "end");
  g_assert_cmpuint (turn (), <, 20);
  creel_endpoint_peek (f->endpoint, &size);
  g_assert_cmpuint (size, ==, CREEL_ENDPOINT_READ_MAX);
  creel_endpoint_consume (f->endpoint, size);
  turn ();
  assert_unread (f, "end");
  close (f->peer);
  f->peer = -1;
  turn ();
  g_assert_true (creel_endpoint_at_eof (f->endpoint));
  g_assert_false (creel_endpoint_has_failed (f->endpoint));
}

static void
do_close (Fixture *f)
{
  creel_endpoint_close (f->endpoint);
}

static void
do_unref (Fixture *f)
{
  g_clear_pointer (&f->endpoint, creel_endpoint_unref);
}

static void
do_steal (Fixture *f)
{
  g_autoptr (GBytes) unread = NULL;
  g_autoptr (GIOStream) stream = creel_endpoint_steal_stream (f->endpoint, &unread);

  g_assert_cmpuint (g_bytes_get_size (unread), ==, 0);
}

static void
do_pause (Fixture *f)
{
  creel_endpoint_set_reading (f->endpoint, FALSE);
}

static void
do_leave (Fixture *f)
{
  creel_endpoint_set_func (f->endpoint, NULL, NULL);
}

static void (*second) (Fixture *f);

static void
on_row (CreelEndpoint *endpoint, gpointer user_data)
{
  Fixture *f = user_data;
  gsize size;

  creel_endpoint_peek (endpoint, &size);
  creel_endpoint_consume (endpoint, size);
  if (++f->steps == 2)
    second (f);
}

/* Who has enough in the middle of what is read in a row hears of no more. */
static void
test_row (Fixture *f, gconstpointer unused)
{
  static void (*const cases[]) (Fixture *f) = { do_pause, do_leave, do_close, do_steal, do_unref };
  g_autofree guint8 *bytes = g_malloc0 (CREEL_ENDPOINT_READ_MAX);

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      if (i > 0)
        {
          teardown (f, NULL);
          setup (f, NULL);
        }
      second = cases[i];
      f->steps = 0;
      creel_endpoint_set_func (f->endpoint, on_row, f);
      for (guint k = 0; k < 3; k++)
        g_assert_cmpint (write (f->peer, bytes, CREEL_ENDPOINT_READ_MAX), >, 0);
      g_main_context_iteration (NULL, FALSE);
      g_assert_cmpuint (f->steps, ==, 2);
      g_assert_cmpuint (turn (), <, 10);
      g_assert_cmpuint (f->steps, ==, 2);
    }
}

/* Large and small pieces leave in their order, whether they had to wait or not. */
static void
test_order (Fixture *f, gconstpointer unused)
{
  static const gsize sizes[] = { 3, 40000, 5, 100000, 16384, 1, 300000, 2, 70000 };
  g_autoptr (GByteArray) sent = g_byte_array_new (), got = g_byte_array_new ();
  g_autofree guint8 *buffer = g_malloc (8192);
  gssize n;

  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    {
      gsize from = sent->len;

      g_byte_array_set_size (sent, (guint) (from + sizes[i]));
      for (gsize k = from; k < sent->len; k++)
        sent->data[k] = (guint8) g_test_rand_int ();
      creel_endpoint_write (f->endpoint, sent->data + from, sizes[i]);
      if (i % 2 == 0)
        creel_endpoint_flush (f->endpoint);
    }
  g_assert_cmpuint (creel_endpoint_get_pending (f->endpoint), >, 0);
  creel_endpoint_shutdown (f->endpoint);
  while ((n = read (f->peer, buffer, 8192)) != 0)
    {
      if (n > 0)
        g_byte_array_append (got, buffer, (guint) n);
      turn ();
    }
  g_assert_cmpmem (got->data, got->len, sent->data, sent->len);
  g_assert_cmpuint (creel_endpoint_get_bytes_written (f->endpoint), ==, sent->len);
}

/* Whoever writes to one that is gone is told. */
static void
test_gone (Fixture *f, gconstpointer unused)
{
  g_autofree guint8 *bytes = g_malloc0 (100000);

  close (f->peer);
  f->peer = -1;
  creel_endpoint_write (f->endpoint, bytes, 100000);
  g_assert_true (creel_endpoint_has_failed (f->endpoint));
  turn ();
  g_assert_cmpuint (f->steps, ==, 1);
  g_assert_cmpuint (turn (), ==, 0);
}

static gsize
get_unread (Fixture *f)
{
  gsize size;

  creel_endpoint_peek (f->endpoint, &size);
  return size;
}

static void
send_much (Fixture *f)
{
  static const guint8 bytes[16 * 1024];

  while (write (f->peer, bytes, sizeof bytes) > 0)
    ;
}

/* Who found no room is told when there is some, also when the bytes went out meanwhile by another's flush. */
static void
test_room (Fixture *f, gconstpointer unused)
{
  g_autofree guint8 *bytes = g_malloc0 (10000);
  guint8 buffer[8192];

  while (creel_endpoint_has_room (f->endpoint))
    creel_endpoint_write (f->endpoint, bytes, 10000);
  turn ();
  f->steps = 0;
  while (read (f->peer, buffer, sizeof buffer) > 0)
    creel_endpoint_flush (f->endpoint);
  g_assert_cmpuint (creel_endpoint_get_pending (f->endpoint), ==, 0);
  g_assert_cmpuint (f->steps, ==, 0);
  turn ();
  g_assert_cmpuint (f->steps, ==, 1);
  g_assert_cmpuint (turn (), ==, 0);
}

/* Above the budget of all it takes little, but never nothing; who looks for a whole gets it bit by bit. */
static void
test_budget (Fixture *f, gconstpointer unused)
{
  g_autofree guint8 *bytes = g_malloc0 (CREEL_ENDPOINT_HIGH_WATER);
  gsize others = 10 << 20;

  g_assert_cmpuint (creel_account_get_held (), ==, 0);
  creel_account_set_budget (others);
  creel_account_add (others);
  send_much (f);
  turn ();
  g_assert_cmpuint (get_unread (f), ==, CREEL_ENDPOINT_LITTLE);
  g_assert_cmpuint (creel_account_get_held (), ==, others + CREEL_ENDPOINT_LITTLE);
  for (gsize had = get_unread (f); had < CREEL_ENDPOINT_READ_MAX; had = get_unread (f))
    {
      creel_endpoint_want_more (f->endpoint);
      turn ();
      send_much (f);
      g_assert_cmpuint (get_unread (f), >, had);
      g_assert_cmpuint (get_unread (f), <=, had + 4096);
    }
  creel_endpoint_want_more (f->endpoint);
  turn ();
  g_assert_cmpuint (get_unread (f), ==, CREEL_ENDPOINT_READ_MAX);
  /* what is left of it is enough for now, then it goes on by itself */
  creel_endpoint_consume (f->endpoint, CREEL_ENDPOINT_READ_MAX - CREEL_ENDPOINT_LITTLE);
  turn ();
  g_assert_cmpuint (get_unread (f), ==, CREEL_ENDPOINT_LITTLE);
  creel_endpoint_consume (f->endpoint, CREEL_ENDPOINT_LITTLE);
  g_assert_cmpuint (creel_account_get_held (), ==, others);
  turn ();
  g_assert_cmpuint (get_unread (f), >, 0);
  g_assert_cmpuint (get_unread (f), <=, CREEL_ENDPOINT_LITTLE);

  for (; creel_endpoint_get_pending (f->endpoint) == 0; creel_endpoint_flush (f->endpoint))
    creel_endpoint_write (f->endpoint, bytes, CREEL_ENDPOINT_LITTLE / 2);
  g_assert_true (creel_endpoint_has_room (f->endpoint));
  while (creel_endpoint_has_room (f->endpoint))
    creel_endpoint_write (f->endpoint, bytes, MIN (creel_endpoint_get_room (f->endpoint), 1000));
  g_assert_cmpuint (creel_endpoint_get_pending (f->endpoint), <, CREEL_ENDPOINT_LITTLE + 1000);

  /* others gave theirs up */
  creel_account_drop (others);
  g_assert_true (creel_endpoint_has_room (f->endpoint));
  while (creel_endpoint_has_room (f->endpoint))
    creel_endpoint_write (f->endpoint, bytes, 1000);
  g_assert_cmpuint (creel_endpoint_get_pending (f->endpoint), >=, CREEL_ENDPOINT_HIGH_WATER);
  creel_endpoint_consume (f->endpoint, get_unread (f));
  send_much (f);
  turn ();
  g_assert_cmpuint (get_unread (f), ==, CREEL_ENDPOINT_READ_MAX);
  g_clear_pointer (&f->endpoint, creel_endpoint_unref);
  g_assert_cmpuint (creel_account_get_held (), ==, 0);
  creel_account_set_budget (G_MAXSIZE);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add ("/endpoint/pause", Fixture, NULL, setup, test_pause, teardown);
  g_test_add ("/endpoint/full", Fixture, NULL, setup, test_full, teardown);
  g_test_add ("/endpoint/row", Fixture, NULL, setup, test_row, teardown);
  g_test_add ("/endpoint/order", Fixture, NULL, setup, test_order, teardown);
  g_test_add ("/endpoint/room", Fixture, NULL, setup, test_room, teardown);
  g_test_add ("/endpoint/budget", Fixture, NULL, setup, test_budget, teardown);
  g_test_add ("/endpoint/gone", Fixture, NULL, setup, test_gone, teardown);
  return g_test_run ();
}
