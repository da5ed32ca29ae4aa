/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli-job.h"

#include <errno.h>
#include <glib-unix.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "out-json.h"
#include "out-progress.h"
#include "out-text.h"

#define LINE_MAX_BYTES (16 * 1024)
#define DRAIN_MS 2000

/* A job that is waited for. */
typedef struct
{
  Cli *cli;
  GMainLoop *loop;
  GHashTable *ends; /* path -> GVariant of JobRemoved: the end may come before the reply that names the job */
  char *path;
  CreelDBusJob *job;
  OutProgress *progress;
  GVariant *end;
  gboolean lost, cancelled;
  int output;
  guint output_id;
  GString *text; /* of its last line */
} Wait;

static void
on_job_removed (GDBusConnection *bus, const char *sender, const char *object, const char *interface, const char *signal,
                GVariant *parameters, gpointer user_data)
{
  Wait *wait = user_data;
  const char *path;

  if (!g_variant_is_of_type (parameters, G_VARIANT_TYPE ("(ossssa{sv})")))
    return;
  g_variant_get_child (parameters, 0, "&o", &path);
  if (wait->path == NULL)
    g_hash_table_insert (wait->ends, g_strdup (path), g_variant_ref (parameters));
  else if (g_str_equal (path, wait->path) && wait->end == NULL)
    {
      wait->end = g_variant_ref (parameters);
      g_main_loop_quit (wait->loop);
    }
}

static void
on_owner_changed (GDBusConnection *bus, const char *sender, const char *path, const char *interface, const char *signal,
                  GVariant *parameters, gpointer user_data)
{
  Wait *wait = user_data;
  const char *old_owner;

  g_variant_get_child (parameters, 1, "&s", &old_owner);
  if (*old_owner == '\0') /* our own call started it */
    return;
  wait->lost = TRUE;
  g_main_loop_quit (wait->loop);
}

static void
draw (Wait *wait)
{
  GVariant *progress;
  const char *phase;
  guint64 done = 0, total = 0;

  if (wait->job == NULL) /* it ended meanwhile */
    return;
  progress = creel_dbus_job_get_progress (wait->job);
  phase = creel_dbus_job_get_phase (wait->job);
  /* the output has a heading for each step, and where no line can be drawn over one is enough */
  if (wait->output >= 0 && !isatty (STDERR_FILENO) && phase != NULL && g_str_has_prefix (phase, "step "))
    return;
  if (progress != NULL)
    g_variant_get (progress, "(tt)", &done, &total);
  out_progress_update (wait->progress, phase != NULL ? phase : "", done, total);
}

static gboolean
on_tick (gpointer user_data)
{
  draw (user_data);
  return G_SOURCE_CONTINUE;
}

static gboolean
on_interrupt (gpointer user_data)
{
  Wait *wait = user_data;

  if (wait->cancelled) /* asked twice: leave; the job ends with our bus name */
    {
      wait->lost = TRUE;
      g_main_loop_quit (wait->loop);
    }
  wait->cancelled = TRUE;
  if (wait->job != NULL)
    creel_dbus_job_call_cancel (wait->job, G_DBUS_CALL_FLAGS_NONE, -1, NULL, NULL, NULL);
  return G_SOURCE_CONTINUE;
}

static GVariant *
take_end (Wait *wait, GError **error)
{
  const char *result, *error_name, *message;
  g_autoptr (GVariant) details = NULL;

  if (wait->end == NULL)
    {
      if (wait->cancelled)
        g_set_error_literal (error, CREEL_ERROR, CREEL_ERROR_CANCELLED, "Cancelled");
      else
        g_set_error_literal (error, CREEL_ERROR, CREEL_ERROR_FAILED,
                             "The Creel service ended before the job; try again, or see: journalctl -u creeld");
      return NULL;
    }
  g_variant_get (wait->end, "(&o&s&s&s&s@a{sv})", NULL, NULL, &result, &error_name, &message, &details);
  if (g_str_equal (result, "done"))
    return g_steal_pointer (&details);
  if (g_str_equal (result, "cancelled"))
    g_set_error_literal (error, CREEL_ERROR, CREEL_ERROR_CANCELLED, "Cancelled");
  else if (*error_name != '\0')
    g_propagate_error (error, g_dbus_error_new_for_dbus_error (error_name, message));
  else
    g_set_error_literal (error, CREEL_ERROR, CREEL_ERROR_FAILED, *message != '\0' ? message : "The job failed; see: journalctl -u creeld");
  return NULL;
}

static void
show_text (Wait *wait, gsize length)
{
  g_autofree char *safe = out_printable (wait->text->str, (gssize) length, TRUE);

  out_progress_clear (wait->progress);
  fputs (safe, stderr);
  g_string_erase (wait->text, 0, (gssize) length);
}

/* FALSE at the end of file. */
static gboolean
read_output (Wait *wait)
{
  char buffer[16 * 1024];
  gssize n;

  while ((n = read (wait->output, buffer, sizeof buffer)) > 0)
    {
      const char *end;

      /* what draws over its line, a progress bar for example, gets a new one */
      for (gssize i = 0; i < n; i++)
        if (buffer[i] != '\r')
          g_string_append_c (wait->text, buffer[i]);
        else if (i + 1 < n && buffer[i + 1] != '\n')
          g_string_append_c (wait->text, '\n');
      end = memrchr (wait->text->str, '\n', wait->text->len);
      if (end != NULL)
        show_text (wait, (gsize) (end + 1 - wait->text->str));
      else if (wait->text->len > LINE_MAX_BYTES)
        show_text (wait, wait->text->len);
    }
  return n < 0 && (errno == EAGAIN || errno == EINTR);
}

static gboolean
on_output (int fd, GIOCondition condition, gpointer user_data)
{
  Wait *wait = user_data;

  if (read_output (wait))
    return G_SOURCE_CONTINUE;
  wait->output_id = 0;
  return G_SOURCE_REMOVE;
}

/* What is still on its way when the job is over. */
static void
drain_output (Wait *wait)
{
  struct pollfd poll_fd = { wait->output, POLLIN, 0 };

  if (wait->output_id != 0)
    while (poll (&poll_fd, 1, DRAIN_MS) > 0 && read_output (wait))
      ;
  g_clear_handle_id (&wait->output_id, g_source_remove);
  if (wait->text->len > 0)
    {
      g_string_append_c (wait->text, '\n');
      show_text (wait, wait->text->len);
    }
}

static gboolean
wait_for (Cli *cli, CliJobCall call, gpointer data, int output, GVariant **ret_details, GError **error)
{
  Wait wait = { .cli = cli, .output = output };
  g_autoptr (GVariant) details = NULL;
  guint removed_id, owner_id, tick, interrupt;

  wait.ends = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_variant_unref);
  wait.loop = g_main_loop_new (NULL, FALSE);
  wait.progress = out_progress_new (cli->quiet);
  wait.text = g_string_new (NULL);
  if (output >= 0)
    {
      g_unix_set_fd_nonblocking (output, TRUE, NULL);
      wait.output_id = g_unix_fd_add (output, G_IO_IN | G_IO_HUP | G_IO_ERR, on_output, &wait);
    }
  removed_id = g_dbus_connection_signal_subscribe (cli->bus, CREEL_BUS_NAME, "org.creel.Creel1.Manager", "JobRemoved", CREEL_OBJECT_PATH,
                                                   NULL, G_DBUS_SIGNAL_FLAGS_NONE, on_job_removed, &wait, NULL);
  owner_id = g_dbus_connection_signal_subscribe (cli->bus, "org.freedesktop.DBus", "org.freedesktop.DBus", "NameOwnerChanged",
                                                 "/org/freedesktop/DBus", CREEL_BUS_NAME, G_DBUS_SIGNAL_FLAGS_NONE, on_owner_changed, &wait, NULL);
  if (call (cli, data, &wait.path, error))
    {
      wait.end = g_hash_table_lookup (wait.ends, wait.path);
      if (wait.end != NULL)
        g_variant_ref (wait.end);
      else
        {
          wait.job = creel_dbus_job_proxy_new_sync (cli->bus, G_DBUS_PROXY_FLAGS_NONE, CREEL_BUS_NAME, wait.path, NULL, NULL);
          draw (&wait);
          tick = g_timeout_add (200, on_tick, &wait);
          interrupt = g_unix_signal_add (SIGINT, on_interrupt, &wait);
          while (wait.end == NULL && !wait.lost)
            g_main_loop_run (wait.loop);
          g_source_remove (tick);
          g_source_remove (interrupt);
        }
      if (output >= 0)
        drain_output (&wait);
      details = take_end (&wait, error);
    }
  g_clear_handle_id (&wait.output_id, g_source_remove);
  g_string_free (wait.text, TRUE);
  g_clear_pointer (&wait.progress, out_progress_free);
  g_dbus_connection_signal_unsubscribe (cli->bus, removed_id);
  g_dbus_connection_signal_unsubscribe (cli->bus, owner_id);
  g_clear_pointer (&wait.end, g_variant_unref);
  g_clear_object (&wait.job);
  g_hash_table_unref (wait.ends);
  g_main_loop_unref (wait.loop);
  g_free (wait.path);
  if (details == NULL)
    return FALSE;
  if (ret_details != NULL)
    *ret_details = g_steal_pointer (&details);
  return TRUE;
}

gboolean
cli_job_wait (Cli *cli, CliJobCall call, gpointer data, GVariant **ret_details, GError **error)
{
  return wait_for (cli, call, data, -1, ret_details, error);
}

int
cli_job_run (Cli *cli, CliJobCall call, gpointer data)
{
  return cli_job_run_with_output (cli, call, data, -1);
}

int
cli_job_run_with_output (Cli *cli, CliJobCall call, gpointer data, int output)
{
  g_autoptr (GVariant) details = NULL;
  g_autoptr (GError) error = NULL;
  const char *id = "";

  if (!wait_for (cli, call, data, output, &details, &error))
    return cli_fail (error);
  g_variant_lookup (details, "id", "&s", &id);
  if (cli->json)
    {
      g_autoptr (JsonBuilder) builder = json_builder_new ();

      json_builder_begin_object (builder);
      out_json_vardict (builder, details);
      json_builder_end_object (builder);
      out_json_print (builder, TRUE);
    }
  else
    puts (id);
  return CLI_OK;
}
