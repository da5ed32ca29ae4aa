/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Models of the double: "ai/tiny" is there and has been given another name, "loaded" is in use, everything else is missing. */
#include "fake-creeld.h"

#include <gio/gunixfdlist.h>

#include "creel-dbus-models.h"
#include "creel-error.h"

#define MODEL                                                                                                                    \
  "'id': <'sha256-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef'>, 'name': <'ai/tiny'>,"                      \
  " 'references': <['docker.io/ai/tiny:latest', 'localhost:5000/me/tiny:1']>, 'format': <'gguf'>, 'architecture': <'llama'>,"    \
  " 'parameters': <'8.03 B'>, 'quantization': <'Q4_K_M'>, 'size': <uint64 104857600>, 'context-length': <uint64 8192>,"          \
  " 'layers': <uint64 32>, 'kv-bytes-per-token': <uint64 131072>, 'chat-template': <true>, 'embedding': <false>,"                \
  " 'created': <int64 1700000000000000>, 'source': <'pull'>, 'context-size': <uint64 4096>,"                                     \
  " 'keep-alive': <uint64 18446744073709551615>, 'engine-flags': <['--threads', '4']>"

static gboolean
is_here (GDBusMethodInvocation *invocation, const char *model)
{
  static const char *const names[] = { "ai/tiny", "docker.io/ai/tiny", "0123456", "loaded", NULL };

  if (g_strv_contains (names, model))
    return TRUE;
  g_dbus_method_invocation_return_error (invocation, CREEL_ERROR, CREEL_ERROR_NO_SUCH_MODEL, "There is no model \"%s\"; see: creel model ls", model);
  return FALSE;
}

static gboolean
on_pull (CreelDBusModels *models, GDBusMethodInvocation *invocation, const char *reference, GVariant *options, gpointer fake)
{
  g_autofree char *path = fake_start_job (fake, "model-pull", reference);

  creel_dbus_models_complete_pull_model (models, invocation, path);
  return TRUE;
}

/* What it was given is in the name of the job's target, which it refuses. */
static gboolean
on_import (CreelDBusModels *models, GDBusMethodInvocation *invocation, GUnixFDList *fds, const char *reference, GVariant *files, GVariant *options,
           gpointer fake)
{
  g_autofree char *path = NULL;

  if (g_str_equal (reference, "tell"))
    {
      g_autofree char *given = g_variant_print (files, FALSE), *how = g_variant_print (options, FALSE);

      g_dbus_method_invocation_return_error (invocation, CREEL_ERROR, CREEL_ERROR_FAILED, "%d files: %s, %s", g_unix_fd_list_get_length (fds), given, how);
      return TRUE;
    }
  path = fake_start_job (fake, "model-import", reference);
  creel_dbus_models_complete_import_model (models, invocation, NULL, path);
  return TRUE;
}

static gboolean
on_push (CreelDBusModels *models, GDBusMethodInvocation *invocation, const char *model, GVariant *options, gpointer fake)
{
  const char *destination = "instant";
  g_autofree char *path = NULL;

  g_variant_lookup (options, "destination", "&s", &destination);
  path = fake_start_job (fake, "model-push", destination);
  creel_dbus_models_complete_push_model (models, invocation, path);
  return TRUE;
}

static gboolean
on_tag (CreelDBusModels *models, GDBusMethodInvocation *invocation, const char *model, const char *reference, GVariant *options, gpointer fake)
{
  if (is_here (invocation, model))
    creel_dbus_models_complete_tag_model (models, invocation);
  return TRUE;
}

static gboolean
on_remove (CreelDBusModels *models, GDBusMethodInvocation *invocation, const char *model, GVariant *options, gpointer fake)
{
  gboolean force = FALSE;

  g_variant_lookup (options, "force", "b", &force);
  if (!is_here (invocation, model))
    return TRUE;
  if (g_str_equal (model, "loaded") && !force)
    g_dbus_method_invocation_return_error_literal (invocation, CREEL_ERROR, CREEL_ERROR_MODEL_IN_USE, "Model loaded is loaded; unload it, or force");
  else
    creel_dbus_models_complete_remove_model (models, invocation);
  return TRUE;
}

static gboolean
on_list (CreelDBusModels *models, GDBusMethodInvocation *invocation, GVariant *options, gpointer fake)
{
  creel_dbus_models_complete_list_models (
      models, invocation,
      g_variant_new_parsed ("[{" MODEL "}, {'id': <'sha256-fedcba9876543210fedcba9876543210'>, 'name': <'sha256-fedcba9876543210fedcba9876543210'>,"
                            " 'references': <@as []>, 'size': <uint64 5>, 'created': <int64 1700000000000000>, 'architecture': <'\033[31mred'>}]"));
  return TRUE;
}

static gboolean
on_inspect (CreelDBusModels *models, GDBusMethodInvocation *invocation, const char *model, GVariant *options, gpointer fake)
{
  if (is_here (invocation, model))
    creel_dbus_models_complete_inspect_model (models, invocation,
                                              g_variant_new_parsed ("{" MODEL ", 'manifest': <'sha256:0123'>, 'blobs-size': <uint64 104858000>,"
                                                                    " 'files': <[('gguf', '0123', uint64 104857600, 'tiny.gguf')]>}"));
  return TRUE;
}

static gboolean
on_configure (CreelDBusModels *models, GDBusMethodInvocation *invocation, const char *model, GVariant *options, gpointer fake)
{
  g_autofree char *text = g_variant_print (options, FALSE);

  if (g_str_equal (model, "tell"))
    g_dbus_method_invocation_return_error (invocation, CREEL_ERROR, CREEL_ERROR_FAILED, "%s", text);
  else if (is_here (invocation, model))
    creel_dbus_models_complete_configure_model (models, invocation);
  return TRUE;
}

static gboolean
on_unload (CreelDBusModels *models, GDBusMethodInvocation *invocation, const char *model, GVariant *options, gpointer fake)
{
  if (*model == '\0' || g_str_equal (model, "loaded"))
    creel_dbus_models_complete_unload_model (models, invocation);
  else if (is_here (invocation, model))
    g_dbus_method_invocation_return_error (invocation, CREEL_ERROR, CREEL_ERROR_NOT_RUNNING, "Model %s is not loaded", model);
  return TRUE;
}

static gboolean
on_list_loaded (CreelDBusModels *models, GDBusMethodInvocation *invocation, GVariant *options, gpointer fake)
{
  creel_dbus_models_complete_list_loaded (
      models, invocation,
      g_variant_new_parsed ("[{'id': <'sha256-0123'>, 'name': <'ai/tiny'>, 'unit': <'creel-engine-0123.service'>, 'state': <'running'>,"
                            " 'since': <uint64 1700000000000000>, 'memory': <uint64 1073741824>, 'memory-max': <uint64 2147483648>,"
                            " 'context-size': <uint64 4096>, 'busy': <uint32 0>, 'expires': <uint64 18446744073709551615>},"
                            " {'id': <'sha256-4567'>, 'name': <'other'>, 'unit': <'creel-engine-4567.service'>, 'state': <'starting'>,"
                            " 'since': <uint64 1700000000000000>, 'memory': <uint64 1024>, 'memory-max': <uint64 18446744073709551615>,"
                            " 'context-size': <uint64 0>, 'busy': <uint32 2>, 'expires': <uint64 0>}]"));
  return TRUE;
}

static gboolean
on_disk_usage (CreelDBusModels *models, GDBusMethodInvocation *invocation, GVariant *options, gpointer fake)
{
  creel_dbus_models_complete_disk_usage (
      models, invocation,
      g_variant_new_parsed ("{'models': <uint64 104857600>, 'shared': <uint64 0>, 'partial': <uint64 1536>, 'free': <uint64 1073741824>}"));
  return TRUE;
}

/* once there is no engine */
static gboolean
on_status (CreelDBusModels *models, GDBusMethodInvocation *invocation, GVariant *options, gpointer fake)
{
  static guint calls;
  const char *engine = calls++ == 0 ? "" : "/usr/bin/llama-server";

  creel_dbus_models_complete_status (models, invocation,
                                     g_variant_new_parsed ("{'engine': <%s>, 'engine-version': <'version: 1\033'>, 'advice': <'install llama.cpp'>,"
                                                           " 'listening': <'127.0.0.1:12434'>, 'models': <uint32 2>, 'loaded': <uint32 1>}",
                                                           engine));
  return TRUE;
}

static gboolean
on_read_log (CreelDBusModels *models, GDBusMethodInvocation *invocation, const char *cursor, guint limit, gpointer fake)
{
  gboolean more = *cursor == '\0' || g_str_equal (cursor, "first");

  creel_dbus_models_complete_read_log (
      models, invocation,
      more ? g_variant_new_parsed ("[{'MESSAGE': 'Model ai/tiny loaded', '_SYSTEMD_UNIT': 'creel-models.service', '__REALTIME_TIMESTAMP': '1700000000000000'},"
                                   " {'MESSAGE': 'slots \033[31mready', '_SYSTEMD_UNIT': 'creel-engine-0123.service', 'CREEL_MODEL': 'ai/tiny',"
                                   " 'PRIORITY': '6', '__REALTIME_TIMESTAMP': '1700000001000000'}]")
           : g_variant_new_parsed ("@aa{ss} []"),
      "end");
  return TRUE;
}

static gboolean
on_prune (CreelDBusModels *models, GDBusMethodInvocation *invocation, GVariant *options, gpointer fake)
{
  creel_dbus_models_complete_prune_models (models, invocation, 12345678);
  return TRUE;
}

void
fake_export_models (GDBusConnection *bus, gpointer fake)
{
  CreelDBusModels *models = creel_dbus_models_skeleton_new (); /* as long as the process */

  g_signal_connect (models, "handle-pull-model", G_CALLBACK (on_pull), fake);
  g_signal_connect (models, "handle-import-model", G_CALLBACK (on_import), fake);
  g_signal_connect (models, "handle-push-model", G_CALLBACK (on_push), fake);
  g_signal_connect (models, "handle-tag-model", G_CALLBACK (on_tag), fake);
  g_signal_connect (models, "handle-remove-model", G_CALLBACK (on_remove), fake);
  g_signal_connect (models, "handle-list-models", G_CALLBACK (on_list), fake);
  g_signal_connect (models, "handle-inspect-model", G_CALLBACK (on_inspect), fake);
  g_signal_connect (models, "handle-configure-model", G_CALLBACK (on_configure), fake);
  g_signal_connect (models, "handle-unload-model", G_CALLBACK (on_unload), fake);
  g_signal_connect (models, "handle-list-loaded", G_CALLBACK (on_list_loaded), fake);
  g_signal_connect (models, "handle-disk-usage", G_CALLBACK (on_disk_usage), fake);
  g_signal_connect (models, "handle-status", G_CALLBACK (on_status), fake);
  g_signal_connect (models, "handle-read-log", G_CALLBACK (on_read_log), fake);
  g_signal_connect (models, "handle-prune-models", G_CALLBACK (on_prune), fake);
  g_assert_true (g_dbus_interface_skeleton_export (G_DBUS_INTERFACE_SKELETON (models), bus, "/org/creel/Creel1", NULL));
}
