/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "creel-daemon.h"

/* One running command of a client. It ends with the command, the sandbox, the gateway, or the client's bus name. */

/* After Gateway.Exec gave `id`. */
CreelSession *creel_session_new (CreelDaemon *daemon, const char *sandbox, guint32 id, const char *sender,
                                 uid_t uid, const char *command, gboolean terminal);
/* One of ours, that no client started: its end is told here instead of by a signal. Also called, with code -1, when the sandbox or
 * its gateway goes. */
typedef void (*CreelSessionEnded) (int code, int number, const char *message, gpointer user_data);
void creel_session_set_ended (CreelSession *session, CreelSessionEnded ended, gpointer user_data);
/* Hangs it up and forgets it; nothing is called. */
void creel_session_hangup (CreelSession *session);
void creel_session_free (CreelSession *session);
const char *creel_session_get_path (CreelSession *session);
uid_t creel_session_get_owner (CreelSession *session);
/* Floating a{sv}. */
GVariant *creel_session_get_properties (CreelSession *session);
guint creel_session_count (CreelDaemon *daemon, uid_t uid);

/* The gateway said that `id` ended. When its Exec is not answered yet this waits for it. */
void creel_session_exited (CreelDaemon *daemon, const char *sandbox, guint32 id, int code, int number, const char *message);
/* All sessions of a sandbox are over. */
void creel_session_end_all (CreelDaemon *daemon, const char *sandbox, const char *message);
/* Their starter left the bus. */
void creel_session_hangup_all (CreelDaemon *daemon, const char *sender);
