/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sessions against a guest in this process: whole bytes, true exit codes, bounded memory, and a guest that lies. */
#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "creel-control.h"
#include "creel-error.h"
#include "creel-records.h"
#include "creel-session.h"
#include "fake-guest.h"

typedef struct
{
  CreelControl *control;
  FakeGuest *guest;
  CreelSession *session;
  guint32 next_id;
  int output;
  int fds[3];
  gboolean started, over;
  int code, signal;
  char *message;
  GError *error;
  char *captured[2];
} Fixture;

static GByteArray *
make_configuration (gpointer user_data)
{
  GByteArray *body = g_byte_array_new ();

  g_byte_array_append (body, (const guint8 *) "hostname=box", 13);
  return body;
}

static void
on_changed (CreelControl *control, gpointer user_data)
{
}

static const CreelControlHandler control_handler = { make_configuration, on_changed };

static gboolean
on_too_long (gpointer user_data)
{
  g_error ("The test hangs");
  return G_SOURCE_REMOVE;
}

#define WAIT_UNTIL(condition)                                           \
  G_STMT_START                                                          \
  {                                                                     \
    guint wait_id_ = g_timeout_add_seconds (30, on_too_long, NULL);     \
    while (!(condition))                                                \
      g_main_context_iteration (NULL, TRUE);                            \
    g_source_remove (wait_id_);                                         \
  }                                                                     \
  G_STMT_END

static void
connect_guest (Fixture *f)
{
  int pair[2];

  g_assert_cmpint (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), ==, 0);
  f->guest = fake_guest_new (pair[1]);
  g_assert_true (creel_control_take_connection (f->control, pair[0]));
}

static void
set_up_waiting (Fixture *f, gconstpointer data)
{
  f->next_id = 7;
  f->fds[0] = f->fds[1] = f->fds[2] = f->output = -1;
  f->control = creel_control_new (-1, &control_handler, NULL);
}

static void
set_up (Fixture *f, gconstpointer data)
{
  set_up_waiting (f, data);
  g_assert_cmpstr (creel_control_get_state (f->control), ==, "waiting");
  connect_guest (f);
  WAIT_UNTIL (g_str_equal (creel_control_get_state (f->control), "ready"));
}

static void
close_fd (int *fd)
{
  if (*fd >= 0)
    close (*fd);
  *fd = -1;
}

static void
reset_result (Fixture *f)
{
  for (int i = 0; i < 3; i++)
    close_fd (&f->fds[i]);
  f->started = f->over = FALSE;
  g_clear_pointer (&f->message, g_free);
  g_clear_error (&f->error);
  g_clear_pointer (&f->captured[0], g_free);
  g_clear_pointer (&f->captured[1], g_free);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  reset_result (f);
  creel_control_free (f->control);
  fake_guest_free (f->guest);
}

static void
on_started (CreelSession *session, gpointer user_data)
{
  ((Fixture *) user_data)->started = TRUE;
}

static void
on_exited (CreelSession *session, int code, int signal, const char *message, gpointer user_data)
{
  Fixture *f = user_data;

  f->over = TRUE;
  f->code = code;
  f->signal = signal;
  f->message = g_strdup (message);
  f->session = NULL;
  for (int i = 0; f->fds[0] == -2 && i < 2; i++)
    {
      GByteArray *bytes = creel_session_get_captured (session, i + 1);

      f->captured[i] = g_strndup (bytes->len > 0 ? (char *) bytes->data : "", bytes->len);
    }
}

static void
on_failed (CreelSession *session, const GError *error, gpointer user_data)
{
  Fixture *f = user_data;

  f->over = TRUE;
  f->error = g_error_copy (error);
  f->session = NULL;
}

static const CreelSessionHandler handler = { on_started, on_exited, on_failed };

static CreelExec *
parse (const char *command, const char *options, gboolean capture)
{
  g_auto (GStrv) words = g_strsplit (command, " ", -1);
  g_autoptr (GVariant) argv = g_variant_ref_sink (g_variant_new_bytestring_array ((const char *const *) words, -1));
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) dict =
      g_variant_parse (G_VARIANT_TYPE_VARDICT, options != NULL ? options : "{}", NULL, NULL, &error);
  CreelExec *exec;

  g_assert_no_error (error);
  exec = creel_exec_parse (argv, dict, capture, NULL, &error);
  g_assert_no_error (error);
  return exec;
}

static void
begin (Fixture *f, const char *command, const char *options)
{
  g_autoptr (CreelExec) exec = parse (command, options, FALSE);
  g_autoptr (GError) error = NULL;
  CreelChannel *channel = creel_control_get_channel (f->control, &error);

  g_assert_no_error (error);
  reset_result (f);
  f->session = creel_session_start (channel, f->next_id++, exec, f->output, f->fds, &handler, f, &error);
  g_assert_no_error (error);
  g_assert_nonnull (f->session);
  for (int i = 0; i < 3; i++)
    g_unix_set_fd_nonblocking (f->fds[i], TRUE, NULL);
}

/* Reads what is there; TRUE at the end of file. */
static gboolean
drain (int fd, GString *into)
{
  char buffer[65536];
  ssize_t n;

  while ((n = read (fd, buffer, sizeof buffer)) > 0)
    g_string_append_len (into, buffer, n);
  return n == 0;
}

static void
run (Fixture *f, const char *command)
{
  begin (f, command, NULL);
  WAIT_UNTIL (f->over);
}

static void
test_configure (Fixture *f, gconstpointer data)
{
  g_autoptr (GVariant) guest = g_variant_ref_sink (creel_control_make_guest (f->control));
  g_autofree char *text = g_variant_print (guest, FALSE);

  g_assert_cmpstr (text, ==, "{'kernel': <'6.1.0'>, 'boot-id': <'abc'>, 'init': <'creel-init 0.1'>}");
  g_assert_cmpmem (fake_guest_get_body (f->guest)->data, fake_guest_get_body (f->guest)->len, "hostname=box", 13);
}

static void
test_configure_refused (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  connect_guest (f);
  fake_guest_set_answer (f->guest, 500, "error=no\nroot \033[2J", 19);
  WAIT_UNTIL (g_str_equal (creel_control_get_state (f->control), "lost"));
  g_assert_cmpstr (creel_control_get_status_text (f->control), ==, "The guest could not be configured: no?root ?[2J");
  g_assert_null (creel_control_get_channel (f->control, &error));
  g_assert_error (error, CREEL_ERROR, CREEL_ERROR_NOT_RUNNING);
}

static void
test_configure_lies (Fixture *f, gconstpointer data)
{
  g_autofree char *huge = g_strnfill (100000, 'k');
  g_autoptr (GVariant) guest = NULL;
  g_autoptr (GVariant) kernel = NULL;
  char body[2048] = "kernel=";

  connect_guest (f);
  fake_guest_set_answer (f->guest, 200, huge, 100000);
  WAIT_UNTIL (g_str_equal (creel_control_get_state (f->control), "lost"));
  fake_guest_vanish (f->guest);
  WAIT_UNTIL (strstr (creel_control_get_status_text (f->control), "ended") != NULL);
  fake_guest_free (f->guest);

  connect_guest (f);
  memset (body + 7, 'v', 1000);
  fake_guest_set_answer (f->guest, 200, body, 1008);
  WAIT_UNTIL (g_str_equal (creel_control_get_state (f->control), "ready"));
  guest = g_variant_ref_sink (creel_control_make_guest (f->control));
  kernel = g_variant_lookup_value (guest, "kernel", G_VARIANT_TYPE_STRING);
  g_assert_cmpuint (strlen (g_variant_get_string (kernel, NULL)), ==, 256);
}

static void
test_second_connection (Fixture *f, gconstpointer data)
{
  int pair[2];
  char byte;

  g_assert_cmpint (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), ==, 0);
  g_assert_false (creel_control_take_connection (f->control, pair[0]));
  g_assert_cmpint (read (pair[1], &byte, 1), ==, 0);
  close (pair[1]);
  run (f, "exit 3");
  g_assert_cmpint (f->code, ==, 3);
}

static void
test_exit (Fixture *f, gconstpointer data)
{
  run (f, "exit 0");
  g_assert_true (f->started);
  g_assert_cmpint (f->code, ==, 0);
  g_assert_cmpint (f->signal, ==, 0);
  g_assert_cmpstr (f->message, ==, "");
  run (f, "exit 255");
  g_assert_cmpint (f->code, ==, 255);
  run (f, "kill 9");
  g_assert_cmpint (f->code, ==, -1);
  g_assert_cmpint (f->signal, ==, 9);
  g_assert_cmpstr (f->message, ==, "");
}

static void
test_lies (Fixture *f, gconstpointer data)
{
  static const char *const commands[] = { "exit 99999", "exit -1", "exit 256", "exit x", "exit ", "kill 0", "kill 65",
                                          "lie garbage", "lie exit=0", "lie " };

  for (gsize i = 0; i < G_N_ELEMENTS (commands); i++)
    {
      run (f, commands[i]);
      g_assert_true (f->started);
      g_assert_cmpint (f->code, ==, -1);
      g_assert_cmpint (f->signal, ==, 0);
      g_assert_cmpstr (f->message, ==, "the guest gave no valid exit status");
    }
  run (f, "flood");
  g_assert_cmpint (f->code, ==, -1);
  g_assert_cmpstr (f->message, ==, "the guest's answer is too long");
}

static void
test_missing (Fixture *f, gconstpointer data)
{
  run (f, "missing");
  g_assert_false (f->started);
  g_assert_error (f->error, CREEL_ERROR, CREEL_ERROR_NO_SUCH_COMMAND);
  g_assert_cmpstr (f->error->message, ==, "cannot run \"missing\": no ?[31msuch?command");
}

static void
test_not_executable (Fixture *f, gconstpointer data)
{
  run (f, "forbidden");
  g_assert_error (f->error, CREEL_ERROR, CREEL_ERROR_NO_SUCH_COMMAND);
  g_assert_cmpstr (f->error->message, ==, "\"forbidden\" is not executable: Permission denied");
}

static void
test_echo (Fixture *f, gconstpointer data)
{
  g_autoptr (GString) sent = g_string_new (NULL);
  g_autoptr (GString) got = g_string_new (NULL);
  gsize at = 0;

  for (guint i = 0; i < 3 * 1024 * 1024 / 4; i++)
    g_string_append_len (sent, (const char *) &i, 4);
  begin (f, "echo", NULL);
  while (at < sent->len || !f->over)
    {
      ssize_t n = f->fds[0] < 0 ? -1 : write (f->fds[0], sent->str + at, sent->len - at);

      if (n > 0)
        at += n;
      if (at == sent->len)
        close_fd (&f->fds[0]);
      drain (f->fds[1], got);
      g_main_context_iteration (NULL, FALSE);
    }
  g_assert_true (drain (f->fds[1], got));
  g_assert_cmpmem (sent->str, sent->len, got->str, got->len);
  g_assert_cmpint (f->code, ==, 0);
}

static void
test_both (Fixture *f, gconstpointer data)
{
  g_autoptr (GString) out = g_string_new (NULL);
  g_autoptr (GString) err = g_string_new (NULL);

  run (f, "both");
  g_assert_true (drain (f->fds[1], out));
  g_assert_true (drain (f->fds[2], err));
  g_assert_cmpstr (out->str, ==, "out");
  g_assert_cmpstr (err->str, ==, "err");
}

static gboolean
set_flag (gpointer user_data)
{
  *(gboolean *) user_data = TRUE;
  return G_SOURCE_REMOVE;
}

static void
spin (guint ms)
{
  gboolean over = FALSE;

  g_timeout_add (ms, set_flag, &over);
  while (!over)
    g_main_context_iteration (NULL, TRUE);
}

/* A reader that does not read stops the guest, and nothing piles up between; when it reads all arrives. */
static void
test_slow_reader (Fixture *f, gconstpointer data)
{
  const gsize total = 64 * 1024 * 1024;
  g_autoptr (GString) got = g_string_new (NULL);
  gsize n = 0;
  guint64 stuck;

  begin (f, "zeros 67108864", NULL);
  spin (500);
  stuck = fake_guest_get_sent (f->guest);
  g_assert_cmpuint (stuck, <, 4 * 1024 * 1024);
  spin (300);
  g_assert_cmpuint (fake_guest_get_sent (f->guest), ==, stuck);
  g_assert_false (f->over);

  /* another session is not held up by it */
  {
    CreelSession *slow = f->session;
    int slow_fds[3] = { f->fds[0], f->fds[1], f->fds[2] };

    f->fds[0] = f->fds[1] = f->fds[2] = -1;
    run (f, "exit 4");
    g_assert_cmpint (f->code, ==, 4);
    reset_result (f);
    f->session = slow;
    memcpy (f->fds, slow_fds, sizeof slow_fds);
  }

  while (!drain (f->fds[1], got))
    {
      n += got->len;
      g_string_truncate (got, 0);
      g_main_context_iteration (NULL, TRUE);
    }
  n += got->len;
  g_assert_cmpuint (n, ==, total);
  WAIT_UNTIL (f->over);
  g_assert_cmpint (f->code, ==, 0);
}

/* The caller closes stdout: the guest sees the reset that is its SIGPIPE. */
static void
test_closed_reader (Fixture *f, gconstpointer data)
{
  begin (f, "hold", NULL);
  WAIT_UNTIL (f->started);
  close_fd (&f->fds[1]);
  WAIT_UNTIL (fake_guest_get_resets (f->guest) > 0);
  g_assert_false (f->over);
  creel_session_hangup (f->session);
  f->session = NULL;
}

static void
test_lost (Fixture *f, gconstpointer data)
{
  g_autoptr (GString) out = g_string_new (NULL);

  begin (f, "hold", NULL);
  WAIT_UNTIL (f->started);
  fake_guest_vanish (f->guest);
  WAIT_UNTIL (f->over);
  g_assert_cmpint (f->code, ==, -1);
  g_assert_cmpint (f->signal, ==, 0);
  g_assert_cmpstr (f->message, ==, "the connection to the guest was lost");
  g_assert_true (drain (f->fds[1], out));
  WAIT_UNTIL (g_str_equal (creel_control_get_state (f->control), "lost"));

  fake_guest_free (f->guest);
  spin (10);
  connect_guest (f);
  WAIT_UNTIL (g_str_equal (creel_control_get_state (f->control), "ready"));
  run (f, "exit 5");
  g_assert_cmpint (f->code, ==, 5);
}

static void
test_lost_while_starting (Fixture *f, gconstpointer data)
{
  begin (f, "mute", NULL);
  spin (50);
  fake_guest_vanish (f->guest);
  WAIT_UNTIL (f->over);
  g_assert_error (f->error, CREEL_ERROR, CREEL_ERROR_GUEST_FAILED);
}

static void
test_hangup (Fixture *f, gconstpointer data)
{
  g_autoptr (GString) out = g_string_new (NULL);
  GPtrArray *paths = fake_guest_get_paths (f->guest);

  begin (f, "hold", NULL);
  WAIT_UNTIL (f->started);
  g_assert_true (creel_session_resize (f->session, 25, 80, NULL));
  g_assert_true (creel_session_signal (f->session, 15, NULL));
  creel_session_hangup (f->session);
  f->session = NULL;
  g_assert_true (drain (f->fds[1], out));
  WAIT_UNTIL (paths->len == 5);
  g_assert_cmpstr (paths->pdata[2], ==, "/exec/7/resize/25x80");
  g_assert_cmpstr (paths->pdata[3], ==, "/exec/7/signal/15");
  g_assert_cmpstr (paths->pdata[4], ==, "/exec/7/hangup");
  g_assert_false (f->over);
}

static void
test_background (Fixture *f, gconstpointer data)
{
  gint64 began = g_get_monotonic_time ();

  run (f, "background");
  g_assert_cmpint (f->code, ==, 0);
  g_assert_cmpint (g_get_monotonic_time () - began, <, 10 * G_USEC_PER_SEC);
}

static void
test_capture (Fixture *f, gconstpointer data)
{
  g_autoptr (CreelExec) echo = parse ("echo", "{'stdin': <'hello'>}", TRUE);
  g_autoptr (CreelExec) zeros = parse ("zeros 3000000", NULL, TRUE);
  CreelChannel *channel = creel_control_get_channel (f->control, NULL);

  f->fds[0] = -2;
  g_assert_nonnull (creel_session_start (channel, 50, echo, -1, NULL, &handler, f, NULL));
  WAIT_UNTIL (f->over);
  g_assert_cmpstr (f->captured[0], ==, "hello");
  g_assert_cmpstr (f->captured[1], ==, "");
  reset_result (f);
  f->fds[0] = -2;
  g_assert_nonnull (creel_session_start (channel, 51, zeros, -1, NULL, &handler, f, NULL));
  WAIT_UNTIL (f->over);
  g_assert_cmpuint (strlen (f->captured[0]), ==, CREEL_CAPTURE_MAX);
  g_assert_cmpint (f->code, ==, 0);
}

/* Both outputs in a socket of the starter's. */
static void
test_output (Fixture *f, gconstpointer data)
{
  g_autoptr (GString) text = g_string_new (NULL);
  int pair[2];

  g_assert_cmpint (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), ==, 0);
  g_unix_set_fd_nonblocking (pair[1], TRUE, NULL);
  f->output = pair[0];
  begin (f, "both", NULL);
  close (pair[0]);
  WAIT_UNTIL (f->over && drain (pair[1], text));
  g_assert_cmpint (f->code, ==, 0);
  g_assert_nonnull (strstr (text->str, "out"));
  g_assert_nonnull (strstr (text->str, "err"));
  g_string_truncate (text, 0);
  g_assert_true (drain (f->fds[1], text));
  g_assert_true (drain (f->fds[2], text));
  g_assert_cmpstr (text->str, ==, "");
  close (pair[1]);
  f->output = -1;

  /* a reader that never reads holds the command up, not us */
  g_assert_cmpint (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), ==, 0);
  f->output = pair[0];
  begin (f, "zeros 3000000", NULL);
  close (pair[0]);
  f->output = -1;
  WAIT_UNTIL (f->started);
  spin (300);
  g_assert_false (f->over);
  close (pair[1]); /* and one that leaves ends it */
  WAIT_UNTIL (f->over);
}

static void
test_discard (Fixture *f, gconstpointer data)
{
  g_autoptr (GString) text = g_string_new (NULL);

  begin (f, "zeros 3000000", "{'discard': <true>}");
  WAIT_UNTIL (f->over);
  g_assert_cmpint (f->code, ==, 0);
  g_assert_true (drain (f->fds[1], text));
  g_assert_cmpstr (text->str, ==, "");
}

static void
test_shutdown_done (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_assert_true (creel_control_shutdown_finish (result, NULL));
  *(gboolean *) user_data = TRUE;
}

static void
test_shutdown (Fixture *f, gconstpointer data)
{
  gboolean done = FALSE;

  creel_control_shutdown_async (f->control, test_shutdown_done, &done);
  WAIT_UNTIL (done);
}

static void
on_time (const char *key, const char *value, gpointer user_data)
{
  /* alone: that is no configuration */
  *(gint64 *) user_data = g_str_equal (key, "time") ? g_ascii_strtoll (value, NULL, 10) : G_MININT64;
}

/* The guest hears what time it is, once it is ready. */
static void
test_clock (Fixture *f, gconstpointer data)
{
  gint64 before = g_get_real_time (), said = 0;

  creel_control_set_clock (f->control);
  creel_control_set_clock (f->control); /* the first one is not answered yet */
  WAIT_UNTIL (creel_records_parse (fake_guest_get_body (f->guest)->data, fake_guest_get_body (f->guest)->len, on_time, &said) && said >= before);
  g_assert_cmpint (said, <=, g_get_real_time ());
}

int
main (int argc, char **argv)
{
  signal (SIGPIPE, SIG_IGN);
  g_test_init (&argc, &argv, NULL);
#define ADD(path, func) g_test_add ("/session/" path, Fixture, NULL, set_up, func, tear_down)
#define ADD_WAITING(path, func) g_test_add ("/session/" path, Fixture, NULL, set_up_waiting, func, tear_down)
  ADD ("configure", test_configure);
  ADD_WAITING ("configure/refused", test_configure_refused);
  ADD_WAITING ("configure/lies", test_configure_lies);
  ADD ("second-connection", test_second_connection);
  ADD ("exit", test_exit);
  ADD ("lies", test_lies);
  ADD ("missing", test_missing);
  ADD ("not-executable", test_not_executable);
  ADD ("echo", test_echo);
  ADD ("both", test_both);
  ADD ("slow-reader", test_slow_reader);
  ADD ("closed-reader", test_closed_reader);
  ADD ("lost", test_lost);
  ADD ("lost-while-starting", test_lost_while_starting);
  ADD ("hangup", test_hangup);
  ADD ("background", test_background);
  ADD ("capture", test_capture);
  ADD ("output", test_output);
  ADD ("discard", test_discard);
  ADD ("shutdown", test_shutdown);
  ADD ("clock", test_clock);
  return g_test_run ();
}
