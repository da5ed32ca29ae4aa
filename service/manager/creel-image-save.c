/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-image-save.h"

#include <gio/gunixfdlist.h>
#include <string.h>

#include "creel-auth.h"
#include "creel-error.h"
#include "creel-gateway-link.h"
#include "creel-image-layer.h"
#include "creel-life.h"
#include "creel-sandbox.h"

#define PART "save"
#define GATEWAY_TIMEOUT_MS (60 * 1000)
#define CHANGES_MAX (64 * 1024)
#define MESSAGE_MAX 1024
/* The gateway of a sandbox that was just started is found within a moment */
#define RETRY_MS 250
#define RETRIES_MAX 40

typedef struct
{
  CreelImageJob *job;
  CreelDaemon *daemon;
  char *sandbox, *reference, *source;
  GPtrArray *arguments; /* of the worker: the base's manifest and the changes */
  CreelImageSaved saved;
  CreelImageConfig *config; /* what the worker wrote */
  gboolean started;         /* by us: to be stopped */
  guint retries;
} Save;

static CreelSandbox *
find_sandbox (Save *save)
{
  return g_hash_table_lookup (save->daemon->sandboxes, save->sandbox);
}

static void
on_left_stopped (gpointer user_data, GError *error)
{
  if (error != NULL)
    g_message ("Cannot stop a sandbox that was started to be saved: %s", error->message);
}

static void
save_free (gpointer data)
{
  Save *save = data;
  CreelSandbox *sandbox = find_sandbox (save);

  if (save->started && sandbox != NULL)
    creel_units_job (save->daemon->units, "StopUnit", creel_sandbox_get_unit (sandbox), on_left_stopped, NULL);
  g_free (save->sandbox);
  g_free (save->reference);
  g_free (save->source);
  g_ptr_array_unref (save->arguments);
  g_clear_pointer (&save->config, creel_image_config_free);
  g_free (save);
}

static void
converted (CreelImageJob *job, CreelWorkerLines *lines, gpointer data)
{
  Save *save = creel_image_job_get_part (job, PART);
  CreelImageConfig *config = lines->config;
  g_autoptr (GError) error = NULL;

  g_free (config->id);
  g_free (config->source);
  g_free (config->manifest);
  g_strfreev (config->blobs);
  config->id = g_strdup (lines->id);
  config->source = g_strdup (save->source);
  config->manifest = g_strdup (save->config->manifest);
  config->blobs = g_strdupv (save->config->blobs);
  if (creel_image_job_commit_image (job, config, save->reference, &error))
    save->saved (job, config->id, data);
  else
    creel_image_job_fail (job, error);
}

static void
convert (Save *save)
{
  const char *arguments[] = { save->config->manifest, NULL };
  g_autoptr (GError) error = NULL;
  int output = creel_image_job_begin_image (save->job, &error);

  if (output >= 0)
    creel_image_job_run (save->job, CREEL_WORKER_CONVERT, arguments, -1, output, converted);
  else
    creel_image_job_fail (save->job, error);
}

/* Cancelled while no worker was there to be killed. */
static gboolean
is_over (Save *save)
{
  g_autoptr (GError) error = NULL;

  if (!g_cancellable_is_cancelled (creel_image_job_get_cancellable (save->job)))
    return FALSE;
  error = g_error_new_literal (CREEL_ERROR, CREEL_ERROR_CANCELLED, "Cancelled");
  creel_image_job_fail (save->job, error);
  return TRUE;
}

static void
on_stopped_refreshed (gpointer user_data, GError *unused)
{
  Save *save = user_data;

  if (!is_over (save))
    convert (save);
}

static void
on_stopped (gpointer user_data, GError *error)
{
  Save *save = user_data;
  CreelSandbox *sandbox = find_sandbox (save);

  on_left_stopped (NULL, error);
  if (sandbox != NULL)
    creel_sandbox_refresh (sandbox, on_stopped_refreshed, save);
  else
    on_stopped_refreshed (save, NULL);
}

static void
layer_written (CreelImageJob *job, CreelWorkerLines *lines, gpointer data)
{
  Save *save = creel_image_job_get_part (job, PART);
  CreelSandbox *sandbox = find_sandbox (save);
  g_autoptr (GError) error = NULL;

  if (lines->config->manifest == NULL)
    {
      g_set_error_literal (&error, CREEL_ERROR, CREEL_ERROR_FAILED, "The worker did not say what it wrote");
      creel_image_job_fail (job, error);
      return;
    }
  save->config = g_steal_pointer (&lines->config);
  lines->config = g_new0 (CreelImageConfig, 1);
  if (!save->started || sandbox == NULL)
    {
      convert (save);
      return;
    }
  save->started = FALSE;
  creel_image_job_set_progress (job, "stopping", 0, 0);
  creel_units_job (save->daemon->units, "StopUnit", creel_sandbox_get_unit (sandbox), on_stopped, save);
}

static void ask_gateway (Save *save);

static gboolean
on_retry (gpointer user_data)
{
  ask_gateway (user_data);
  return G_SOURCE_REMOVE;
}

static void
on_stream (GVariant *reply, GUnixFDList *fds, gpointer user_data, GError *error)
{
  Save *save = user_data;
  g_autoptr (GError) local_error = NULL;
  guint64 estimate;
  gint32 handle;
  int fd = -1;

  if (is_over (save)) /* the socket goes with the reply, and with it the guest's work */
    return;
  if (save->started && g_error_matches (error, CREEL_ERROR, CREEL_ERROR_NOT_RUNNING) && save->retries++ < RETRIES_MAX)
    {
      g_timeout_add (RETRY_MS, on_retry, save);
      return;
    }
  if (error == NULL)
    {
      g_variant_get (reply, "(th)", &estimate, &handle);
      if (fds != NULL && g_unix_fd_list_get_length (fds) == 1 && handle == 0)
        fd = g_unix_fd_list_get (fds, 0, &local_error);
      else
        g_set_error_literal (&local_error, CREEL_ERROR, CREEL_ERROR_FAILED, "The gateway did not send a socket");
    }
  if (fd < 0)
    {
      creel_image_job_fail (save->job, error != NULL ? error : local_error);
      return;
    }
  creel_image_job_set_estimate (save->job, estimate);
  creel_image_job_run (save->job, CREEL_WORKER_SAVE, (const char *const *) save->arguments->pdata, fd, -1, layer_written);
}

static void
ask_gateway (Save *save)
{
  CreelSandbox *sandbox = find_sandbox (save);

  if (is_over (save))
    return;
  creel_gateway_link_call (sandbox != NULL ? creel_sandbox_get_link (sandbox) : NULL, "Save", g_variant_new ("(a{sv})", NULL), "(th)",
                           GATEWAY_TIMEOUT_MS, on_stream, save);
}

static void
on_started (gpointer user_data, GError *error)
{
  Save *save = user_data;

  save->started = error == NULL;
  if (error != NULL)
    creel_image_job_fail (save->job, error);
  else
    ask_gateway (save);
}

static void
base_ready (CreelImageJob *job, const char *manifest, gpointer data)
{
  Save *save = creel_image_job_get_part (job, PART);
  CreelSandbox *sandbox = find_sandbox (save);
  g_autoptr (GError) error = NULL;
  const CreelDefinition *definition;

  if (is_over (save))
    return;
  save->arguments->pdata[0] = g_strdup (manifest);
  if (sandbox != NULL && creel_sandbox_is_active (sandbox))
    {
      ask_gateway (save);
      return;
    }
  definition = sandbox != NULL ? creel_sandbox_get_definition (sandbox, &error) : NULL;
  if (definition != NULL && definition->ephemeral)
    g_set_error (&error, CREEL_ERROR, CREEL_ERROR_NOT_RUNNING,
                 "Sandbox \"%s\" is ephemeral: it would go when it stops again; start it first", save->sandbox);
  if (error != NULL)
    {
      creel_image_job_fail (job, error);
      return;
    }
  creel_image_job_set_progress (job, "starting", 0, 0);
  creel_life_start (save->daemon, save->sandbox, on_started, save); /* says so when there is no such sandbox any more */
}

void
creel_image_save_run (CreelImageJob *job, const char *sandbox, const char *reference, const char *source,
                      const char *const *changes, CreelImageSaved saved)
{
  CreelDaemon *daemon = creel_image_job_get_daemon (job);
  CreelSandbox *object = g_hash_table_lookup (daemon->sandboxes, sandbox);
  const CreelDefinition *definition;
  g_autoptr (GError) error = NULL;
  Save *save;

  if (object == NULL)
    g_set_error (&error, CREEL_ERROR, CREEL_ERROR_NO_SUCH_SANDBOX, "There is no sandbox \"%s\"", sandbox);
  definition = object != NULL ? creel_sandbox_get_definition (object, &error) : NULL;
  if (definition == NULL)
    {
      creel_image_job_fail (job, error);
      return;
    }
  save = g_new0 (Save, 1);
  save->job = job;
  save->daemon = daemon;
  save->sandbox = g_strdup (sandbox);
  save->reference = g_strdup (reference);
  save->source = g_strdup (source);
  save->saved = saved;
  save->arguments = g_ptr_array_new_with_free_func (g_free);
  g_ptr_array_add (save->arguments, NULL); /* the manifest, in base_ready() */
  for (; changes != NULL && *changes != NULL; changes++)
    g_ptr_array_add (save->arguments, g_strdup (*changes));
  g_ptr_array_add (save->arguments, NULL);
  creel_image_job_set_part (job, PART, save, save_free);
  creel_image_layer_run (job, definition->image_id, base_ready);
}

/* -- Sandbox.SaveImage -- */

static void
add_list (GStrvBuilder *words, const char *key, GVariant *options, const char *option)
{
  g_autofree const char **list = NULL;

  if (!g_variant_lookup (options, option, "^a&s", &list))
    return;
  if (list[0] == NULL && g_str_equal (key, "command"))
    g_strv_builder_add (words, "command=");
  for (guint i = 0; list[i] != NULL; i++)
    {
      g_autofree char *word = creel_image_layer_format_word (key, list[i]);

      g_strv_builder_add (words, word);
    }
}

static gboolean
check_environment (GVariant *options, GError **error)
{
  g_autofree const char **list = NULL;

  if (g_variant_lookup (options, "environment", "^a&s", &list))
    for (guint i = 0; list[i] != NULL; i++)
      if (list[i][0] == '=' || strchr (list[i], '=') == NULL)
        {
          g_set_error_literal (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS, "Each entry of environment must be KEY=VALUE");
          return FALSE;
        }
  return TRUE;
}

static gboolean
prepare_save (CreelCall *call, GStrvBuilder *actions, GError **error)
{
  static const char *const known[] = { "message:s", "command:as", "environment:as", NULL };
  g_autoptr (GVariant) options = g_variant_get_child_value (call->parameters, 1);
  g_autofree char *normal = NULL;
  const char *reference, *message = "";

  g_variant_get_child (call->parameters, 0, "&s", &reference);
  normal = creel_image_reference_normalize (reference, error);
  if (normal == NULL || !creel_options_check (options, known, error) || !check_environment (options, error))
    return FALSE;
  g_variant_lookup (options, "message", "&s", &message);
  if (g_variant_get_size (options) > CHANGES_MAX || strlen (message) > MESSAGE_MAX)
    {
      g_set_error_literal (error, CREEL_ERROR, CREEL_ERROR_LIMITS_EXCEEDED,
                           "The message is longer than 1 KiB, or command and environment are larger than 64 KiB");
      return FALSE;
    }
  g_strv_builder_add (actions, CREEL_ACTION_MANAGE_IMAGES);
  return TRUE;
}

static void
on_saved (CreelImageJob *job, const char *id, gpointer data)
{
  creel_image_job_add_detail (job, "id", g_variant_new_string (id));
  creel_image_job_add_detail (job, "reference", g_variant_new_string (data));
  creel_image_job_done (job);
}

static void
handle_save (CreelCall *call)
{
  g_autoptr (GVariant) options = g_variant_get_child_value (call->parameters, 1);
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  g_autofree char *sandbox = g_strdup (call->node), *source = g_strconcat ("save: ", call->node, NULL);
  g_auto (GStrv) changes = NULL;
  const char *text, *message = "";
  g_autofree char *note = NULL, *reference = NULL;
  CreelImageJob *job;

  if (creel_call_sandbox (call) == NULL)
    return;
  g_variant_get_child (call->parameters, 0, "&s", &text);
  reference = creel_image_reference_normalize (text, NULL);
  add_list (builder, "environment", options, "environment");
  add_list (builder, "command", options, "command");
  g_variant_lookup (options, "message", "&s", &message);
  note = creel_image_layer_format_word ("created-by", message[0] != '\0' ? message : "creel save");
  g_strv_builder_add (builder, note);
  changes = g_strv_builder_end (builder);

  job = creel_image_job_new (call, "sandbox-save", sandbox, NULL, g_strdup (reference), g_free);
  if (job == NULL)
    return;
  creel_image_job_reply (job, call);
  creel_image_save_run (job, sandbox, reference, source, (const char *const *) changes, on_saved);
}

const CreelMethod creel_image_save_methods[] = {
  { "Sandbox", "SaveImage", prepare_save, handle_save },
  { NULL }
};
