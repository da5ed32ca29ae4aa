/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli-terminal.h"

#include <errno.h>
#include <gio/gio.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

/* Process-wide on purpose: a signal handler must reach it. */
static struct termios saved;
static volatile sig_atomic_t is_raw;

static void
on_fatal_signal (int number)
{
  if (is_raw)
    tcsetattr (STDIN_FILENO, TCSANOW, &saved); /* async-signal-safe */
  signal (number, SIG_DFL);
  raise (number);
}

void
cli_terminal_restore (void)
{
  if (is_raw)
    tcsetattr (STDIN_FILENO, TCSADRAIN, &saved);
  is_raw = FALSE;
}

/* Also for signals that the caller does not turn into something else. */
static void
guard (void)
{
  static const int fatal[] = { SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGHUP, SIGINT, SIGTERM, SIGQUIT };
  static gboolean registered;

  if (registered)
    return;
  registered = TRUE;
  atexit (cli_terminal_restore);
  for (guint i = 0; i < G_N_ELEMENTS (fatal); i++)
    signal (fatal[i], on_fatal_signal);
}

gboolean
cli_terminal_raw (void)
{
  struct termios raw;

  if (is_raw)
    return TRUE;
  if (tcgetattr (STDIN_FILENO, &saved) < 0)
    return FALSE;
  guard ();
  raw = saved;
  cfmakeraw (&raw);
  is_raw = TRUE;
  if (tcsetattr (STDIN_FILENO, TCSANOW, &raw) == 0)
    return TRUE;
  is_raw = FALSE;
  return FALSE;
}

gboolean
cli_terminal_size (guint16 *ret_rows, guint16 *ret_columns)
{
  struct winsize size;

  if ((ioctl (STDOUT_FILENO, TIOCGWINSZ, &size) < 0 && ioctl (STDIN_FILENO, TIOCGWINSZ, &size) < 0) || size.ws_row == 0
      || size.ws_col == 0)
    return FALSE;
  *ret_rows = size.ws_row;
  *ret_columns = size.ws_col;
  return TRUE;
}

char *
cli_terminal_read_secret (const char *prompt, gsize max, gsize *ret_length, GError **error)
{
  gboolean terminal = isatty (STDIN_FILENO);
  char *buffer = g_malloc0 (max + 2);
  gsize length = 0;
  gssize n = 0;

  if (terminal)
    {
      struct termios quiet;

      guard ();
      tcgetattr (STDIN_FILENO, &saved);
      quiet = saved;
      quiet.c_lflag &= ~(ECHO | ECHOE | ECHOK);
      quiet.c_lflag |= ECHONL | ICANON;
      is_raw = TRUE;
      tcsetattr (STDIN_FILENO, TCSAFLUSH, &quiet);
      fputs (prompt, stderr);
    }
  while (length <= max)
    {
      n = read (STDIN_FILENO, buffer + length, max + 1 - length);
      if (n < 0 && errno == EINTR)
        continue;
      if (n <= 0)
        break;
      length += n;
      if (terminal && buffer[length - 1] == '\n')
        break;
    }
  cli_terminal_restore ();
  if (n >= 0 && length <= max)
    {
      if (length > 0 && buffer[length - 1] == '\n')
        length--;
      if (length > 0 && buffer[length - 1] == '\r')
        length--;
      buffer[length] = '\0';
      *ret_length = length;
      return buffer;
    }
  explicit_bzero (buffer, max + 2);
  g_free (buffer);
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_FAILED, n < 0 ? "Cannot read the key: %s" : "The key is too long", g_strerror (errno));
  return NULL;
}
