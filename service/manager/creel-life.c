/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-life.h"

#include <signal.h>

#include "creel-call.h"
#include "creel-error.h"
#include "creel-names.h"
#include "creel-sandbox-store.h"
#include "creel-sandbox.h"

static void
on_reloaded (gpointer user_data, GError *error)
{
  if (error != NULL)
    g_warning ("%s", error->message);
}

/* The disk first: what a crash leaves behind is then a sandbox that can be removed again, not a disk without a name. */
static void
delete_all (CreelDaemon *daemon, const char *name)
{
  creel_sandbox_store_delete_disk (name);
  creel_sandbox_store_delete (name);
  creel_sandbox_drop (daemon, name);
}

void
creel_life_forget (CreelDaemon *daemon, const char *name)
{
  g_autofree char *copy = g_strdup (name); /* may be the sandbox's own */
  g_autofree char *unit = g_strdup_printf ("creel@%s.service", copy);

  delete_all (daemon, copy);
  creel_units_reset_failed (daemon->units, unit);
  creel_units_reload (daemon->units, on_reloaded, NULL);
}

typedef struct
{
  CreelDaemon *daemon;
  char *name;
  CreelUnitFunc done;
  gpointer user_data;
  GError *job_error;
} Start;

static void
start_finish (Start *start, GError *error)
{
  CreelSandbox *sandbox;

  g_hash_table_remove (start->daemon->reserved, start->name);
  start->done (start->user_data, error);
  /* an ephemeral one that did not start goes now */
  sandbox = g_hash_table_lookup (start->daemon->sandboxes, start->name);
  if (sandbox != NULL && error != NULL)
    creel_sandbox_refresh (sandbox, NULL, NULL);
  g_clear_error (&start->job_error);
  g_free (start->name);
  g_free (start);
}

static void
on_started_refreshed (gpointer user_data, GError *unused)
{
  start_finish (user_data, NULL);
}

static void
on_failed_state (const CreelUnitState *state, gpointer user_data)
{
  Start *start = user_data;
  g_autoptr (GError) error = NULL;

  if (g_error_matches (start->job_error, CREEL_ERROR, CREEL_ERROR_CANCELLED))
    error = g_error_new_literal (CREEL_ERROR, CREEL_ERROR_CANCELLED, "The start was cancelled: somebody stopped the sandbox");
  else
    creel_sandbox_explain_failure (state, start->name, &error);
  start_finish (start, error);
}

static void
on_start_job (gpointer user_data, GError *error)
{
  Start *start = user_data;
  CreelSandbox *sandbox = g_hash_table_lookup (start->daemon->sandboxes, start->name);

  if (error == NULL && sandbox != NULL)
    {
      creel_sandbox_refresh (sandbox, on_started_refreshed, start);
      return;
    }
  if (sandbox == NULL)
    {
      g_autoptr (GError) gone = g_error_new (CREEL_ERROR, CREEL_ERROR_NO_SUCH_SANDBOX, "There is no sandbox \"%s\" any more", start->name);

      start_finish (start, gone);
      return;
    }
  start->job_error = g_error_copy (error);
  creel_units_get_state (start->daemon->units, creel_sandbox_get_unit (sandbox), on_failed_state, start);
}

void
creel_life_start (CreelDaemon *daemon, const char *name, CreelUnitFunc done, gpointer user_data)
{
  CreelSandbox *sandbox = g_hash_table_lookup (daemon->sandboxes, name);
  g_autoptr (GError) error = NULL;
  Start *start;

  if (sandbox == NULL)
    g_set_error (&error, CREEL_ERROR, CREEL_ERROR_NO_SUCH_SANDBOX, "There is no sandbox \"%s\"", name);
  else
    {
      creel_sandbox_reload (sandbox);
      if (creel_sandbox_get_definition (sandbox, &error) != NULL && creel_sandbox_is_active (sandbox))
        g_set_error (&error, CREEL_ERROR, CREEL_ERROR_RUNNING, "Sandbox \"%s\" runs already", name);
    }
  if (error != NULL)
    {
      done (user_data, error);
      return;
    }
  start = g_new0 (Start, 1);
  *start = (Start) { daemon, g_strdup (name), done, user_data };
  g_hash_table_add (daemon->reserved, g_strdup (name));
  creel_sandbox_set_fresh (sandbox, FALSE);
  creel_units_job (daemon->units, "StartUnit", creel_sandbox_get_unit (sandbox), on_start_job, start);
}

static void
on_call_done (gpointer user_data, GError *error)
{
  if (error != NULL)
    creel_call_fail (user_data, error);
  else
    creel_call_return (user_data, NULL);
}

static void
handle_start (CreelCall *call)
{
  creel_life_start (call->daemon, call->node, on_call_done, call);
}

/* A stop, with the moment when patience ends. */
typedef struct
{
  CreelDaemon *daemon;
  CreelCall *call;
  char *name;
  char *unit;
  guint timer;
  void (*then) (CreelCall *call);
} Stop;

static void
stop_free (Stop *stop)
{
  g_clear_handle_id (&stop->timer, g_source_remove);
  g_free (stop->name);
  g_free (stop->unit);
  g_free (stop);
}

static gboolean
on_patience_over (gpointer user_data)
{
  Stop *stop = user_data;

  stop->timer = 0;
  creel_units_kill (stop->daemon->units, stop->unit, SIGKILL);
  return G_SOURCE_REMOVE;
}

static void
on_stopped_refreshed (gpointer user_data, GError *unused)
{
  Stop *stop = user_data;

  stop->then (stop->call);
  stop_free (stop);
}

static void
on_stop_job (gpointer user_data, GError *error)
{
  Stop *stop = user_data;
  CreelSandbox *sandbox = g_hash_table_lookup (stop->daemon->sandboxes, stop->name);

  g_clear_handle_id (&stop->timer, g_source_remove);
  if (error != NULL)
    {
      creel_call_fail (stop->call, error);
      stop_free (stop);
    }
  else if (sandbox != NULL)
    creel_sandbox_refresh (sandbox, on_stopped_refreshed, stop);
  else
    on_stopped_refreshed (stop, NULL);
}

static void
stop_then (CreelCall *call, CreelSandbox *sandbox, void (*then) (CreelCall *call))
{
  g_autoptr (GVariant) options = g_variant_get_child_value (call->parameters, 0);
  Stop *stop = g_new0 (Stop, 1);
  guint64 timeout;

  *stop = (Stop) { call->daemon, call, g_strdup (call->node), g_strdup (creel_sandbox_get_unit (sandbox)), 0, then };
  if (g_variant_lookup (options, "timeout", "t", &timeout))
    stop->timer = g_timeout_add (MIN (timeout / 1000, G_MAXINT), on_patience_over, stop);
  creel_units_job (call->daemon->units, "StopUnit", stop->unit, on_stop_job, stop);
}

#define DISCARD_PATIENCE_SECONDS 10

typedef struct
{
  CreelDaemon *daemon;
  char *name;
  char *unit;
  guint timer;
  CreelUnitFunc done;
  gpointer user_data;
} Discard;

static gboolean
on_discard_patience_over (gpointer user_data)
{
  Discard *discard = user_data;

  discard->timer = 0;
  creel_units_kill (discard->daemon->units, discard->unit, SIGKILL);
  return G_SOURCE_REMOVE;
}

static void
on_discard_refreshed (gpointer user_data, GError *unused)
{
  Discard *discard = user_data;
  CreelSandbox *sandbox = g_hash_table_lookup (discard->daemon->sandboxes, discard->name);
  g_autoptr (GError) error = NULL;

  if (sandbox != NULL && !creel_sandbox_is_active (sandbox))
    creel_life_forget (discard->daemon, discard->name);
  else if (sandbox != NULL)
    g_set_error (&error, CREEL_ERROR, CREEL_ERROR_RUNNING, "Sandbox \"%s\" does not stop", discard->name);
  if (discard->done != NULL)
    discard->done (discard->user_data, error);
  g_free (discard->name);
  g_free (discard->unit);
  g_free (discard);
}

static void
on_discard_stopped (gpointer user_data, GError *error)
{
  Discard *discard = user_data;
  CreelSandbox *sandbox = g_hash_table_lookup (discard->daemon->sandboxes, discard->name);

  g_clear_handle_id (&discard->timer, g_source_remove);
  if (sandbox != NULL)
    creel_sandbox_refresh (sandbox, on_discard_refreshed, discard);
  else
    on_discard_refreshed (discard, NULL);
}

void
creel_life_discard (CreelDaemon *daemon, const char *name, CreelUnitFunc done, gpointer user_data)
{
  Discard *discard = g_new0 (Discard, 1);

  discard->daemon = daemon;
  discard->name = g_strdup (name);
  discard->unit = g_strconcat (CREEL_UNIT_PREFIX, name, ".service", NULL);
  discard->done = done;
  discard->user_data = user_data;
  discard->timer = g_timeout_add_seconds (DISCARD_PATIENCE_SECONDS, on_discard_patience_over, discard);
  creel_units_job (daemon->units, "StopUnit", discard->unit, on_discard_stopped, discard);
}

static gboolean
prepare_stop (CreelCall *call, GStrvBuilder *actions, GError **error)
{
  static const char *const known[] = { "timeout:t", NULL };
  g_autoptr (GVariant) options = g_variant_get_child_value (call->parameters, 0);

  return creel_options_check (options, known, error);
}

static void
return_nothing (CreelCall *call)
{
  creel_call_return (call, NULL);
}

static CreelSandbox *
running_sandbox (CreelCall *call)
{
  CreelSandbox *sandbox = creel_call_sandbox (call);

  if (sandbox == NULL || creel_sandbox_is_active (sandbox))
    return sandbox;
  creel_call_fail_new (call, CREEL_ERROR, CREEL_ERROR_NOT_RUNNING, "Sandbox \"%s\" does not run", call->node);
  return NULL;
}

static void
handle_stop (CreelCall *call)
{
  CreelSandbox *sandbox = running_sandbox (call);

  if (sandbox != NULL)
    stop_then (call, sandbox, return_nothing);
}

static void
handle_restart (CreelCall *call)
{
  CreelSandbox *sandbox = running_sandbox (call);

  if (sandbox == NULL)
    return;
  /* one that goes when it stops cannot come again */
  if (creel_sandbox_get_definition (sandbox, NULL) != NULL && creel_sandbox_get_definition (sandbox, NULL)->ephemeral)
    creel_call_fail_new (call, CREEL_ERROR, CREEL_ERROR_FAILED, "Sandbox \"%s\" is ephemeral: it goes when it stops", call->node);
  else
    stop_then (call, sandbox, handle_start);
}

static void
on_remove_reloaded (gpointer user_data, GError *error)
{
  if (error != NULL)
    g_warning ("%s", error->message);
  creel_call_return (user_data, NULL);
}

static void
on_disabled (gpointer user_data, GError *error)
{
  CreelCall *call = user_data;
  CreelSandbox *sandbox = g_hash_table_lookup (call->daemon->sandboxes, call->node);

  /* somebody may have started it meanwhile */
  if (sandbox != NULL && creel_sandbox_is_active (sandbox))
    {
      creel_call_fail_new (call, CREEL_ERROR, CREEL_ERROR_RUNNING, "Sandbox \"%s\" was started again", call->node);
      return;
    }
  if (sandbox != NULL)
    creel_units_reset_failed (call->daemon->units, creel_sandbox_get_unit (sandbox));
  delete_all (call->daemon, call->node);
  creel_units_reload (call->daemon->units, on_remove_reloaded, call);
}

static void
remove_stopped (CreelCall *call)
{
  g_autofree char *unit = g_strdup_printf ("creel@%s.service", call->node);

  creel_units_disable (call->daemon->units, unit, on_disabled, call);
}

static gboolean
prepare_remove (CreelCall *call, GStrvBuilder *actions, GError **error)
{
  static const char *const known[] = { "force:b", NULL };
  g_autoptr (GVariant) options = g_variant_get_child_value (call->parameters, 0);

  return creel_options_check (options, known, error);
}

static void
handle_remove (CreelCall *call)
{
  CreelSandbox *sandbox = creel_call_sandbox (call);
  g_autoptr (GVariant) options = NULL;
  gboolean force = FALSE;

  if (sandbox == NULL)
    return;
  options = g_variant_get_child_value (call->parameters, 0);
  g_variant_lookup (options, "force", "b", &force);
  if (!creel_sandbox_is_active (sandbox))
    remove_stopped (call);
  else if (force)
    stop_then (call, sandbox, remove_stopped);
  else
    creel_call_fail_new (call, CREEL_ERROR, CREEL_ERROR_RUNNING, "Sandbox \"%s\" runs; stop it first, or use force", call->node);
}

const CreelMethod creel_sandbox_methods[] = {
  { "Sandbox", "Start", NULL, handle_start },
  { "Sandbox", "Stop", prepare_stop, handle_stop },
  { "Sandbox", "Restart", prepare_stop, handle_restart },
  { "Sandbox", "Remove", prepare_remove, handle_remove },
  { NULL }
};
