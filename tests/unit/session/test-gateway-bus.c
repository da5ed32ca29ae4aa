/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The gateway's D-Bus face with a real gateway behind it, a guest in this process, and a proxy that only remembers. */
#include <fcntl.h>
#include <gio/gunixfdlist.h>
#include <glib-unix.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "creel-error.h"
#include "creel-names.h"
#include "gateway-fixture.h"
#include "stand-in-proxy.h"

static void
assert_exited (GatewayFixture *f, guint id, int code, int signal, const char *message)
{
  g_autoptr (GVariant) expected = g_variant_ref_sink (g_variant_new ("(uiis)", id, code, signal, message));

  WAIT_UNTIL (f->exited != NULL);
  g_assert_cmpvariant (f->exited, expected);
  g_clear_pointer (&f->exited, g_variant_unref);
}

/* Runs words; gives the id and the three fds. */
static guint
exec (GDBusConnection *peer, const char *argv, int fds[3], GError **error)
{
  g_autoptr (GUnixFDList) list = NULL;
  g_autofree char *text = g_strdup_printf ("(%s, @a{sv} {})", argv);
  g_autoptr (GVariant) answer =
      gateway_call (peer, INTERFACE, "Exec", g_variant_parse (G_VARIANT_TYPE ("(aaya{sv})"), text, NULL, NULL, NULL), &list, error);
  int handles[3];
  guint id;

  if (answer == NULL)
    return 0;
  g_variant_get (answer, "(uhhh)", &id, &handles[0], &handles[1], &handles[2]);
  for (int i = 0; i < 3; i++)
    fds[i] = g_unix_fd_list_get (list, handles[i], NULL);
  return id;
}

static void
close_all (int fds[3])
{
  for (int i = 0; i < 3; i++)
    close (fds[i]);
}

static void
test_state (GatewayFixture *f, gconstpointer data)
{
  g_autofree char *before = gateway_get_property (f, "State");
  g_autofree char *after = NULL;
  g_autofree char *guest = NULL;

  g_assert_cmpstr (before, ==, "waiting");
  g_assert_nonnull (stand_in.policy);
  gateway_connect_guest (f);
  WAIT_UNTIL (g_str_equal (creel_gateway_get_state (f->gateway), "ready"));
  after = gateway_get_property (f, "State");
  g_assert_cmpstr (after, ==, "ready");
  guest = gateway_get_property (f, "Guest");
  g_assert_nonnull (strstr (guest, "'6.1.0'"));
}

static void
test_exec (GatewayFixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  char buffer[8];
  int fds[3];
  guint id = exec (f->a, "[b'both']", fds, &error);

  g_assert_no_error (error);
  assert_exited (f, id, 0, 0, "");
  g_assert_cmpint (read (fds[1], buffer, sizeof buffer), ==, 3);
  g_assert_cmpint (read (fds[1], buffer, sizeof buffer), ==, 0);
  g_assert_cmpint (read (fds[2], buffer, sizeof buffer), ==, 3);
  close_all (fds);

  g_assert_cmpuint (exec (f->a, "[b'missing']", fds, &error), ==, 0);
  g_assert_error (error, CREEL_ERROR, CREEL_ERROR_NO_SUCH_COMMAND);
  g_clear_error (&error);
  g_assert_cmpuint (exec (f->a, "[b'']", fds, &error), ==, 0);
  g_assert_error (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS);
}

static void
test_not_ready (GatewayFixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  int fds[3];

  g_assert_cmpuint (exec (f->a, "[b'both']", fds, &error), ==, 0);
  g_assert_error (error, CREEL_ERROR, CREEL_ERROR_NOT_RUNNING);
}

static void
test_isolation (GatewayFixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *signal_text = NULL;
  g_autofree char *hangup_text = NULL;
  GPtrArray *paths = fake_guest_get_paths (f->guest);
  g_autofree char *hangup = NULL;
  int fds[3], other[3];
  guint id = exec (f->a, "[b'hold']", fds, &error), other_id;

  g_assert_no_error (error);
  f->b = gateway_connect_peer (f, &error);
  g_assert_no_error (error);
  signal_text = g_strdup_printf ("(uint32 %u, 9)", id);
  hangup_text = g_strdup_printf ("(uint32 %u,)", id);
  g_assert_null (gateway_call_text (f->b, "Signal", signal_text, &error));
  g_assert_error (error, CREEL_ERROR, CREEL_ERROR_NO_SUCH_SESSION);
  g_clear_error (&error);
  g_assert_null (gateway_call_text (f->b, "Hangup", hangup_text, &error));
  g_assert_error (error, CREEL_ERROR, CREEL_ERROR_NO_SUCH_SESSION);
  g_clear_error (&error);
  g_variant_unref (gateway_call_text (f->a, "Signal", signal_text, &error));
  g_assert_no_error (error);

  /* the other's session ends with its connection, ours lives on */
  other_id = exec (f->b, "[b'hold']", other, &error);
  g_assert_no_error (error);
  gateway_disconnect_peer (&f->b);
  hangup = g_strdup_printf ("/exec/%u/hangup", other_id);
  WAIT_UNTIL (g_str_equal (paths->pdata[paths->len - 1], hangup));
  g_assert_null (f->exited);
  close_all (other);

  fake_guest_vanish (f->guest);
  assert_exited (f, id, -1, 0, "the connection to the guest was lost");
  close_all (fds);
}

static void
test_capture (GatewayFixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) answer = gateway_call_text (f->a, "Capture", "(['both'], @a{sv} {})", &error);
  g_autofree char *text = NULL;

  g_assert_no_error (error);
  text = g_variant_print (answer, FALSE);
  g_assert_cmpstr (text, ==, "(0, 'out', 'err')");
  g_variant_unref (answer);
  answer = gateway_call_text (f->a, "Capture", "(['kill', '9'], @a{sv} {})", &error);
  g_assert_no_error (error);
  g_free (text);
  text = g_variant_print (answer, FALSE);
  g_assert_cmpstr (text, ==, "(137, '', '')");
  g_assert_null (gateway_call_text (f->a, "Capture", "(['hold'], {'timeout': <uint64 200000>})", &error));
  g_assert_error (error, CREEL_ERROR, CREEL_ERROR_TIMED_OUT);
  g_clear_error (&error);
  g_assert_null (gateway_call_text (f->a, "Capture", "(['lie', 'x'], @a{sv} {})", &error));
  g_assert_error (error, CREEL_ERROR, CREEL_ERROR_GUEST_FAILED);
}

/* Save's answer: the socket, or -1 with an error. */
static int
save (GDBusConnection *peer, guint64 *ret_estimate, GError **error)
{
  g_autoptr (GUnixFDList) fds = NULL;
  g_autoptr (GVariant) answer = gateway_call (peer, INTERFACE, "Save", g_variant_new ("(a{sv})", NULL), &fds, error);
  gint32 handle;

  if (answer == NULL)
    return -1;
  g_variant_get (answer, "(th)", ret_estimate, &handle);
  return g_unix_fd_list_get (fds, handle, error);
}

static guint64
read_to_end (int fd)
{
  guint64 total = 0;
  char buffer[65536];

  g_unix_set_fd_nonblocking (fd, TRUE, NULL);
  while (TRUE)
    {
      gssize n = read (fd, buffer, sizeof buffer);

      if (n == 0)
        return total;
      if (n > 0)
        total += n;
      else
        g_main_context_iteration (NULL, FALSE);
    }
}

static void
test_save (GatewayFixture *f, gconstpointer data)
{
  guint64 estimate, before;
  g_autoptr (GError) error = NULL;
  int fd;

  fake_guest_set_save (f->guest, 200, "12345", 20 * 1024 * 1024 + 7, TRUE);
  fd = save (f->a, &estimate, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (estimate, ==, 12345);
  g_assert_cmpuint (read_to_end (fd), ==, 20 * 1024 * 1024 + 7);
  close (fd);

  /* nobody reads: the guest keeps it, and hears of it when the reader leaves */
  before = fake_guest_get_sent (f->guest);
  fake_guest_set_save (f->guest, 200, "lots", 1000 * 1024 * 1024, TRUE);
  fd = save (f->a, &estimate, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (estimate, ==, 0);
  for (int i = 0; i < 300; i++)
    {
      g_usleep (1000);
      g_main_context_iteration (NULL, FALSE);
    }
  g_assert_cmpuint (fake_guest_get_sent (f->guest) - before, <, 8 * 1024 * 1024);
  g_assert_cmpuint (fake_guest_get_resets (f->guest), ==, 0);
  close (fd);
  WAIT_UNTIL (fake_guest_get_resets (f->guest) == 1);

  /* broken off */
  fake_guest_set_save (f->guest, 200, NULL, 70000, FALSE);
  fd = save (f->a, &estimate, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (read_to_end (fd), ==, 70000);
  close (fd);

  fake_guest_set_save (f->guest, 409, NULL, 0, TRUE);
  g_assert_cmpint (save (f->a, &estimate, &error), ==, -1);
  g_assert_error (error, CREEL_ERROR, CREEL_ERROR_GUEST_FAILED);
  g_assert_nonnull (strstr (error->message, "busy"));
}

/* Whose it is leaves, and the guest. */
static void
test_save_lost (GatewayFixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  guint64 estimate;
  int fd;

  fake_guest_set_save (f->guest, 200, NULL, 1000 * 1024 * 1024, TRUE);
  f->b = gateway_connect_peer (f, &error);
  g_assert_no_error (error);
  fd = save (f->b, &estimate, &error);
  g_assert_no_error (error);
  gateway_disconnect_peer (&f->b);
  WAIT_UNTIL (fake_guest_get_resets (f->guest) == 1);
  g_assert_cmpuint (read_to_end (fd), <, 8 * 1024 * 1024);
  close (fd);

  fd = save (f->a, &estimate, &error);
  g_assert_no_error (error);
  fake_guest_vanish (f->guest);
  g_assert_cmpuint (read_to_end (fd), <, 8 * 1024 * 1024);
  close (fd);
  g_assert_cmpint (save (f->a, &estimate, &error), ==, -1);
  g_assert_error (error, CREEL_ERROR, CREEL_ERROR_NOT_RUNNING);
}

static void
test_reload (GatewayFixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;
  g_autoptr (GVariant) decision = gateway_call_text (f->a, "Check", "('https://example.com/x', 'GET')", &error);
  g_autofree char *before = g_variant_print (decision, FALSE);

  g_assert_nonnull (strstr (before, "'allow'"));
  gateway_write_definition (f, "[X-Creel]\nNonsense=1\n");
  g_assert_null (gateway_call_text (f->a, "Reload", "()", &error));
  g_assert_error (error, CREEL_ERROR, CREEL_ERROR_BAD_DEFINITION);
  g_clear_error (&error);
  g_assert_null (stand_in.policy);
  text = gateway_get_property (f, "StatusText");
  g_assert_nonnull (strstr (text, "Everything is denied: "));
  g_variant_unref (decision);
  decision = gateway_call_text (f->a, "Check", "('https://example.com/x', 'GET')", &error);
  g_free (before);
  before = g_variant_print (decision, FALSE);
  g_assert_nonnull (strstr (before, "'deny'"));

  g_assert_cmpuint (stand_in.limits.values[CREEL_LIMIT_HALF_OPEN], ==, 512);
  gateway_write_definition (f, DEFINITION "HalfOpenMax=100\n");
  g_variant_unref (gateway_call_text (f->a, "Reload", "()", &error));
  g_assert_no_error (error);
  g_assert_nonnull (stand_in.policy);
  g_assert_cmpuint (stand_in.limits.values[CREEL_LIMIT_HALF_OPEN], ==, 100);
}

static gboolean
publish (GDBusConnection *peer, int fd, guint16 port, GError **error)
{
  g_autoptr (GUnixFDList) fds = g_unix_fd_list_new ();
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GVariant) reply = NULL;

  g_assert_cmpint (g_unix_fd_list_append (fds, fd, NULL), ==, 0);
  g_dbus_connection_call_with_unix_fd_list (peer, NULL, CREEL_GATEWAY_PATH, INTERFACE, "Publish", g_variant_new ("(hq)", 0, port), NULL,
                                            0, 20000, fds, NULL, gateway_on_result, &result);
  WAIT_UNTIL (result != NULL);
  reply = g_dbus_connection_call_with_unix_fd_list_finish (peer, NULL, result, error);
  return reply != NULL;
}

static void
test_publish (GatewayFixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GSocketAddress) any = g_inet_socket_address_new_from_string ("127.0.0.1", 0);
  g_autoptr (GSocket) socket = g_socket_new (G_SOCKET_FAMILY_IPV4, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, NULL);
  g_autoptr (GSocketAddress) own = NULL;
  g_autofree char *text = NULL;

  g_assert_true (g_socket_bind (socket, any, TRUE, NULL) && g_socket_listen (socket, NULL));
  own = g_socket_get_local_address (socket, NULL);
  g_assert_false (publish (f->a, g_socket_get_fd (socket), 80, &error));
  g_assert_error (error, G_DBUS_ERROR, G_DBUS_ERROR_ACCESS_DENIED);
  g_clear_error (&error);
  /* written by hand, and nobody said Reload */
  text = g_strdup_printf (DEFINITION "Publish=%u:80\n", g_inet_socket_address_get_port (G_INET_SOCKET_ADDRESS (own)));
  gateway_write_definition (f, text);
  g_assert_true (publish (f->a, g_socket_get_fd (socket), 80, &error));
  g_assert_false (publish (f->a, g_socket_get_fd (socket), 81, &error));
  g_assert_error (error, G_DBUS_ERROR, G_DBUS_ERROR_ACCESS_DENIED);
}

static void
test_wrong_user (GatewayFixture *f, gconstpointer data)
{
  CreelGatewayBus *own = f->bus;
  g_autoptr (GError) error = NULL;

  f->bus = creel_gateway_bus_new (f->gateway, -1, 12345);
  g_assert_null (gateway_connect_peer (f, &error));
  g_assert_nonnull (error);
  creel_gateway_bus_free (f->bus);
  f->bus = own;
}

/* the broker */

static void
on_broker_call (GDBusConnection *connection, const char *sender, const char *path, const char *interface,
                const char *method, GVariant *parameters, GDBusMethodInvocation *invocation, gpointer user_data)
{
  g_autoptr (GUnixFDList) list = g_unix_fd_list_new ();
  const char *credential;
  int fd;

  g_variant_get (parameters, "(&s)", &credential);
  if (!g_str_equal (credential, "openai"))
    {
      g_dbus_method_invocation_return_dbus_error (invocation, CREEL_ERROR_PREFIX "KeyringLocked", "It is locked");
      return;
    }
  fd = memfd_create ("secret", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  g_assert_cmpint (write (fd, "sk-real", 7), ==, 7);
  g_assert_cmpint (fcntl (fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL), ==, 0);
  g_unix_fd_list_append (list, fd, NULL);
  close (fd);
  g_dbus_method_invocation_return_value_with_unix_fd_list (invocation, g_variant_new ("(h)", 0), list);
}

static void
export_broker (GDBusConnection *peer)
{
  static const GDBusInterfaceVTable vtable = { on_broker_call, NULL, NULL, { 0 } };
  g_autoptr (GDBusNodeInfo) node = g_dbus_node_info_new_for_xml (
      "<node><interface name='org.creel.Creel1.Broker'><method name='GetSecret'><arg type='s' direction='in'/>"
      "<arg type='h' direction='out'/></method></interface></node>", NULL);

  g_assert_cmpuint (
      g_dbus_connection_register_object (peer, CREEL_BROKER_PATH, node->interfaces[0], &vtable, NULL, NULL, NULL), >, 0);
}

static void
on_task (GObject *source, GAsyncResult *result, gpointer user_data)
{
  *(GTask **) user_data = g_object_ref (G_TASK (result));
}

static void
ask_secret (const char *credential, GTask **ret_done)
{
  g_autoptr (GTask) task = g_task_new (NULL, NULL, on_task, ret_done);

  stand_in.secret_func (credential, task, stand_in.secret_data);
}

static void
test_broker (GatewayFixture *f, gconstpointer data)
{
  g_autoptr (GTask) first = NULL;
  g_autoptr (GTask) second = NULL;
  g_autoptr (GError) error = NULL;
  GBytes *secret;

  /* creeld is away: peer a is no broker; the request waits until it is back */
  ask_secret ("openai", &first);
  for (int i = 0; i < 200; i++)
    g_main_context_iteration (NULL, FALSE);
  g_usleep (50000);
  for (int i = 0; i < 200; i++)
    g_main_context_iteration (NULL, FALSE);
  g_assert_null (first);
  {
    g_autoptr (GAsyncResult) result = NULL;
    g_autoptr (GSocket) socket = NULL;
    g_autoptr (GSocketConnection) stream = NULL;
    int pair[2];

    g_assert_cmpint (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), ==, 0);
    socket = g_socket_new_from_fd (pair[1], NULL);
    stream = g_socket_connection_factory_create_connection (socket);
    creel_gateway_bus_take_connection (f->bus, pair[0]);
    g_dbus_connection_new (G_IO_STREAM (stream), NULL,
                           G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT | G_DBUS_CONNECTION_FLAGS_DELAY_MESSAGE_PROCESSING,
                           NULL, NULL, gateway_on_result, &result);
    WAIT_UNTIL (result != NULL);
    f->b = g_dbus_connection_new_finish (result, NULL);
    export_broker (f->b);
    g_dbus_connection_start_message_processing (f->b);
  }
  WAIT_UNTIL (first != NULL);
  secret = g_task_propagate_pointer (first, &error);
  g_assert_no_error (error);
  g_assert_cmpmem (g_bytes_get_data (secret, NULL), g_bytes_get_size (secret), "sk-real", 7);
  g_bytes_unref (secret);

  ask_secret ("other", &second);
  WAIT_UNTIL (second != NULL);
  g_assert_null (g_task_propagate_pointer (second, &error));
  g_assert_error (error, CREEL_ERROR, CREEL_ERROR_KEYRING_LOCKED);
  g_assert_cmpstr (error->message, ==, "It is locked");

  g_assert_cmpuint (stand_in.n_forgotten, ==, 0);
  gateway_disconnect_peer (&f->b);
  WAIT_UNTIL (stand_in.n_forgotten == 1);
}

static void
test_no_broker (GatewayFixture *f, gconstpointer data)
{
  g_autoptr (GTask) done = NULL;
  g_autoptr (GError) error = NULL;

  ask_secret ("openai", &done);
  WAIT_UNTIL (done != NULL);
  g_assert_null (g_task_propagate_pointer (done, &error));
  g_assert_error (error, CREEL_ERROR, CREEL_ERROR_NO_AGENT);
}

int
main (int argc, char **argv)
{
  signal (SIGPIPE, SIG_IGN);
  g_log_set_fatal_mask (NULL, G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL);
  g_test_init (&argc, &argv, NULL);
  g_log_set_always_fatal (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL);
  creel_error_quark ();
#define ADD(path, before, func) g_test_add ("/gateway-bus/" path, GatewayFixture, NULL, before, func, gateway_tear_down)
  ADD ("state", gateway_set_up, test_state);
  ADD ("exec", gateway_set_up_ready, test_exec);
  ADD ("not-ready", gateway_set_up, test_not_ready);
  ADD ("isolation", gateway_set_up_ready, test_isolation);
  ADD ("capture", gateway_set_up_ready, test_capture);
  ADD ("save", gateway_set_up_ready, test_save);
  ADD ("save-lost", gateway_set_up_ready, test_save_lost);
  ADD ("reload", gateway_set_up, test_reload);
  ADD ("publish", gateway_set_up, test_publish);
  ADD ("wrong-user", gateway_set_up, test_wrong_user);
  ADD ("broker", gateway_set_up, test_broker);
  ADD ("no-broker", gateway_set_up, test_no_broker);
  return g_test_run ();
}
