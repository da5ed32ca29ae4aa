/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>
#include <sys/types.h>

/* Who is behind a unique name of the bus. The bus is asked once per client; an entry goes with its name. */
typedef struct _CreelCallers CreelCallers;

typedef void (*CreelCallerFunc) (uid_t uid, gpointer user_data, GError *error);
typedef void (*CreelCallerGoneFunc) (const char *name, uid_t uid, gpointer user_data);

/* `gone` is called once for every client that had called us and left. */
CreelCallers *creel_callers_new (GDBusConnection *bus, CreelCallerGoneFunc gone, gpointer user_data);
void creel_callers_free (CreelCallers *callers);
/* Calls back at once when the name is known. */
void creel_callers_lookup (CreelCallers *callers, const char *name, CreelCallerFunc done, gpointer user_data);
/* For GLib's synchronous introspection only; FALSE when the bus does not say. */
gboolean creel_callers_lookup_now (CreelCallers *callers, const char *name, uid_t *ret_uid);
/* Unique names whose user is `uid`, or root; free the array, not the names. */
GPtrArray *creel_callers_of (CreelCallers *callers, uid_t uid);
/* Still on the bus, as far as we were told. */
gboolean creel_callers_is_known (CreelCallers *callers, const char *name);
/* For tests. */
void creel_callers_add (CreelCallers *callers, const char *name, uid_t uid);
