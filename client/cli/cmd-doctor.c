/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli.h"

#include <stdio.h>
#include <string.h>
#include <systemd/sd-login.h>
#include <unistd.h>

#include "creel-config.h"
#include "creel-keyring.h"
#include "out-json.h"
#include "out-text.h"

typedef struct
{
  Cli *cli;
  JsonBuilder *builder;
  gboolean bad;
} Report;

static void
add (Report *report, const char *name, const char *state, const char *found, const char *advice)
{
  report->bad = report->bad || g_str_equal (state, "error");
  if (report->cli->json)
    {
      json_builder_begin_object (report->builder);
      out_json_string (report->builder, "name", name);
      out_json_string (report->builder, "state", state);
      out_json_string (report->builder, "found", found);
      out_json_string (report->builder, "advice", advice != NULL && *advice != '\0' ? advice : NULL);
      json_builder_end_object (report->builder);
    }
  else if (!report->cli->quiet || !g_str_equal (state, "ok"))
    {
      g_autofree char *safe_name = out_printable (name, -1, FALSE), *safe_found = out_printable (found, -1, FALSE);
      g_autofree char *safe_advice = advice != NULL && *advice != '\0' ? out_printable (advice, -1, FALSE) : NULL;

      printf ("%-8s %-12s %s\n", state, safe_name, safe_found);
      if (safe_advice != NULL && !g_str_equal (state, "ok"))
        printf ("%-8s %-12s -> %s\n", "", "", safe_advice);
    }
}

/* FALSE: there is no use in asking the service anything. */
static gboolean
check_service (Report *report)
{
  Cli *cli = report->cli;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = NULL, value = NULL;
  g_autofree char *found = NULL;
  const char *version = "?";

  if (!cli_connect (cli, &error))
    {
      add (report, "bus", "error", "no system bus", "install and start dbus: sudo systemctl start dbus");
      return FALSE;
    }
  reply = g_dbus_connection_call_sync (cli->bus, CREEL_BUS_NAME, CREEL_OBJECT_PATH, "org.freedesktop.DBus.Properties", "Get",
                                       g_variant_new ("(ss)", "org.creel.Creel1.Manager", "Version"), G_VARIANT_TYPE ("(v)"),
                                       G_DBUS_CALL_FLAGS_NONE, -1, NULL, &error);
  if (reply == NULL)
    {
      gboolean unknown = g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_SERVICE_UNKNOWN);
      gboolean denied = g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_ACCESS_DENIED);

      g_dbus_error_strip_remote_error (error);
      add (report, "service", "error", unknown ? "the system bus does not know " CREEL_BUS_NAME : error->message,
           unknown  ? "install Creel, then: sudo systemctl reload dbus"
           : denied ? "the bus policy is missing or old: install Creel again, then: sudo systemctl reload dbus"
                    : "see why it does not start: systemctl status creeld; journalctl -u creeld");
      return FALSE;
    }
  g_variant_get (reply, "(v)", &value);
  if (g_variant_is_of_type (value, G_VARIANT_TYPE_STRING))
    version = g_variant_get_string (value, NULL);
  found = g_strdup_printf ("creeld %s, creel %s", version, CREEL_VERSION);
  add (report, "service", g_str_equal (version, CREEL_VERSION) ? "ok" : "warning", found,
       "restart the service, which disturbs no sandbox: sudo systemctl restart creeld");
  return TRUE;
}

static void
check_system (Report *report)
{
  g_autoptr (GVariant) list = NULL;
  g_autoptr (GError) error = NULL;
  GVariantIter iter;
  const char *name, *state, *found, *advice;

  if (!CLI_CALL (report->cli, &error, creel_dbus_manager_call_check_sync (report->cli->manager, CLI_FLAGS (report->cli), &list, NULL, &error)))
    {
      g_dbus_error_strip_remote_error (error);
      add (report, "system", "error", error->message, "see: journalctl -u creeld");
      return;
    }
  g_variant_iter_init (&iter, list);
  while (g_variant_iter_next (&iter, "(&s&s&s&s)", &name, &state, &found, &advice))
    add (report, name, state, found, advice);
}

static void
check_login (Report *report)
{
  char *session = NULL, *seat = NULL; /* malloc()ed */
  int r = sd_pid_get_session (0, &session);

  if (r < 0)
    r = sd_uid_get_display (getuid (), &session);
  if (geteuid () == 0)
    add (report, "session", "ok", "you are root: no password is asked for", NULL);
  else if (r < 0)
    add (report, "session", "warning", "you have no login session", "log in on the machine itself, or be asked for an administrator's password for each act");
  else if (sd_session_is_active (session) <= 0)
    add (report, "session", "warning", "your session is not the active one", "switch to it, or be asked for an administrator's password");
  else if (sd_session_get_seat (session, &seat) < 0)
    add (report, "session", "warning", "you are logged in from afar: polkit asks for an administrator's password",
         "type it when asked, or let an administrator allow you org.creel.Creel1.* with a polkit rule");
  else
    add (report, "session", "ok", "active", NULL);
  free (seat);
  free (session);
}

static void
check_agent (Report *report)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GDBusConnection) bus = g_bus_get_sync (G_BUS_TYPE_SESSION, NULL, &error);
  g_autoptr (GVariant) reply = NULL;
  gboolean running = FALSE;

  if (bus == NULL)
    {
      add (report, "agent", "warning", "no session bus, so no creel-agent and no keyring: keys cannot be used",
           "log in to a desktop, or with a user session (dbus-user-session)");
      return;
    }
  g_dbus_connection_set_exit_on_close (bus, FALSE);
  reply = g_dbus_connection_call_sync (bus, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "NameHasOwner",
                                       g_variant_new ("(s)", CREEL_AGENT_BUS_NAME), G_VARIANT_TYPE ("(b)"), G_DBUS_CALL_FLAGS_NONE, 2000,
                                       NULL, NULL);
  if (reply != NULL)
    g_variant_get (reply, "(b)", &running);
  add (report, "agent", running ? "ok" : "warning", running ? "creel-agent runs in this session" : "creel-agent does not run in this session",
       "start it: systemctl --user start creel-agent");
}

static gpointer
limit_keyring (gpointer user_data)
{
  g_autoptr (GCancellable) cancellable = user_data;

  g_usleep (5 * G_USEC_PER_SEC);
  g_cancellable_cancel (cancellable);
  return NULL;
}

static void
check_keyring (Report *report)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;

  g_thread_unref (g_thread_new ("limit", limit_keyring, g_object_ref (cancellable)));
  if (creel_keyring_check (cancellable, &error))
    add (report, "keyring", "ok", "answers and is unlocked", NULL);
  else
    {
      char *advice = g_error_matches (error, CREEL_ERROR, CREEL_ERROR_KEYRING_LOCKED) ? strchr (error->message, ';') : NULL;
      const char *what = advice != NULL ? advice + 2 : "log in again, or restart gnome-keyring-daemon";

      if (advice != NULL)
        *advice = '\0';
      add (report, "keyring", "warning", g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED) ? "does not answer" : error->message, what);
    }
}

int
cmd_doctor (Cli *cli, char **args)
{
  g_auto (GStrv) words = NULL;
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  Report report = { cli, builder, FALSE };
  int status;

  if (!cli_parse (cli, args, NULL, CLI_PARSE_PERMUTE, 0, 0, &words, NULL, &status))
    return status;
  json_builder_begin_array (builder);
  if (check_service (&report))
    check_system (&report);
  check_login (&report);
  check_agent (&report);
  check_keyring (&report);
  json_builder_end_array (builder);
  if (cli->json)
    out_json_print (builder, TRUE);
  return report.bad ? CLI_FAILED : CLI_OK;
}

static char *
get_property (Cli *cli, const char *name)
{
  g_autoptr (GVariant) value = NULL;
  g_autoptr (GVariant) reply = g_dbus_connection_call_sync (
      cli->bus, CREEL_BUS_NAME, CREEL_OBJECT_PATH, "org.freedesktop.DBus.Properties", "Get",
      g_variant_new ("(ss)", "org.creel.Creel1.Manager", name), G_VARIANT_TYPE ("(v)"), G_DBUS_CALL_FLAGS_NONE, -1, NULL, NULL);

  if (reply == NULL)
    return NULL;
  g_variant_get (reply, "(v)", &value);
  return g_variant_is_of_type (value, G_VARIANT_TYPE_STRING) ? g_variant_dup_string (value, NULL) : NULL;
}

int
cmd_version (Cli *cli, char **args)
{
  g_auto (GStrv) words = NULL;
  g_autofree char *service = NULL, *accelerator = NULL;
  int status;

  if (!cli_parse (cli, args, NULL, CLI_PARSE_PERMUTE, 0, 0, &words, NULL, &status))
    return status;
  if (cli_connect (cli, NULL))
    {
      service = get_property (cli, "Version");
      accelerator = service != NULL ? get_property (cli, "Accelerator") : NULL;
    }
  if (cli->json)
    {
      g_autoptr (JsonBuilder) builder = json_builder_new ();

      json_builder_begin_object (builder);
      out_json_string (builder, "client", CREEL_VERSION);
      out_json_string (builder, "service", service);
      out_json_string (builder, "accelerator", accelerator != NULL && *accelerator != '\0' ? accelerator : NULL);
      json_builder_end_object (builder);
      out_json_print (builder, TRUE);
      return CLI_OK;
    }
  printf ("creel %s\n", CREEL_VERSION);
  printf ("creeld %s\n", service != NULL ? service : "does not answer; run: creel doctor");
  if (accelerator != NULL && *accelerator != '\0')
    printf ("accelerator %s\n", accelerator);
  return CLI_OK;
}
