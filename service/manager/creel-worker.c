/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-worker.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gunixfdlist.h>
#include <glib-unix.h>
#include <signal.h>
#include <unistd.h>

#include "creel-error.h"

struct _CreelWorker
{
  CreelDaemon *daemon;
  CreelWorkerKind kind;
  char *unit;
  int lines_fd;
  guint source_id;
  CreelWorkerLines *lines;
  GError *start_error;
  gboolean started, stopped, cancelled;
  CreelWorkerProgress progress;
  CreelWorkerDone done;
  gpointer user_data;
};

static void
worker_free (CreelWorker *self)
{
  g_clear_handle_id (&self->source_id, g_source_remove);
  close (self->lines_fd);
  creel_worker_lines_free (self->lines);
  g_clear_error (&self->start_error);
  g_free (self->unit);
  g_free (self);
}

/* The worker's own words, or what its silence means. */
static gboolean
check (CreelWorker *self, GError **error)
{
  static const struct
  {
    const char *word;
    int code;
  } codes[] = { { "BadImage", CREEL_ERROR_BAD_IMAGE },
                { "BadDefinition", CREEL_ERROR_BAD_DEFINITION },
                { "GuestFailed", CREEL_ERROR_GUEST_FAILED },
                { "NoSpace", CREEL_ERROR_NO_SPACE },
                { "NoSuchImage", CREEL_ERROR_NO_SUCH_IMAGE },
                { "NoSuchSecret", CREEL_ERROR_NO_SUCH_SECRET },
                { "TimedOut", CREEL_ERROR_TIMED_OUT },
                { "Cancelled", CREEL_ERROR_CANCELLED } };
  CreelWorkerLines *lines = self->lines;
  int code = CREEL_ERROR_FAILED;

  if (self->cancelled)
    g_set_error_literal (error, CREEL_ERROR, CREEL_ERROR_CANCELLED, "Cancelled");
  else if (lines->error_code != NULL)
    {
      for (guint i = 0; i < G_N_ELEMENTS (codes); i++)
        if (g_str_equal (codes[i].word, lines->error_code))
          code = codes[i].code;
      g_set_error_literal (error, CREEL_ERROR, code, lines->error_text);
    }
  else if (self->start_error != NULL)
    g_set_error (error, CREEL_ERROR, CREEL_ERROR_FAILED, "The worker of the image did not start: %s", self->start_error->message);
  else if (lines->broken || lines->id == NULL)
    g_set_error (error, CREEL_ERROR, CREEL_ERROR_FAILED,
                 "The worker of the image (%s) ended without a reason (memory, or its time is over); \"journalctl -u %s\" says more",
                 creel_worker_kind_mode (self->kind), self->unit);
  else
    return TRUE;
  return FALSE;
}

static void
finish_when_gone (CreelWorker *self)
{
  g_autoptr (GError) error = NULL;

  if (!self->started || !self->stopped)
    return;
  check (self, &error);
  self->done (self->user_data, self->lines, error);
  worker_free (self);
}

static void
on_stopped (gpointer user_data, GError *error)
{
  CreelWorker *self = user_data;

  self->stopped = TRUE; /* an error means that it was gone already */
  finish_when_gone (self);
}

static void
on_started (gpointer user_data, GError *error)
{
  CreelWorker *self = user_data;

  self->started = TRUE;
  self->start_error = error != NULL ? g_error_copy (error) : NULL;
  if (self->cancelled) /* the signal may have found no unit */
    creel_units_kill (self->daemon->units, self->unit, SIGKILL);
  finish_when_gone (self);
}

static gboolean
on_lines (int fd, GIOCondition condition, gpointer user_data)
{
  CreelWorker *self = user_data;
  char buffer[16 * 1024];
  gssize n = read (fd, buffer, sizeof buffer);

  if (n < 0 && (errno == EAGAIN || errno == EINTR))
    return G_SOURCE_CONTINUE;
  if (n > 0)
    {
      if (creel_worker_lines_feed (self->lines, buffer, n) && !self->lines->broken && self->progress != NULL)
        self->progress (self->user_data, self->lines);
      return G_SOURCE_CONTINUE;
    }
  self->source_id = 0;
  /* a process of it may still hold the image open for writing: wait until there is none */
  creel_units_job (self->daemon->units, "StopUnit", self->unit, on_stopped, self);
  return G_SOURCE_REMOVE;
}

static int
or_null_device (int fd, int flags)
{
  return fd >= 0 ? fd : open ("/dev/null", flags | O_CLOEXEC);
}

CreelWorker *
creel_worker_start (CreelDaemon *daemon, CreelWorkerKind kind, const char *const *arguments, int input, int output,
                    CreelWorkerProgress progress, CreelWorkerDone done, gpointer user_data, GError **error)
{
  return creel_worker_start_as (daemon, kind, (uid_t) -1, arguments, input, output, progress, done, user_data, error);
}

CreelWorker *
creel_worker_start_as (CreelDaemon *daemon, CreelWorkerKind kind, uid_t uid, const char *const *arguments, int input, int output,
                       CreelWorkerProgress progress, CreelWorkerDone done, gpointer user_data, GError **error)
{
  g_autoptr (GUnixFDList) fds = NULL;
  g_autoptr (GError) local_error = NULL;
  int list[3] = { or_null_device (input, O_RDONLY), or_null_device (output, O_WRONLY), -1 };
  CreelWorker *self;
  int ends[2];

  if (list[0] < 0 || list[1] < 0 || !g_unix_open_pipe (ends, FD_CLOEXEC, &local_error))
    {
      for (guint i = 0; i < 2; i++)
        if (list[i] >= 0)
          close (list[i]);
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_FAILED, "Cannot start a worker of an image: %s",
                   local_error != NULL ? local_error->message : "no descriptors are left");
      return NULL;
    }
  list[2] = ends[1];
  fds = g_unix_fd_list_new_from_array (list, 3); /* takes them */
  g_unix_set_fd_nonblocking (ends[0], TRUE, NULL);

  self = g_new0 (CreelWorker, 1);
  self->daemon = daemon;
  self->kind = kind;
  self->lines = creel_worker_lines_new ();
  self->lines_fd = ends[0];
  self->progress = progress;
  self->done = done;
  self->user_data = user_data;
  self->unit = g_strdup_printf ("creel-image-%d-%u.service", getpid (), ++daemon->last_worker);
  self->source_id = g_unix_fd_add (self->lines_fd, G_IO_IN | G_IO_HUP | G_IO_ERR, on_lines, self);
  /* a unit that does not start closes the pipe, and so says its end by the same way as any other */
  creel_units_start_transient (daemon->units, self->unit, creel_worker_unit_properties (kind, uid, arguments), fds, on_started, self);
  return self;
}

void
creel_worker_cancel (CreelWorker *worker)
{
  worker->cancelled = TRUE;
  creel_units_kill (worker->daemon->units, worker->unit, SIGKILL);
}
