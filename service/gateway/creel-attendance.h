/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "creel-dbus-gateway.h"
#include "creel-gateway.h"

/* The face of the questions towards those who answer them: the property Questions and the methods Attend and Answer of each peer. */
typedef struct _CreelAttendance CreelAttendance;

/* `gateway` must outlive it. */
CreelAttendance *creel_attendance_new (CreelGateway *gateway);
/* All peers were removed. */
void creel_attendance_free (CreelAttendance *attendance);
/* Until it is removed; then, if it was the last one that attended, all that waits is refused. */
void creel_attendance_add (CreelAttendance *attendance, CreelDBusGateway *peer);
void creel_attendance_remove (CreelAttendance *attendance, CreelDBusGateway *peer);
