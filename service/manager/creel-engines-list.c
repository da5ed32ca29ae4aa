/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-engines-private.h"

#include <string.h>

#include "creel-model-store.h"
#include "creel-names.h"

/* What is loaded: for who asks, and at the start of creeld from what systemd has. */

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
    g_ptr_array_add (engines, &((CreelEngineEntry *) engine)->info);
  g_ptr_array_sort (engines, compare);
  list->done (engines, list->user_data);
  g_free (list);
}

static void
on_listed_state (const CreelUnitState *state, gpointer user_data)
{
  g_autoptr (CreelEngineQuestion) question = user_data;
  List *list = question->user_data;
  CreelEngineEntry *engine = creel_engine_question_entry (question);

  if (engine != NULL)
    creel_engines_apply (question->self, engine, state);
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
      CreelEngineQuestion *question = creel_engine_question_new (self, engine);

      question->user_data = list;
      list->left++;
      creel_units_get_state (self->daemon->units, ((CreelEngineEntry *) engine)->info.unit, on_listed_state, question);
    }
  list_one_done (list);
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
      CreelEngineWaiter *waiter = &g_array_index (waiting, CreelEngineWaiter, i);

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
  else if (state != NULL && state->service != NULL && !creel_engines_is_gone (state))
    {
      environment = g_variant_lookup_value (state->service, "Environment", G_VARIANT_TYPE ("as"));
      if (environment != NULL && creel_engine_unit_read (environment, &id, &context_size))
        expected = creel_engine_unit_name (id);
      if (g_strcmp0 (expected, unit) == 0)
        {
          g_autofree char *alias = creel_model_store_name_of (id);

          creel_engines_apply (found->self, creel_engines_add (found->self, id, alias, context_size), state);
        }
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

void
creel_engines_recover (CreelEngines *self)
{
  creel_units_list (self->daemon->units, CREEL_ENGINE_UNIT_PREFIX "*.service", on_list, self);
}

void
creel_engines_when_ready (CreelEngines *self, CreelEngineReadyFunc func, gpointer user_data)
{
  CreelEngineWaiter waiter = { func, user_data };

  if (self->waiting == NULL)
    func (user_data);
  else
    g_array_append_val (self->waiting, waiter);
}
