/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

/* Which model is in memory when. Nothing but logic: clock, memory and engines are its owner's. Everything it decides it
 * says from creel_models_scheduler_step(), which the owner calls after each change and when the time comes. */
typedef struct _CreelModelsScheduler CreelModelsScheduler;
/* One request that waits for its model or uses it. */
typedef struct _CreelModelsTicket CreelModelsTicket;

#define CREEL_MODELS_KEEP_FOR_EVER (-1)

typedef struct
{
  const char *id;
  guint64 size;               /* bytes of the weights */
  guint64 kv_bytes_per_token; /* 0: not known */
  guint64 context;            /* tokens that it is to be loaded with; 0: not known */
  gint64 keep_alive;          /* usec that it stays unused; 0: it goes at once; CREEL_MODELS_KEEP_FOR_EVER */
} CreelModelsNeed;

typedef enum
{
  CREEL_MODELS_REFUSED_NEVER_FITS, /* more than all that models may have */
  CREEL_MODELS_REFUSED_FULL,       /* too many wait */
  CREEL_MODELS_REFUSED_LATE,       /* waited too long */
  CREEL_MODELS_REFUSED_ENGINE,     /* the engine did not come up */
} CreelModelsRefusal;

typedef struct
{
  gint64 (*now) (gpointer user_data);      /* usec, monotonic */
  guint64 (*capacity) (gpointer user_data); /* bytes that all models together may have now, loaded ones included */
  /* Answers come as creel_models_scheduler_engine_ready() or _engine_stopped(), not from inside. */
  void (*start) (const char *id, guint64 memory, gpointer user_data);
  void (*stop) (const char *id, gpointer user_data);
  /* The ticket's model is loaded; it stays until the ticket is released. */
  void (*granted) (CreelModelsTicket *ticket, gpointer ticket_data, gpointer user_data);
  /* The ticket is gone with the return. text: one line for people. */
  void (*refused) (CreelModelsTicket *ticket, CreelModelsRefusal refusal, const char *text, gpointer ticket_data,
                   gpointer user_data);
} CreelModelsSchedulerFuncs;

CreelModelsScheduler *creel_models_scheduler_new (const CreelModelsSchedulerFuncs *funcs, gpointer user_data);
void creel_models_scheduler_free (CreelModelsScheduler *scheduler);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CreelModelsScheduler, creel_models_scheduler_free)

/* Bytes that a model needs in memory. */
guint64 creel_models_need_estimate (const CreelModelsNeed *need);

/* A request for a model; the answer is granted() or refused(). */
CreelModelsTicket *creel_models_scheduler_request (CreelModelsScheduler *scheduler, const CreelModelsNeed *need,
                                                   gpointer ticket_data);
/* The request is done, or its client is gone, in whatever state it was. */
void creel_models_scheduler_release (CreelModelsScheduler *scheduler, CreelModelsTicket *ticket);

void creel_models_scheduler_engine_ready (CreelModelsScheduler *scheduler, const char *id);
/* It ended, was told to or not. Tickets that were granted are to be released still. */
void creel_models_scheduler_engine_stopped (CreelModelsScheduler *scheduler, const char *id, const char *text);
/* The engine of a granted ticket is gone without a word: unless it was heard of meanwhile it is told to stop, and the next request starts it. */
void creel_models_scheduler_lost (CreelModelsScheduler *scheduler, CreelModelsTicket *ticket);
/* One that ran already when the scheduler was made. */
void creel_models_scheduler_adopt (CreelModelsScheduler *scheduler, const CreelModelsNeed *need);
/* Whether anybody unloads it, uses or not. */
void creel_models_scheduler_unload (CreelModelsScheduler *scheduler, const char *id);

/* Decides; returns the time at which to call again if nothing happens before, G_MAXINT64 for never. */
gint64 creel_models_scheduler_step (CreelModelsScheduler *scheduler);
/* Requests that use a model; -1 when it is not loaded. */
int creel_models_scheduler_get_users (CreelModelsScheduler *scheduler, const char *id);
/* When it leaves if nobody asks for it: usec, monotonic; G_MAXINT64 while it is used, loaded or kept for ever. */
gint64 creel_models_scheduler_get_expiry (CreelModelsScheduler *scheduler, const char *id);
/* Whether requests may be given to it. */
gboolean creel_models_scheduler_is_ready (CreelModelsScheduler *scheduler, const char *id);
guint creel_models_scheduler_get_waiting (CreelModelsScheduler *scheduler);
