/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-models-runner.h"

#include <string.h>

#include "creel-models-engines.h"
#include "creel-models-memory.h"
#include "creel-reference.h"

#define CAPACITY_USEC (500 * 1000)
#define REPORT_MS 200
#define LOGS "creel model logs"

/* A model that is loaded or on its way */
typedef struct
{
  guint64 context, need, size;
  gboolean dirty; /* creeld is to hear about it */
} Plan;

typedef struct
{
  void (*func) (gpointer owner);
  gpointer owner;
} Waiter;

struct _CreelModelsUse
{
  CreelModelsRunner *runner;
  char *id;
  CreelModelsUseFuncs funcs;
  gpointer user_data;
  CreelModelsTicket *ticket;
};

struct _CreelModelsRunner
{
  const CreelModelsConfig *config;
  GDBusConnection *connection;
  CreelModelsEngines *engines;
  CreelModelsErrands *errands;
  CreelModelsScheduler *scheduler;
  CreelModelsCatalog *catalog;
  char *trouble;
  GHashTable *plans; /* id -> Plan */
  GQueue waiters;
  guint64 total, available; /* of tests */
  guint64 capacity;
  gint64 capacity_time;
  CreelModelsStopped how; /* the engine that is being spoken of went */
  CreelModelsRunnerCounters counters;
  guint step_id, wake_id, report_id;
};

static void schedule_step (CreelModelsRunner *runner);

static gint64
now (gpointer user_data)
{
  return g_get_monotonic_time ();
}

/* What engines hold of the memory that is not available */
static guint64
get_held (CreelModelsRunner *runner)
{
  guint64 held = 0;
  GHashTableIter iter;
  gpointer id, plan;

  g_hash_table_iter_init (&iter, runner->plans);
  while (g_hash_table_iter_next (&iter, &id, &plan))
    {
      g_autofree char *unit = creel_models_engines_get_unit (id);
      guint64 size;

      /* without a cgroup that tells: all but the weights, which are mapped */
      if (runner->total > 0 || !creel_models_memory_read_unit (unit, &size))
        size = ((Plan *) plan)->need - ((Plan *) plan)->size;
      held += size;
    }
  return held;
}

static guint64
get_capacity (gpointer user_data)
{
  CreelModelsRunner *runner = user_data;
  guint64 total = runner->total, available = runner->available;
  gint64 time = g_get_monotonic_time ();

  if (time - runner->capacity_time < CAPACITY_USEC)
    return runner->capacity;
  runner->capacity_time = time;
  if (total > 0 || creel_models_memory_read (&total, &available))
    runner->capacity = creel_models_memory_get_capacity (total, available, get_held (runner), runner->config->memory_max);
  else
    runner->capacity = runner->config->memory_max;
  return runner->capacity;
}

static void
forget_capacity (CreelModelsRunner *runner)
{
  runner->capacity_time = -CAPACITY_USEC;
}

static const CreelModelsModel *
find (CreelModelsRunner *runner, const char *id)
{
  return runner->catalog != NULL ? creel_models_catalog_find (runner->catalog, id) : NULL;
}

static guint64
get_expiry (CreelModelsRunner *runner, const char *id)
{
  gint64 expiry = creel_models_scheduler_get_expiry (runner->scheduler, id);

  if (creel_models_scheduler_get_users (runner->scheduler, id) > 0)
    return 0;
  return expiry == G_MAXINT64 ? G_MAXUINT64 : (guint64) (g_get_real_time () + expiry - g_get_monotonic_time ());
}

static gboolean
on_report (gpointer user_data)
{
  CreelModelsRunner *runner = user_data;
  GHashTableIter iter;
  gpointer id, value;

  runner->report_id = 0;
  g_hash_table_iter_init (&iter, runner->plans);
  while (g_hash_table_iter_next (&iter, &id, &value))
    {
      Plan *plan = value;

      if (!plan->dirty || !creel_models_scheduler_is_ready (runner->scheduler, id))
        continue;
      plan->dirty = FALSE;
      creel_models_engines_report (runner->engines, id, get_expiry (runner, id), (guint) creel_models_scheduler_get_users (runner->scheduler, id));
    }
  return G_SOURCE_REMOVE;
}

/* Not at once: a busy model changes with every request. */
static void
report_later (CreelModelsRunner *runner, const char *id)
{
  Plan *plan = g_hash_table_lookup (runner->plans, id);

  if (plan == NULL)
    return;
  plan->dirty = TRUE;
  if (runner->report_id == 0)
    runner->report_id = g_timeout_add (REPORT_MS, on_report, runner);
}

static void
use_free (CreelModelsUse *use)
{
  g_free (use->id);
  g_free (use);
}

static Plan *
set_plan (CreelModelsRunner *runner, const CreelModelsNeed *need)
{
  Plan *plan = g_new0 (Plan, 1);

  plan->context = need->context;
  plan->need = creel_models_need_estimate (need);
  plan->size = need->size;
  g_hash_table_replace (runner->plans, g_strdup (need->id), plan);
  forget_capacity (runner);
  return plan;
}

/* scheduler -> engines */

static void
start (const char *id, guint64 memory, gpointer user_data)
{
  CreelModelsRunner *runner = user_data;
  const CreelModelsModel *model = find (runner, id);
  Plan *plan;
  CreelModelsNeed need = { id, 0, 0, 0, 0 };

  /* memory is what its first request was counted with; the context that this is enough for */
  if (model != NULL)
    {
      need = creel_models_model_get_need (model, get_capacity (runner));
      if (creel_models_need_estimate (&need) > memory && model->context_size == 0 && model->kv_bytes_per_token > 0)
        need.context -= MIN (need.context, (creel_models_need_estimate (&need) - memory) / model->kv_bytes_per_token + 1);
    }
  plan = set_plan (runner, &need);
  plan->need = memory;
  plan->size = MIN (plan->size, memory);
  runner->counters.loads++;
  creel_models_engines_start (runner->engines, id, creel_models_memory_get_limit (memory), need.context, model != NULL ? model->engine_flags : NULL);
}

static void
stop (const char *id, gpointer user_data)
{
  CreelModelsRunner *runner = user_data;

  creel_models_engines_stop (runner->engines, id);
}

static void
granted (CreelModelsTicket *ticket, gpointer ticket_data, gpointer user_data)
{
  CreelModelsRunner *runner = user_data;
  CreelModelsUse *use = ticket_data;
  g_autofree char *path = creel_models_engines_get_socket (runner->engines, use->id);

  report_later (runner, use->id);
  use->funcs.granted (path, use->user_data);
}

static void
refused (CreelModelsTicket *ticket, CreelModelsRefusal refusal, const char *text, gpointer ticket_data, gpointer user_data)
{
  CreelModelsRunner *runner = user_data;
  CreelModelsUse *use = ticket_data;
  guint status = 503;

  if (refusal == CREEL_MODELS_REFUSED_NEVER_FITS)
    status = 507;
  else if (refusal == CREEL_MODELS_REFUSED_ENGINE && runner->how != CREEL_MODELS_STOPPED_MISSING)
    status = 502;
  use->funcs.refused (status, text, use->user_data);
  use_free (use);
}

static gboolean
on_wake (gpointer user_data)
{
  CreelModelsRunner *runner = user_data;

  runner->wake_id = 0;
  schedule_step (runner);
  return G_SOURCE_REMOVE;
}

static gboolean
step (gpointer user_data)
{
  CreelModelsRunner *runner = user_data;
  gint64 wake, left;

  runner->step_id = 0;
  g_clear_handle_id (&runner->wake_id, g_source_remove);
  wake = creel_models_scheduler_step (runner->scheduler);
  if (wake == G_MAXINT64)
    return G_SOURCE_REMOVE;
  left = MAX (wake - g_get_monotonic_time (), 0) / 1000 + 1;
  /* one that waits for memory looks at it now and then */
  if (creel_models_scheduler_get_waiting (runner->scheduler) > 0)
    left = MIN (left, 1000);
  runner->wake_id = g_timeout_add ((guint) MIN (left, 3600 * 1000), on_wake, runner);
  return G_SOURCE_REMOVE;
}

/* Before anything else of the loop, and never from inside what changed. */
static void
schedule_step (CreelModelsRunner *runner)
{
  if (runner->step_id == 0)
    runner->step_id = g_idle_add_full (G_PRIORITY_HIGH, step, runner, NULL);
}

/* engines -> scheduler */

static void
on_models (GVariant *models, const char *text, gpointer user_data)
{
  CreelModelsRunner *runner = user_data;
  /* those who come while they are told ask anew */
  guint n = runner->waiters.length;

  g_clear_pointer (&runner->trouble, g_free);
  runner->trouble = g_strdup (text);
  if (models != NULL)
    {
      /* creeld reads it for each name, so a change counts here too; one that cannot be read does not */
      g_autofree char *registry = creel_registry_of_models (NULL);

      g_clear_pointer (&runner->catalog, creel_models_catalog_unref);
      runner->catalog = creel_models_catalog_new (models, registry != NULL ? registry : runner->config->registry);
    }
  for (guint i = 0; i < n; i++)
    {
      g_autofree Waiter *waiter = g_queue_pop_head (&runner->waiters);

      if (waiter != NULL)
        waiter->func (waiter->owner);
    }
}

static gboolean
on_found (const char *id, guint64 context, gpointer user_data)
{
  CreelModelsRunner *runner = user_data;
  const CreelModelsModel *model = find (runner, id);
  CreelModelsNeed need;

  if (model == NULL)
    return FALSE;
  need = creel_models_model_get_need_of (model, context > 0 ? context : model->context_length);
  set_plan (runner, &need);
  return TRUE;
}

static void
on_ready (const char *id, gpointer user_data)
{
  CreelModelsRunner *runner = user_data;
  const CreelModelsModel *model = find (runner, id);
  Plan *plan = g_hash_table_lookup (runner->plans, id);

  forget_capacity (runner);
  /* one that was found running */
  if (creel_models_scheduler_get_users (runner->scheduler, id) < 0 && model != NULL)
    {
      CreelModelsNeed need = creel_models_model_get_need_of (model, plan != NULL ? plan->context : model->context_length);

      creel_models_scheduler_adopt (runner->scheduler, &need);
    }
  else
    creel_models_scheduler_engine_ready (runner->scheduler, id);
  report_later (runner, id);
  schedule_step (runner);
}

static void
on_stopped (const char *id, CreelModelsStopped how, const char *text, gpointer user_data)
{
  CreelModelsRunner *runner = user_data;
  const CreelModelsModel *model = find (runner, id);
  g_autofree char *told = NULL;

  g_hash_table_remove (runner->plans, id);
  forget_capacity (runner);
  if (how == CREEL_MODELS_STOPPED_CRASH)
    {
      runner->counters.crashes++;
      told = g_strdup_printf ("%s was not loaded: %s%s", model != NULL ? model->name : id, text, strstr (text, LOGS) != NULL ? "" : "; see: " LOGS);
    }
  runner->how = how;
  creel_models_scheduler_engine_stopped (runner->scheduler, id, told != NULL ? told : text);
  runner->how = CREEL_MODELS_STOPPED_CRASH;
  schedule_step (runner);
}

CreelModelsRunner *
creel_models_runner_new (const CreelModelsConfig *config, GDBusConnection *connection, const char *bus_name, const char *directory)
{
  static const CreelModelsSchedulerFuncs decided = { now, get_capacity, start, stop, granted, refused };
  static const CreelModelsEnginesFuncs told = { on_models, on_found, on_ready, on_stopped };
  CreelModelsRunner *runner = g_new0 (CreelModelsRunner, 1);

  runner->config = config;
  runner->connection = g_object_ref (connection);
  runner->how = CREEL_MODELS_STOPPED_CRASH;
  runner->plans = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  g_queue_init (&runner->waiters);
  forget_capacity (runner);
  runner->scheduler = creel_models_scheduler_new (&decided, runner);
  runner->engines = creel_models_engines_new (connection, bus_name, directory, &told, runner);
  runner->errands = creel_models_errands_new (connection, bus_name);
  return runner;
}

void
creel_models_runner_free (CreelModelsRunner *runner)
{
  if (runner == NULL)
    return;
  g_clear_handle_id (&runner->step_id, g_source_remove);
  g_clear_handle_id (&runner->wake_id, g_source_remove);
  g_clear_handle_id (&runner->report_id, g_source_remove);
  creel_models_errands_free (runner->errands);
  creel_models_engines_free (runner->engines);
  creel_models_scheduler_free (runner->scheduler);
  creel_models_catalog_unref (runner->catalog);
  g_queue_clear_full (&runner->waiters, g_free);
  g_hash_table_unref (runner->plans);
  g_object_unref (runner->connection);
  g_free (runner->trouble);
  g_free (runner);
}

void
creel_models_runner_set_memory (CreelModelsRunner *runner, guint64 total, guint64 available)
{
  runner->total = total;
  runner->available = available;
  forget_capacity (runner);
}

CreelModelsCatalog *
creel_models_runner_get_catalog (CreelModelsRunner *runner)
{
  return runner->catalog;
}

const char *
creel_models_runner_get_trouble (CreelModelsRunner *runner)
{
  return runner->trouble;
}

void
creel_models_runner_ask (CreelModelsRunner *runner, void (*func) (gpointer owner), gpointer owner)
{
  Waiter *waiter = g_new0 (Waiter, 1);

  waiter->func = func;
  waiter->owner = owner;
  g_queue_push_tail (&runner->waiters, waiter);
  creel_models_engines_refresh (runner->engines);
}

void
creel_models_runner_forget (CreelModelsRunner *runner, gpointer owner)
{
  for (GList *link = runner->waiters.head; link != NULL; link = link->next)
    if (((Waiter *) link->data)->owner == owner)
      {
        g_free (link->data);
        g_queue_delete_link (&runner->waiters, link);
        return;
      }
}

CreelModelsUse *
creel_models_runner_use (CreelModelsRunner *runner, const CreelModelsModel *model, const CreelModelsUseFuncs *funcs, gpointer user_data)
{
  CreelModelsUse *use = g_new0 (CreelModelsUse, 1);
  CreelModelsNeed need = creel_models_model_get_need (model, get_capacity (runner));

  use->runner = runner;
  use->id = g_strdup (model->id);
  use->funcs = *funcs;
  use->user_data = user_data;
  use->ticket = creel_models_scheduler_request (runner->scheduler, &need, use);
  schedule_step (runner);
  return use;
}

void
creel_models_runner_release (CreelModelsRunner *runner, CreelModelsUse *use)
{
  creel_models_scheduler_release (runner->scheduler, use->ticket);
  report_later (runner, use->id);
  schedule_step (runner);
  use_free (use);
}

void
creel_models_runner_lost (CreelModelsRunner *runner, CreelModelsUse *use)
{
  creel_models_scheduler_lost (runner->scheduler, use->ticket);
  schedule_step (runner);
}

CreelModelsErrands *
creel_models_runner_get_errands (CreelModelsRunner *runner)
{
  return runner->errands;
}

void
creel_models_runner_unload_all (CreelModelsRunner *runner)
{
  g_autoptr (GList) ids = g_hash_table_get_keys (runner->plans);

  for (GList *link = ids; link != NULL; link = link->next)
    creel_models_scheduler_unload (runner->scheduler, link->data);
  g_dbus_connection_flush_sync (runner->connection, NULL, NULL);
}

GArray *
creel_models_runner_list_loaded (CreelModelsRunner *runner)
{
  GArray *list = g_array_new (FALSE, TRUE, sizeof (CreelModelsLoaded));
  GHashTableIter iter;
  gpointer id, value;

  g_hash_table_iter_init (&iter, runner->plans);
  while (g_hash_table_iter_next (&iter, &id, &value))
    {
      Plan *plan = value;
      CreelModelsLoaded loaded = { find (runner, id), creel_models_scheduler_is_ready (runner->scheduler, id) };

      if (loaded.model == NULL)
        continue;
      loaded.users = (guint) MAX (creel_models_scheduler_get_users (runner->scheduler, id), 0);
      loaded.memory = plan->need;
      loaded.context = plan->context;
      loaded.expires = get_expiry (runner, id);
      g_array_append_val (list, loaded);
    }
  return list;
}

void
creel_models_runner_count (CreelModelsRunner *runner, CreelModelsRunnerCounters *ret_counters)
{
  *ret_counters = runner->counters;
  ret_counters->waiting = creel_models_scheduler_get_waiting (runner->scheduler);
}
