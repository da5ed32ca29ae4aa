/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "init.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "init-layer.h"

/* GET /save: the upper directory as a layer. A process of its own reads the files and fills a pipe, so that nothing here waits for a disk;
 * the programs of the sandbox stand still until it is over, whichever way. No sync(): what they wrote is read from the same page cache. */

#define PIPE_SIZE (1024 * 1024)
#define FREEZE_MS 3000

typedef struct
{
  CreelStream *stream; /* NULL: nothing runs */
  Watch watch;
  pid_t pid; /* 0: reaped */
  int status;
} Save;

static Save save = { .watch = { .fd = -1 } };

static void
on_readable (Watch *watch, uint32_t events)
{
  if (save.stream != NULL)
    creel_stream_resume (save.stream);
}

/* The writer is gone or goes now. Everybody may run again. */
static void
finish (void)
{
  watch_close (&save.watch);
  if (save.pid > 0)
    {
      kill (save.pid, SIGKILL);
      waitpid (save.pid, NULL, 0); /* one that was killed, or has closed its pipe, which is the last that it does */
    }
  save.pid = 0;
  save.stream = NULL;
  if (session_freeze_all (false) < 0)
    say ("save: cannot let the programs go on: %s", strerror (errno));
}

/* The pipe is at its end. Whether the writer has done all. */
static bool
has_done_all (void)
{
  if (save.pid > 0 && waitpid (save.pid, &save.status, 0) == save.pid)
    save.pid = 0;
  return save.pid == 0 && WIFEXITED (save.status) && WEXITSTATUS (save.status) == 0;
}

static ssize_t
save_pull (CreelStream *stream, uint8_t *buffer, size_t size, bool *ret_end, void *user_data)
{
  ssize_t n = save.watch.fd < 0 ? 0 : read (save.watch.fd, buffer, size);

  if (n > 0)
    return n;
  if (n < 0 && (errno == EAGAIN || errno == EINTR))
    {
      watch_set (&save.watch, EPOLLIN | EPOLLONESHOT);
      return 0;
    }
  if (!has_done_all ())
    {
      say ("save: broken off");
      return -1; /* the host must not take it for whole */
    }
  finish ();
  *ret_end = true;
  return 0;
}

static size_t
save_data (CreelStream *stream, const uint8_t *bytes, size_t n, void *user_data)
{
  return n;
}

static void
save_closed (CreelStream *stream, uint32_t code, void *user_data)
{
  if (save.stream == stream)
    finish ();
}

static const CreelStreamHandler save_handler = { .data = save_data, .pull = save_pull, .closed = save_closed };

/* The writer. Keeps nothing open but what it needs: the other ends of the sessions' pipes are not its business. */
static void __attribute__ ((noreturn))
write_layer (int out, LayerSource *source)
{
  if (dup2 (out, STDOUT_FILENO) < 0 || dup2 (source->upper, STDIN_FILENO) < 0)
    _exit (1);
  source->upper = STDIN_FILENO;
  if (source->lower >= 0)
    {
      dup2 (source->lower, STDERR_FILENO + 1);
      source->lower = STDERR_FILENO + 1;
    }
  close_range (STDERR_FILENO + 2, ~0u, 0);
  session_wait_frozen (FREEZE_MS);
  _exit (layer_write (source, STDOUT_FILENO) == 0 ? 0 : 1);
}

/* Returns NULL, or what failed. */
static const char *
start_writer (void)
{
  LayerSource source = { .upper = -1, .lower = -1 };
  const char *problem = NULL;
  int fds[2];

  mount_get_layers (&source.upper, &source.lower);
  source.mounts = mount_list (&source.n_mounts);
  trust_find_bundles (source.bundles, LAYER_BUNDLES_MAX);
  source.ca = trust_read ();
  if (source.upper < 0 || source.mounts == NULL)
    problem = "the disk cannot be read";
  else if (pipe2 (fds, O_CLOEXEC) < 0)
    problem = "cannot make a pipe";
  else
    {
      fcntl (fds[0], F_SETFL, O_NONBLOCK);
      fcntl (fds[0], F_SETPIPE_SZ, PIPE_SIZE);
      save.pid = fork ();
      if (save.pid == 0)
        write_layer (fds[1], &source);
      close (fds[1]);
      save.watch.fd = fds[0];
      if (save.pid < 0)
        {
          save.pid = 0;
          watch_close (&save.watch);
          problem = "cannot start another process";
        }
    }
  if (source.upper >= 0)
    close (source.upper);
  if (source.lower >= 0)
    close (source.lower);
  mount_free_list (source.mounts, source.n_mounts);
  for (size_t i = 0; i < LAYER_BUNDLES_MAX; i++)
    free (source.bundles[i]);
  free (source.ca);
  return problem;
}

void
save_start (CreelStream *stream)
{
  char estimate[32];
  const CreelHeader header = { "creel-estimate", estimate };
  const char *problem;
  char text[128];

  if (save.stream != NULL)
    {
      control_answer (stream, 409, "error=the sandbox is being saved already\n");
      return;
    }
  /* without control groups the files are read while they may change, as tar would */
  if (session_freeze_all (true) < 0)
    say ("save: cannot stop the programs: %s", strerror (errno));
  problem = start_writer ();
  if (problem != NULL)
    {
      finish ();
      snprintf (text, sizeof text, "error=%s\n", problem);
      control_answer (stream, 500, text);
      return;
    }
  save.stream = stream;
  save.watch.call = on_readable;
  snprintf (estimate, sizeof estimate, "%llu", (unsigned long long) mount_get_used ());
  creel_stream_set_handler (stream, &save_handler, NULL);
  creel_stream_respond (stream, 200, &header, 1, true);
}

bool
save_is_running (void)
{
  return save.stream != NULL;
}

void
save_stop (void)
{
  CreelStream *stream = save.stream;

  if (stream == NULL)
    return;
  finish ();
  creel_stream_reset (stream, CREEL_STREAM_CANCEL);
}

void
save_reaped (pid_t pid, int status)
{
  if (pid != save.pid || pid == 0)
    return;
  save.pid = 0;
  save.status = status;
}
