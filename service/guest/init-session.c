/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "init.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

/* A program run for the host. Its output waits in the pipe until the host reads: that is the whole buffer. */

#define SESSIONS_MAX 1024
#define PIPE_SIZE (256 * 1024)
#define HANGUP_GRACE_USEC (5 * 1000 * 1000)
/* After the program's end its children may still hold the pipes. What they write within this time is still the program's output;
 * then the host gets the end, and they a SIGPIPE if they write more. */
#define OUTPUT_GRACE_USEC (100 * 1000)
#define CGROUPS "/sys/fs/cgroup/creel"

typedef struct Session Session;

typedef struct
{
  Session *session;
  CreelStream *stream;
  Watch watch;
} Pipe;

struct Session
{
  Session *next;
  uint64_t id;
  bool tty;
  bool started;
  bool failed;
  bool exited;
  bool answered_exit;
  bool cgroup;
  bool output_over; /* the grace has passed */
  bool input_over;
  int status;
  pid_t pid;
  int slave; /* held until the child has it */
  CreelStream *exec;
  Watch start;
  Pipe in, out, err; /* tty: err is never open; in and out are the master */
  Timer hangup;
  Timer grace;
};

static Session *sessions;
static size_t n_sessions;

static Session *
find (uint64_t id)
{
  for (Session *session = sessions; session != NULL; session = session->next)
    if (session->id == id)
      return session;
  return NULL;
}

static void
cgroup_path (const Session *session, char *path, size_t size, const char *file)
{
  snprintf (path, size, CGROUPS "/session-%llu/%s", (unsigned long long) session->id, file);
}

/* Frees the session when nothing of it is left. */
static void
consider (Session *session)
{
  Session **at = &sessions;
  char path[128];

  if (!(session->exited || session->failed) || session->hangup.listed || session->exec != NULL || session->in.stream != NULL ||
      session->out.stream != NULL || session->err.stream != NULL)
    return;
  while (*at != NULL && *at != session)
    at = &(*at)->next;
  if (*at == NULL)
    return;
  *at = session->next;
  n_sessions--;
  timer_stop (&session->hangup);
  timer_stop (&session->grace);
  watch_close (&session->start);
  watch_close (&session->in.watch);
  watch_close (&session->out.watch);
  watch_close (&session->err.watch);
  if (session->cgroup)
    {
      cgroup_path (session, path, sizeof path, "");
      rmdir (path); /* stays while children of the program live */
    }
  loop_free_later (session);
}

/* -- standard input -- */

static size_t
input_data (CreelStream *stream, const uint8_t *bytes, size_t n_bytes, void *user_data)
{
  Pipe *pipe = user_data;
  ssize_t n;

  if (pipe->session->failed || pipe->session->exited)
    return n_bytes;
  if (pipe->watch.fd < 0)
    return pipe->session->started ? n_bytes : 0;
  n = write (pipe->watch.fd, bytes, n_bytes);
  if (n >= 0 && (size_t) n == n_bytes)
    return n_bytes;
  if (n < 0 && errno != EAGAIN)
    {
      /* nobody reads it any more: the rest is dropped, the host need not care */
      watch_close (&pipe->watch);
      return n_bytes;
    }
  watch_set (&pipe->watch, EPOLLOUT | EPOLLONESHOT);
  return n < 0 ? 0 : n;
}

static void
on_input_writable (Watch *watch, uint32_t events)
{
  Pipe *pipe = container_of (watch, Pipe, watch);

  if (pipe->stream != NULL)
    creel_stream_receive (pipe->stream);
  else
    watch_close (watch);
}

static void
end_input (Session *session)
{
  session->input_over = true;
  if (session->tty && session->in.watch.fd >= 0 && write (session->in.watch.fd, "\004", 1) < 0)
    say ("session %llu: cannot pass on the end of input", (unsigned long long) session->id);
  watch_close (&session->in.watch);
}

static void
input_end (CreelStream *stream, void *user_data)
{
  Pipe *pipe = user_data;
  Session *session = pipe->session;

  end_input (session);
  creel_stream_respond (stream, 200, NULL, 0, false);
}

static void
input_closed (CreelStream *stream, uint32_t code, void *user_data)
{
  Pipe *pipe = user_data;

  pipe->stream = NULL;
  pipe->session->input_over = true;
  watch_close (&pipe->watch);
  consider (pipe->session);
}

static const CreelStreamHandler input_handler = { .data = input_data, .end = input_end, .closed = input_closed };

/* -- standard output and error -- */

static ssize_t
output_pull (CreelStream *stream, uint8_t *buffer, size_t size, bool *ret_end, void *user_data)
{
  Pipe *pipe = user_data;
  Session *session = pipe->session;
  ssize_t n;

  if (pipe->watch.fd < 0)
    {
      *ret_end = session->started || session->failed;
      return 0;
    }
  n = read (pipe->watch.fd, buffer, size);
  if (n > 0)
    return n;
  if (n < 0 && errno == EAGAIN && !session->output_over)
    {
      watch_set (&pipe->watch, EPOLLIN | EPOLLONESHOT);
      return 0;
    }
  watch_close (&pipe->watch); /* the end, EIO of a terminal that nobody has open, or the end of our patience */
  *ret_end = true;
  return 0;
}

static void
on_output_readable (Watch *watch, uint32_t events)
{
  Pipe *pipe = container_of (watch, Pipe, watch);

  if (pipe->stream != NULL)
    creel_stream_resume (pipe->stream);
}

static void
output_closed (CreelStream *stream, uint32_t code, void *user_data)
{
  Pipe *pipe = user_data;
  Session *session = pipe->session;

  pipe->stream = NULL;
  watch_close (&pipe->watch);
  if (session->tty && code != CREEL_STREAM_NO_ERROR)
    session_hangup (session->id);
  consider (session);
}

static const CreelStreamHandler output_handler = { .pull = output_pull, .closed = output_closed };

/* -- the exec request's own stream -- */

static ssize_t
exec_pull (CreelStream *stream, uint8_t *buffer, size_t size, bool *ret_end, void *user_data)
{
  Session *session = user_data;
  int length;

  if (!session->exited || size < 32)
    return 0;
  if (WIFSIGNALED (session->status))
    length = snprintf ((char *) buffer, size, "signal=%d", WTERMSIG (session->status));
  else
    length = snprintf ((char *) buffer, size, "exit=%d", WEXITSTATUS (session->status));
  *ret_end = true;
  return length + 1;
}

static void
exec_closed (CreelStream *stream, uint32_t code, void *user_data)
{
  Session *session = user_data;

  session->exec = NULL;
  if (code != CREEL_STREAM_NO_ERROR)
    session_hangup (session->id);
  consider (session);
}

static const CreelStreamHandler exec_handler = { .pull = exec_pull, .closed = exec_closed };

static void
resume_output (Session *session)
{
  if (session->out.stream != NULL)
    creel_stream_resume (session->out.stream);
  if (session->err.stream != NULL)
    creel_stream_resume (session->err.stream);
}

/* The command never ran: the streams end. */
static void
give_up (Session *session)
{
  session->failed = true;
  session->exec = NULL;
  watch_close (&session->in.watch);
  watch_close (&session->out.watch);
  watch_close (&session->err.watch);
  resume_output (session);
  if (session->in.stream != NULL)
    creel_stream_receive (session->in.stream);
  consider (session);
}

static void
refuse (Session *session, CreelStream *stream, int status, const char *problem)
{
  char text[512];

  snprintf (text, sizeof text, "error=%s\n", problem);
  control_answer (stream, status, text);
  give_up (session);
}

/* The pipe that tells whether exec worked was closed (it did) or has an errno. */
static void
on_start (Watch *watch, uint32_t events)
{
  Session *session = container_of (watch, Session, start);
  int code = 0;
  ssize_t n = read (watch->fd, &code, sizeof code);

  watch_close (watch);
  if (n == (ssize_t) sizeof code)
    {
      if (session->exec != NULL && code < 0)
        {
          char text[128];

          snprintf (text, sizeof text, "cannot work in the folder that was asked for: %s", strerror (-code));
          refuse (session, session->exec, 400, text);
        }
      else if (session->exec != NULL)
        refuse (session, session->exec, code == ENOENT || code == ENOTDIR ? 404 : 403, strerror (code));
      else
        give_up (session);
      return;
    }
  session->started = true;
  if (session->exec != NULL)
    {
      creel_stream_set_handler (session->exec, &exec_handler, session);
      creel_stream_respond (session->exec, 200, NULL, 0, true);
    }
  resume_output (session);
  if (session->in.stream != NULL)
    creel_stream_receive (session->in.stream);
}

/* -- starting -- */

static bool
open_pipe (int fds[2], int ours)
{
  if (pipe2 (fds, O_CLOEXEC) < 0)
    return false;
  fcntl (fds[ours], F_SETFL, O_NONBLOCK);
  fcntl (fds[ours], F_SETPIPE_SZ, PIPE_SIZE);
  return true;
}

static void
set_size (int fd, unsigned rows, unsigned columns)
{
  struct winsize size = { .ws_row = (unsigned short) rows, .ws_col = (unsigned short) columns };

  ioctl (fd, TIOCSWINSZ, &size);
}

static bool
open_terminal (Session *session, const Records *records, const User *user)
{
  int master = open ("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
  const char *rows = records_get (records, "rows");
  const char *columns = records_get (records, "columns");
  int unlock = 0;

  if (master < 0)
    return false;
  session->out.watch.fd = master;
  if (ioctl (master, TIOCSPTLCK, &unlock) < 0)
    return false;
  session->slave = ioctl (master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
  session->in.watch.fd = fcntl (master, F_DUPFD_CLOEXEC, 3);
  if (session->slave < 0 || session->in.watch.fd < 0)
    return false;
  if (fchown (session->slave, user->uid, 5) < 0)
    say ("cannot give the terminal to %s", user->name);
  set_size (master, rows == NULL ? 24 : atoi (rows), columns == NULL ? 80 : atoi (columns));
  return true;
}

static void
close_pair (int fds[2])
{
  for (int i = 0; i < 2; i++)
    if (fds[i] >= 0)
      close (fds[i]);
}

/* Returns NULL, or what failed. */
static const char *
start (Session *session, const Records *records, const User *user)
{
  int in[2] = { -1, -1 }, out[2] = { -1, -1 }, err[2] = { -1, -1 }, status[2] = { -1, -1 };
  int fds[3];
  char path[128];

  if (session->tty ? !open_terminal (session, records, user)
                   : !open_pipe (in, 1) || !open_pipe (out, 0) || !open_pipe (err, 0))
    return close_pair (in), close_pair (out), close_pair (err), "cannot make a pipe or a terminal for the command";
  if (!session->tty)
    {
      session->in.watch.fd = in[1];
      session->out.watch.fd = out[0];
      session->err.watch.fd = err[0];
      in[1] = out[0] = err[0] = -1;
    }
  fds[0] = session->tty ? session->slave : in[0];
  fds[1] = session->tty ? session->slave : out[1];
  fds[2] = session->tty ? session->slave : err[1];
  cgroup_path (session, path, sizeof path, "");
  session->cgroup = mkdir (path, 0755) == 0 || errno == EEXIST;
  if (pipe2 (status, O_CLOEXEC | O_NONBLOCK) == 0)
    session->pid = child_start (session->cgroup ? path : NULL, records, user, session->tty, fds, status[1]);
  else
    session->pid = -1;
  close_pair (in);
  close_pair (out);
  close_pair (err);
  if (session->slave >= 0)
    close (session->slave);
  session->slave = -1;
  if (status[1] >= 0)
    close (status[1]);
  if (session->pid < 0)
    {
      if (status[0] >= 0)
        close (status[0]);
      return "cannot start another process";
    }
  session->start.fd = status[0];
  watch_set (&session->start, EPOLLIN);
  if (session->input_over)
    end_input (session);
  return NULL;
}

/* -- what control asks for -- */

bool
session_prepare (CreelStream *stream, uint64_t id)
{
  Session *session;

  if (find (id) != NULL)
    return control_answer (stream, 409, "error=the session exists\n"), false;
  if (n_sessions >= SESSIONS_MAX || (session = calloc (1, sizeof *session)) == NULL)
    return control_answer (stream, 503, "error=too many sessions\n"), false;
  session->id = id;
  session->slave = session->start.fd = session->in.watch.fd = session->out.watch.fd = session->err.watch.fd = -1;
  session->start.call = on_start;
  session->in.session = session->out.session = session->err.session = session;
  session->in.watch.call = on_input_writable;
  session->out.watch.call = session->err.watch.call = on_output_readable;
  session->exec = stream;
  session->next = sessions;
  sessions = session;
  n_sessions++;
  mkdir (CGROUPS, 0755);
  return true;
}

void
session_exec (CreelStream *stream, uint64_t id, Records *records)
{
  Session *session = find (id);
  const char *user_spec = records_get (records, "user");
  const char *tty = records_get (records, "tty");
  const char *problem;
  User user;

  if (session == NULL)
    {
      control_answer (stream, 404, "error=no such session\n");
      return;
    }
  if (session->failed)
    {
      control_answer (stream, 410, "error=the session was hung up\n");
      return;
    }
  session->exec = stream;
  creel_stream_set_handler (stream, &exec_handler, session);
  session->tty = tty != NULL && strcmp (tty, "1") == 0;
  if (user_spec == NULL || *user_spec == '\0')
    user_spec = records_get (configure_get (), "user");
  if (records_get (records, "arg") == NULL || *records_get (records, "arg") == '\0')
    refuse (session, stream, 400, "no command was given");
  else if (!user_find (user_spec == NULL ? "" : user_spec, &user))
    refuse (session, stream, 400, "the image has no such user or group");
  else if ((problem = start (session, records, &user)) != NULL)
    refuse (session, stream, 500, problem);
}

int
session_attach_input (CreelStream *stream, uint64_t id)
{
  Session *session = find (id);

  if (session == NULL || session->in.stream != NULL)
    return session == NULL ? -ENOENT : -EBUSY;
  session->in.stream = stream;
  creel_stream_set_handler (stream, &input_handler, &session->in);
  return 0;
}

int
session_attach_output (CreelStream *stream, uint64_t id, bool error)
{
  Session *session = find (id);
  Pipe *pipe = session == NULL ? NULL : error ? &session->err : &session->out;

  if (pipe == NULL || pipe->stream != NULL)
    return pipe == NULL ? -ENOENT : -EBUSY;
  pipe->stream = stream;
  creel_stream_set_handler (stream, &output_handler, pipe);
  creel_stream_respond (stream, 200, NULL, 0, true);
  return 0;
}

int
session_signal (uint64_t id, int number)
{
  Session *session = find (id);
  pid_t group;

  if (session == NULL || session->pid <= 0 || session->exited)
    return -ENOENT;
  group = session->pid;
  if (session->tty && session->out.watch.fd >= 0)
    {
      pid_t foreground = tcgetpgrp (session->out.watch.fd);

      if (foreground > 0)
        group = foreground;
    }
  return kill (-group, number) < 0 && kill (session->pid, number) < 0 ? -errno : 0;
}

int
session_resize (uint64_t id, unsigned rows, unsigned columns)
{
  Session *session = find (id);

  if (session == NULL)
    return -ENOENT;
  if (!session->tty || rows > 65535 || columns > 65535)
    return -EINVAL;
  if (session->out.watch.fd >= 0)
    set_size (session->out.watch.fd, rows, columns);
  return 0;
}

static void
kill_all (Timer *timer)
{
  Session *session = container_of (timer, Session, hangup);
  char path[128];

  cgroup_path (session, path, sizeof path, "cgroup.kill");
  if (!session->cgroup || write_file (path, "1", 1, 0) < 0)
    kill (-session->pid, SIGKILL);
  consider (session);
}

int
session_hangup (uint64_t id)
{
  Session *session = find (id);

  if (session == NULL)
    return -ENOENT;
  if (session->pid <= 0)
    {
      give_up (session);
      return 0;
    }
  if (session->hangup.listed || session->exited)
    return 0;
  session->hangup.call = kill_all;
  kill (-session->pid, SIGHUP);
  kill (-session->pid, SIGCONT);
  timer_set (&session->hangup, HANGUP_GRACE_USEC);
  return 0;
}

void
session_hangup_all (void)
{
  for (Session *session = sessions, *next; session != NULL; session = next)
    {
      next = session->next;
      session_hangup (session->id);
    }
}

static void
on_grace (Timer *timer)
{
  Session *session = container_of (timer, Session, grace);

  session->output_over = true;
  resume_output (session);
}

void
session_reaped (pid_t pid, int status)
{
  Session *session = sessions;

  while (session != NULL && (session->pid != pid || session->exited))
    session = session->next;
  if (session == NULL)
    return;
  if (session->start.fd >= 0)
    on_start (&session->start, 0); /* its errno, or its end, may still wait to be read */
  if (session->failed)
    return;
  session->exited = true;
  session->status = status;
  if (session->exec != NULL)
    creel_stream_resume (session->exec);
  if (session->in.stream != NULL)
    creel_stream_reset (session->in.stream, CREEL_STREAM_NO_ERROR);
  session->in.stream = NULL;
  session->grace.call = on_grace;
  timer_set (&session->grace, OUTPUT_GRACE_USEC);
  consider (session);
}

int
session_freeze_all (bool freeze)
{
  mkdir (CGROUPS, 0755);
  return write_file (CGROUPS "/cgroup.freeze", freeze ? "1" : "0", 1, 0);
}

void
session_wait_frozen (unsigned milliseconds)
{
  bool frozen = false;

  for (unsigned waited = 0; waited < milliseconds && !frozen; waited += 2)
    {
      char *text = read_file (CGROUPS "/cgroup.events", 8192 * 2, NULL);

      frozen = text == NULL || strstr (text, "frozen 1") != NULL;
      free (text);
      if (!frozen)
        usleep (2000);
    }
}
