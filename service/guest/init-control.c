/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "init.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "creel-config.h"

/* The requests of the host: README.md, "control". */

static const char *boot_problem;

/* A request whose body is collected, or an answer that is sent, or both. */
typedef struct
{
  enum { CONFIGURE, CLOCK, EXEC, SHUTDOWN } kind;
  uint64_t id;
  Records body;
  bool acted;
} Request;

typedef struct
{
  size_t length;
  size_t sent;
  char text[];
} Answer;

static ssize_t
answer_pull (CreelStream *stream, uint8_t *buffer, size_t size, bool *ret_end, void *user_data)
{
  Answer *answer = user_data;
  size_t n = answer->length - answer->sent;

  if (n > size)
    n = size;
  memcpy (buffer, answer->text + answer->sent, n);
  answer->sent += n;
  *ret_end = answer->sent == answer->length;
  return n;
}

static size_t
answer_data (CreelStream *stream, const uint8_t *bytes, size_t n, void *user_data)
{
  return n;
}

static void
answer_closed (CreelStream *stream, uint32_t code, void *user_data)
{
  loop_free_later (user_data);
}

static const CreelStreamHandler answer_handler = { .data = answer_data, .pull = answer_pull, .closed = answer_closed };

/* text: "key=value\n..." with newlines, sent as records. */
void
control_answer (CreelStream *stream, int status, const char *text)
{
  size_t length = strlen (text);
  Answer *answer = malloc (sizeof *answer + length);

  if (answer == NULL)
    {
      creel_stream_reset (stream, CREEL_STREAM_INTERNAL_ERROR);
      return;
    }
  *answer = (Answer){ .length = length };
  for (size_t i = 0; i < length; i++)
    answer->text[i] = text[i] == '\n' ? '\0' : text[i];
  creel_stream_set_handler (stream, &answer_handler, answer);
  creel_stream_respond (stream, status, NULL, 0, length > 0);
}

static void
answer_error (CreelStream *stream, int status, const char *problem)
{
  char text[1024];

  snprintf (text, sizeof text, "error=%s\n", problem);
  control_answer (stream, status, text);
}

static void
act_configure (CreelStream *stream, Records *body)
{
  const char *problem = *boot_problem != '\0' ? boot_problem : configure_apply (body);
  struct utsname name;
  char *boot_id;
  char text[1024];

  if (problem != NULL)
    {
      say ("%s", problem);
      answer_error (stream, 500, problem);
      return;
    }
  uname (&name);
  boot_id = read_file ("/proc/sys/kernel/random/boot_id", 4096 * 2, NULL);
  snprintf (text, sizeof text, "kernel=%s\nboot-id=%.36s\ninit=%s\n", name.release, boot_id == NULL ? "" : boot_id, CREEL_VERSION);
  free (boot_id);
  control_answer (stream, 200, text);
}

static size_t
request_data (CreelStream *stream, const uint8_t *bytes, size_t n, void *user_data)
{
  Request *request = user_data;

  if (!records_add (&request->body, bytes, n))
    {
      records_clear (&request->body);
      request->acted = true;
      answer_error (stream, 413, "the request is too long");
    }
  return n;
}

static void
request_free (Request *request)
{
  records_clear (&request->body);
  loop_free_later (request);
}

static void
request_end (CreelStream *stream, void *user_data)
{
  Request *request = user_data;

  if (request->kind == CONFIGURE)
    act_configure (stream, &request->body);
  else if (request->kind == CLOCK)
    {
      const char *time = records_get (&request->body, "time");

      if (time != NULL)
        clock_set (time);
      control_answer (stream, 200, "");
    }
  else if (request->kind == EXEC)
    session_exec (stream, request->id, &request->body);
  else
    {
      control_answer (stream, 202, "");
      shutdown_start ();
    }
  request_free (request); /* the stream has another handler now */
}

static void
request_closed (CreelStream *stream, uint32_t code, void *user_data)
{
  Request *request = user_data;

  if (request->kind == EXEC)
    session_hangup (request->id);
  request_free (request);
}

static const CreelStreamHandler request_handler = { .data = request_data, .end = request_end, .closed = request_closed };

static void
collect (CreelStream *stream, int kind, uint64_t id)
{
  Request *request = calloc (1, sizeof *request);

  if (request == NULL)
    return;
  request->kind = kind;
  request->id = id;
  creel_stream_set_handler (stream, &request_handler, request);
}

static void
simple (CreelStream *stream, int result)
{
  if (result == 0)
    control_answer (stream, 200, "");
  else
    answer_error (stream, result == -ENOENT ? 404 : 400, result == -ENOENT ? "no such session" : strerror (-result));
}

/* rest: what follows /exec/ID */
static void
on_session_request (CreelStream *stream, bool get, uint64_t id, const char *rest)
{
  unsigned rows, columns;
  int number;
  char more;

  if (!get && *rest == '\0' && save_is_running ())
    answer_error (stream, 503, "the sandbox is being saved; try again when that is done");
  else if (!get && *rest == '\0')
    {
      if (session_prepare (stream, id))
        collect (stream, EXEC, id);
    }
  else if (!get && strcmp (rest, "/stdin") == 0)
    {
      int result = session_attach_input (stream, id);

      if (result != 0)
        simple (stream, result);
    }
  else if (get && (strcmp (rest, "/stdout") == 0 || strcmp (rest, "/stderr") == 0))
    {
      int result = session_attach_output (stream, id, strcmp (rest, "/stderr") == 0);

      if (result != 0)
        simple (stream, result);
    }
  else if (!get && sscanf (rest, "/signal/%d%c", &number, &more) == 1)
    simple (stream, number < 1 || number >= NSIG ? -EINVAL : session_signal (id, number));
  else if (!get && sscanf (rest, "/resize/%ux%u%c", &rows, &columns, &more) == 2)
    simple (stream, session_resize (id, rows, columns));
  else if (!get && strcmp (rest, "/hangup") == 0)
    simple (stream, session_hangup (id));
  else
    answer_error (stream, 404, "no such request");
}

static void
on_request (CreelChannel *channel, CreelStream *stream, const CreelHead *head, void *user_data)
{
  const char *path = head->path == NULL ? "" : head->path;
  bool get = head->method != NULL && strcmp (head->method, "GET") == 0;
  bool post = head->method != NULL && strcmp (head->method, "POST") == 0;

  if (head->method != NULL && strcmp (head->method, "CONNECT") == 0 && *boot_problem == '\0')
    forward_connect (stream, head->authority);
  else if (!get && !post)
    answer_error (stream, 405, "the method is not allowed");
  else if (post && strcmp (path, "/configure") == 0)
    collect (stream, CONFIGURE, 0);
  else if (post && strcmp (path, "/clock") == 0)
    collect (stream, CLOCK, 0);
  else if (post && strcmp (path, "/shutdown") == 0)
    collect (stream, SHUTDOWN, 0);
  else if (*boot_problem != '\0')
    answer_error (stream, 503, boot_problem);
  else if (get && strcmp (path, "/save") == 0)
    save_start (stream);
  else if (strncmp (path, "/exec/", 6) == 0 && path[6] >= '0' && path[6] <= '9')
    {
      char *rest;
      uint64_t id = strtoull (path + 6, &rest, 10);

      on_session_request (stream, get, id, rest);
    }
  else
    answer_error (stream, 404, "no such request");
}

static void
on_opened (CreelChannel *channel, void *user_data)
{
  say ("control: host is there");
}

static void
on_closed (CreelChannel *channel, const char *reason, void *user_data)
{
  say ("control: %s", reason);
  session_hangup_all ();
}

static const CreelChannelHandler handler = { .opened = on_opened, .closed = on_closed, .request = on_request };

void
control_start (int port, const char *problem)
{
  CreelChannel *channel = creel_channel_new (port, CREEL_CHANNEL_GUEST, false, &handler, NULL);

  boot_problem = problem;
  if (channel != NULL)
    loop_add_channel (channel, port);
}
