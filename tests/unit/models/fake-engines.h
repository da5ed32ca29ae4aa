/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* creeld's Models and Engines on a bus of the tests, and engines that do as they are told. */
#pragma once

#include <gio/gio.h>

#include "creel-endpoint.h"
#include "creel-http-body.h"

#define ID_A "sha256-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define ID_B "sha256-bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define MIB (G_GUINT64_CONSTANT (1024) * 1024)

/* Runs the main loop until it is so; ten seconds, then the test fails. */
#define WAIT_FOR(condition)                                                         \
  G_STMT_START                                                                      \
  {                                                                                 \
    gint64 wait_end = g_get_monotonic_time () + 10 * G_USEC_PER_SEC;                \
    while (!(condition) && g_get_monotonic_time () < wait_end)                      \
      if (!g_main_context_iteration (NULL, FALSE))                                  \
        g_usleep (500);                                                             \
    g_assert_true (condition);                                                      \
  }                                                                                 \
  G_STMT_END

typedef enum
{
  ENGINE_ANSWER, /* a whole answer, at once */
  ENGINE_HOLD,   /* what the test says, when it says it */
  ENGINE_CRASH,  /* ends without a word */
} EngineMode;

typedef struct
{
  struct _FakeEngines *fake;
  char *id;
  CreelEndpoint *endpoint;
  CreelHttpHead *head;
  CreelHttpBody framing;
  GString *body;
  gboolean health, whole, gone;
  guint64 flood; /* bytes that are still to be sent */
} EngineRequest;

typedef struct
{
  char *id;
  GSocketService *service;
} FakeEngine;

typedef struct _FakeEngines
{
  GDBusConnection *connection;
  char *folder, *front;
  guint object_ids[2], owner_id;
  GHashTable *running;  /* id -> FakeEngine */
  GPtrArray *requests;  /* of EngineRequest, in the order in which they came, but for those that ask for health */
  GPtrArray *ended;     /* what engines that are gone had */
  GString *log;         /* "+a " started, "-a " stopped */
  EngineMode mode;
  gboolean slow;        /* never healthy */
  gboolean with_b;      /* the second model is there */
  const char *start_error; /* name and text, "|" between */
  guint lists;
  GPtrArray *managed;    /* "UID METHOD ARGUMENTS" of each ManageModels, "CancelJob PATH" */
  const char *manage_job; /* that it answers; NULL: done at once */
  const char *manage_error; /* name and text, "|" between */
  gboolean manage_holds;  /* answered by fake_engines_release () */
  GDBusMethodInvocation *held;
  GVariant *started;    /* options of the last StartEngine */
  GVariant *reported;
  const char *answer, *answer_type;
} FakeEngines;

FakeEngines *fake_engines_new (const char *address, const char *folder);
void fake_engines_free (FakeEngines *fake);
/* creeld goes, and comes back knowing its engines. */
void fake_engines_drop_name (FakeEngines *fake);
void fake_engines_own_name (FakeEngines *fake);
void fake_engines_run (FakeEngines *fake, const char *id);
void fake_engines_die (FakeEngines *fake, const char *id, gboolean say_so);
void fake_engines_change (FakeEngines *fake);
void fake_engines_release (FakeEngines *fake);
void fake_engines_job_progress (FakeEngines *fake, const char *job, guint64 done, guint64 total, const char *digest);
/* error: name and text, "|" between; NULL: it is done */
void fake_engines_job_end (FakeEngines *fake, const char *job, const char *error);
EngineRequest *fake_engines_get_request (FakeEngines *fake, guint i);
void engine_request_say (EngineRequest *request, const char *text);
void engine_request_end (EngineRequest *request);
