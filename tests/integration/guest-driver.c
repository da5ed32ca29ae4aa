/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* guest-driver DIRECTORY [--bench] [--keep]: the host's end of a guest's two channels, without anything else of Creel. QEMU connects to
 * DIRECTORY/control and DIRECTORY/egress. Checks creel-init from outside and prints what it measured; exit code 0 when all was right.
 * On the egress it is a "server" that says the way and the authority of each connection in one line and then echoes. */
#include "creel-channel.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

typedef struct
{
  int listener;
  int fd;
  CreelChannel *channel;
  bool opened;
} End;

static End control, egress;
static int n_failed;
static uint64_t began;

static double
seconds (void)
{
  return (double) (creel_channel_now () - began) / 1e6;
}

static void
check (bool right, const char *format, ...)
{
  va_list arguments;

  printf ("%s ", right ? "ok    " : "NOT OK");
  va_start (arguments, format);
  vprintf (format, arguments);
  va_end (arguments);
  printf ("\n");
  fflush (stdout);
  n_failed += !right;
}

/* -- egress -- */

typedef struct
{
  char greeting[400];
  size_t length;
  size_t sent;
  CreelStream *stream;
  bool ended;
} Echo;

static ssize_t
echo_pull (CreelStream *stream, uint8_t *buffer, size_t size, bool *ret_end, void *user_data)
{
  Echo *echo = user_data;
  size_t n = echo->length - echo->sent;

  if (n > 0)
    {
      n = n < size ? n : size;
      memcpy (buffer, echo->greeting + echo->sent, n);
      echo->sent += n;
      return n;
    }
  n = creel_stream_read (stream, buffer, size);
  *ret_end = n == 0 && creel_stream_at_end (stream);
  return n;
}

static size_t
echo_data (CreelStream *stream, const uint8_t *bytes, size_t n, void *user_data)
{
  creel_stream_resume (stream);
  return 0;
}

static void
echo_end (CreelStream *stream, void *user_data)
{
  creel_stream_resume (stream);
}

static void
echo_closed (CreelStream *stream, uint32_t code, void *user_data)
{
  free (user_data);
}

static const CreelStreamHandler echo_handler = { .pull = echo_pull, .data = echo_data, .end = echo_end, .closed = echo_closed };

static void
on_egress_request (CreelChannel *channel, CreelStream *stream, const CreelHead *head, void *user_data)
{
  Echo *echo = calloc (1, sizeof *echo);
  const char *way = "";

  for (size_t i = 0; i < head->n_headers; i++)
    if (strcmp (head->headers[i].name, "creel-way") == 0)
      way = head->headers[i].value;
  echo->length = snprintf (echo->greeting, sizeof echo->greeting, "%.20s %.300s\n", way, head->authority);
  creel_stream_set_handler (stream, &echo_handler, echo);
  creel_stream_respond (stream, 200, NULL, 0, true);
}

static void
on_opened (CreelChannel *channel, void *user_data)
{
  ((End *) user_data)->opened = true;
}

static void
on_closed (CreelChannel *channel, const char *reason, void *user_data)
{
  printf ("       channel closed: %s\n", reason);
}

static const CreelChannelHandler control_handler = { .opened = on_opened, .closed = on_closed };
static const CreelChannelHandler egress_handler = { .opened = on_opened, .closed = on_closed, .request = on_egress_request };

/* -- loop -- */

static void
end_listen (End *end, const char *directory, const char *name)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };

  snprintf (address.sun_path, sizeof address.sun_path, "%s/%s", directory, name);
  unlink (address.sun_path);
  end->fd = -1;
  end->listener = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (bind (end->listener, (struct sockaddr *) &address, sizeof address) < 0 || listen (end->listener, 1) < 0)
    {
      perror (address.sun_path);
      exit (2);
    }
}

static void
turn (int timeout)
{
  End *ends[2] = { &control, &egress };
  struct pollfd polls[4];
  uint64_t now = creel_channel_now ();

  for (int i = 0; i < 2; i++)
    {
      short events = ends[i]->channel != NULL ? creel_channel_get_events (ends[i]->channel) : 0;
      uint64_t deadline = ends[i]->channel != NULL ? creel_channel_get_deadline (ends[i]->channel) : UINT64_MAX;

      polls[i] = (struct pollfd){ .fd = events != 0 ? ends[i]->fd : -1, .events = events };
      polls[2 + i] = (struct pollfd){ .fd = ends[i]->fd < 0 ? ends[i]->listener : -1, .events = POLLIN };
      if (deadline <= now)
        timeout = 0;
      else if (deadline != UINT64_MAX && (uint64_t) timeout > (deadline - now) / 1000 + 1)
        timeout = (int) ((deadline - now) / 1000) + 1;
    }
  poll (polls, 4, timeout);
  now = creel_channel_now ();
  for (int i = 0; i < 2; i++)
    {
      if (polls[2 + i].revents != 0)
        {
          ends[i]->fd = accept4 (ends[i]->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
          ends[i]->channel = creel_channel_new (ends[i]->fd, CREEL_CHANNEL_HOST, i == 0, i == 0 ? &control_handler : &egress_handler, ends[i]);
        }
      if (ends[i]->channel != NULL && (polls[i].revents != 0 || creel_channel_get_deadline (ends[i]->channel) <= now))
        creel_channel_dispatch (ends[i]->channel, polls[i].revents);
    }
}

static void
end_drop (End *end)
{
  creel_channel_free (end->channel);
  close (end->fd);
  end->channel = NULL;
  end->fd = -1;
  end->opened = false;
}

static bool
wait_open (int limit)
{
  uint64_t until = creel_channel_now () + (uint64_t) limit * 1000000;

  while (!(control.opened && egress.opened) && creel_channel_now () < until)
    turn (100);
  return control.opened && egress.opened;
}

/* -- requests -- */

typedef struct
{
  const char *send;
  size_t send_length;
  size_t sent;
  uint64_t zeros; /* to send behind */
  bool hold;      /* do not end */
  char *text;     /* what came, its first megabyte */
  uint64_t received;
  int status;
  bool closed;
  uint32_t code;
  CreelStream *stream;
} Call;

static ssize_t
call_pull (CreelStream *stream, uint8_t *buffer, size_t size, bool *ret_end, void *user_data)
{
  Call *call = user_data;
  size_t n = call->send_length - call->sent;

  n = n < size ? n : size;
  if (n > 0)
    memcpy (buffer, call->send + call->sent, n);
  call->sent += n;
  while (call->sent == call->send_length && call->zeros > 0 && n < size)
    {
      size_t more = size - n < call->zeros ? size - n : call->zeros;

      memset (buffer + n, 0, more);
      n += more;
      call->zeros -= more;
    }
  *ret_end = call->sent == call->send_length && call->zeros == 0 && !call->hold;
  return n;
}

static size_t
call_data (CreelStream *stream, const uint8_t *bytes, size_t n, void *user_data)
{
  Call *call = user_data;

  if (call->received + n < 1024 * 1024)
    {
      if (call->text == NULL)
        call->text = calloc (1, 1024 * 1024);
      memcpy (call->text + call->received, bytes, n);
    }
  call->received += n;
  return n;
}

static void
call_response (CreelStream *stream, const CreelHead *head, void *user_data)
{
  ((Call *) user_data)->status = head->status;
}

static void
call_closed (CreelStream *stream, uint32_t code, void *user_data)
{
  Call *call = user_data;

  call->closed = true;
  call->code = code;
  call->stream = NULL;
}

static const CreelStreamHandler call_handler = { .response = call_response, .data = call_data, .pull = call_pull, .closed = call_closed };

static void
call_start (Call *call, const char *method, const char *path, const char *body, size_t length)
{
  call->send = body;
  call->send_length = length;
  call->stream = creel_channel_request (control.channel, method, path, NULL, NULL, 0, strcmp (method, "POST") == 0, &call_handler, call);
  call->closed = call->stream == NULL;
}

static void
call_wait (Call *call, int limit)
{
  uint64_t until = creel_channel_now () + (uint64_t) limit * 1000000;

  while (!call->closed && creel_channel_now () < until)
    turn (100);
}

/* An exec with its streams. */
typedef struct
{
  unsigned id;
  char body[4096];
  size_t length;
  Call exec, in, out, err;
} Exec;

static unsigned next_id = 1;

static void
add (Exec *exec, const char *record)
{
  strcpy (exec->body + exec->length, record);
  exec->length += strlen (record) + 1;
}

static void
exec_start (Exec *exec, const char *input, bool hold)
{
  char path[64];

  exec->id = next_id++;
  snprintf (path, sizeof path, "/exec/%u", exec->id);
  call_start (&exec->exec, "POST", path, exec->body, exec->length);
  snprintf (path, sizeof path, "/exec/%u/stdin", exec->id);
  exec->in.hold = hold;
  call_start (&exec->in, "POST", path, input, strlen (input));
  snprintf (path, sizeof path, "/exec/%u/stdout", exec->id);
  call_start (&exec->out, "GET", path, "", 0);
  snprintf (path, sizeof path, "/exec/%u/stderr", exec->id);
  call_start (&exec->err, "GET", path, "", 0);
}

static void
exec_wait (Exec *exec, int limit)
{
  call_wait (&exec->exec, limit);
  call_wait (&exec->out, limit);
  call_wait (&exec->err, limit);
}

static void
exec_clear (Exec *exec)
{
  Call *calls[] = { &exec->exec, &exec->in, &exec->out, &exec->err };

  for (int i = 0; i < 4; i++)
    {
      if (calls[i]->stream != NULL)
        creel_stream_reset (calls[i]->stream, CREEL_STREAM_CANCEL);
      free (calls[i]->text);
    }
  *exec = (Exec){ 0 };
}

static const char *
text (const Call *call)
{
  return call->text == NULL ? "" : call->text;
}

/* Runs a shell command; checks output, error output and how it ended. */
static void
check_shell (const char *user, const char *script, const char *input, const char *out, const char *err, const char *how)
{
  Exec exec = { 0 };
  char record[2048];

  add (&exec, "arg=/bin/sh");
  add (&exec, "arg=-c");
  snprintf (record, sizeof record, "arg=%s", script);
  add (&exec, record);
  snprintf (record, sizeof record, "user=%s", user);
  add (&exec, record);
  exec_start (&exec, input, false);
  exec_wait (&exec, 30);
  check (exec.exec.status == 200 && strcmp (text (&exec.exec), how) == 0 && strcmp (text (&exec.out), out) == 0 &&
           (err == NULL || strcmp (text (&exec.err), err) == 0),
         "%.60s (%.3f s)", script, seconds ());
  if (strcmp (text (&exec.out), out) != 0 || strcmp (text (&exec.exec), how) != 0)
    printf ("       status %d, %s, out \"%s\", err \"%s\"\n", exec.exec.status, text (&exec.exec), text (&exec.out), text (&exec.err));
  exec_clear (&exec);
}

static void
check_no_command (void)
{
  Exec exec = { 0 };

  add (&exec, "arg=no-such-command");
  exec_start (&exec, "", false);
  exec_wait (&exec, 10);
  check (exec.exec.status == 404 && exec.out.closed && exec.err.closed, "no such command: %d %s", exec.exec.status, text (&exec.exec));
  exec_clear (&exec);
  add (&exec, "arg=/etc/passwd");
  exec_start (&exec, "", false);
  exec_wait (&exec, 10);
  check (exec.exec.status == 403, "not executable: %d %s", exec.exec.status, text (&exec.exec));
  exec_clear (&exec);
}

static void
post (const char *path)
{
  Call call = { 0 };

  call_start (&call, "POST", path, "", 0);
  call_wait (&call, 10);
  check (call.status == 200, "POST %s: %d %s", path, call.status, text (&call));
  free (call.text);
}

static void
check_terminal (void)
{
  Exec exec = { 0 };
  char path[64];

  add (&exec, "arg=sh");
  add (&exec, "arg=-c");
  add (&exec, "arg=tty; stty size; read x; stty size; echo got $x; sleep 100");
  add (&exec, "tty=1");
  add (&exec, "rows=11");
  add (&exec, "columns=33");
  exec_start (&exec, "", true);
  while (strstr (text (&exec.out), "11 33") == NULL && !exec.exec.closed)
    turn (100);
  snprintf (path, sizeof path, "/exec/%u/resize/44x55", exec.id);
  post (path);
  exec.in.send = "word\n";
  exec.in.send_length = 5;
  creel_stream_resume (exec.in.stream);
  while (strstr (text (&exec.out), "got word") == NULL && !exec.exec.closed)
    turn (100);
  /* dash loses an interrupt that meets it between fork and wait */
  for (uint64_t until = creel_channel_now () + 500000; creel_channel_now () < until;)
    turn (100);
  snprintf (path, sizeof path, "/exec/%u/signal/2", exec.id);
  post (path);
  exec_wait (&exec, 10);
  check (strstr (text (&exec.out), "44 55\r\ngot word") != NULL && strcmp (text (&exec.exec), "signal=2") == 0, "terminal: %s",
         text (&exec.exec));
  exec_clear (&exec);
}

static void
check_hangup (void)
{
  Exec exec = { 0 };
  char path[64];
  double at = seconds ();

  add (&exec, "arg=sh");
  add (&exec, "arg=-c");
  add (&exec, "arg=trap '' HUP; sleep 1234 & echo up; wait; wait");
  exec_start (&exec, "", true);
  while (exec.out.received == 0 && !exec.exec.closed)
    turn (100);
  snprintf (path, sizeof path, "/exec/%u/hangup", exec.id);
  post (path);
  exec_wait (&exec, 10);
  check (strcmp (text (&exec.exec), "signal=9") == 0, "hang-up of one that ignores it: %s after %.1f s", text (&exec.exec), seconds () - at);
  exec_clear (&exec);
}

static void
check_leftover (void)
{
  Exec exec = { 0 };
  double at = seconds ();

  add (&exec, "arg=sh");
  add (&exec, "arg=-c");
  add (&exec, "arg=sleep 20 & echo done");
  exec_start (&exec, "", false);
  exec_wait (&exec, 10);
  check (exec.out.closed && seconds () - at < 5 && strcmp (text (&exec.out), "done\n") == 0, "a child that holds the pipes: %.2f s", seconds () - at);
  exec_clear (&exec);
}

static void
bench_true (void)
{
  double times[50];
  double best = 1e9, sum = 0;

  for (int i = 0; i < 50; i++)
    {
      Exec exec = { 0 };
      double at = seconds ();

      add (&exec, "arg=/bin/true");
      exec_start (&exec, "", false);
      exec_wait (&exec, 10);
      times[i] = (seconds () - at) * 1000;
      sum += times[i];
      best = times[i] < best ? times[i] : best;
      exec_clear (&exec);
    }
  printf ("bench  exec true: mean %.1f ms, best %.1f ms\n", sum / 50, best);
}

static void
bench_bytes (const char *what, const char *script, uint64_t zeros, uint64_t expected)
{
  Exec exec = { 0 };
  char record[512];
  double at = seconds ();

  add (&exec, "arg=sh");
  add (&exec, "arg=-c");
  snprintf (record, sizeof record, "arg=%s", script);
  add (&exec, record);
  exec.in.zeros = zeros;
  exec_start (&exec, "", false);
  exec_wait (&exec, 300);
  at = seconds () - at;
  check (exec.out.received == expected || zeros != 0, "%s: %s, %llu bytes out", what, text (&exec.exec), (unsigned long long) exec.out.received);
  printf ("bench  %s: %.1f MB/s\n", what, (double) (zeros != 0 ? zeros : exec.out.received) / at / 1e6);
  exec_clear (&exec);
}

static bool
configure (const char *mount)
{
  static const char ca[] = "ca=-----BEGIN CERTIFICATE-----\nbm90IG9uZQ==\n-----END CERTIFICATE-----\n";
  char body[2048];
  char now[64];
  size_t length = 0;
  Call call = { 0 };
  const char *records[] = { "hostname=box", now, "env=HTTP_PROXY=http://127.0.0.1:3128", "env=LANG=C.UTF-8", "cwd=/tmp", ca, "owner-uid=1000", mount };

  snprintf (now, sizeof now, "time=%llu000000", (unsigned long long) time (NULL));
  for (size_t i = 0; i < sizeof records / sizeof records[0] && records[i] != NULL; i++)
    {
      strcpy (body + length, records[i]);
      length += strlen (records[i]) + 1;
    }
  call_start (&call, "POST", "/configure", body, length);
  call_wait (&call, 20);
  check (call.status == 200, "configure: %d %s (%.3f s)", call.status, text (&call), seconds ());
  free (call.text);
  return call.status == 200;
}

static void
check_session (void)
{
  check_shell ("", "id -un; pwd; echo $HOME $LANG; hostname", "", "agent\n/tmp\n/home/agent C.UTF-8\nbox\n", "", "exit=0");
  check_shell ("root", "id -u; cat; echo bad >&2; exit 7", "input", "0\ninput", "bad\n", "exit=7");
  check_shell ("", "kill -TERM $$", "", "", "", "signal=15");
  check_shell ("", "grep -c creel /etc/ssl/certs/ca-certificates.crt; grep -c BEGIN /run/creel/ca.pem", "", "1\n1\n", "", "exit=0");
  check_shell ("root", "ls /sys/class/net", "", "lo\n", "", "exit=0");
  check_no_command ();
  check_terminal ();
  check_leftover ();
  check_hangup ();
}

static void
check_egress (void)
{
  const char *python = "import socket,sys\n"
                       "s=socket.create_connection((sys.argv[1],int(sys.argv[2])),5)\n"
                       "s.sendall(b'hello')\ns.shutdown(1)\nd=b''\n"
                       "while True:\n b=s.recv(65536)\n if not b: break\n d+=b\n"
                       "print(d.decode(),end='')";
  char script[1024];
  static const char *const targets[][3] = {
    { "127.0.0.1", "3128", "proxy proxy:3128" },
    { "host.docker.internal", "3128", "proxy proxy:3128" },
    { "Example.COM", "443", "transparent example.com:443" },
    { "1.2.3.4", "80", "transparent 1.2.3.4:80" },
    { "2001:db8::1", "80", "transparent [2001:db8::1]:80" },
    { "model.creel.internal", "12434", "transparent localhost:12434" },
  };

  for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++)
    {
      char expected[256];

      snprintf (script, sizeof script, "python3 -c \"%s\" %s %s", python, targets[i][0], targets[i][1]);
      snprintf (expected, sizeof expected, "%s\nhello", targets[i][2]);
      check_shell ("", script, "", expected, "", "exit=0");
    }
  check_shell ("", "python3 -c \"import socket\ns=socket.socket(2,2);s.connect(('9.9.9.9',123));s.send(b'x')\ntry: s.settimeout(3);s.recv(9)\nexcept ConnectionRefusedError: print('refused')\"",
               "", "refused\n", "", "exit=0");
  check_shell ("", "python3 -c \"import socket\ntry: socket.getaddrinfo('a.local',1)\nexcept socket.gaierror: print('none')\n"
                   "print(socket.gethostbyaddr(socket.gethostbyname('x.org'))[0])\"", "", "none\nx.org\n", "", "exit=0");
  check_shell ("", "python3 -c \"import socket\nl=[]\nfor i in range(1000):\n s=socket.create_connection(('many.org',443),20);l.append(s)\n"
                   "for s in l: s.sendall(b'y'*1000)\nn=0\nfor s in l:\n s.shutdown(1)\n while True:\n  b=s.recv(9999)\n  if not b: break\n  n+=len(b)\nprint(n)\"",
               "", "1025000\n", "", "exit=0");
}

int
main (int argc, char **argv)
{
  bool bench = false, keep = false;
  const char *mount = NULL;
  Call call = { 0 };

  if (argc < 2)
    return fprintf (stderr, "usage: guest-driver DIRECTORY [--bench] [--keep] [--mount=TAG:ro|rw:PATH]\n"), 2;
  for (int i = 2; i < argc; i++)
    {
      bench |= strcmp (argv[i], "--bench") == 0;
      keep |= strcmp (argv[i], "--keep") == 0;
      if (strncmp (argv[i], "--mount=", 8) == 0)
        mount = argv[i] + 2;
    }
  signal (SIGPIPE, SIG_IGN);
  began = creel_channel_now ();
  end_listen (&control, argv[1], "control");
  end_listen (&egress, argv[1], "egress");
  if (!wait_open (120))
    {
      check (false, "the guest did not answer within 120 s");
      return 1;
    }
  check (true, "both channels open after %.3f s", seconds ());
  if (!configure (mount))
    return 1;
  check_session ();
  check_egress ();
  if (bench)
    {
      bench_true ();
      bench_bytes ("1 GiB out of the guest", "head -c 1073741824 /dev/zero", 0, 1073741824);
      bench_bytes ("256 MiB into the guest", "cat >/dev/null", 268435456, 0);
      bench_bytes ("256 MiB through the egress and back",
                   "bash -c 'exec 3<>/dev/tcp/big.org/80; head -c 268435456 /dev/zero >&3 & head -c 268435456 <&3'", 0, 268435456);
    }

  /* the gateway dies and comes back */
  end_drop (&control);
  end_drop (&egress);
  check (wait_open (20) && configure (mount), "reconnected (%.3f s)", seconds ());
  check_shell ("", "echo again", "", "again\n", "", "exit=0");
  if (keep)
    return n_failed > 0;
  double at = seconds ();
  call_start (&call, "POST", "/shutdown", "", 0);
  call_wait (&call, 5);
  while (seconds () - at < 15 && creel_channel_get_state (control.channel) != CREEL_CHANNEL_CLOSED)
    turn (100);
  check (call.status == 202 && creel_channel_get_state (control.channel) == CREEL_CHANNEL_CLOSED, "shut down in %.1f s", seconds () - at);
  printf ("%d failed\n", n_failed);
  return n_failed > 0;
}
