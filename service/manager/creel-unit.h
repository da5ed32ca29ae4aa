/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

/* systemd's manager over the system bus. */
typedef struct _CreelUnits CreelUnits;

typedef struct
{
  char *active_state; /* "active", "inactive", ... */
  char *status_text;
  char *result;       /* "success", "timeout", "exit-code", ... */
  int exit_status;    /* of the main process, or 0 */
  gint64 since;       /* usec since the epoch: when it became active, or 0 */
  GVariant *service;  /* a{sv}: all that systemd says of it as a service */
} CreelUnitState;
void creel_unit_state_clear (CreelUnitState *state);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (CreelUnitState, creel_unit_state_clear)

typedef void (*CreelUnitFunc) (gpointer user_data, GError *error);
/* `state` is NULL when systemd did not say. */
typedef void (*CreelUnitStateFunc) (const CreelUnitState *state, gpointer user_data);
typedef void (*CreelUnitChangedFunc) (const char *unit, gpointer user_data);

/* `changed`: a unit that begins with `prefix` changed, look at it again; with unit NULL: systemd read all files again. */
CreelUnits *creel_units_new (GDBusConnection *bus, const char *prefix, CreelUnitChangedFunc changed, gpointer user_data);
void creel_units_free (CreelUnits *units);
/* The same for units that begin otherwise; not told of a reload. */
void creel_units_watch (CreelUnits *units, const char *prefix, CreelUnitChangedFunc changed, gpointer user_data);

void creel_units_reload (CreelUnits *units, CreelUnitFunc done, gpointer user_data);
/* verb: "StartUnit", "StopUnit", "RestartUnit". Done when the job is, with an error unless its result is "done";
 * the caller looks at the unit's state to say why. */
void creel_units_job (CreelUnits *units, const char *verb, const char *unit, CreelUnitFunc done, gpointer user_data);
/* A transient service; `properties` is a floating a(sv), `fds` what its handles mean or NULL. Done as for _job:
 * with Type=oneshot when it has ended. */
void creel_units_start_transient (CreelUnits *units, const char *unit, GVariant *properties, GUnixFDList *fds,
                                  CreelUnitFunc done, gpointer user_data);
void creel_units_get_state (CreelUnits *units, const char *unit, CreelUnitStateFunc done, gpointer user_data);
/* Unit -> ActiveState of the units that systemd has in memory; borrowed, and empty with an error. */
typedef void (*CreelUnitListFunc) (GHashTable *units, gpointer user_data, GError *error);
void creel_units_list (CreelUnits *units, const char *pattern, CreelUnitListFunc done, gpointer user_data);
/* These answer nobody. */
void creel_units_kill (CreelUnits *units, const char *unit, int signal);
void creel_units_reset_failed (CreelUnits *units, const char *unit);
void creel_units_disable (CreelUnits *units, const char *unit, CreelUnitFunc done, gpointer user_data);
