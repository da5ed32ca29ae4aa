/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli-session.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gunixfdlist.h>
#include <glib-unix.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "cli-terminal.h"

#define CHUNK (256 * 1024)
#define LINGER_MS 1000 /* how long output may stay silent after the end of the command, when a background process holds it open */

typedef struct
{
  GMainLoop *loop;
  GHashTable *exits; /* object path -> GVariant (iis): an end may come before the reply of Exec */
  char *path;
  CreelDBusSession *proxy;
  gboolean tty;
  gboolean exited, gone;
  int code, signal;
  char *message;
  gint open_outputs; /* atomic: pumps of stdout and stderr that still run */
  gint ended;        /* atomic: pumps stop waiting for a silent source */
  int impatience;    /* INT, TERM and HUP that came close together */
  gint64 last_signal;
} Attach;

typedef struct
{
  Attach *attach;
  int from, to;
  gboolean output;
} Pump;

static gboolean
on_output_ended (gpointer user_data)
{
  Attach *attach = user_data;

  if (g_atomic_int_get (&attach->open_outputs) == 0 && (attach->exited || attach->gone))
    g_main_loop_quit (attach->loop);
  return G_SOURCE_REMOVE;
}

static gboolean
write_all (int fd, const char *data, gsize length)
{
  while (length > 0)
    {
      gssize n = write (fd, data, length);

      if (n > 0)
        {
          data += n;
          length -= n;
        }
      else if (errno == EAGAIN) /* somebody else made our stdout non-blocking */
        {
          struct pollfd ready = { fd, POLLOUT, 0 };

          poll (&ready, 1, -1);
        }
      else if (errno != EINTR)
        return FALSE;
    }
  return TRUE;
}

/* Moves bytes in a thread with blocking calls: making our stdin or stdout non-blocking would change it for the shell too. No splice:
 * it holds the lock of a pipe while it waits for the other file, and whoever has the pipe's other end waits with it. */
static gpointer
pump_thread (gpointer user_data)
{
  Pump *pump = user_data;
  Attach *attach = pump->attach;
  g_autofree char *buffer = g_malloc (CHUNK);
  int silent_ms = 0;

  for (;;)
    {
      struct pollfd ready = { pump->from, POLLIN, 0 };
      gssize n;

      if (pump->output)
        {
          int r = poll (&ready, 1, 200);

          if (r == 0)
            {
              silent_ms += g_atomic_int_get (&attach->ended) ? 200 : 0;
              if (silent_ms >= LINGER_MS)
                break;
              continue;
            }
          silent_ms = 0;
        }
      n = read (pump->from, buffer, CHUNK);
      if (n > 0 && !write_all (pump->to, buffer, n))
        break;
      if (n < 0 && errno == EAGAIN)
        {
          ready.fd = pump->from;
          poll (&ready, 1, 200);
          continue;
        }
      if (n == 0 || (n < 0 && errno != EINTR))
        break;
    }
  /* the other side must see it: end of file for the command's stdin, a broken pipe for its stdout */
  close (pump->output ? pump->from : pump->to);
  if (pump->output && g_atomic_int_dec_and_test (&attach->open_outputs))
    g_idle_add (on_output_ended, attach);
  g_free (pump);
  return NULL;
}

static void
start_pump (Attach *attach, int from, int to, gboolean output)
{
  Pump *pump = g_new (Pump, 1);

  *pump = (Pump){ attach, from, to, output };
  if (output)
    g_atomic_int_inc (&attach->open_outputs);
  g_thread_unref (g_thread_new (output ? "output" : "input", pump_thread, pump));
}

static void
take_exit (Attach *attach, GVariant *end)
{
  if (attach->exited)
    return;
  attach->exited = TRUE;
  g_variant_get (end, "(iis)", &attach->code, &attach->signal, &attach->message);
  g_atomic_int_set (&attach->ended, TRUE);
  on_output_ended (attach);
}

static void
on_exited (GDBusConnection *bus, const char *sender, const char *path, const char *interface, const char *signal,
           GVariant *parameters, gpointer user_data)
{
  Attach *attach = user_data;

  if (!g_variant_is_of_type (parameters, G_VARIANT_TYPE ("(iis)")))
    return;
  if (attach->path == NULL)
    g_hash_table_insert (attach->exits, g_strdup (path), g_variant_ref (parameters));
  else if (g_str_equal (path, attach->path))
    take_exit (attach, parameters);
}

static void
lose (Attach *attach, const char *message)
{
  if (attach->exited || attach->gone)
    return;
  attach->gone = TRUE;
  attach->message = g_strdup (message);
  g_atomic_int_set (&attach->ended, TRUE);
  on_output_ended (attach);
}

static void
on_owner_changed (GDBusConnection *bus, const char *sender, const char *path, const char *interface, const char *signal,
                  GVariant *parameters, gpointer user_data)
{
  const char *old_owner;

  g_variant_get_child (parameters, 1, "&s", &old_owner);
  if (*old_owner != '\0') /* else our own call started it */
    lose (user_data, "The Creel service was restarted, and the session ended with it; the sandbox itself still runs");
}

static void
on_bus_closed (GDBusConnection *bus, gboolean vanished, GError *error, gpointer user_data)
{
  lose (user_data, "The system bus has gone away, and the session with it");
}

/* A pipe and not a signalfd: the bus has threads already in which the signals are not blocked. */
static int signal_pipe[2];

static void
note_signal (int number)
{
  int saved_errno = errno;
  guchar byte = number;

  if (write (signal_pipe[1], &byte, 1) < 0)
    errno = 0; /* full: many wait already */
  errno = saved_errno;
}

static gboolean
on_signal (int fd, GIOCondition condition, gpointer user_data)
{
  Attach *attach = user_data;
  guchar number;
  gint64 now = g_get_monotonic_time ();
  guint16 rows, columns;

  if (read (fd, &number, 1) != 1)
    return G_SOURCE_CONTINUE;
  switch (number)
    {
    case SIGWINCH:
      if (attach->tty && attach->proxy != NULL && cli_terminal_size (&rows, &columns))
        creel_dbus_session_call_resize (attach->proxy, rows, columns, G_DBUS_CALL_FLAGS_NONE, -1, NULL, NULL, NULL);
      return G_SOURCE_CONTINUE;
    case SIGINT:
    case SIGTERM:
    case SIGHUP:
      attach->impatience = now - attach->last_signal < 3 * G_USEC_PER_SEC ? attach->impatience + 1 : 1;
      attach->last_signal = now;
      if (attach->impatience >= 3)
        {
          /* asked thrice: leave; the session is hung up when our bus name goes */
          attach->exited = TRUE;
          attach->signal = number;
          g_main_loop_quit (attach->loop);
          return G_SOURCE_CONTINUE;
        }
      break;
    default:
      break;
    }
  if (attach->proxy != NULL)
    creel_dbus_session_call_signal (attach->proxy, number, G_DBUS_CALL_FLAGS_NONE, -1, NULL, NULL, NULL);
  return G_SOURCE_CONTINUE;
}

static GVariant *
exec_options (const CliSession *session)
{
  GVariantDict options;
  guint16 rows, columns;

  g_variant_dict_init (&options, NULL);
  if (session->environment != NULL && *session->environment != NULL)
    g_variant_dict_insert_value (&options, "environment", g_variant_new_strv ((const char *const *) session->environment, -1));
  if (session->cwd != NULL)
    g_variant_dict_insert (&options, "cwd", "s", session->cwd);
  if (session->user != NULL)
    g_variant_dict_insert (&options, "user", "s", session->user);
  if (session->tty)
    {
      g_variant_dict_insert (&options, "tty", "b", TRUE);
      if (cli_terminal_size (&rows, &columns))
        {
          g_variant_dict_insert (&options, "rows", "q", rows);
          g_variant_dict_insert (&options, "columns", "q", columns);
        }
      if (g_getenv ("TERM") != NULL && g_utf8_validate (g_getenv ("TERM"), -1, NULL))
        g_variant_dict_insert (&options, "term", "s", g_getenv ("TERM"));
    }
  return g_variant_ref_sink (g_variant_dict_end (&options));
}

static int
fail_exec (const GError *error)
{
  g_autoptr (GError) stripped = g_error_copy (error);
  int status = cli_fail (error);

  g_dbus_error_strip_remote_error (stripped);
  /* only the gateway's own first words: the rest has a name and what the guest says */
  if (g_error_matches (error, CREEL_ERROR, CREEL_ERROR_NO_SUCH_COMMAND))
    return g_str_has_prefix (stripped->message, "cannot run \"") ? CLI_NO_COMMAND : CLI_NOT_EXECUTABLE;
  return status == CLI_FAILED || status == CLI_USAGE ? CLI_EXEC_FAILED : status;
}

/* g_unix_fd_list_get() would leave a second copy in the list, and the end of a pipe would never be seen. */
static int
take_fd (int *fds, int n_fds, GVariant *handle)
{
  int index = g_variant_get_handle (handle), fd = -1;

  if (index >= 0 && index < n_fds)
    {
      fd = fds[index];
      fds[index] = -1;
    }
  return fd;
}

static int
attach_and_wait (Attach *attach, const CliSession *session, GUnixFDList *list, GVariant *in, GVariant *out, GVariant *err)
{
  int n_fds = 0;
  g_autofree int *fds = list != NULL ? g_unix_fd_list_steal_fds (list, &n_fds) : NULL;
  int stdin_fd = take_fd (fds, n_fds, in), stdout_fd = take_fd (fds, n_fds, out), stderr_fd = take_fd (fds, n_fds, err);
  GVariant *early = g_hash_table_lookup (attach->exits, attach->path);

  if (stdin_fd < 0 || stdout_fd < 0 || stderr_fd < 0)
    return cli_fail_with (CLI_EXEC_FAILED, "The Creel service gave no pipes for the session; it ran out of file descriptors");
  /* one too many, so that "all ended" cannot be seen before all have started */
  g_atomic_int_inc (&attach->open_outputs);
  start_pump (attach, stdout_fd, STDOUT_FILENO, TRUE);
  start_pump (attach, stderr_fd, STDERR_FILENO, TRUE);
  if (session->interactive)
    start_pump (attach, STDIN_FILENO, stdin_fd, FALSE);
  else
    close (stdin_fd);
  if (g_atomic_int_dec_and_test (&attach->open_outputs))
    g_idle_add (on_output_ended, attach);
  if (early != NULL)
    take_exit (attach, early);
  g_main_loop_run (attach->loop);
  cli_terminal_restore ();

  if (attach->gone || (attach->signal == 0 && attach->code < 0))
    return cli_fail_with (CLI_EXEC_FAILED, "%s", attach->message != NULL && *attach->message != '\0' ? attach->message : "The session was lost");
  if (attach->message != NULL && *attach->message != '\0')
    cli_fail_with (0, "%s", attach->message);
  return attach->signal != 0 ? 128 + attach->signal : attach->code & 0xff;
}

int
cli_session_run (Cli *cli, CreelDBusSandbox *sandbox, const CliSession *session)
{
  static const int forwarded[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH, SIGUSR1, SIGUSR2 };
  static Attach attach; /* a pump may outlive this call, in a read() that never ends */
  struct sigaction action = { .sa_handler = note_signal, .sa_flags = SA_RESTART };
  g_autoptr (GVariant) options = exec_options (session);
  g_autoptr (GVariant) in = NULL, out = NULL, err = NULL;
  g_autoptr (GUnixFDList) fds = NULL;
  g_autoptr (GError) error = NULL;
  guint exited_id, owner_id, signal_source;
  gulong closed_id;
  int status;

  attach.tty = session->tty;
  attach.loop = g_main_loop_new (NULL, FALSE);
  attach.exits = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_variant_unref);
  signal (SIGPIPE, SIG_IGN); /* a reader that leaves early is told to the command, not to us */
  exited_id = g_dbus_connection_signal_subscribe (cli->bus, CREEL_BUS_NAME, "org.creel.Creel1.Session", "Exited", NULL, NULL,
                                                  G_DBUS_SIGNAL_FLAGS_NONE, on_exited, &attach, NULL);
  owner_id = g_dbus_connection_signal_subscribe (cli->bus, "org.freedesktop.DBus", "org.freedesktop.DBus", "NameOwnerChanged",
                                                 "/org/freedesktop/DBus", CREEL_BUS_NAME, G_DBUS_SIGNAL_FLAGS_NONE,
                                                 on_owner_changed, &attach, NULL);
  closed_id = g_signal_connect (cli->bus, "closed", G_CALLBACK (on_bus_closed), &attach);

  if (!g_unix_open_pipe (signal_pipe, FD_CLOEXEC, &error) || !g_unix_set_fd_nonblocking (signal_pipe[0], TRUE, &error)
      || !g_unix_set_fd_nonblocking (signal_pipe[1], TRUE, &error)
      || !CLI_CALL (cli, &error,
                 creel_dbus_sandbox_call_exec_sync (sandbox, (const char *const *) session->argv, options, CLI_FLAGS (cli), NULL,
                                                    &attach.path, &in, &out, &err, &fds, NULL, &error)))
    status = fail_exec (error);
  else
    {
      if (session->tty && session->interactive)
        cli_terminal_raw ();
      for (guint i = 0; i < G_N_ELEMENTS (forwarded); i++)
        sigaction (forwarded[i], &action, NULL);
      signal_source = g_unix_fd_add (signal_pipe[0], G_IO_IN, on_signal, &attach);
      attach.proxy = creel_dbus_session_proxy_new_sync (
          cli->bus, G_DBUS_PROXY_FLAGS_DO_NOT_LOAD_PROPERTIES | G_DBUS_PROXY_FLAGS_DO_NOT_CONNECT_SIGNALS, CREEL_BUS_NAME, attach.path,
          NULL, NULL);
      status = attach_and_wait (&attach, session, fds, in, out, err);
      for (guint i = 0; i < G_N_ELEMENTS (forwarded); i++)
        signal (forwarded[i], SIG_DFL);
      g_source_remove (signal_source);
    }
  g_signal_handler_disconnect (cli->bus, closed_id);
  g_dbus_connection_signal_unsubscribe (cli->bus, exited_id);
  g_dbus_connection_signal_unsubscribe (cli->bus, owner_id);
  g_clear_object (&attach.proxy);
  g_hash_table_unref (attach.exits);
  g_main_loop_unref (attach.loop);
  g_free (attach.path);
  g_free (attach.message);
  return status;
}
