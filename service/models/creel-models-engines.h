/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

/* creeld's interfaces Models and Engines, seen from the front, and when an engine is ready. What creeld says comes through
 * the functions below, from the main loop, never from inside a call. */
typedef struct _CreelModelsEngines CreelModelsEngines;

typedef enum
{
  CREEL_MODELS_STOPPED,        /* it was told to */
  CREEL_MODELS_STOPPED_CRASH,  /* it ended by itself, or never got ready */
  CREEL_MODELS_STOPPED_MISSING, /* there is no program to run, or nobody who starts it */
} CreelModelsStopped;

typedef struct
{
  /* aa{sv} of Models.ListModels; NULL: creeld could not say, text is why. The answer to refresh(), or ModelsChanged. */
  void (*models) (GVariant *models, const char *text, gpointer user_data);
  /* One that this front did not start runs; FALSE: nobody wants it, it is stopped. */
  gboolean (*found) (const char *id, guint64 context, gpointer user_data);
  void (*ready) (const char *id, gpointer user_data);
  void (*stopped) (const char *id, CreelModelsStopped how, const char *text, gpointer user_data);
} CreelModelsEnginesFuncs;

/* bus_name NULL: creeld is the peer of the connection. directory: where the engines' sockets are, DIRECTORY/HEX16/engine.sock. */
CreelModelsEngines *creel_models_engines_new (GDBusConnection *connection, const char *bus_name, const char *directory,
                                              const CreelModelsEnginesFuncs *funcs, gpointer user_data);
void creel_models_engines_free (CreelModelsEngines *engines);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CreelModelsEngines, creel_models_engines_free)

/* Asks for the list of models; several questions at once are one. */
void creel_models_engines_refresh (CreelModelsEngines *engines);
/* context 0: as the model was trained. The answer is ready() or stopped(). */
void creel_models_engines_start (CreelModelsEngines *engines, const char *id, guint64 memory_max, guint64 context, char **flags);
/* The answer is stopped(). */
void creel_models_engines_stop (CreelModelsEngines *engines, const char *id);
/* For those who ask creeld what is loaded. expires: usec since the epoch, G_MAXUINT64 never, 0 not known. */
void creel_models_engines_report (CreelModelsEngines *engines, const char *id, guint64 expires, guint busy);

char *creel_models_engines_get_socket (CreelModelsEngines *engines, const char *id);
/* Of systemd. */
char *creel_models_engines_get_unit (const char *id);
