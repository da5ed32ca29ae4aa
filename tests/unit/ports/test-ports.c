/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "creel-link.h"
#include "creel-ports.h"
#include "creel-publish.h"
#include "init.h"

/* Published ports with the guest's own code at the other end of the channel, in a process of its own. */

typedef struct
{
  CreelLink *link;
  CreelAudit *audit;
  CreelPorts *ports;
  pid_t guest;
  int journal, listener, server;
  guint16 port, guest_port;
  char *directory, *socket;
} Fixture;

/* -- a server in the "guest": a line says what a connection does -- */

static gboolean
write_all (int fd, const char *bytes, gsize length)
{
  while (length > 0)
    {
      ssize_t n = send (fd, bytes, length, MSG_NOSIGNAL);

      if (n <= 0)
        return FALSE;
      bytes += n;
      length -= n;
    }
  return TRUE;
}

static gpointer
serve (gpointer data)
{
  static const char zeros[65536];
  int fd = GPOINTER_TO_INT (data);
  const struct linger hard = { 1, 0 };
  char line[64] = "", buffer[65536];
  gsize length = 0, total = 0, wanted;
  ssize_t n;

  while (length < sizeof line - 1 && recv (fd, line + length, 1, 0) == 1 && line[length] != '\n')
    length++;
  if (g_str_has_prefix (line, "echo"))
    while ((n = recv (fd, buffer, sizeof buffer, 0)) > 0 && write_all (fd, buffer, n))
      ;
  else if (g_str_has_prefix (line, "count"))
    {
      while ((n = recv (fd, buffer, sizeof buffer, 0)) > 0)
        total += n;
      g_snprintf (buffer, sizeof buffer, "%s%" G_GSIZE_FORMAT, n < 0 ? "-" : "", total);
      write_all (fd, buffer, strlen (buffer));
    }
  else if (sscanf (line, "zeros %" G_GSIZE_FORMAT, &wanted) == 1)
    for (; wanted > 0 && write_all (fd, zeros, MIN (wanted, sizeof zeros)); wanted -= MIN (wanted, sizeof zeros))
      ;
  else if (g_str_has_prefix (line, "reset"))
    setsockopt (fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
  else if (g_str_has_prefix (line, "hold"))
    {
      write_all (fd, "held", 4);
      recv (fd, buffer, 1, 0);
    }
  close (fd);
  return NULL;
}

static gpointer
accept_all (gpointer data)
{
  int listener = GPOINTER_TO_INT (data), fd;

  while ((fd = accept (listener, NULL, NULL)) >= 0)
    g_thread_unref (g_thread_new ("serve", serve, GINT_TO_POINTER (fd)));
  return NULL;
}

static int
listen_on (const char *address, guint16 *ret_port)
{
  struct sockaddr_in own = { .sin_family = AF_INET };
  socklen_t length = sizeof own;
  int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

  inet_pton (AF_INET, address, &own.sin_addr);
  g_assert_cmpint (bind (fd, (struct sockaddr *) &own, sizeof own), ==, 0);
  g_assert_cmpint (listen (fd, 512), ==, 0);
  g_assert_cmpint (getsockname (fd, (struct sockaddr *) &own, &length), ==, 0);
  *ret_port = ntohs (own.sin_port);
  return fd;
}

static int
connect_to (guint16 port)
{
  struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons (port), .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
  const struct timeval patience = { 30, 0 };
  int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

  setsockopt (fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  setsockopt (fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  g_assert_cmpint (connect (fd, (struct sockaddr *) &to, sizeof to), ==, 0);
  return fd;
}

/* -- the fixture -- */

static void
run_guest (int fd)
{
  int null = open ("/dev/null", O_WRONLY | O_CLOEXEC);

  dup2 (null, STDERR_FILENO);
  signal (SIGPIPE, SIG_IGN);
  loop_init ();
  control_start (fd, "");
  loop_run ();
}

static void
start_guest (Fixture *f)
{
  int fds[2];

  g_assert_cmpint (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), ==, 0);
  f->guest = fork ();
  if (f->guest == 0)
    {
      close (fds[0]);
      run_guest (fds[1]);
      _exit (1);
    }
  close (fds[1]);
  g_assert_true (creel_link_take_connection (f->link, fds[0]));
  while (creel_link_get_channel (f->link) == NULL)
    g_main_context_iteration (NULL, TRUE);
}

static void
stop_guest (Fixture *f)
{
  kill (f->guest, SIGKILL);
  waitpid (f->guest, NULL, 0);
  f->guest = 0;
  while (creel_link_is_connected (f->link))
    g_main_context_iteration (NULL, TRUE);
}

static CreelChannel *
get_channel (gpointer user_data)
{
  Fixture *f = user_data;

  return creel_link_get_channel (f->link);
}

static const CreelLinkHandler link_handler = { NULL, NULL, NULL };

static void
publish (Fixture *f)
{
  char *list[2] = { g_strdup_printf ("127.0.0.1:%u:%u", f->port, f->guest_port), NULL };

  creel_ports_set_published (f->ports, list);
  g_free (list[0]);
}

static void
setup (Fixture *f, gconstpointer unused)
{
  struct sockaddr_un own = { .sun_family = AF_UNIX };
  g_autoptr (GError) error = NULL;

  f->directory = g_dir_make_tmp ("creel-test-XXXXXX", NULL);
  f->socket = g_build_filename (f->directory, "journal", NULL);
  strcpy (own.sun_path, f->socket);
  f->journal = socket (AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  g_assert_cmpint (bind (f->journal, (struct sockaddr *) &own, sizeof own), ==, 0);
  f->audit = creel_audit_new ("box", f->socket);
  f->link = creel_link_new (-1, TRUE, &link_handler, f);
  start_guest (f);
  f->ports = creel_ports_new ("box", f->audit, get_channel, f);
  f->listener = listen_on ("127.0.0.1", &f->port);
  f->server = listen_on ("127.0.0.1", &f->guest_port);
  g_thread_unref (g_thread_new ("accept", accept_all, GINT_TO_POINTER (f->server)));
  publish (f);
  if (!creel_ports_add (f->ports, dup (f->listener), f->guest_port, f, &error))
    g_error ("%s", error->message);
}

static void
teardown (Fixture *f, gconstpointer unused)
{
  creel_ports_free (f->ports);
  shutdown (f->server, SHUT_RDWR);
  close (f->server);
  close (f->listener);
  if (f->guest > 0)
    {
      kill (f->guest, SIGKILL);
      waitpid (f->guest, NULL, 0);
    }
  creel_link_free (f->link);
  creel_audit_unref (f->audit);
  close (f->journal);
  unlink (f->socket);
  rmdir (f->directory);
  g_free (f->socket);
  g_free (f->directory);
}

/* A client in a thread of its own, while this one moves the bytes. */
typedef struct
{
  GThreadFunc run;
  gpointer data;
  gint done;
} Client;

static gpointer
client_run (gpointer data)
{
  Client *client = data;
  gpointer result = client->run (client->data);

  g_atomic_int_set (&client->done, 1);
  g_main_context_wakeup (NULL);
  return result;
}

static void
while_moving (GThreadFunc run, gpointer data)
{
  Client client = { run, data, 0 };
  GThread *thread = g_thread_new ("client", client_run, &client);
  char entry[4096];

  while (!g_atomic_int_get (&client.done))
    {
      g_main_context_iteration (NULL, TRUE);
      /* a journald that does not read would hold up everything */
      while (recv (((Fixture *) data)->journal, entry, sizeof entry, 0) > 0)
        ;
    }
  g_thread_join (thread);
}

static void
tell (int fd, const char *line)
{
  g_assert_true (write_all (fd, line, strlen (line)));
}

/* Everything until the end, at most a few bytes; its length, or -1 when it was reset. */
static ssize_t
hear (int fd, char *buffer, gsize size)
{
  gsize length = 0;
  ssize_t n;

  while ((n = recv (fd, buffer + length, size - length - 1, 0)) > 0)
    length += n;
  buffer[length] = '\0';
  if (n < 0)
    g_assert_cmpint (errno, ==, ECONNRESET);
  return n < 0 ? -1 : (ssize_t) length;
}

/* -- tests -- */

static gpointer
client_echo (gpointer data)
{
  Fixture *f = data;
  int fd = connect_to (f->port);
  char buffer[64];

  tell (fd, "echo\nhello");
  shutdown (fd, SHUT_WR);
  g_assert_cmpint (hear (fd, buffer, sizeof buffer), ==, 5);
  g_assert_cmpstr (buffer, ==, "hello");
  close (fd);
  return NULL;
}

static void
test_echo (Fixture *f, gconstpointer unused)
{
  while_moving (client_echo, f);
}

static gpointer
client_both_ways (gpointer data)
{
  static char bytes[1024 * 1024];
  Fixture *f = data;
  char buffer[64];
  gsize total = 0;
  ssize_t n;
  int fd = connect_to (f->port);

  /* what went out before the end is all there, and the answer comes after it */
  tell (fd, "count\n");
  for (int i = 0; i < 16; i++)
    g_assert_true (write_all (fd, bytes, sizeof bytes));
  shutdown (fd, SHUT_WR);
  hear (fd, buffer, sizeof buffer);
  g_assert_cmpstr (buffer, ==, "16777216");
  close (fd);

  fd = connect_to (f->port);
  tell (fd, "zeros 16777216\n");
  while ((n = recv (fd, bytes, sizeof bytes, 0)) > 0)
    total += n;
  g_assert_cmpint (n, ==, 0);
  g_assert_cmpuint (total, ==, 16777216);
  close (fd);
  return NULL;
}

static void
test_both_ways (Fixture *f, gconstpointer unused)
{
  while_moving (client_both_ways, f);
}

static gpointer
client_server_resets (gpointer data)
{
  Fixture *f = data;
  int fd = connect_to (f->port);
  char buffer[64];

  tell (fd, "reset\n");
  g_assert_cmpint (hear (fd, buffer, sizeof buffer), ==, -1);
  close (fd);
  return NULL;
}

static void
test_server_resets (Fixture *f, gconstpointer unused)
{
  while_moving (client_server_resets, f);
}

static gpointer
client_nobody (gpointer data)
{
  Fixture *f = data;
  int fd = connect_to (f->port);
  char buffer[64];

  g_assert_cmpint (hear (fd, buffer, sizeof buffer), ==, -1);
  close (fd);
  return NULL;
}

static void
test_no_server (Fixture *f, gconstpointer unused)
{
  shutdown (f->server, SHUT_RDWR);
  while_moving (client_nobody, f);
}

/* The client resets: the server is told, and nothing is left of it. */
static gpointer
client_resets (gpointer data)
{
  Fixture *f = data;
  const struct linger hard = { 1, 0 };
  char buffer[8];

  for (int i = 0; i < 300; i++) /* more than there may be at once */
    {
      int fd = connect_to (f->port);

      tell (fd, "hold\n");
      g_assert_cmpint (recv (fd, buffer, 4, MSG_WAITALL), ==, 4);
      setsockopt (fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
      close (fd);
    }
  return client_echo (f);
}

static void
test_client_resets (Fixture *f, gconstpointer unused)
{
  while_moving (client_resets, f);
}

static gpointer
client_many (gpointer data)
{
  Fixture *f = data;
  int fds[CREEL_PORT_CONNECTIONS_MAX + 30];
  const struct timeval soon = { 0, 200000 };
  char buffer[8];
  guint held = 0;

  for (gsize i = 0; i < G_N_ELEMENTS (fds); i++)
    {
      fds[i] = connect_to (f->port);
      tell (fds[i], "hold\n");
    }
  for (gsize i = 0; i < G_N_ELEMENTS (fds); i++)
    {
      if (i >= CREEL_PORT_CONNECTIONS_MAX)
        setsockopt (fds[i], SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof soon);
      held += recv (fds[i], buffer, 4, MSG_WAITALL) == 4;
      if (i == CREEL_PORT_CONNECTIONS_MAX)
        break;
    }
  g_assert_cmpuint (held, ==, CREEL_PORT_CONNECTIONS_MAX);
  /* those that waited get their turn */
  for (gsize i = 0; i < 30; i++)
    close (fds[i]);
  for (gsize i = CREEL_PORT_CONNECTIONS_MAX; i < G_N_ELEMENTS (fds); i++)
    {
      const struct timeval patience = { 30, 0 };

      setsockopt (fds[i], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
      g_assert_cmpint (recv (fds[i], buffer, 4, MSG_WAITALL), ==, 4);
    }
  for (gsize i = 30; i < G_N_ELEMENTS (fds); i++)
    close (fds[i]);
  return client_echo (f);
}

static void
test_many (Fixture *f, gconstpointer unused)
{
  while_moving (client_many, f);
}

/* Downloads that nobody reads leave the channel to others. */
static gpointer
client_stalled (gpointer data)
{
  Fixture *f = data;
  int fds[100];

  for (gsize i = 0; i < G_N_ELEMENTS (fds); i++)
    {
      fds[i] = connect_to (f->port);
      tell (fds[i], "zeros 100000000\n");
    }
  g_usleep (G_USEC_PER_SEC);
  client_both_ways (f);
  for (gsize i = 0; i < G_N_ELEMENTS (fds); i++)
    close (fds[i]);
  return NULL;
}

static void
test_stalled (Fixture *f, gconstpointer unused)
{
  while_moving (client_stalled, f);
}

static gpointer
client_until_reset (gpointer data)
{
  Fixture *f = data;
  int fd = connect_to (f->port);
  char buffer[64];

  tell (fd, "hold\n");
  g_assert_cmpint (recv (fd, buffer, 4, MSG_WAITALL), ==, 4);
  g_assert_cmpint (hear (fd, buffer, sizeof buffer), ==, -1);
  close (fd);
  return NULL;
}

static gboolean
on_unpublish (gpointer user_data)
{
  Fixture *f = user_data;

  creel_ports_set_published (f->ports, NULL);
  return G_SOURCE_REMOVE;
}

static void
test_unpublish (Fixture *f, gconstpointer unused)
{
  g_timeout_add (1000, on_unpublish, f);
  while_moving (client_until_reset, f);
  /* refused while creel-port still has it, served again when it is published again */
  while_moving (client_nobody, f);
  publish (f);
  while_moving (client_echo, f);
  creel_ports_drop_holder (f->ports, f);
}

static gboolean
on_start_guest (gpointer user_data)
{
  Fixture *f = user_data;

  start_guest (f);
  creel_ports_update (f->ports);
  return G_SOURCE_REMOVE;
}

static gboolean
on_stop_guest (gpointer user_data)
{
  Fixture *f = user_data;

  kill (f->guest, SIGKILL);
  return G_SOURCE_REMOVE;
}

static void
test_guest_away (Fixture *f, gconstpointer unused)
{
  g_timeout_add (1000, on_stop_guest, f);
  while_moving (client_until_reset, f);
  stop_guest (f);
  creel_ports_update (f->ports);
  /* the next one waits for it */
  g_timeout_add (300, on_start_guest, f);
  while_moving (client_echo, f);
}

static void
test_no_journal (Fixture *f, gconstpointer unused)
{
  unlink (f->socket);
  g_test_expect_message ("creel", G_LOG_LEVEL_WARNING, "*published port was refused*");
  while_moving (client_nobody, f);
  g_test_assert_expected_messages ();
}

static void
test_entry (Fixture *f, gconstpointer unused)
{
  g_autofree char *port = g_strdup_printf ("\nCREEL_PORT=%u\n", f->port), *guest_port = g_strdup_printf ("\nCREEL_GUEST_PORT=%u\n", f->guest_port);
  char entry[4096] = "";
  int fd = connect_to (f->port);

  while (recv (f->journal, entry, sizeof entry - 1, 0) <= 0)
    g_main_context_iteration (NULL, TRUE);
  g_assert_nonnull (strstr (entry, "\nCREEL_EVENT=port\n"));
  g_assert_nonnull (strstr (entry, "\nCREEL_HOST=127.0.0.1\n"));
  g_assert_nonnull (strstr (entry, port));
  g_assert_nonnull (strstr (entry, guest_port));
  g_assert_nonnull (strstr (entry, "\nCREEL_PEER=127.0.0.1:"));
  g_assert_nonnull (strstr (entry, "\nCREEL_SANDBOX=box\n"));
  close (fd);
}

static void
test_wrong_sockets (Fixture *f, gconstpointer unused)
{
  struct sockaddr_un own = { .sun_family = AF_UNIX };
  g_autofree char *path = g_build_filename (f->directory, "other", NULL);
  guint16 port;
  int fds[] = { socket (AF_UNIX, SOCK_STREAM, 0), socket (AF_INET, SOCK_STREAM, 0), socket (AF_INET, SOCK_DGRAM, 0),
                open ("/dev/null", O_RDONLY), connect_to (f->port) };
  int other = listen_on ("127.0.0.1", &port), wide = listen_on ("0.0.0.0", &port);

  strcpy (own.sun_path, path);
  g_assert_cmpint (bind (fds[0], (struct sockaddr *) &own, sizeof own), ==, 0);
  g_assert_cmpint (listen (fds[0], 1), ==, 0);
  unlink (path);
  for (gsize i = 0; i < G_N_ELEMENTS (fds); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_false (creel_ports_add (f->ports, fds[i], f->guest_port, f, &error));
      g_assert_error (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS);
      close (fds[i]);
    }
  for (int i = 0; i < 3; i++)
    {
      g_autoptr (GError) error = NULL;

      /* another socket, every address, another port of the guest */
      g_assert_false (creel_ports_add (f->ports, i == 0 ? other : i == 1 ? wide : f->listener, i == 2 ? 22 : f->guest_port, f, &error));
      g_assert_error (error, G_DBUS_ERROR, G_DBUS_ERROR_ACCESS_DENIED);
    }
  close (other);
  close (wide);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  signal (SIGPIPE, SIG_IGN);
#define ADD(path, test) g_test_add ("/ports/" path, Fixture, NULL, setup, test, teardown)
  ADD ("echo", test_echo);
  ADD ("both-ways", test_both_ways);
  ADD ("server-resets", test_server_resets);
  ADD ("no-server", test_no_server);
  ADD ("client-resets", test_client_resets);
  ADD ("many", test_many);
  ADD ("stalled", test_stalled);
  ADD ("unpublish", test_unpublish);
  ADD ("guest-away", test_guest_away);
  ADD ("no-journal", test_no_journal);
  ADD ("entry", test_entry);
  ADD ("wrong-sockets", test_wrong_sockets);
  return g_test_run ();
}
