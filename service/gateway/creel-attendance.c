/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-attendance.h"

/* a guest that asks and hangs up in a loop makes no more news than this */
#define INTERVAL_MS 100

struct _CreelAttendance
{
  CreelGateway *gateway;
  CreelQuestions *questions;
  GPtrArray *peers;     /* CreelDBusGateway */
  GHashTable *attendants; /* set of those of them that answer */
  guint later;
};

static void
update_attended (CreelAttendance *attendance)
{
  creel_questions_set_attended (attendance->questions, g_hash_table_size (attendance->attendants) > 0);
}

static gboolean
on_attend (CreelDBusGateway *peer, GDBusMethodInvocation *invocation, gpointer user_data)
{
  CreelAttendance *attendance = user_data;

  g_hash_table_add (attendance->attendants, peer);
  update_attended (attendance);
  creel_dbus_gateway_complete_attend (peer, invocation);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static gboolean
on_answer (CreelDBusGateway *peer, GDBusMethodInvocation *invocation, guint64 id, const char *choice, const char *by, gpointer user_data)
{
  CreelAttendance *attendance = user_data;
  g_autoptr (GError) error = NULL;

  if (creel_gateway_answer (attendance->gateway, id, choice, by, &error))
    creel_dbus_gateway_complete_answer (peer, invocation);
  else
    g_dbus_method_invocation_return_gerror (invocation, error);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static gboolean
on_later (gpointer user_data)
{
  CreelAttendance *attendance = user_data;

  attendance->later = 0;
  for (guint i = 0; i < attendance->peers->len; i++)
    creel_dbus_gateway_set_questions (attendance->peers->pdata[i], creel_questions_list (attendance->questions));
  return G_SOURCE_REMOVE;
}

static void
on_changed (gpointer user_data)
{
  CreelAttendance *attendance = user_data;

  if (attendance->later == 0)
    attendance->later = g_timeout_add (INTERVAL_MS, on_later, attendance);
}

CreelAttendance *
creel_attendance_new (CreelGateway *gateway)
{
  CreelAttendance *attendance = g_new0 (CreelAttendance, 1);

  attendance->gateway = gateway;
  attendance->questions = creel_proxy_get_questions (creel_gateway_get_proxy (gateway));
  attendance->peers = g_ptr_array_new ();
  attendance->attendants = g_hash_table_new (NULL, NULL);
  creel_questions_set_changed_func (attendance->questions, on_changed, attendance);
  return attendance;
}

void
creel_attendance_free (CreelAttendance *attendance)
{
  creel_questions_set_changed_func (attendance->questions, NULL, NULL);
  g_clear_handle_id (&attendance->later, g_source_remove);
  g_ptr_array_unref (attendance->peers);
  g_hash_table_unref (attendance->attendants);
  g_free (attendance);
}

void
creel_attendance_add (CreelAttendance *attendance, CreelDBusGateway *peer)
{
  g_ptr_array_add (attendance->peers, peer);
  creel_dbus_gateway_set_questions (peer, creel_questions_list (attendance->questions));
  g_signal_connect (peer, "handle-attend", G_CALLBACK (on_attend), attendance);
  g_signal_connect (peer, "handle-answer", G_CALLBACK (on_answer), attendance);
}

void
creel_attendance_remove (CreelAttendance *attendance, CreelDBusGateway *peer)
{
  g_signal_handlers_disconnect_by_data (peer, attendance);
  g_ptr_array_remove_fast (attendance->peers, peer);
  g_hash_table_remove (attendance->attendants, peer);
  update_attended (attendance);
}
