/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-engines-private.h"

#include <string.h>

#include "creel-error.h"
#include "creel-names.h"

#define INTERFACE CREEL_BUS_NAME ".Engines"

static void
engine_free (gpointer data)
{
  CreelEngineEntry *engine = data;

  g_free (engine->info.id);
  g_free (engine->info.alias);
  g_free (engine->info.unit);
  g_free (engine->digits);
  g_array_unref (engine->stoppers);
  g_free (engine);
}

CreelEngineEntry *
creel_engines_add (CreelEngines *self, const char *id, const char *alias, guint64 context_size)
{
  CreelEngineEntry *engine = g_new0 (CreelEngineEntry, 1);

  engine->info.id = g_strdup (id);
  engine->info.alias = g_strdup (alias);
  engine->info.unit = creel_engine_unit_name (id);
  engine->info.state = "starting";
  engine->info.memory_max = G_MAXUINT64;
  engine->info.context_size = context_size;
  engine->digits = creel_engine_unit_digits (engine->info.unit);
  engine->serial = ++self->last_serial;
  engine->stoppers = g_array_new (FALSE, FALSE, sizeof (CreelEngineStopper));
  g_hash_table_replace (self->table, engine->digits, engine);
  return engine;
}

static CreelEngineEntry *
find (CreelEngines *self, const char *id)
{
  g_autofree char *unit = creel_engine_unit_name (id);
  g_autofree char *digits = creel_engine_unit_digits (unit);
  CreelEngineEntry *engine = digits != NULL ? g_hash_table_lookup (self->table, digits) : NULL;

  return engine != NULL && g_str_equal (engine->info.id, id) ? engine : NULL;
}

CreelEngineQuestion *
creel_engine_question_new (CreelEngines *self, const CreelEngineEntry *engine)
{
  CreelEngineQuestion *question = g_new0 (CreelEngineQuestion, 1);

  question->self = self;
  question->digits = g_strdup (engine->digits);
  question->serial = engine->serial;
  return question;
}

void
creel_engine_question_free (CreelEngineQuestion *question)
{
  g_free (question->digits);
  g_clear_error (&question->error);
  g_free (question);
}
CreelEngineEntry *
creel_engine_question_entry (CreelEngineQuestion *question)
{
  CreelEngineEntry *engine = g_hash_table_lookup (question->self->table, question->digits);

  return engine != NULL && engine->serial == question->serial ? engine : NULL;
}

static void
emit (CreelEngines *self, const char *signal, GVariant *parameters)
{
  g_autoptr (GVariant) owned = parameters != NULL ? g_variant_ref_sink (parameters) : NULL;
  GHashTableIter iter;
  gpointer name;

  g_hash_table_iter_init (&iter, self->clients);
  while (g_hash_table_iter_next (&iter, &name, NULL))
    g_dbus_connection_emit_signal (self->daemon->bus, name, CREEL_OBJECT_PATH, INTERFACE, signal, owned, NULL);
}

char *
creel_engines_describe (const char *result, int status)
{
  if (g_str_equal (result, "success"))
    return g_strdup ("It ended by itself");
  /* those of systemd itself, before the program was there */
  if (g_str_equal (result, "exit-code") && status == 203)
    return g_strdup ("The program of the engine cannot be executed");
  if (g_str_equal (result, "exit-code") && status == 226)
    return g_strdup ("Its view of files cannot be made: is one of the model missing?");
  if (g_str_equal (result, "exit-code"))
    return g_strdup_printf ("It failed with exit code %d", status);
  if (g_str_equal (result, "signal") || g_str_equal (result, "core-dump"))
    return g_strdup_printf ("It crashed: signal %d (%s)", status, g_strsignal (status));
  if (g_str_equal (result, "oom-kill"))
    return g_strdup ("It was killed because it needed more memory than there was for it");
  if (g_str_equal (result, "timeout"))
    return g_strdup ("It did not stop in time and was killed");
  if (g_str_equal (result, "resources"))
    return g_strdup ("systemd could not set it up");
  return g_strdup_printf ("systemd says \"%s\"", result);
}

static void
log_stopped (const CreelEngine *info, const char *result, const char *text)
{
  gboolean good = g_str_equal (result, "success");
  g_autofree char *message = g_strdup_printf ("Model %s is not loaded any more: %s", info->alias, text);

  g_log_structured (G_LOG_DOMAIN, good ? G_LOG_LEVEL_MESSAGE : G_LOG_LEVEL_WARNING, CREEL_FIELD_EVENT, "model", CREEL_FIELD_MODEL, info->alias,
                    "MESSAGE", "%s", message);
}

/* state: NULL when systemd never had it. tell: others knew that it was there. */
static void
engine_gone (CreelEngines *self, CreelEngineEntry *engine, const CreelUnitState *state, gboolean tell)
{
  const char *result = !engine->stopping && state != NULL && state->result != NULL ? state->result : "success";
  g_autofree char *text = engine->stopping ? g_strdup ("It was stopped") : creel_engines_describe (result, state != NULL ? state->exit_status : 0);

  g_hash_table_steal (self->table, engine->digits);
  if (state != NULL && g_strcmp0 (state->active_state, "failed") == 0)
    creel_units_reset_failed (self->daemon->units, engine->info.unit);
  if (tell)
    {
      log_stopped (&engine->info, result, text);
      emit (self, "EngineStopped", g_variant_new ("(sss)", engine->info.id, result, text));
    }
  for (guint i = 0; i < engine->stoppers->len; i++)
    {
      CreelEngineStopper *stopper = &g_array_index (engine->stoppers, CreelEngineStopper, i);

      stopper->done (stopper->user_data, NULL);
    }
  engine_free (engine);
}

gboolean
creel_engines_is_gone (const CreelUnitState *state)
{
  return g_str_equal (state->active_state, "inactive") || g_str_equal (state->active_state, "failed");
}

/* FALSE: it is gone, and freed. */
gboolean
creel_engines_apply (CreelEngines *self, CreelEngineEntry *engine, const CreelUnitState *state)
{
  guint64 memory;

  if (state == NULL || engine->starting)
    return TRUE;
  if (creel_engines_is_gone (state))
    {
      engine_gone (self, engine, state, TRUE);
      return FALSE;
    }
  if (g_str_equal (state->active_state, "activating"))
    engine->info.state = "starting";
  else
    engine->info.state = engine->stopping || g_str_equal (state->active_state, "deactivating") ? "stopping" : "running";
  if (state->since != 0)
    engine->info.since = state->since;
  if (state->service != NULL)
    {
      if (g_variant_lookup (state->service, "MemoryCurrent", "t", &memory))
        engine->info.memory = memory != G_MAXUINT64 ? memory : 0;
      g_variant_lookup (state->service, "MemoryMax", "t", &engine->info.memory_max);
    }
  return TRUE;
}

static void
on_state (const CreelUnitState *state, gpointer user_data)
{
  g_autoptr (CreelEngineQuestion) question = user_data;
  CreelEngineEntry *engine = creel_engine_question_entry (question);

  if (engine != NULL)
    creel_engines_apply (question->self, engine, state);
}

static void
refresh (CreelEngines *self, CreelEngineEntry *engine)
{
  creel_units_get_state (self->daemon->units, engine->info.unit, on_state, creel_engine_question_new (self, engine));
}

static void
on_unit_changed (const char *unit, gpointer user_data)
{
  CreelEngines *self = user_data;
  g_autofree char *digits = creel_engine_unit_digits (unit);
  CreelEngineEntry *engine = digits != NULL ? g_hash_table_lookup (self->table, digits) : NULL;

  if (engine != NULL && !engine->starting)
    refresh (self, engine);
}

static void
on_start_failed (const CreelUnitState *state, gpointer user_data)
{
  g_autoptr (CreelEngineQuestion) question = user_data;
  CreelEngines *self = question->self;
  CreelEngineEntry *engine = creel_engine_question_entry (question);
  g_autofree char *text = NULL;
  g_autoptr (GError) error = NULL;

  if (engine != NULL && engine->stopping)
    g_set_error (&error, CREEL_ERROR, CREEL_ERROR_CANCELLED, "The engine was stopped while it started");
  else if (state != NULL && !creel_engines_is_gone (state))
    g_set_error (&error, CREEL_ERROR, CREEL_ERROR_RUNNING, "The start of the engine was not seen to end (%s), but it is loaded", question->error->message);
  else if (state != NULL && g_strcmp0 (state->active_state, "failed") == 0 && state->result != NULL)
    {
      text = creel_engines_describe (state->result, state->exit_status);
      g_set_error (&error, CREEL_ERROR, CREEL_ERROR_FAILED, "The engine did not start: %s; \"creel model logs\" says more", text);
    }
  else
    g_set_error (&error, CREEL_ERROR, CREEL_ERROR_FAILED, "The engine did not start: %s", question->error->message);
  /* One that systemd has is known, or nobody could stop it. A stop that is under way sees its end. */
  if (engine != NULL && state != NULL && !creel_engines_is_gone (state))
    {
      engine->starting = FALSE;
      creel_engines_apply (self, engine, state);
    }
  else if (engine != NULL)
    engine_gone (self, engine, state, engine->stopping);
  question->done (question->user_data, error);
}

static void
on_started (gpointer user_data, GError *error)
{
  g_autoptr (CreelEngineQuestion) question = user_data;
  CreelEngineEntry *engine = creel_engine_question_entry (question);

  if (engine == NULL)
    {
      g_autoptr (GError) gone = g_error_new (CREEL_ERROR, CREEL_ERROR_FAILED, "The engine ended at once");

      question->done (question->user_data, gone);
      return;
    }
  if (error != NULL)
    {
      question->error = g_error_copy (error);
      creel_units_get_state (question->self->daemon->units, engine->info.unit, on_start_failed, question);
      (void) g_steal_pointer (&question);
      return;
    }
  engine->starting = FALSE;
  engine->info.state = engine->stopping ? "stopping" : "running";
  engine->info.since = g_get_real_time ();
  question->done (question->user_data, NULL);
  /* what changed until now was not looked at */
  engine = creel_engine_question_entry (question);
  if (engine != NULL)
    refresh (question->self, engine);
}

void
creel_engines_start (CreelEngines *self, const CreelEngineStart *start, CreelEngineDone done, gpointer user_data)
{
  g_autofree char *unit = creel_engine_unit_name (start->config->id);
  g_autofree char *digits = creel_engine_unit_digits (unit);
  g_autoptr (GError) error = NULL;
  CreelEngineQuestion *question;
  CreelEngineEntry *engine;

  if (g_hash_table_contains (self->table, digits))
    {
      g_set_error (&error, CREEL_ERROR, CREEL_ERROR_RUNNING, "Model %s is loaded already", start->alias);
      done (user_data, error);
      return;
    }
  engine = creel_engines_add (self, start->config->id, start->alias, start->context_size);
  engine->starting = TRUE;
  engine->info.since = g_get_real_time ();
  if (start->memory_max > 0)
    engine->info.memory_max = start->memory_max;
  question = creel_engine_question_new (self, engine);
  question->done = done;
  question->user_data = user_data;
  creel_units_start_transient (self->daemon->units, unit, creel_engine_unit_properties (start), NULL, on_started, question);
}

static void
on_state_after_stop (const CreelUnitState *state, gpointer user_data)
{
  g_autoptr (CreelEngineQuestion) question = user_data;
  CreelEngineEntry *engine = creel_engine_question_entry (question);
  g_autoptr (GArray) stoppers = NULL;

  if (engine == NULL || engine->starting || !creel_engines_apply (question->self, engine, state))
    return;
  /* systemd refused, or somebody started it anew by hand */
  stoppers = g_steal_pointer (&engine->stoppers);
  engine->stoppers = g_array_new (FALSE, FALSE, sizeof (CreelEngineStopper));
  engine->stopping = FALSE;
  if (question->error == NULL)
    g_set_error (&question->error, CREEL_ERROR, CREEL_ERROR_FAILED, "The engine did not stop");
  for (guint i = 0; i < stoppers->len; i++)
    {
      CreelEngineStopper *stopper = &g_array_index (stoppers, CreelEngineStopper, i);

      stopper->done (stopper->user_data, question->error);
    }
}

static void
on_stopped (gpointer user_data, GError *error)
{
  g_autoptr (CreelEngineQuestion) question = user_data;
  CreelEngineEntry *engine = creel_engine_question_entry (question);

  if (engine == NULL)
    return; /* its end was seen before */
  question->error = error != NULL ? g_error_copy (error) : NULL;
  creel_units_get_state (question->self->daemon->units, engine->info.unit, on_state_after_stop, question);
  (void) g_steal_pointer (&question);
}

static void
stop (CreelEngines *self, CreelEngineEntry *engine, CreelEngineDone done, gpointer user_data)
{
  CreelEngineStopper stopper = { done, user_data };

  g_array_append_val (engine->stoppers, stopper);
  if (engine->stopping)
    return;
  engine->stopping = TRUE;
  engine->info.state = "stopping";
  creel_units_job (self->daemon->units, "StopUnit", engine->info.unit, on_stopped, creel_engine_question_new (self, engine));
}

void
creel_engines_stop (CreelEngines *self, const char *id, CreelEngineDone done, gpointer user_data)
{
  CreelEngineEntry *engine = find (self, id);
  g_autoptr (GError) error = NULL;

  if (engine != NULL)
    {
      stop (self, engine, done, user_data);
      return;
    }
  g_set_error (&error, CREEL_ERROR, CREEL_ERROR_NOT_RUNNING, "This model is not loaded");
  done (user_data, error);
}

typedef struct
{
  CreelEngineDone done;
  gpointer user_data;
  guint left;
  GError *error;
} StopAll;

static void
one_stopped (gpointer user_data, const GError *error)
{
  StopAll *all = user_data;

  if (error != NULL && all->error == NULL)
    all->error = g_error_copy (error);
  if (--all->left > 0)
    return;
  all->done (all->user_data, all->error);
  g_clear_error (&all->error);
  g_free (all);
}

void
creel_engines_stop_all (CreelEngines *self, CreelEngineDone done, gpointer user_data)
{
  StopAll *all = g_new0 (StopAll, 1);
  GHashTableIter iter;
  gpointer engine;

  *all = (StopAll) { done, user_data, 1, NULL };
  g_hash_table_iter_init (&iter, self->table);
  while (g_hash_table_iter_next (&iter, NULL, &engine))
    {
      all->left++;
      stop (self, engine, one_stopped, all);
    }
  one_stopped (all, NULL);
}

gboolean
creel_engines_report (CreelEngines *self, const char *id, const guint64 *expires, const guint32 *busy, GError **error)
{
  CreelEngineEntry *engine = find (self, id);

  if (engine == NULL)
    {
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_NOT_RUNNING, "This model is not loaded");
      return FALSE;
    }
  if (expires != NULL)
    engine->info.expires = *expires;
  if (busy != NULL)
    engine->info.busy = *busy;
  return TRUE;
}

gboolean
creel_engines_is_loaded (CreelEngines *self, const char *id)
{
  return find (self, id) != NULL;
}

guint
creel_engines_count (CreelEngines *self)
{
  return g_hash_table_size (self->table);
}

void
creel_engines_add_client (CreelEngines *self, const char *name)
{
  g_hash_table_add (self->clients, g_strdup (name));
}

void
creel_engines_client_gone (CreelEngines *self, const char *name)
{
  g_hash_table_remove (self->clients, name);
}

void
creel_engines_models_changed (CreelEngines *self)
{
  emit (self, "ModelsChanged", NULL);
}

CreelEngines *
creel_engines_new (CreelDaemon *daemon)
{
  CreelEngines *self = g_new0 (CreelEngines, 1);

  self->daemon = daemon;
  self->table = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, engine_free);
  self->clients = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self->waiting = g_array_new (FALSE, FALSE, sizeof (CreelEngineWaiter));
  self->recovering = 1;
  creel_units_watch (daemon->units, CREEL_ENGINE_UNIT_PREFIX, on_unit_changed, self);
  creel_engines_recover (self);
  return self;
}

void
creel_engines_free (CreelEngines *self)
{
  g_hash_table_unref (self->table);
  g_hash_table_unref (self->clients);
  g_clear_pointer (&self->waiting, g_array_unref);
  g_free (self);
}
