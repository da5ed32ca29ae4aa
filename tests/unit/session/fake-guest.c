/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake-guest.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "creel-records.h"

typedef enum { KIND_CALL, KIND_STDIN, KIND_STDOUT, KIND_STDERR } Kind;

typedef struct _Program Program;

/* One request and its answer. */
typedef struct
{
  FakeGuest *guest;
  Program *program;
  CreelStream *stream;
  Kind kind;
  char *path;
  GByteArray *in, *out;
  guint64 zeros;
  gboolean done, endless, cut;
} Ask;

struct _Program
{
  guint id;
  GPtrArray *argv;
  Ask *call, *input, *outputs[2];
};

struct _FakeGuest
{
  int fd;
  CreelChannel *channel;
  GSource *source;
  GHashTable *programs;
  GPtrArray *paths;
  GByteArray *body;
  int answer_status;
  GByteArray *answer;
  guint64 sent;
  guint resets;
  int save_status;
  char *save_estimate;
  guint64 save_bytes;
  gboolean save_whole;
};

typedef struct
{
  GSource source;
  FakeGuest *guest;
  gpointer tag;
} GuestSource;

static gboolean
guest_prepare (GSource *source, int *ret_timeout)
{
  GuestSource *self = (GuestSource *) source;
  guint64 deadline = creel_channel_get_deadline (self->guest->channel), now = creel_channel_now ();

  g_source_modify_unix_fd (source, self->tag, (GIOCondition) creel_channel_get_events (self->guest->channel));
  *ret_timeout = deadline == UINT64_MAX ? -1 : deadline <= now ? 0 : (int) ((deadline - now + 999) / 1000);
  return *ret_timeout == 0;
}

static gboolean
guest_check (GSource *source)
{
  GuestSource *self = (GuestSource *) source;

  return g_source_query_unix_fd (source, self->tag) != 0 ||
         creel_channel_get_deadline (self->guest->channel) <= creel_channel_now ();
}

static gboolean
guest_dispatch (GSource *source, GSourceFunc callback, gpointer user_data)
{
  GuestSource *self = (GuestSource *) source;

  creel_channel_dispatch (self->guest->channel, (short) g_source_query_unix_fd (source, self->tag));
  return G_SOURCE_CONTINUE;
}

static GSourceFuncs guest_source_funcs = { guest_prepare, guest_check, guest_dispatch, NULL, NULL, NULL };

static void
say (Ask *ask, const void *data, gsize length)
{
  g_byte_array_append (ask->out, data, length);
  creel_stream_resume (ask->stream);
}

static void
finish (Ask *ask)
{
  if (ask == NULL || ask->done)
    return;
  ask->done = TRUE;
  creel_stream_resume (ask->stream);
}

static void
end_program (Program *program, const char *key, const char *value)
{
  if (program->call == NULL)
    return;
  creel_records_add (program->call->out, key, value);
  finish (program->call);
  finish (program->outputs[0]);
  finish (program->outputs[1]);
}

static const char *
word (Program *program, guint i)
{
  return i < program->argv->len ? program->argv->pdata[i] : "";
}

/* All four requests are there: run. */
static void
run_program (Program *program)
{
  const char *name = word (program, 0);

  if (g_str_equal (name, "exit"))
    end_program (program, "exit", word (program, 1));
  else if (g_str_equal (name, "kill"))
    end_program (program, "signal", word (program, 1));
  else if (g_str_equal (name, "both"))
    {
      say (program->outputs[0], "out", 3);
      say (program->outputs[1], "err", 3);
      end_program (program, "exit", "0");
    }
  else if (g_str_equal (name, "zeros"))
    {
      program->outputs[0]->zeros = g_ascii_strtoull (word (program, 1), NULL, 10);
      creel_stream_resume (program->outputs[0]->stream);
      end_program (program, "exit", "0");
    }
  else if (g_str_equal (name, "lie"))
    {
      say (program->call, word (program, 1), strlen (word (program, 1)));
      finish (program->call);
      finish (program->outputs[0]);
      finish (program->outputs[1]);
    }
  else if (g_str_equal (name, "flood"))
    {
      program->call->endless = TRUE;
      creel_stream_resume (program->call->stream);
    }
  else if (g_str_equal (name, "background"))
    {
      creel_records_add (program->call->out, "exit", "0");
      finish (program->call);
      finish (program->outputs[1]);
    }
}

static void
on_argument (const char *key, const char *value, gpointer user_data)
{
  if (g_str_equal (key, "arg"))
    g_ptr_array_add (user_data, g_strdup (value));
}

static void
start_call (Ask *ask)
{
  FakeGuest *guest = ask->guest;

  g_clear_pointer (&guest->body, g_byte_array_unref);
  guest->body = g_byte_array_ref (ask->in);
  if (g_str_equal (ask->path, "/configure"))
    {
      g_byte_array_append (ask->out, guest->answer->data, guest->answer->len);
      ask->done = TRUE;
      creel_stream_respond (ask->stream, guest->answer_status, NULL, 0, true);
      return;
    }
  if (g_str_equal (ask->path, "/save"))
    {
      CreelHeader header = { "creel-estimate", guest->save_estimate };

      if (guest->save_status == 0)
        return;
      if (guest->save_status != 200)
        creel_records_add (ask->out, "error", "busy");
      ask->zeros = guest->save_bytes;
      ask->done = guest->save_whole;
      ask->cut = !guest->save_whole;
      creel_stream_respond (ask->stream, guest->save_status, &header, header.value != NULL, true);
      return;
    }
  if (ask->program == NULL)
    {
      creel_stream_respond (ask->stream, g_str_equal (ask->path, "/shutdown") ? 202 : 200, NULL, 0, false);
      return;
    }
  g_assert_true (creel_records_parse (ask->in->data, ask->in->len, on_argument, ask->program->argv));
  if (g_str_equal (word (ask->program, 0), "mute"))
    return;
  if (g_str_equal (word (ask->program, 0), "missing") || g_str_equal (word (ask->program, 0), "forbidden"))
    {
      gboolean missing = g_str_equal (word (ask->program, 0), "missing");

      creel_records_add (ask->out, "error", missing ? "no \033[31msuch\ncommand" : "Permission denied");
      ask->done = TRUE;
      creel_stream_respond (ask->stream, missing ? 404 : 403, NULL, 0, true);
      return;
    }
  creel_stream_respond (ask->stream, 200, NULL, 0, true);
  if (ask->program->outputs[1] != NULL)
    run_program (ask->program);
}

static size_t
on_data (CreelStream *stream, const uint8_t *bytes, size_t n_bytes, void *user_data)
{
  Ask *ask = user_data;

  if (ask->kind == KIND_STDIN)
    {
      Ask *output = ask->program->outputs[0];

      if (!g_str_equal (word (ask->program, 0), "echo"))
        return n_bytes;
      if (output == NULL || output->out->len > 256 * 1024)
        return 0;
      say (output, bytes, n_bytes);
      return n_bytes;
    }
  g_byte_array_append (ask->in, bytes, n_bytes);
  return n_bytes;
}

static void
on_end (CreelStream *stream, void *user_data)
{
  Ask *ask = user_data;

  if (ask->kind == KIND_CALL)
    start_call (ask);
  else if (ask->kind == KIND_STDIN)
    {
      creel_stream_respond (stream, 200, NULL, 0, false);
      if (g_str_equal (word (ask->program, 0), "echo"))
        end_program (ask->program, "exit", "0");
    }
}

static ssize_t
on_pull (CreelStream *stream, uint8_t *buffer, size_t size, bool *ret_end, void *user_data)
{
  Ask *ask = user_data;
  gsize n = MIN (size, ask->out->len);

  if (ask->endless || ask->zeros > 0)
    {
      n = ask->endless ? size : MIN (size, ask->zeros);
      memset (buffer, 'z', n);
      ask->zeros -= ask->endless ? 0 : n;
    }
  else if (n > 0)
    {
      memcpy (buffer, ask->out->data, n);
      g_byte_array_remove_range (ask->out, 0, n);
    }
  if (ask->cut && n == 0)
    return -1;
  ask->guest->sent += n;
  *ret_end = ask->done && !ask->endless && ask->zeros == 0 && ask->out->len == 0;
  if (ask->kind == KIND_STDOUT && ask->program->input != NULL)
    creel_stream_receive (ask->program->input->stream);
  return n;
}

static void
ask_free (Ask *ask)
{
  g_free (ask->path);
  g_byte_array_unref (ask->in);
  g_byte_array_unref (ask->out);
  g_free (ask);
}

static void
on_closed (CreelStream *stream, uint32_t code, void *user_data)
{
  Ask *ask = user_data;

  if (code != CREEL_STREAM_NO_ERROR && code != CREEL_STREAM_LOST)
    ask->guest->resets++;
  if (ask->program != NULL)
    {
      Ask **slots[] = { &ask->program->call, &ask->program->input, &ask->program->outputs[0], &ask->program->outputs[1] };

      for (gsize i = 0; i < G_N_ELEMENTS (slots); i++)
        if (*slots[i] == ask)
          *slots[i] = NULL;
    }
  ask_free (ask);
}

static const CreelStreamHandler ask_handler = { NULL, on_data, on_end, on_pull, on_closed };

static void
program_free (gpointer data)
{
  Program *program = data;

  g_ptr_array_unref (program->argv);
  g_free (program);
}

static Program *
find_program (FakeGuest *guest, guint id)
{
  Program *program = g_hash_table_lookup (guest->programs, GUINT_TO_POINTER (id));

  if (program == NULL)
    {
      program = g_new0 (Program, 1);
      program->id = id;
      program->argv = g_ptr_array_new_with_free_func (g_free);
      g_hash_table_insert (guest->programs, GUINT_TO_POINTER (id), program);
    }
  return program;
}

static void
on_request (CreelChannel *channel, CreelStream *stream, const CreelHead *head, void *user_data)
{
  FakeGuest *guest = user_data;
  Ask *ask = g_new0 (Ask, 1);
  guint id = 0;
  char tail[32] = "";

  ask->guest = guest;
  ask->stream = stream;
  ask->path = g_strdup (head->path);
  ask->in = g_byte_array_new ();
  ask->out = g_byte_array_new ();
  creel_stream_set_handler (stream, &ask_handler, ask);
  if (sscanf (head->path, "/exec/%u/%31s", &id, tail) >= 1 && strchr (tail, '/') == NULL)
    {
      Program *program = find_program (guest, id);

      if (g_str_equal (tail, "stdin"))
        ask->kind = KIND_STDIN, program->input = ask;
      else if (g_str_equal (tail, "stdout"))
        ask->kind = KIND_STDOUT, program->outputs[0] = ask;
      else if (g_str_equal (tail, "stderr"))
        ask->kind = KIND_STDERR, program->outputs[1] = ask;
      else if (tail[0] == '\0')
        program->call = ask;
      if (ask->kind != KIND_CALL || tail[0] == '\0')
        ask->program = program;
      if (ask->kind == KIND_STDOUT || ask->kind == KIND_STDERR)
        creel_stream_respond (stream, 200, NULL, 0, true);
      if (ask->kind == KIND_STDERR && program->argv->len > 0)
        run_program (program);
    }
  if (ask->kind == KIND_CALL)
    g_ptr_array_add (guest->paths, g_strdup (head->path));
}

static const CreelChannelHandler channel_handler = { NULL, NULL, on_request };

FakeGuest *
fake_guest_new (int fd)
{
  FakeGuest *guest = g_new0 (FakeGuest, 1);
  GuestSource *source;

  guest->fd = fd;
  guest->programs = g_hash_table_new_full (NULL, NULL, NULL, program_free);
  guest->paths = g_ptr_array_new_with_free_func (g_free);
  guest->answer = g_byte_array_new ();
  fake_guest_set_answer (guest, 200, "kernel=6.1.0\0boot-id=abc\0init=creel-init 0.1", 45);
  guest->channel = creel_channel_new (fd, CREEL_CHANNEL_GUEST, false, &channel_handler, guest);
  guest->source = g_source_new (&guest_source_funcs, sizeof (GuestSource));
  source = (GuestSource *) guest->source;
  source->guest = guest;
  source->tag = g_source_add_unix_fd (guest->source, fd, G_IO_IN);
  g_source_attach (guest->source, NULL);
  return guest;
}

void
fake_guest_vanish (FakeGuest *guest)
{
  if (guest->source == NULL)
    return;
  g_source_destroy (guest->source);
  g_clear_pointer (&guest->source, g_source_unref);
  creel_channel_free (guest->channel);
  close (guest->fd);
}

void
fake_guest_free (FakeGuest *guest)
{
  if (guest == NULL)
    return;
  fake_guest_vanish (guest);
  g_hash_table_unref (guest->programs);
  g_ptr_array_unref (guest->paths);
  g_clear_pointer (&guest->body, g_byte_array_unref);
  g_byte_array_unref (guest->answer);
  g_free (guest->save_estimate);
  g_free (guest);
}

GPtrArray *
fake_guest_get_paths (FakeGuest *guest)
{
  return guest->paths;
}

GByteArray *
fake_guest_get_body (FakeGuest *guest)
{
  return guest->body;
}

void
fake_guest_set_answer (FakeGuest *guest, int status, const char *body, gsize length)
{
  guest->answer_status = status;
  g_byte_array_set_size (guest->answer, 0);
  g_byte_array_append (guest->answer, (const guint8 *) body, length);
}

void
fake_guest_set_save (FakeGuest *guest, int status, const char *estimate, guint64 bytes, gboolean whole)
{
  guest->save_status = status;
  g_free (guest->save_estimate);
  guest->save_estimate = g_strdup (estimate);
  guest->save_bytes = bytes;
  guest->save_whole = whole;
}

guint64
fake_guest_get_sent (FakeGuest *guest)
{
  return guest->sent;
}

guint
fake_guest_get_resets (FakeGuest *guest)
{
  return guest->resets;
}
