/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-models-scheduler.h"

#define WAITING_MAX 512
/* that one who waits for memory is in the way of those whose models are loaded */
#define FAIR_LIMIT (2 * 60 * G_USEC_PER_SEC)
#define WAIT_LIMIT (5 * 60 * G_USEC_PER_SEC)
#define LOAD_LIMIT (10 * 60 * G_USEC_PER_SEC)
/* of an engine besides weights and context: buffers for computing, the program */
#define FIXED_NEED (G_GUINT64_CONSTANT (256) * 1024 * 1024)
#define MIB (1024 * 1024)

typedef enum
{
  STARTING,
  READY,
  STOPPING,
} State;

typedef struct
{
  char *id;
  State state;
  guint64 memory;
  gint64 keep_alive;
  gint64 since; /* it starts, or nobody uses it */
  guint users;
} Engine;

struct _CreelModelsTicket
{
  char *id;
  guint64 size, kv_bytes_per_token, context, memory;
  gint64 keep_alive;
  gint64 since;
  gpointer data;
  Engine *engine; /* that it was granted, while that lives */
  gboolean granted;
  gboolean surplus; /* came when too many waited */
};

struct _CreelModelsScheduler
{
  CreelModelsSchedulerFuncs funcs;
  gpointer user_data;
  GHashTable *engines; /* id -> Engine */
  GQueue waiting;      /* tickets in the order in which they came */
  GHashTable *granted; /* set of tickets */
};

static void
engine_free (gpointer data)
{
  Engine *engine = data;

  g_free (engine->id);
  g_free (engine);
}

static void
ticket_free (gpointer data)
{
  CreelModelsTicket *ticket = data;

  g_free (ticket->id);
  g_free (ticket);
}

CreelModelsScheduler *
creel_models_scheduler_new (const CreelModelsSchedulerFuncs *funcs, gpointer user_data)
{
  CreelModelsScheduler *scheduler = g_new0 (CreelModelsScheduler, 1);

  scheduler->funcs = *funcs;
  scheduler->user_data = user_data;
  scheduler->engines = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, engine_free);
  scheduler->granted = g_hash_table_new_full (NULL, NULL, ticket_free, NULL);
  g_queue_init (&scheduler->waiting);
  return scheduler;
}

void
creel_models_scheduler_free (CreelModelsScheduler *scheduler)
{
  if (scheduler == NULL)
    return;
  g_queue_clear_full (&scheduler->waiting, ticket_free);
  g_hash_table_unref (scheduler->granted);
  g_hash_table_unref (scheduler->engines);
  g_free (scheduler);
}

static guint64
add (guint64 a, guint64 b)
{
  return a > G_MAXUINT64 - b ? G_MAXUINT64 : a + b;
}

guint64
creel_models_need_estimate (const CreelModelsNeed *need)
{
  guint64 context = need->kv_bytes_per_token > 0 && need->context > G_MAXUINT64 / need->kv_bytes_per_token
                        ? G_MAXUINT64
                        : need->kv_bytes_per_token * need->context;

  return add (add (need->size, context), FIXED_NEED);
}

CreelModelsTicket *
creel_models_scheduler_request (CreelModelsScheduler *scheduler, const CreelModelsNeed *need, gpointer ticket_data)
{
  CreelModelsTicket *ticket = g_new0 (CreelModelsTicket, 1);

  ticket->id = g_strdup (need->id);
  ticket->size = need->size;
  ticket->kv_bytes_per_token = need->kv_bytes_per_token;
  ticket->context = need->context;
  ticket->memory = creel_models_need_estimate (need);
  ticket->keep_alive = need->keep_alive;
  ticket->since = scheduler->funcs.now (scheduler->user_data);
  ticket->data = ticket_data;
  ticket->surplus = scheduler->waiting.length >= WAITING_MAX;
  g_queue_push_tail (&scheduler->waiting, ticket);
  return ticket;
}

void
creel_models_scheduler_release (CreelModelsScheduler *scheduler, CreelModelsTicket *ticket)
{
  if (!ticket->granted)
    {
      g_queue_remove (&scheduler->waiting, ticket);
      ticket_free (ticket);
      return;
    }
  if (ticket->engine != NULL && --ticket->engine->users == 0)
    ticket->engine->since = scheduler->funcs.now (scheduler->user_data);
  g_hash_table_remove (scheduler->granted, ticket);
}

static Engine *
add_engine (CreelModelsScheduler *scheduler, const char *id, guint64 memory, gint64 keep_alive, State state)
{
  Engine *engine = g_new0 (Engine, 1);

  engine->id = g_strdup (id);
  engine->memory = memory;
  engine->keep_alive = keep_alive;
  engine->state = state;
  engine->since = scheduler->funcs.now (scheduler->user_data);
  g_hash_table_replace (scheduler->engines, engine->id, engine);
  return engine;
}

void
creel_models_scheduler_adopt (CreelModelsScheduler *scheduler, const CreelModelsNeed *need)
{
  if (!g_hash_table_contains (scheduler->engines, need->id))
    add_engine (scheduler, need->id, creel_models_need_estimate (need), need->keep_alive, READY);
}

void
creel_models_scheduler_engine_ready (CreelModelsScheduler *scheduler, const char *id)
{
  Engine *engine = g_hash_table_lookup (scheduler->engines, id);

  if (engine == NULL || engine->state != STARTING)
    return;
  engine->state = READY;
  engine->since = scheduler->funcs.now (scheduler->user_data);
}

static void
refuse (CreelModelsScheduler *scheduler, CreelModelsTicket *ticket, CreelModelsRefusal refusal, const char *text)
{
  g_queue_remove (&scheduler->waiting, ticket);
  scheduler->funcs.refused (ticket, refusal, text, ticket->data, scheduler->user_data);
  ticket_free (ticket);
}

/* Nobody's answer may release another ticket while a list of them is walked: look for the next one from the start. */
static CreelModelsTicket *
find_waiting (CreelModelsScheduler *scheduler, const char *id)
{
  for (GList *link = scheduler->waiting.head; link != NULL; link = link->next)
    if (g_str_equal (((CreelModelsTicket *) link->data)->id, id))
      return link->data;
  return NULL;
}

static void
refuse_all (CreelModelsScheduler *scheduler, const char *id, const char *text)
{
  CreelModelsTicket *ticket;

  while ((ticket = find_waiting (scheduler, id)) != NULL)
    refuse (scheduler, ticket, CREEL_MODELS_REFUSED_ENGINE, text);
}

void
creel_models_scheduler_engine_stopped (CreelModelsScheduler *scheduler, const char *id, const char *text)
{
  Engine *engine = g_hash_table_lookup (scheduler->engines, id);
  g_autofree char *copy = g_strdup (id); /* may be the engine's own */
  gboolean failed;
  GHashTableIter iter;
  gpointer key;

  if (engine == NULL)
    return;
  failed = engine->state == STARTING;
  g_hash_table_iter_init (&iter, scheduler->granted);
  while (g_hash_table_iter_next (&iter, &key, NULL))
    if (((CreelModelsTicket *) key)->engine == engine)
      ((CreelModelsTicket *) key)->engine = NULL;
  g_hash_table_remove (scheduler->engines, copy);
  if (failed)
    refuse_all (scheduler, copy, text);
}

static void
stop_engine (CreelModelsScheduler *scheduler, Engine *engine)
{
  engine->state = STOPPING;
  scheduler->funcs.stop (engine->id, scheduler->user_data);
}

void
creel_models_scheduler_unload (CreelModelsScheduler *scheduler, const char *id)
{
  Engine *engine = g_hash_table_lookup (scheduler->engines, id);

  if (engine != NULL && engine->state != STOPPING)
    stop_engine (scheduler, engine);
}

void
creel_models_scheduler_lost (CreelModelsScheduler *scheduler, CreelModelsTicket *ticket)
{
  if (ticket->engine != NULL && ticket->engine->state == READY)
    stop_engine (scheduler, ticket->engine);
}

static void
refuse_too_large (CreelModelsScheduler *scheduler, CreelModelsTicket *ticket, guint64 capacity)
{
  guint64 fixed = add (ticket->size, FIXED_NEED);
  g_autoptr (GString) text = g_string_new (NULL);

  g_string_printf (text, "The model needs %" G_GUINT64_FORMAT " MiB of memory and models may have %" G_GUINT64_FORMAT " MiB",
                   ticket->memory / MIB + (ticket->memory % MIB > 0), capacity / MIB);
  if (ticket->kv_bytes_per_token > 0 && fixed < capacity && (capacity - fixed) / ticket->kv_bytes_per_token >= 1024)
    g_string_append_printf (text, "; a context of %" G_GUINT64_FORMAT " tokens would fit: creel model configure --context-size",
                            (capacity - fixed) / ticket->kv_bytes_per_token / 1024 * 1024);
  else
    g_string_append (text, "; a smaller model or one with smaller weights would fit");
  refuse (scheduler, ticket, CREEL_MODELS_REFUSED_NEVER_FITS, text->str);
}

/* The one that nobody has used for the longest time */
static Engine *
find_oldest_idle (CreelModelsScheduler *scheduler)
{
  Engine *oldest = NULL;
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, scheduler->engines);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      Engine *engine = value;

      if (engine->state == READY && engine->users == 0 && (oldest == NULL || engine->since < oldest->since))
        oldest = engine;
    }
  return oldest;
}

/* TRUE when it was started; FALSE: others must go first, and those that can were told to. */
static gboolean
make_room_and_start (CreelModelsScheduler *scheduler, CreelModelsTicket *ticket, guint64 capacity)
{
  guint64 used = 0, leaving = 0, idle = 0;
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, scheduler->engines);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      Engine *engine = value;

      used = add (used, engine->memory);
      if (engine->state == STOPPING)
        leaving = add (leaving, engine->memory);
      else if (engine->state == READY && engine->users == 0)
        idle = add (idle, engine->memory);
    }
  if (add (used, ticket->memory) <= capacity)
    {
      add_engine (scheduler, ticket->id, ticket->memory, ticket->keep_alive, STARTING);
      scheduler->funcs.start (ticket->id, ticket->memory, scheduler->user_data);
      return TRUE;
    }
  /* nobody is sent away for a model that must wait all the same */
  if (add (used - leaving - idle, ticket->memory) > capacity)
    return FALSE;
  while (add (used - leaving, ticket->memory) > capacity)
    {
      Engine *engine = find_oldest_idle (scheduler);

      if (engine == NULL)
        break;
      leaving += engine->memory;
      stop_engine (scheduler, engine);
    }
  return FALSE;
}

static void
grant (CreelModelsScheduler *scheduler, CreelModelsTicket *ticket, Engine *engine)
{
  g_queue_remove (&scheduler->waiting, ticket);
  g_hash_table_add (scheduler->granted, ticket);
  ticket->granted = TRUE;
  ticket->engine = engine;
  engine->users++;
  /* settings may have changed since it was loaded */
  engine->keep_alive = ticket->keep_alive;
  scheduler->funcs.granted (ticket, ticket->data, scheduler->user_data);
}

/* One decision about one ticket; TRUE when there was one, and the queue is to be looked at anew. */
static gboolean
decide_one (CreelModelsScheduler *scheduler, gint64 now, gint64 *ret_wake)
{
  guint64 capacity = scheduler->funcs.capacity (scheduler->user_data);
  gboolean blocked = FALSE;

  for (GList *link = scheduler->waiting.head; link != NULL; link = link->next)
    {
      CreelModelsTicket *ticket = link->data;
      Engine *engine = g_hash_table_lookup (scheduler->engines, ticket->id);

      if (ticket->surplus)
        {
          refuse (scheduler, ticket, CREEL_MODELS_REFUSED_FULL, "Too many requests wait for a model; try again later");
          return TRUE;
        }
      if (now - ticket->since >= WAIT_LIMIT && (engine == NULL || engine->state != STARTING))
        {
          refuse (scheduler, ticket, CREEL_MODELS_REFUSED_LATE, "Other models were in use for the whole time that a request may wait; try again later");
          return TRUE;
        }
      if (engine == NULL && ticket->memory > capacity)
        {
          refuse_too_large (scheduler, ticket, capacity);
          return TRUE;
        }
      if (engine == NULL || engine->state != STARTING)
        *ret_wake = MIN (*ret_wake, ticket->since + WAIT_LIMIT);
      /* Behind one that waits for memory nobody is served: else the models that are loaded would never be idle. Not for ever: who uses one of
       * them may do so as long as it likes. */
      if (blocked)
        continue;
      if (engine != NULL && engine->state == READY)
        {
          grant (scheduler, ticket, engine);
          return TRUE;
        }
      if (engine == NULL && make_room_and_start (scheduler, ticket, capacity))
        return TRUE;
      blocked = engine == NULL && now - ticket->since < FAIR_LIMIT;
      if (blocked)
        *ret_wake = MIN (*ret_wake, ticket->since + FAIR_LIMIT);
    }
  return FALSE;
}

static gint64
get_expiry (const Engine *engine)
{
  if (engine->state == READY && engine->users == 0 && engine->keep_alive >= 0 && engine->keep_alive < G_MAXINT64 - engine->since)
    return engine->since + engine->keep_alive;
  return G_MAXINT64;
}

/* Loads that take too long, and models that nobody uses; TRUE when tickets were refused. */
static gboolean
look_at_engines (CreelModelsScheduler *scheduler, gint64 now, gint64 *ret_wake)
{
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, scheduler->engines);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      Engine *engine = value;
      gint64 end = engine->state == STARTING ? engine->since + LOAD_LIMIT : get_expiry (engine);

      if (end > now)
        *ret_wake = MIN (*ret_wake, end);
      else if (engine->state == READY)
        stop_engine (scheduler, engine);
      else
        {
          g_autofree char *id = g_strdup (engine->id);

          stop_engine (scheduler, engine);
          refuse_all (scheduler, id, "The model was not loaded in ten minutes; see: creel model logs");
          return TRUE;
        }
    }
  return FALSE;
}

gint64
creel_models_scheduler_step (CreelModelsScheduler *scheduler)
{
  gint64 now = scheduler->funcs.now (scheduler->user_data);
  gint64 wake;

  do
    wake = G_MAXINT64;
  while (decide_one (scheduler, now, &wake) || look_at_engines (scheduler, now, &wake));
  return wake;
}

int
creel_models_scheduler_get_users (CreelModelsScheduler *scheduler, const char *id)
{
  Engine *engine = g_hash_table_lookup (scheduler->engines, id);

  return engine != NULL ? (int) engine->users : -1;
}

gint64
creel_models_scheduler_get_expiry (CreelModelsScheduler *scheduler, const char *id)
{
  Engine *engine = g_hash_table_lookup (scheduler->engines, id);

  return engine != NULL ? get_expiry (engine) : G_MAXINT64;
}

gboolean
creel_models_scheduler_is_ready (CreelModelsScheduler *scheduler, const char *id)
{
  Engine *engine = g_hash_table_lookup (scheduler->engines, id);

  return engine != NULL && engine->state == READY;
}

guint
creel_models_scheduler_get_waiting (CreelModelsScheduler *scheduler)
{
  return scheduler->waiting.length;
}
