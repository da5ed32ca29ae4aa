/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-engine-version.h"

#include <errno.h>
#include <gio/gunixfdlist.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "creel-engine-unit.h"
#include "creel-exec.h"
#include "creel-root.h"

#define MAX_TEXT 4096
#define MAX_LINE 128
#define MAX_SECONDS 15

struct _CreelEngineVersion
{
  CreelDaemon *daemon;
  char *key;  /* which program it is that is known or asked */
  char *text; /* NULL: not known yet */
  GArray *waiting;
  GByteArray *printed;
  int fd;
  guint source_id, timeout_id, last_unit;
};

typedef struct
{
  CreelEngineVersionFunc done;
  gpointer user_data;
} Waiter;

CreelEngineVersion *
creel_engine_version_new (CreelDaemon *daemon)
{
  CreelEngineVersion *self = g_new0 (CreelEngineVersion, 1);

  self->daemon = daemon;
  self->fd = -1;
  self->waiting = g_array_new (FALSE, FALSE, sizeof (Waiter));
  self->printed = g_byte_array_new ();
  return self;
}

static void
stop_reading (CreelEngineVersion *self)
{
  g_clear_handle_id (&self->source_id, g_source_remove);
  g_clear_handle_id (&self->timeout_id, g_source_remove);
  if (self->fd >= 0)
    close (self->fd);
  self->fd = -1;
}

void
creel_engine_version_free (CreelEngineVersion *self)
{
  stop_reading (self);
  g_array_unref (self->waiting);
  g_byte_array_unref (self->printed);
  g_free (self->key);
  g_free (self->text);
  g_free (self);
}

char *
creel_engine_version_parse (const char *text, gsize length)
{
  g_autofree char *safe = creel_exec_make_printable (text, length);
  g_auto (GStrv) lines = g_strsplit (safe, "\n", -1);

  for (char **line = lines; *line != NULL; line++)
    {
      g_strstrip (*line);
      if (g_str_has_prefix (*line, "version:"))
        {
          char *end = g_utf8_substring (*line, 0, MIN (g_utf8_strlen (*line, -1), MAX_LINE));

          memmove (end, end + strlen ("version:"), strlen (end + strlen ("version:")) + 1);
          return g_strstrip (end);
        }
    }
  return g_strdup ("");
}

static void
finish (CreelEngineVersion *self)
{
  g_autoptr (GArray) waiting = g_steal_pointer (&self->waiting);

  stop_reading (self);
  self->waiting = g_array_new (FALSE, FALSE, sizeof (Waiter));
  self->text = creel_engine_version_parse ((const char *) self->printed->data, self->printed->len);
  for (guint i = 0; i < waiting->len; i++)
    {
      Waiter *waiter = &g_array_index (waiting, Waiter, i);

      waiter->done (self->text, waiter->user_data);
    }
}

static gboolean
on_readable (int fd, GIOCondition condition, gpointer user_data)
{
  CreelEngineVersion *self = user_data;
  char buffer[1024];
  gssize n = read (fd, buffer, sizeof buffer);

  if (n < 0 && (errno == EAGAIN || errno == EINTR))
    return G_SOURCE_CONTINUE;
  if (n > 0)
    g_byte_array_append (self->printed, (const guint8 *) buffer, n);
  if (n > 0 && self->printed->len < MAX_TEXT)
    return G_SOURCE_CONTINUE;
  self->source_id = 0;
  finish (self);
  return G_SOURCE_REMOVE;
}

static gboolean
on_timeout (gpointer user_data)
{
  CreelEngineVersion *self = user_data;

  self->timeout_id = 0;
  finish (self);
  return G_SOURCE_REMOVE;
}

static void
on_started (gpointer user_data, GError *error)
{
  /* a unit that does not start closes the pipe */
}

static gboolean
ask (CreelEngineVersion *self, const char *engine)
{
  g_autofree char *unit = g_strdup_printf ("creel-version-%d-%u.service", getpid (), ++self->last_unit);
  g_autoptr (GUnixFDList) fds = NULL;
  int ends[2];

  if (!g_unix_open_pipe (ends, FD_CLOEXEC, NULL))
    return FALSE;
  fds = g_unix_fd_list_new_from_array (&ends[1], 1); /* takes it */
  g_unix_set_fd_nonblocking (ends[0], TRUE, NULL);
  self->fd = ends[0];
  self->source_id = g_unix_fd_add (self->fd, G_IO_IN | G_IO_HUP | G_IO_ERR, on_readable, self);
  self->timeout_id = g_timeout_add_seconds (MAX_SECONDS, on_timeout, self);
  creel_units_start_transient (self->daemon->units, unit, creel_engine_unit_version_properties (engine), fds, on_started, NULL);
  return TRUE;
}

void
creel_engine_version_get (CreelEngineVersion *self, const char *engine, CreelEngineVersionFunc done, gpointer user_data)
{
  g_autofree char *path = creel_root_path (engine);
  g_autofree char *key = NULL;
  Waiter waiter = { done, user_data };
  struct stat st;

  if (stat (path, &st) < 0)
    {
      done ("", user_data);
      return;
    }
  key = g_strdup_printf ("%s %" G_GUINT64_FORMAT ".%ld", engine, (guint64) st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
  if (self->fd < 0 && g_strcmp0 (key, self->key) != 0)
    {
      g_clear_pointer (&self->text, g_free);
      g_free (self->key);
      self->key = g_steal_pointer (&key);
      g_byte_array_set_size (self->printed, 0);
      if (!ask (self, engine))
        {
          g_clear_pointer (&self->key, g_free);
          done ("", user_data);
          return;
        }
    }
  if (self->text != NULL)
    done (self->text, user_data);
  else
    g_array_append_val (self->waiting, waiter);
}
