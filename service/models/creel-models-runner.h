/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "creel-models-catalog.h"
#include "creel-models-config.h"
#include "creel-models-errands.h"

/* The models of this machine in use: brings what creeld tells, the scheduler's decisions and the machine's memory together. */
typedef struct _CreelModelsRunner CreelModelsRunner;
/* One request that uses a model, or waits for it. */
typedef struct _CreelModelsUse CreelModelsUse;

typedef struct
{
  /* The model is loaded, and stays so until the use is released. */
  void (*granted) (const char *socket_path, gpointer user_data);
  /* The use is gone with the return. status: of HTTP; text: one line for people. */
  void (*refused) (guint status, const char *text, gpointer user_data);
} CreelModelsUseFuncs;

typedef struct
{
  const CreelModelsModel *model;
  gboolean ready;  /* else it is being loaded */
  guint users;
  guint64 memory;  /* bytes that it is counted with */
  guint64 context; /* tokens; 0: not known */
  guint64 expires; /* usec since the epoch; 0 while it is used, G_MAXUINT64 never */
} CreelModelsLoaded;

typedef struct
{
  guint64 loads, crashes;
  guint waiting;
} CreelModelsRunnerCounters;

/* config is the caller's and stays. bus_name, directory: as creel_models_engines_new() has them. */
CreelModelsRunner *creel_models_runner_new (const CreelModelsConfig *config, GDBusConnection *connection, const char *bus_name,
                                            const char *directory);
/* Nobody uses it any more. Engines run on. */
void creel_models_runner_free (CreelModelsRunner *runner);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CreelModelsRunner, creel_models_runner_free)
/* Tests: what the machine has, instead of what it says. */
void creel_models_runner_set_memory (CreelModelsRunner *runner, guint64 total, guint64 available);

/* NULL before creeld has told. */
CreelModelsCatalog *creel_models_runner_get_catalog (CreelModelsRunner *runner);
/* Why not; NULL when the last answer was good. */
const char *creel_models_runner_get_trouble (CreelModelsRunner *runner);
/* Asks creeld for its models; func once it answered or could not. owner: by which it is forgotten. */
void creel_models_runner_ask (CreelModelsRunner *runner, void (*func) (gpointer owner), gpointer owner);
void creel_models_runner_forget (CreelModelsRunner *runner, gpointer owner);

/* The functions come from the main loop. */
CreelModelsUse *creel_models_runner_use (CreelModelsRunner *runner, const CreelModelsModel *model, const CreelModelsUseFuncs *funcs,
                                         gpointer user_data);
/* Done with it, or not interested any more. */
void creel_models_runner_release (CreelModelsRunner *runner, CreelModelsUse *use);
/* Nobody listens on the socket of a model that was granted: the next use loads it. The use is still to be released. */
void creel_models_runner_lost (CreelModelsRunner *runner, CreelModelsUse *use);
/* What creeld does for users. The runner's. */
CreelModelsErrands *creel_models_runner_get_errands (CreelModelsRunner *runner);
/* Unloads all. Returns when creeld was asked to. */
void creel_models_runner_unload_all (CreelModelsRunner *runner);

/* Of CreelModelsLoaded, whose models belong to the catalog. */
GArray *creel_models_runner_list_loaded (CreelModelsRunner *runner);
void creel_models_runner_count (CreelModelsRunner *runner, CreelModelsRunnerCounters *ret_counters);
