/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A gateway as creeld sees it: usage mock-gateway SOCKET. Once somebody attends, questions about one.example (7), two.example (8), three.example
 * (9) and, with a path from hell, four.example (10) wait. It keeps no answers for this run. On SIGUSR1 question
 * 7 is about evil.example. What it is told is printed, a line each. */
#include <gio/gio.h>
#include <glib-unix.h>
#include <signal.h>
#include <stdio.h>

#include "creel-dbus-gateway.h"
#include "creel-error.h"
#include "creel-names.h"

static GHashTable *questions; /* id -> host */

static CreelDBusGateway *attended;

static void
update (CreelDBusGateway *skeleton)
{
  GVariantBuilder list;

  g_variant_builder_init (&list, G_VARIANT_TYPE ("aa{sv}"));
  for (guint64 id = 7; id <= 10; id++)
    {
      const char *host = g_hash_table_lookup (questions, GUINT_TO_POINTER (id));
      g_autofree char *allows = host != NULL ? g_strdup_printf ("%s:443", id == 9 ? "*" : host) : NULL;

      if (host == NULL)
        continue;
      g_variant_builder_open (&list, G_VARIANT_TYPE ("a{sv}"));
      g_variant_builder_add (&list, "{sv}", "id", g_variant_new_uint64 (id));
      g_variant_builder_add (&list, "{sv}", "host", g_variant_new_string (host));
      g_variant_builder_add (&list, "{sv}", "port", g_variant_new_uint16 (443));
      g_variant_builder_add (&list, "{sv}", "method", g_variant_new_string ("CONNECT"));
      g_variant_builder_add (&list, "{sv}", "path", g_variant_new_string (id == 10 ? "/\033[31mred\xe2\x80\xae" : ""));
      g_variant_builder_add (&list, "{sv}", "allows", g_variant_new_string (allows));
      g_variant_builder_close (&list);
    }
  creel_dbus_gateway_set_questions (skeleton, g_variant_builder_end (&list));
}

static void
say (const char *text)
{
  puts (text);
  fflush (stdout);
}

static gboolean
on_attend (CreelDBusGateway *skeleton, GDBusMethodInvocation *invocation, gpointer unused)
{
  say ("Attend");
  attended = skeleton;
  creel_dbus_gateway_complete_attend (skeleton, invocation);
  update (skeleton);
  return TRUE;
}

static gboolean
on_answer (CreelDBusGateway *skeleton, GDBusMethodInvocation *invocation, guint64 id, const char *choice, const char *by, gpointer unused)
{
  g_autofree char *line = g_strdup_printf ("Answer %u %s %s", (guint) id, choice, by);

  say (line);
  if (g_str_equal (choice, "run"))
    g_dbus_method_invocation_return_error (invocation, CREEL_ERROR, CREEL_ERROR_LIMITS_EXCEEDED, "Too many answers are kept");
  else if (g_hash_table_remove (questions, GUINT_TO_POINTER (id)))
    creel_dbus_gateway_complete_answer (skeleton, invocation);
  else
    g_dbus_method_invocation_return_error (invocation, CREEL_ERROR, CREEL_ERROR_NO_SUCH_QUESTION, "No question %u", (guint) id);
  update (skeleton);
  return TRUE;
}

static gboolean
on_reload (CreelDBusGateway *skeleton, GDBusMethodInvocation *invocation, gpointer unused)
{
  say ("Reload");
  creel_dbus_gateway_complete_reload (skeleton, invocation);
  return TRUE;
}

static gboolean
on_swap (gpointer unused)
{
  g_hash_table_insert (questions, GUINT_TO_POINTER (7), (gpointer) "evil.example");
  update (attended);
  return G_SOURCE_CONTINUE;
}

static gboolean
on_connection (GDBusServer *server, GDBusConnection *connection, gpointer unused)
{
  CreelDBusGateway *skeleton = creel_dbus_gateway_skeleton_new ();

  g_object_set_data_full (G_OBJECT (connection), "skeleton", skeleton, g_object_unref);
  g_object_ref (connection);
  creel_dbus_gateway_set_state (skeleton, "ready");
  creel_dbus_gateway_set_guest (skeleton, g_variant_new ("a{sv}", NULL));
  creel_dbus_gateway_set_questions (skeleton, g_variant_new ("aa{sv}", NULL));
  g_signal_connect (skeleton, "handle-attend", G_CALLBACK (on_attend), NULL);
  g_signal_connect (skeleton, "handle-answer", G_CALLBACK (on_answer), NULL);
  g_signal_connect (skeleton, "handle-reload", G_CALLBACK (on_reload), NULL);
  return g_dbus_interface_skeleton_export (G_DBUS_INTERFACE_SKELETON (skeleton), connection, CREEL_GATEWAY_PATH, NULL);
}

int
main (int argc, char **argv)
{
  static const char *const hosts[] = { "one.example", "two.example", "three.example", "four.example" };
  g_autofree char *escaped = g_dbus_address_escape_value (argv[1]);
  g_autofree char *address = g_strconcat ("unix:path=", escaped, NULL);
  g_autofree char *guid = g_dbus_generate_guid ();
  g_autoptr (GError) error = NULL;
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  g_autoptr (GDBusServer) server = g_dbus_server_new_sync (address, G_DBUS_SERVER_FLAGS_NONE, guid, NULL, NULL, &error);

  g_assert_no_error (error);
  (void) creel_error_quark ();
  questions = g_hash_table_new (NULL, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (hosts); i++)
    g_hash_table_insert (questions, GUINT_TO_POINTER (7 + i), (gpointer) hosts[i]);
  g_unix_signal_add (SIGUSR1, on_swap, NULL);
  g_signal_connect (server, "new-connection", G_CALLBACK (on_connection), NULL);
  g_dbus_server_start (server);
  say ("ready");
  g_main_loop_run (loop);
  return 0;
}
