/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-engines.h"

#include <string.h>

#include "creel-error.h"
#include "creel-names.h"

#define INTERFACE CREEL_BUS_NAME ".Engines"

struct _CreelEngines
{
  CreelDaemon *daemon;
  GHashTable *table;   /* digits -> Engine */
  GHashTable *clients; /* set of unique names */
  GArray *waiting;     /* Waiter: until it is known what runs */
  guint recovering;    /* questions to systemd that are open, and one for the first */
  guint last_serial;
};

typedef struct
{
  CreelEngineReadyFunc func;
  gpointer user_data;
} Waiter;

typedef struct
{
  CreelEngineDone done;
  gpointer user_data;
} Stopper;

typedef struct
{
  CreelEngine info;
  char *digits;
  guint serial;      /* another that has the same digits later is not this one */
  gboolean starting; /* systemd's job is not done */
  gboolean stopping; /* it was told to */
  GArray *stoppers;
} Engine;

static void
engine_free (gpointer data)
{
  Engine *engine = data;

  g_free (engine->info.id);
  g_free (engine->info.alias);
  g_free (engine->info.unit);
  g_free (engine->digits);
  g_array_unref (engine->stoppers);
  g_free (engine);
}

static Engine *
engine_add (CreelEngines *self, const char *id, const char *alias, guint64 context_size)
{
  Engine *engine = g_new0 (Engine, 1);

  engine->info.id = g_strdup (id);
  engine->info.alias = g_strdup (alias);
  engine->info.unit = creel_engine_unit_name (id);
  engine->info.state = "starting";
  engine->info.memory_max = G_MAXUINT64;
  engine->info.context_size = context_size;
  engine->digits = creel_engine_unit_digits (engine->info.unit);
  engine->serial = ++self->last_serial;
  engine->stoppers = g_array_new (FALSE, FALSE, sizeof (Stopper));
  g_hash_table_replace (self->table, engine->digits, engine);
  return engine;
}

static Engine *
find (CreelEngines *self, const char *id)
{
  g_autofree char *unit = creel_engine_unit_name (id);
  g_autofree char *digits = creel_engine_unit_digits (unit);
  Engine *engine = digits != NULL ? g_hash_table_lookup (self->table, digits) : NULL;

  return engine != NULL && g_str_equal (engine->info.id, id) ? engine : NULL;
}

/* An engine that a question to systemd was about; it may be gone when the answer comes. */
typedef struct
{
  CreelEngines *self;
  char *digits;
  guint serial;
  CreelEngineDone done;
  gpointer user_data;
  GError *error;
} Question;

static Question *
question_new (CreelEngines *self, const Engine *engine)
{
  Question *question = g_new0 (Question, 1);

  question->self = self;
  question->digits = g_strdup (engine->digits);
  question->serial = engine->serial;
  return question;
}

static void
question_free (Question *question)
{
  g_free (question->digits);
  g_clear_error (&question->error);
  g_free (question);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Question, question_free)

static Engine *
question_engine (Question *question)
{
  Engine *engine = g_hash_table_lookup (question->self->table, question->digits);

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
engine_gone (CreelEngines *self, Engine *engine, const CreelUnitState *state, gboolean tell)
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
      Stopper *stopper = &g_array_index (engine->stoppers, Stopper, i);

      stopper->done (stopper->user_data, NULL);
    }
  engine_free (engine);
}

static gboolean
is_gone (const CreelUnitState *state)
{
  return g_str_equal (state->active_state, "inactive") || g_str_equal (state->active_state, "failed");
}

/* FALSE: it is gone, and freed. */
static gboolean
apply (CreelEngines *self, Engine *engine, const CreelUnitState *state)
{
  guint64 memory;

  if (state == NULL || engine->starting)
    return TRUE;
  if (is_gone (state))
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
  g_autoptr (Question) question = user_data;
  Engine *engine = question_engine (question);

  if (engine != NULL)
    apply (question->self, engine, state);
}

static void
refresh (CreelEngines *self, Engine *engine)
{
  creel_units_get_state (self->daemon->units, engine->info.unit, on_state, question_new (self, engine));
}

static void
on_unit_changed (const char *unit, gpointer user_data)
{
  CreelEngines *self = user_data;
  g_autofree char *digits = creel_engine_unit_digits (unit);
  Engine *engine = digits != NULL ? g_hash_table_lookup (self->table, digits) : NULL;

  if (engine != NULL && !engine->starting)
    refresh (self, engine);
}

static void
on_start_failed (const CreelUnitState *state, gpointer user_data)
{
  g_autoptr (Question) question = user_data;
  CreelEngines *self = question->self;
  Engine *engine = question_engine (question);
  g_autofree char *text = NULL;
  g_autoptr (GError) error = NULL;

  if (engine != NULL && engine->stopping)
    g_set_error (&error, CREEL_ERROR, CREEL_ERROR_CANCELLED, "The engine was stopped while it started");
  else if (state != NULL && g_strcmp0 (state->active_state, "failed") == 0 && state->result != NULL)
    {
      text = creel_engines_describe (state->result, state->exit_status);
      g_set_error (&error, CREEL_ERROR, CREEL_ERROR_FAILED, "The engine did not start: %s; \"creel model logs\" says more", text);
    }
  else
    g_set_error (&error, CREEL_ERROR, CREEL_ERROR_FAILED, "The engine did not start: %s", question->error->message);
  if (engine != NULL)
    engine_gone (self, engine, state, engine->stopping);
  question->done (question->user_data, error);
}

static void
on_started (gpointer user_data, GError *error)
{
  g_autoptr (Question) question = user_data;
  Engine *engine = question_engine (question);

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
  engine = question_engine (question);
  if (engine != NULL)
    refresh (question->self, engine);
}

void
creel_engines_start (CreelEngines *self, const CreelEngineStart *start, CreelEngineDone done, gpointer user_data)
{
  g_autofree char *unit = creel_engine_unit_name (start->config->id);
  g_autofree char *digits = creel_engine_unit_digits (unit);
  g_autoptr (GError) error = NULL;
  Question *question;
  Engine *engine;

  if (g_hash_table_contains (self->table, digits))
    {
      g_set_error (&error, CREEL_ERROR, CREEL_ERROR_RUNNING, "Model %s is loaded already", start->alias);
      done (user_data, error);
      return;
    }
  engine = engine_add (self, start->config->id, start->alias, start->context_size);
  engine->starting = TRUE;
  engine->info.since = g_get_real_time ();
  if (start->memory_max > 0)
    engine->info.memory_max = start->memory_max;
  question = question_new (self, engine);
  question->done = done;
  question->user_data = user_data;
  creel_units_start_transient (self->daemon->units, unit, creel_engine_unit_properties (start), NULL, on_started, question);
}

static void
on_state_after_stop (const CreelUnitState *state, gpointer user_data)
{
  g_autoptr (Question) question = user_data;
  Engine *engine = question_engine (question);
  g_autoptr (GArray) stoppers = NULL;

  if (engine == NULL || engine->starting || !apply (question->self, engine, state))
    return;
  /* systemd refused, or somebody started it anew by hand */
  stoppers = g_steal_pointer (&engine->stoppers);
  engine->stoppers = g_array_new (FALSE, FALSE, sizeof (Stopper));
  engine->stopping = FALSE;
  if (question->error == NULL)
    g_set_error (&question->error, CREEL_ERROR, CREEL_ERROR_FAILED, "The engine did not stop");
  for (guint i = 0; i < stoppers->len; i++)
    {
      Stopper *stopper = &g_array_index (stoppers, Stopper, i);

      stopper->done (stopper->user_data, question->error);
    }
}

static void
on_stopped (gpointer user_data, GError *error)
{
  g_autoptr (Question) question = user_data;
  Engine *engine = question_engine (question);

  if (engine == NULL)
    return; /* its end was seen before */
  question->error = error != NULL ? g_error_copy (error) : NULL;
  creel_units_get_state (question->self->daemon->units, engine->info.unit, on_state_after_stop, question);
  (void) g_steal_pointer (&question);
}

static void
stop (CreelEngines *self, Engine *engine, CreelEngineDone done, gpointer user_data)
{
  Stopper stopper = { done, user_data };

  g_array_append_val (engine->stoppers, stopper);
  if (engine->stopping)
    return;
  engine->stopping = TRUE;
  engine->info.state = "stopping";
  creel_units_job (self->daemon->units, "StopUnit", engine->info.unit, on_stopped, question_new (self, engine));
}

void
creel_engines_stop (CreelEngines *self, const char *id, CreelEngineDone done, gpointer user_data)
{
  Engine *engine = find (self, id);
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

typedef struct
{
  CreelEngines *self;
  CreelEngineListFunc done;
  gpointer user_data;
  guint left;
} List;

static int
compare (gconstpointer a, gconstpointer b)
{
  return strcmp ((*(const CreelEngine *const *) a)->id, (*(const CreelEngine *const *) b)->id);
}

static void
list_one_done (List *list)
{
  g_autoptr (GPtrArray) engines = NULL;
  GHashTableIter iter;
  gpointer engine;

  if (--list->left > 0)
    return;
  engines = g_ptr_array_new ();
  g_hash_table_iter_init (&iter, list->self->table);
  while (g_hash_table_iter_next (&iter, NULL, &engine))
    g_ptr_array_add (engines, &((Engine *) engine)->info);
  g_ptr_array_sort (engines, compare);
  list->done (engines, list->user_data);
  g_free (list);
}

static void
on_listed_state (const CreelUnitState *state, gpointer user_data)
{
  g_autoptr (Question) question = user_data;
  List *list = question->user_data;
  Engine *engine = question_engine (question);

  if (engine != NULL)
    apply (question->self, engine, state);
  list_one_done (list);
}

void
creel_engines_list (CreelEngines *self, CreelEngineListFunc done, gpointer user_data)
{
  List *list = g_new0 (List, 1);
  GHashTableIter iter;
  gpointer engine;

  *list = (List) { self, done, user_data, 1 };
  g_hash_table_iter_init (&iter, self->table);
  while (g_hash_table_iter_next (&iter, NULL, &engine))
    {
      Question *question = question_new (self, engine);

      question->user_data = list;
      list->left++;
      creel_units_get_state (self->daemon->units, ((Engine *) engine)->info.unit, on_listed_state, question);
    }
  list_one_done (list);
}

gboolean
creel_engines_report (CreelEngines *self, const char *id, const guint64 *expires, const guint32 *busy, GError **error)
{
  Engine *engine = find (self, id);

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

static void
recovered_one (CreelEngines *self)
{
  g_autoptr (GArray) waiting = NULL;

  if (--self->recovering > 0)
    return;
  waiting = g_steal_pointer (&self->waiting);
  for (guint i = 0; i < waiting->len; i++)
    {
      Waiter *waiter = &g_array_index (waiting, Waiter, i);

      waiter->func (waiter->user_data);
    }
}

typedef struct
{
  CreelEngines *self;
  char *unit;
} Found;

static void
on_found_state (const CreelUnitState *state, gpointer user_data)
{
  g_autofree Found *found = user_data;
  g_autofree char *unit = found->unit;
  g_autofree char *id = NULL;
  g_autofree char *expected = NULL;
  g_autoptr (GVariant) environment = NULL;
  guint64 context_size;

  if (state != NULL && g_str_equal (state->active_state, "failed"))
    creel_units_reset_failed (found->self->daemon->units, unit);
  else if (state != NULL && state->service != NULL && !is_gone (state))
    {
      environment = g_variant_lookup_value (state->service, "Environment", G_VARIANT_TYPE ("as"));
      if (environment != NULL && creel_engine_unit_read (environment, &id, &context_size))
        expected = creel_engine_unit_name (id);
      if (g_strcmp0 (expected, unit) == 0)
        apply (found->self, engine_add (found->self, id, id, context_size), state);
      else
        g_warning ("Unit %s has the name of an engine and is none", unit);
    }
  recovered_one (found->self);
}

static void
on_list (GHashTable *units, gpointer user_data, GError *error)
{
  CreelEngines *self = user_data;
  GHashTableIter iter;
  gpointer unit;

  if (error != NULL)
    g_warning ("Cannot see which models are loaded: %s", error->message);
  g_hash_table_iter_init (&iter, units);
  while (g_hash_table_iter_next (&iter, &unit, NULL))
    {
      g_autofree char *digits = creel_engine_unit_digits (unit);
      Found *found;

      if (digits == NULL)
        continue;
      found = g_new0 (Found, 1);
      *found = (Found) { self, g_strdup (unit) };
      self->recovering++;
      creel_units_get_state (self->daemon->units, unit, on_found_state, found);
    }
  recovered_one (self);
}

CreelEngines *
creel_engines_new (CreelDaemon *daemon)
{
  CreelEngines *self = g_new0 (CreelEngines, 1);

  self->daemon = daemon;
  self->table = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, engine_free);
  self->clients = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self->waiting = g_array_new (FALSE, FALSE, sizeof (Waiter));
  self->recovering = 1;
  creel_units_watch (daemon->units, CREEL_ENGINE_UNIT_PREFIX, on_unit_changed, self);
  creel_units_list (daemon->units, CREEL_ENGINE_UNIT_PREFIX "*.service", on_list, self);
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

void
creel_engines_when_ready (CreelEngines *self, CreelEngineReadyFunc func, gpointer user_data)
{
  Waiter waiter = { func, user_data };

  if (self->waiting == NULL)
    func (user_data);
  else
    g_array_append_val (self->waiting, waiter);
}
