/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "creel-daemon.h"
#include "creel-engine-unit.h"

/* Which models are loaded: a table of the units that hold them. systemd knows the truth; a creeld that was restarted reads it there. */
typedef struct
{
  char *id;
  char *alias;
  char *unit;
  const char *state; /* "starting", "running", "stopping" */
  gint64 since;      /* usec since the epoch */
  guint64 memory;    /* bytes that it has now */
  guint64 memory_max; /* G_MAXUINT64: no limit */
  guint64 context_size; /* 0: as trained, or not known */
  guint64 expires;      /* usec since the epoch, G_MAXUINT64: never, 0: not known */
  guint32 busy;         /* requests */
} CreelEngine;

typedef void (*CreelEngineReadyFunc) (gpointer user_data);
typedef void (*CreelEngineDone) (gpointer user_data, const GError *error);
/* engines: of const CreelEngine, in order of their ids; borrowed for as long as the call lasts. */
typedef void (*CreelEngineListFunc) (GPtrArray *engines, gpointer user_data);

CreelEngines *creel_engines_new (CreelDaemon *daemon);
void creel_engines_free (CreelEngines *engines);
/* Calls back when it is known what runs: at once but in the first moments of creeld. */
void creel_engines_when_ready (CreelEngines *engines, CreelEngineReadyFunc func, gpointer user_data);

gboolean creel_engines_is_loaded (CreelEngines *engines, const char *id);
guint creel_engines_count (CreelEngines *engines);
/* Done when its process is there: RUNNING when it was before. */
void creel_engines_start (CreelEngines *engines, const CreelEngineStart *start, CreelEngineDone done, gpointer user_data);
/* Done when it is gone, after the signal: NOT_RUNNING when it was before. */
void creel_engines_stop (CreelEngines *engines, const char *id, CreelEngineDone done, gpointer user_data);
/* All of them, which may be none. */
void creel_engines_stop_all (CreelEngines *engines, CreelEngineDone done, gpointer user_data);
/* Looks at them first. */
void creel_engines_list (CreelEngines *engines, CreelEngineListFunc done, gpointer user_data);
/* What the front knows; NULL: unchanged. FALSE with NOT_RUNNING. */
gboolean creel_engines_report (CreelEngines *engines, const char *id, const guint64 *expires, const guint32 *busy, GError **error);

/* Who hears the signals of the interface Engines: who called a method of it, until it leaves the bus. */
void creel_engines_add_client (CreelEngines *engines, const char *name);
void creel_engines_client_gone (CreelEngines *engines, const char *name);
/* A model, a name or a setting came or went. */
void creel_engines_models_changed (CreelEngines *engines);

/* What systemd's result means in a sentence. Owned by the caller. */
char *creel_engines_describe (const char *result, int status);
