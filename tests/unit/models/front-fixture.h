/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A front with all its parts but main, and clients of it. */
#pragma once

#include "creel-models-server.h"
#include "fake-engines.h"

typedef struct
{
  GTestDBus *bus;
  char *folder;
  FakeEngines *fake;
  CreelModelsConfig config;
  GDBusConnection *connection;
  CreelModelsRunner *runner;
  CreelModelsAudit *audit;
  CreelModelsServer *server;
  guint16 port;
  int journal;
} Fixture;

typedef struct
{
  CreelEndpoint *endpoint;
  GString *got;
  gboolean eof, paused;
} Client;

void start_front (Fixture *f);
void stop_front (Fixture *f);
void set_up (Fixture *f, gconstpointer unused);
void tear_down (Fixture *f, gconstpointer unused);
Client *client_new (Fixture *f);
void say (Client *client, const char *text);
void post (Client *client, const char *path, const char *body);
gboolean has (Client *client, const char *text);
void run_for (guint ms);
/* Until nothing has happened for a fifth of a second, however slow the machine is. */
void settle (void);
/* Its next entry */
char *read_journal (Fixture *f);
/* Reads what is there */
void on_client (CreelEndpoint *endpoint, gpointer user_data);
void client_free (Client *client);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Client, client_free)

#define EXPECT(client, text)                                                         \
  G_STMT_START                                                                       \
  {                                                                                  \
    gint64 expect_end = g_get_monotonic_time () + 10 * G_USEC_PER_SEC;               \
    while (!has (client, text) && g_get_monotonic_time () < expect_end)              \
      if (!g_main_context_iteration (NULL, FALSE))                                   \
        g_usleep (500);                                                              \
    if (!has (client, text))                                                         \
      g_test_message ("got: %s", (client)->got->str);                                \
    g_assert_true (has (client, text));                                              \
  }                                                                                  \
  G_STMT_END
