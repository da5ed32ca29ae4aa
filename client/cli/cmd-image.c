/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gunixfdlist.h>
#include <glib-unix.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "out-json.h"
#include "out-progress.h"
#include "out-text.h"

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
  if (progress != NULL)
    g_variant_get (progress, "(tt)", &done, &total);
  out_progress_update (wait->progress, phase != NULL && *phase != '\0' ? phase : "waiting", done, total);
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

static int
report_end (Wait *wait)
{
  const char *result, *error_name, *message, *id = "";
  g_autoptr (GVariant) details = NULL;

  if (wait->end == NULL)
    return cli_fail_with (CLI_FAILED, wait->cancelled ? "Cancelled" : "The Creel service ended before the job; try again, or see: journalctl -u creeld");
  g_variant_get (wait->end, "(&o&s&s&s&s@a{sv})", NULL, NULL, &result, &error_name, &message, &details);
  if (g_str_equal (result, "done"))
    {
      g_variant_lookup (details, "id", "&s", &id);
      if (wait->cli->json)
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
  if (g_str_equal (result, "cancelled"))
    return cli_fail_with (wait->cancelled ? 130 : CLI_FAILED, "Cancelled");

  g_autoptr (GError) error = *error_name != '\0' ? g_dbus_error_new_for_dbus_error (error_name, message) : NULL;

  return error != NULL ? cli_fail (error) : cli_fail_with (CLI_FAILED, "%s", *message != '\0' ? message : "The job failed; see: journalctl -u creeld");
}

/* Makes the call (`file` -1: BuildImage) and waits for its job. */
static int
run_job (Cli *cli, int file, const char *reference)
{
  Wait wait = { .cli = cli };
  GVariant *empty = g_variant_ref_sink (g_variant_new ("a{sv}", NULL));
  g_autoptr (GUnixFDList) fds = file >= 0 ? g_unix_fd_list_new_from_array (&file, 1) : NULL;
  g_autoptr (GError) error = NULL;
  guint removed_id, owner_id, tick, interrupt;
  gboolean called;
  int status;

  wait.ends = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_variant_unref);
  wait.loop = g_main_loop_new (NULL, FALSE);
  wait.progress = out_progress_new (cli->quiet);
  removed_id = g_dbus_connection_signal_subscribe (cli->bus, CREEL_BUS_NAME, "org.creel.Creel1.Manager", "JobRemoved", CREEL_OBJECT_PATH,
                                                   NULL, G_DBUS_SIGNAL_FLAGS_NONE, on_job_removed, &wait, NULL);
  owner_id = g_dbus_connection_signal_subscribe (cli->bus, "org.freedesktop.DBus", "org.freedesktop.DBus", "NameOwnerChanged",
                                                 "/org/freedesktop/DBus", CREEL_BUS_NAME, G_DBUS_SIGNAL_FLAGS_NONE, on_owner_changed, &wait, NULL);
  called = file >= 0 ? CLI_CALL (cli, &error,
                                 creel_dbus_manager_call_import_image_sync (cli->manager, g_variant_new_handle (0), reference, empty,
                                                                            CLI_FLAGS (cli), fds, &wait.path, NULL, NULL, &error))
                     : CLI_CALL (cli, &error,
                                 creel_dbus_manager_call_build_image_sync (cli->manager, reference, empty, CLI_FLAGS (cli), &wait.path, NULL, &error));
  if (!called)
    status = cli_fail (error);
  else
    {
      wait.end = g_hash_table_lookup (wait.ends, wait.path);
      if (wait.end != NULL)
        g_variant_ref (wait.end);
      else
        {
          wait.job = creel_dbus_job_proxy_new_sync (cli->bus, G_DBUS_PROXY_FLAGS_NONE, CREEL_BUS_NAME, wait.path, NULL, NULL);
          tick = g_timeout_add (200, on_tick, &wait);
          interrupt = g_unix_signal_add (SIGINT, on_interrupt, &wait);
          while (wait.end == NULL && !wait.lost)
            g_main_loop_run (wait.loop);
          g_source_remove (tick);
          g_source_remove (interrupt);
        }
      g_clear_pointer (&wait.progress, out_progress_free);
      status = report_end (&wait);
    }
  g_dbus_connection_signal_unsubscribe (cli->bus, removed_id);
  g_dbus_connection_signal_unsubscribe (cli->bus, owner_id);
  g_clear_pointer (&wait.progress, out_progress_free);
  g_clear_pointer (&wait.end, g_variant_unref);
  g_clear_object (&wait.job);
  g_hash_table_unref (wait.ends);
  g_main_loop_unref (wait.loop);
  g_free (wait.path);
  g_variant_unref (empty);
  return status;
}

int
cmd_image_import (Cli *cli, char **args)
{
  g_auto (GStrv) words = NULL;
  g_autoptr (GError) error = NULL;
  int status, file;

  if (!cli_parse (cli, args, NULL, CLI_PARSE_PERMUTE, 1, 2, &words, NULL, &status))
    return status;
  file = open (words[0], O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0)
    return cli_fail_with (CLI_FAILED, "Cannot open %s: %s", words[0], g_strerror (errno));
  if (!cli_connect (cli, &error))
    {
      close (file);
      return cli_fail (error);
    }
  return run_job (cli, file, words[1] != NULL ? words[1] : ""); /* takes the file */
}

int
cmd_image_build (Cli *cli, char **args)
{
  g_auto (GStrv) words = NULL;
  g_autoptr (GError) error = NULL;
  int status;

  if (!cli_parse (cli, args, NULL, CLI_PARSE_PERMUTE, 1, 1, &words, NULL, &status))
    return status;
  if (!cli_connect (cli, &error))
    return cli_fail (error);
  return run_job (cli, -1, words[0]);
}

int
cmd_image_ls (Cli *cli, char **args)
{
  g_auto (GStrv) words = NULL;
  g_autoptr (GVariant) list = NULL;
  g_autoptr (OutTable) table = out_table_new ("REFERENCE", "ID", "SIZE", "CREATED", NULL);
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  g_autoptr (GError) error = NULL;
  GVariantIter iter;
  const char *id;
  const char **references;
  guint64 size;
  gint64 created;
  int status;

  if (!cli_parse (cli, args, NULL, CLI_PARSE_PERMUTE, 0, 0, &words, NULL, &status))
    return status;
  if (!cli_connect (cli, &error)
      || !CLI_CALL (cli, &error, creel_dbus_manager_call_list_images_sync (cli->manager, CLI_FLAGS (cli), &list, NULL, &error)))
    return cli_fail (error);
  json_builder_begin_array (builder);
  g_variant_iter_init (&iter, list);
  while (g_variant_iter_loop (&iter, "(&s^a&stx)", &id, &references, &size, &created))
    {
      g_autofree char *names = g_strjoinv (", ", (char **) references);
      g_autofree char *bytes = out_size (size), *time = out_time (created);
      g_autofree char *brief = g_strndup (id, strlen ("sha256-") + 12);

      json_builder_begin_object (builder);
      out_json_string (builder, "id", id);
      out_json_strings (builder, "references", references);
      out_json_integer (builder, "size", size);
      out_json_integer (builder, "created", created);
      json_builder_end_object (builder);
      out_table_add (table, names, brief, bytes, time);
      if (cli->quiet && !cli->json)
        puts (id);
    }
  json_builder_end_array (builder);
  if (cli->json)
    out_json_print (builder, TRUE);
  else if (!cli->quiet)
    out_table_print (table);
  return CLI_OK;
}

int
cmd_image_inspect (Cli *cli, char **args)
{
  g_auto (GStrv) words = NULL;
  g_autoptr (GVariant) config = NULL;
  g_autoptr (GError) error = NULL;
  GVariantIter iter;
  const char *key;
  GVariant *value;
  int status;

  if (!cli_parse (cli, args, NULL, CLI_PARSE_PERMUTE, 1, 1, &words, NULL, &status))
    return status;
  if (!cli_connect (cli, &error)
      || !CLI_CALL (cli, &error, creel_dbus_manager_call_inspect_image_sync (cli->manager, words[0], CLI_FLAGS (cli), &config, NULL, &error)))
    return cli_fail (error);
  if (cli->json)
    {
      g_autoptr (JsonBuilder) builder = json_builder_new ();

      json_builder_begin_object (builder);
      out_json_vardict (builder, config);
      json_builder_end_object (builder);
      out_json_print (builder, TRUE);
      return CLI_OK;
    }
  g_variant_iter_init (&iter, config);
  while (g_variant_iter_loop (&iter, "{&sv}", &key, &value))
    {
      g_autofree char *text = NULL, *safe = NULL;

      if (g_str_equal (key, "size") && g_variant_is_of_type (value, G_VARIANT_TYPE_UINT64))
        text = out_size (g_variant_get_uint64 (value));
      else if (g_str_equal (key, "created") && g_variant_is_of_type (value, G_VARIANT_TYPE_INT64))
        text = out_time (g_variant_get_int64 (value));
      else if (g_variant_is_of_type (value, G_VARIANT_TYPE_STRING))
        text = g_variant_dup_string (value, NULL);
      else if (g_variant_is_of_type (value, G_VARIANT_TYPE_STRING_ARRAY))
        {
          g_autofree const char **strings = g_variant_get_strv (value, NULL);

          text = g_strjoinv (g_str_equal (key, "environment") ? ", " : " ", (char **) strings);
        }
      else
        text = g_variant_print (value, FALSE);
      safe = out_printable (text, -1, FALSE);
      if (*safe != '\0')
        printf ("%-12s %s\n", key, safe);
    }
  return CLI_OK;
}

int
cmd_image_rm (Cli *cli, char **args)
{
  g_auto (GStrv) words = NULL;
  g_autoptr (GError) error = NULL;
  int status = CLI_OK;

  if (!cli_parse (cli, args, NULL, CLI_PARSE_PERMUTE, 1, -1, &words, NULL, &status))
    return status;
  if (!cli_connect (cli, &error))
    return cli_fail (error);
  for (char **word = words; *word != NULL; word++)
    {
      g_autoptr (GError) remove_error = NULL;

      if (!CLI_CALL (cli, &remove_error, creel_dbus_manager_call_remove_image_sync (cli->manager, *word, CLI_FLAGS (cli), NULL, &remove_error)))
        {
          int failed = cli_fail (remove_error);

          status = status == CLI_OK ? failed : status;
        }
      else if (!cli->quiet)
        puts (*word);
    }
  return status;
}
