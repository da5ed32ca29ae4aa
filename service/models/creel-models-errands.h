/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>
#include <sys/types.h>

/* What creeld does for users of this port: creeld's Engines.ManageModels, and the jobs that come of it. */
typedef struct _CreelModelsErrands CreelModelsErrands;
typedef struct _CreelModelsErrand CreelModelsErrand;

typedef struct
{
  /* bytes; total 0: not known; digest: of the manifest, "" while it is not known */
  void (*progress) (guint64 done, guint64 total, const char *digest, gpointer user_data);
  /* The errand is gone with the return. error: NULL when it is done; its message is for people. */
  void (*ended) (const GError *error, gpointer user_data);
} CreelModelsErrandFuncs;

/* bus_name NULL: creeld is the peer of the connection. */
CreelModelsErrands *creel_models_errands_new (GDBusConnection *connection, const char *bus_name);
/* Nobody is told of what still goes on. */
void creel_models_errands_free (CreelModelsErrands *errands);

/* arguments: of creeld's Models.METHOD, floating or not. The functions come from the main loop, never from inside a call. */
CreelModelsErrand *creel_models_errands_begin (CreelModelsErrands *errands, uid_t uid, const char *method, GVariant *arguments,
                                               const CreelModelsErrandFuncs *funcs, gpointer user_data);
/* Nobody waits for it any more: its job is cancelled, now or as soon as it is known. */
void creel_models_errands_cancel (CreelModelsErrands *errands, CreelModelsErrand *errand);
