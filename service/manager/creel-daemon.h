/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

#include "creel-callers.h"
#include "creel-definition.h"
#include "creel-unit.h"

typedef struct _CreelSandbox CreelSandbox;
typedef struct _CreelSession CreelSession;
typedef struct _CreelJob CreelJob;
typedef struct _CreelAgentRegistry CreelAgentRegistry;
typedef struct _CreelCeiling CreelCeiling;
typedef struct _CreelEngines CreelEngines;
typedef struct _CreelEngineVersion CreelEngineVersion;

#define CREEL_MAX_SANDBOXES_PER_USER 256
#define CREEL_MAX_SESSIONS_PER_USER 64
#define CREEL_MAX_JOBS_PER_USER 4

/* What creeld knows. One thread, one of these; the tables own their objects. */
typedef struct
{
  GDBusConnection *bus;
  CreelCallers *callers;
  CreelUnits *units;
  CreelAgentRegistry *agents;
  CreelCeiling *ceiling;
  CreelEngines *engines;
  CreelEngineVersion *engine_version;
  GHashTable *sandboxes; /* name -> CreelSandbox */
  GHashTable *reserved;  /* names that are being created -> owner */
  GHashTable *sessions;  /* decimal id -> CreelSession */
  GHashTable *jobs;      /* decimal id -> CreelJob */
  GPtrArray *image_jobs; /* CreelImageJob: the work behind some of them */
  GHashTable *garbage;   /* digests of blobs to look at when no work of images goes on */
  guint last_session;
  guint last_job;
  guint last_worker;
  guint registrations[16];
} CreelDaemon;

/* Connects, loads what is on disk, exports everything, then owns the name. NULL with an error. */
CreelDaemon *creel_daemon_new (GError **error);
void creel_daemon_free (CreelDaemon *daemon);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CreelDaemon, creel_daemon_free)
/* Runs until SIGTERM or SIGINT, or until the bus is lost; FALSE then. */
gboolean creel_daemon_run (CreelDaemon *daemon);

/* Reads all definitions again: adds, updates and removes sandboxes. */
void creel_daemon_rescan (CreelDaemon *daemon);

/* A signal to those clients that may see it: the bus cannot filter by user, so nothing is broadcast. Sent to each
 * client of `owner` (and of root) that has called us since it connected. Takes a floating `parameters`. */
void creel_daemon_emit (CreelDaemon *daemon, uid_t owner, const char *path, const char *interface, const char *signal,
                        GVariant *parameters);
