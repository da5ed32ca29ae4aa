/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of the table share. */
#pragma once

#include "creel-engines.h"

struct _CreelEngines
{
  CreelDaemon *daemon;
  GHashTable *table;   /* digits -> CreelEngineEntry */
  GHashTable *clients; /* set of unique names */
  GArray *waiting;     /* CreelEngineWaiter: until it is known what runs */
  guint recovering;    /* questions to systemd that are open, and one for the first */
  guint last_serial;
};

typedef struct
{
  CreelEngineReadyFunc func;
  gpointer user_data;
} CreelEngineWaiter;

typedef struct
{
  CreelEngineDone done;
  gpointer user_data;
} CreelEngineStopper;

typedef struct
{
  CreelEngine info;
  char *digits;
  guint serial;      /* another that has the same digits later is not this one */
  gboolean starting; /* systemd's job is not done */
  gboolean stopping; /* it was told to */
  GArray *stoppers;
} CreelEngineEntry;

/* An engine that a question to systemd was about; it may be gone when the answer comes. */
typedef struct
{
  CreelEngines *self;
  char *digits;
  guint serial;
  CreelEngineDone done;
  gpointer user_data;
  GError *error;
} CreelEngineQuestion;

/* A new one that is "starting". */
CreelEngineEntry *creel_engines_add (CreelEngines *self, const char *id, const char *alias, guint64 context_size);
/* Takes over what systemd says. FALSE: it is gone, everybody was told, and it is freed. */
gboolean creel_engines_apply (CreelEngines *self, CreelEngineEntry *engine, const CreelUnitState *state);
gboolean creel_engines_is_gone (const CreelUnitState *state);

CreelEngineQuestion *creel_engine_question_new (CreelEngines *self, const CreelEngineEntry *engine);
void creel_engine_question_free (CreelEngineQuestion *question);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CreelEngineQuestion, creel_engine_question_free)
/* NULL: it is gone. */
CreelEngineEntry *creel_engine_question_entry (CreelEngineQuestion *question);

/* Asks systemd what runs; then who waits is called. */
void creel_engines_recover (CreelEngines *self);
