/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A double of creeld for tests of its clients: owns org.creel.Creel1 on the bus of $DBUS_SYSTEM_BUS_ADDRESS, keeps sandboxes in
 * memory and runs their commands as plain processes. Names decide special cases: "locked" needs a password, "denied" is not
 * allowed, "broken" fails to start, in one whose name begins with "asks" requests wait for answers. Reaches nothing outside the test. */
#include "fake-creeld.h"

#include <gio/gio.h>
#include <gio/gunixfdlist.h>
#include <glib-unix.h>
#include <pty.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "creel-dbus-job.h"
#include "creel-dbus-manager.h"
#include "creel-dbus-sandbox.h"
#include "creel-dbus-session.h"
#include "creel-error.h"
#include "creel-log-reader.h"
#include "creel-names.h"
#include "creel-publish.h"

typedef struct
{
  GDBusConnection *bus;
  CreelDBusManager *manager;
  GHashTable *sandboxes; /* name -> CreelDBusSandbox */
  guint n_sessions, n_jobs;
} Fake;

typedef struct
{
  Fake *fake;
  CreelDBusSession *skeleton;
  char *path, *sender;
  GPid pid;
  int terminal;
} Session;

static const char *
lookup (GVariant *options, const char *key, const char *fallback)
{
  const char *value = fallback;

  g_variant_lookup (options, key, "&s", &value);
  return value;
}

static void
refuse (GDBusMethodInvocation *invocation, int code, const char *text)
{
  g_dbus_method_invocation_return_error_literal (invocation, CREEL_ERROR, code, text);
}

static void
on_child (GPid pid, int wait_status, gpointer user_data)
{
  Session *session = user_data;
  gboolean signalled = WIFSIGNALED (wait_status);

  g_dbus_connection_emit_signal (session->fake->bus, session->sender, session->path, "org.creel.Creel1.Session", "Exited",
                                 g_variant_new ("(iis)", signalled ? -1 : WEXITSTATUS (wait_status),
                                                signalled ? WTERMSIG (wait_status) : 0, ""),
                                 NULL);
  g_dbus_interface_skeleton_unexport (G_DBUS_INTERFACE_SKELETON (session->skeleton));
  g_object_unref (session->skeleton);
  if (session->terminal >= 0)
    close (session->terminal);
  g_free (session->path);
  g_free (session->sender);
  g_free (session);
}

static gboolean
on_signal (CreelDBusSession *skeleton, GDBusMethodInvocation *invocation, int number, gpointer user_data)
{
  kill (-((Session *) user_data)->pid, number);
  creel_dbus_session_complete_signal (skeleton, invocation);
  return TRUE;
}

static gboolean
on_resize (CreelDBusSession *skeleton, GDBusMethodInvocation *invocation, guint16 rows, guint16 columns, gpointer user_data)
{
  struct winsize size = { rows, columns, 0, 0 };

  ioctl (((Session *) user_data)->terminal, TIOCSWINSZ, &size);
  creel_dbus_session_complete_resize (skeleton, invocation);
  return TRUE;
}

static void
run_child (char **argv, GVariant *options)
{
  g_autofree const char **environment = NULL;

  signal (SIGPIPE, SIG_DFL);
  if (g_variant_lookup (options, "environment", "^a&s", &environment))
    for (guint i = 0; environment[i] != NULL; i++)
      putenv ((char *) environment[i]);
  if (chdir (lookup (options, "cwd", ".")) < 0)
    _exit (126);
  execvp (argv[0], argv);
  _exit (127);
}

static gboolean
on_exec (CreelDBusSandbox *sandbox, GDBusMethodInvocation *invocation, GUnixFDList *unused, const char *const *words,
         GVariant *options, gpointer user_data)
{
  Fake *fake = user_data;
  const char *const *command = *words != NULL ? words : creel_dbus_sandbox_get_command (sandbox);
  g_autofree char *program = command != NULL && *command != NULL ? g_find_program_in_path (*command) : NULL;
  int in[2], out[2], err[2], fds[3];
  gboolean tty = FALSE;
  guint16 rows = 24, columns = 80;

  if (!g_str_equal (creel_dbus_sandbox_get_state (sandbox), "running"))
    {
      refuse (invocation, CREEL_ERROR_NOT_RUNNING, "The sandbox does not run; start it with \"creel start NAME\"");
      return TRUE;
    }
  if (program == NULL)
    {
      gboolean missing = !g_file_test (*command, G_FILE_TEST_EXISTS);
      g_autofree char *text = missing ? g_strdup_printf ("cannot run \"%s\": No such file or directory", *command)
                                      : g_strdup_printf ("\"%s\" is not executable: Permission denied", *command);

      refuse (invocation, CREEL_ERROR_NO_SUCH_COMMAND, text);
      return TRUE;
    }
  Session *session = g_new0 (Session, 1);

  session->fake = fake;
  session->terminal = -1;
  session->sender = g_strdup (g_dbus_method_invocation_get_sender (invocation));
  session->path = g_strdup_printf (CREEL_SESSION_PATH "/%u", ++fake->n_sessions);
  g_variant_lookup (options, "tty", "b", &tty);
  g_variant_lookup (options, "rows", "q", &rows);
  g_variant_lookup (options, "columns", "q", &columns);
  if (tty)
    {
      struct winsize size = { rows, columns, 0, 0 };

      session->pid = forkpty (&session->terminal, NULL, NULL, &size);
      if (session->pid == 0)
        run_child ((char **) command, options);
      fds[0] = dup (session->terminal);
      fds[1] = dup (session->terminal);
      g_assert_no_errno (pipe (err));
      close (err[1]);
      fds[2] = err[0];
    }
  else
    {
      g_assert_true (g_unix_open_pipe (in, FD_CLOEXEC, NULL) && g_unix_open_pipe (out, FD_CLOEXEC, NULL)
                     && g_unix_open_pipe (err, FD_CLOEXEC, NULL));
      session->pid = fork ();
      if (session->pid == 0)
        {
          setpgid (0, 0);
          dup2 (in[0], 0);
          dup2 (out[1], 1);
          dup2 (err[1], 2);
          run_child ((char **) command, options);
        }
      setpgid (session->pid, session->pid);
      close (in[0]);
      close (out[1]);
      close (err[1]);
      fds[0] = in[1];
      fds[1] = out[0];
      fds[2] = err[0];
    }
  session->skeleton = creel_dbus_session_skeleton_new ();
  g_signal_connect (session->skeleton, "handle-signal", G_CALLBACK (on_signal), session);
  g_signal_connect (session->skeleton, "handle-resize", G_CALLBACK (on_resize), session);
  g_dbus_interface_skeleton_export (G_DBUS_INTERFACE_SKELETON (session->skeleton), fake->bus, session->path, NULL);

  g_autoptr (GUnixFDList) list = g_unix_fd_list_new_from_array (fds, 3);

  creel_dbus_sandbox_complete_exec (sandbox, invocation, list, session->path, g_variant_new_handle (0), g_variant_new_handle (1),
                                    g_variant_new_handle (2));
  g_child_watch_add (session->pid, on_child, session);
  return TRUE;
}

static gboolean
on_capture (CreelDBusSandbox *sandbox, GDBusMethodInvocation *invocation, const char *const *argv, GVariant *options, gpointer user_data)
{
  g_autofree char *out = NULL, *err = NULL;
  int status = 0;

  g_spawn_sync (NULL, (char **) argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, &out, &err, &status, NULL);
  creel_dbus_sandbox_complete_capture (sandbox, invocation, WIFEXITED (status) ? WEXITSTATUS (status) : 128 + WTERMSIG (status),
                                       out != NULL ? out : "", err != NULL ? err : "");
  return TRUE;
}

static gboolean
on_start (CreelDBusSandbox *sandbox, GDBusMethodInvocation *invocation, gpointer user_data)
{
  if (g_str_equal (creel_dbus_sandbox_get_name (sandbox), "broken"))
    {
      refuse (invocation, CREEL_ERROR_GUEST_FAILED, "The guest said nothing for 90 s; see: creel logs broken");
      return TRUE;
    }
  creel_dbus_sandbox_set_state (sandbox, "running");
  if (g_str_has_prefix (creel_dbus_sandbox_get_name (sandbox), "asks"))
    fake_ask (sandbox);
  creel_dbus_sandbox_complete_start (sandbox, invocation);
  return TRUE;
}

static gboolean
on_stop (CreelDBusSandbox *sandbox, GDBusMethodInvocation *invocation, GVariant *options, gpointer user_data)
{
  if (g_str_equal (creel_dbus_sandbox_get_state (sandbox), "stopped"))
    refuse (invocation, CREEL_ERROR_NOT_RUNNING, "It does not run");
  else
    {
      creel_dbus_sandbox_set_state (sandbox, "stopped");
      creel_dbus_sandbox_complete_stop (sandbox, invocation);
    }
  return TRUE;
}

static gboolean
on_restart (CreelDBusSandbox *sandbox, GDBusMethodInvocation *invocation, GVariant *options, gpointer user_data)
{
  creel_dbus_sandbox_set_state (sandbox, "running");
  if (g_str_has_prefix (creel_dbus_sandbox_get_name (sandbox), "asks"))
    fake_ask (sandbox);
  creel_dbus_sandbox_complete_restart (sandbox, invocation);
  return TRUE;
}

static gboolean
on_remove (CreelDBusSandbox *sandbox, GDBusMethodInvocation *invocation, GVariant *options, gpointer user_data)
{
  Fake *fake = user_data;
  gboolean force = FALSE;

  g_variant_lookup (options, "force", "b", &force);
  if (!force && !g_str_equal (creel_dbus_sandbox_get_state (sandbox), "stopped"))
    refuse (invocation, CREEL_ERROR_RUNNING, "It runs");
  else
    {
      g_autoptr (CreelDBusSandbox) keep = g_object_ref (sandbox);

      creel_dbus_sandbox_complete_remove (sandbox, invocation);
      g_dbus_interface_skeleton_unexport (G_DBUS_INTERFACE_SKELETON (sandbox));
      g_hash_table_remove (fake->sandboxes, creel_dbus_sandbox_get_name (keep));
    }
  return TRUE;
}

static gboolean
on_set_network (CreelDBusSandbox *sandbox, GDBusMethodInvocation *invocation, GVariant *changes, gpointer user_data)
{
  g_autofree const char **rules = NULL;
  const char *text;

  if (g_variant_lookup (changes, "allow", "^a&s", &rules))
    creel_dbus_sandbox_set_allow (sandbox, rules);
  g_clear_pointer (&rules, g_free);
  if (g_variant_lookup (changes, "deny", "^a&s", &rules))
    creel_dbus_sandbox_set_deny (sandbox, rules);
  g_clear_pointer (&rules, g_free);
  if (g_variant_lookup (changes, "ask", "^a&s", &rules))
    creel_dbus_sandbox_set_ask (sandbox, rules);
  if (g_variant_lookup (changes, "policy", "&s", &text))
    creel_dbus_sandbox_set_policy (sandbox, text);
  g_dbus_interface_skeleton_flush (G_DBUS_INTERFACE_SKELETON (sandbox));
  creel_dbus_sandbox_complete_set_network (sandbox, invocation);
  return TRUE;
}

static gboolean
on_set_ports (CreelDBusSandbox *sandbox, GDBusMethodInvocation *invocation, GVariant *changes, gpointer user_data)
{
  g_autofree const char **publish = NULL, **unpublish = NULL;
  g_autoptr (CreelPublish) port = NULL;
  g_autofree char *text = NULL;
  g_autoptr (GError) error = NULL;
  const char *list[] = { NULL, NULL };

  g_variant_lookup (changes, "publish", "^a&s", &publish);
  g_variant_lookup (changes, "unpublish", "^a&s", &unpublish);
  if (publish != NULL && (port = creel_publish_parse (publish[0], &error)) == NULL)
    g_dbus_method_invocation_return_gerror (invocation, error);
  else if (port != NULL && port->port == 6666)
    refuse (invocation, CREEL_ERROR_PORT_IN_USE, "Port 127.0.0.1:6666 is in use by another program");
  else
    {
      list[0] = text = port != NULL ? creel_publish_format (port) : NULL;
      creel_dbus_sandbox_set_publish (sandbox, list);
      g_dbus_interface_skeleton_flush (G_DBUS_INTERFACE_SKELETON (sandbox));
      creel_dbus_sandbox_complete_set_ports (sandbox, invocation);
    }
  return TRUE;
}

/* port 7777 is busy once it runs */
static gboolean
on_list_ports (CreelDBusSandbox *sandbox, GDBusMethodInvocation *invocation, gpointer user_data)
{
  const char *const *publish = creel_dbus_sandbox_get_publish (sandbox);
  gboolean runs = g_str_equal (creel_dbus_sandbox_get_state (sandbox), "running");
  GVariantBuilder list;

  g_variant_builder_init (&list, G_VARIANT_TYPE ("aa{sv}"));
  for (; publish != NULL && *publish != NULL; publish++)
    {
      g_autoptr (CreelPublish) port = creel_publish_parse (*publish, NULL);
      g_autofree char *address = g_inet_address_to_string (port->address);
      gboolean bad = runs && port->port == 7777;

      g_variant_builder_open (&list, G_VARIANT_TYPE ("a{sv}"));
      g_variant_builder_add (&list, "{sv}", "address", g_variant_new_string (address));
      g_variant_builder_add (&list, "{sv}", "port", g_variant_new_uint16 (port->port));
      g_variant_builder_add (&list, "{sv}", "guest-port", g_variant_new_uint16 (port->guest));
      g_variant_builder_add (&list, "{sv}", "state", g_variant_new_string (!runs ? "stopped" : bad ? "failed" : "listening"));
      g_variant_builder_add (&list, "{sv}", "problem", g_variant_new_string (bad ? "Port 7777 is in use by another program" : ""));
      g_variant_builder_close (&list);
    }
  creel_dbus_sandbox_complete_list_ports (sandbox, invocation, g_variant_builder_end (&list));
  return TRUE;
}

static gboolean
on_check_network (CreelDBusSandbox *sandbox, GDBusMethodInvocation *invocation, const char *url, const char *method, gpointer user_data)
{
  GVariantDict decision;
  gboolean allowed = strstr (url, "example.com") != NULL;

  g_variant_dict_init (&decision, NULL);
  g_variant_dict_insert (&decision, "verdict", "s", allowed ? "allow" : "deny");
  g_variant_dict_insert (&decision, "pattern", "s", "evil.test:443");
  g_variant_dict_insert (&decision, "rule", "s", allowed ? "example.com" : "");
  g_variant_dict_insert (&decision, "origin", "s", allowed ? "50-definition.conf:7" : "");
  g_variant_dict_insert (&decision, "reason", "s", allowed ? "" : "policy");
  if (strstr (url, "answered") != NULL)
    g_variant_dict_insert (&decision, "answer", "s", allowed ? "run" : "deny-run");
  creel_dbus_sandbox_complete_check_network (sandbox, invocation, g_variant_dict_end (&decision));
  return TRUE;
}

static gboolean
on_read_console (CreelDBusSandbox *sandbox, GDBusMethodInvocation *invocation, guint64 bytes, gpointer user_data)
{
  creel_dbus_sandbox_complete_read_console (sandbox, invocation, "[    0.1] Linux\r\n\033]0;evil\aPanic\n");
  return TRUE;
}

/* of $CREEL_JOURNAL, with the real reader */
static gboolean
on_read_log (CreelDBusSandbox *sandbox, GDBusMethodInvocation *invocation, const char *kind_text, const char *cursor, guint limit,
             gpointer user_data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) answer = NULL, entries = NULL;
  const char *next;
  CreelLogKind kind;

  g_assert_true (creel_log_kind_parse (kind_text, &kind) && creel_log_cursor_is_valid (cursor));
  answer = creel_log_read (g_getenv ("CREEL_JOURNAL"), creel_dbus_sandbox_get_name (sandbox), kind, creel_dbus_sandbox_get_created (sandbox),
                           cursor, limit, &error);
  g_assert_no_error (error);
  g_variant_ref_sink (answer);
  g_variant_get (answer, "(@aa{ss}&s)", &entries, &next);
  creel_dbus_sandbox_complete_read_log (sandbox, invocation, entries, next);
  return TRUE;
}

static gboolean
on_save_image (CreelDBusSandbox *sandbox, GDBusMethodInvocation *invocation, const char *reference, GVariant *options, gpointer user_data)
{
  g_autofree char *path = fake_start_job (user_data, "sandbox-save", reference);

  creel_dbus_sandbox_complete_save_image (sandbox, invocation, path);
  return TRUE;
}

static char *
add_sandbox (Fake *fake, const char *name, GVariant *options)
{
  CreelDBusSandbox *sandbox = creel_dbus_sandbox_skeleton_new ();
  g_autofree char *unit = g_strdup_printf ("creel@%s.service", name), *escaped = g_dbus_escape_object_path (name);
  g_autofree const char **workspaces = NULL, **allow = NULL, **command = NULL, **credentials = NULL, **publish = NULL;
  g_autoptr (GStrvBuilder) ports = g_strv_builder_new ();
  g_auto (GStrv) canonical = NULL;
  const char *const none[] = { NULL }, *const shell[] = { "cat", NULL };
  char *path = g_strdup_printf (CREEL_SANDBOX_PATH "/%s", escaped);
  guint64 memory = 2UL << 30;
  gboolean ephemeral = FALSE;

  g_variant_lookup (options, "workspaces", "^a&s", &workspaces);
  g_variant_lookup (options, "allow", "^a&s", &allow);
  g_variant_lookup (options, "command", "^a&s", &command);
  g_variant_lookup (options, "credentials", "^a&s", &credentials);
  g_variant_lookup (options, "publish", "^a&s", &publish);
  for (const char **text = publish; text != NULL && *text != NULL; text++)
    {
      g_autoptr (CreelPublish) port = creel_publish_parse (*text, NULL);
      g_autofree char *formatted = creel_publish_format (port);

      g_strv_builder_add (ports, formatted);
    }
  canonical = g_strv_builder_end (ports);
  g_variant_lookup (options, "memory", "t", &memory);
  g_variant_lookup (options, "ephemeral", "b", &ephemeral);
  g_object_set (sandbox, "name", name, "owner", getuid (), "state", "stopped", "status-text", "", "unit", unit, "agent",
                lookup (options, "agent", "shell"), "image", lookup (options, "image", "shell"), "image-id", "sha256-0123456789abcdef",
                "memory", memory, "cpus", 2U, "disk", (guint64) 20 << 30, "workspaces", workspaces != NULL ? workspaces : (const char **) none,
                "environment", none, "command", command != NULL ? command : (const char **) shell, "credentials",
                credentials != NULL ? credentials : (const char **) none, "policy", lookup (options, "policy", "deny"), "preset",
                lookup (options, "preset", ""), "allow", allow != NULL ? allow : (const char **) none, "ask", none, "approved", none, "deny", none, "bypass",
                none, "questions", g_variant_new ("aa{sv}", NULL), "publish", canonical, "ephemeral", ephemeral, "created", (gint64) 1700000000 * G_USEC_PER_SEC, "guest", g_variant_new ("a{sv}", NULL),
                "limits", g_variant_new_parsed ("{'connections': <uint32 1024>, 'half-open': <uint32 512>, 'requests-per-second': <uint32 1000>}"), NULL);
  g_signal_connect (sandbox, "handle-exec", G_CALLBACK (on_exec), fake);
  g_signal_connect (sandbox, "handle-capture", G_CALLBACK (on_capture), fake);
  g_signal_connect (sandbox, "handle-start", G_CALLBACK (on_start), fake);
  g_signal_connect (sandbox, "handle-stop", G_CALLBACK (on_stop), fake);
  g_signal_connect (sandbox, "handle-restart", G_CALLBACK (on_restart), fake);
  g_signal_connect (sandbox, "handle-remove", G_CALLBACK (on_remove), fake);
  g_signal_connect (sandbox, "handle-save-image", G_CALLBACK (on_save_image), fake);
  g_signal_connect (sandbox, "handle-set-network", G_CALLBACK (on_set_network), fake);
  g_signal_connect (sandbox, "handle-read-console", G_CALLBACK (on_read_console), fake);
  g_signal_connect (sandbox, "handle-read-log", G_CALLBACK (on_read_log), fake);
  fake_take_answers (sandbox);
  g_signal_connect (sandbox, "handle-set-ports", G_CALLBACK (on_set_ports), fake);
  g_signal_connect (sandbox, "handle-list-ports", G_CALLBACK (on_list_ports), fake);
  g_signal_connect (sandbox, "handle-check-network", G_CALLBACK (on_check_network), fake);
  g_dbus_interface_skeleton_export (G_DBUS_INTERFACE_SKELETON (sandbox), fake->bus, path, NULL);
  g_hash_table_insert (fake->sandboxes, g_strdup (name), sandbox);
  return path;
}

static gboolean
on_create (CreelDBusManager *manager, GDBusMethodInvocation *invocation, const char *name, GVariant *options, gpointer user_data)
{
  Fake *fake = user_data;
  g_autofree char *path = NULL;

  if (g_str_equal (name, "locked"))
    refuse (invocation, CREEL_ERROR_AUTH_REQUIRED, "Authentication is required");
  else if (g_str_equal (name, "denied"))
    g_dbus_method_invocation_return_error_literal (invocation, G_DBUS_ERROR, G_DBUS_ERROR_ACCESS_DENIED, "You may not make sandboxes");
  else if (g_hash_table_contains (fake->sandboxes, name))
    refuse (invocation, CREEL_ERROR_SANDBOX_EXISTS, "There is a sandbox of that name; choose another");
  else if (g_str_equal (lookup (options, "image", "shell"), "nosuch"))
    refuse (invocation, CREEL_ERROR_NO_SUCH_IMAGE, "There is no image \"nosuch\"; see: creel image ls");
  else
    {
      path = add_sandbox (fake, name, options);
      creel_dbus_manager_complete_create_sandbox (manager, invocation, path);
    }
  return TRUE;
}

static gboolean
on_get (CreelDBusManager *manager, GDBusMethodInvocation *invocation, const char *name, gpointer user_data)
{
  CreelDBusSandbox *sandbox = g_hash_table_lookup (((Fake *) user_data)->sandboxes, name);

  if (sandbox == NULL)
    g_dbus_method_invocation_return_error (invocation, CREEL_ERROR, CREEL_ERROR_NO_SUCH_SANDBOX, "There is no sandbox \"%s\"; see: creel ls", name);
  else
    creel_dbus_manager_complete_get_sandbox (manager, invocation, g_dbus_interface_skeleton_get_object_path (G_DBUS_INTERFACE_SKELETON (sandbox)));
  return TRUE;
}

static gboolean
on_list (CreelDBusManager *manager, GDBusMethodInvocation *invocation, gboolean all, gpointer user_data)
{
  g_autoptr (GList) names = g_list_sort (g_hash_table_get_keys (((Fake *) user_data)->sandboxes), (GCompareFunc) strcmp);
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("a(sssuo)"));
  for (GList *l = names; l != NULL; l = l->next)
    {
      CreelDBusSandbox *sandbox = g_hash_table_lookup (((Fake *) user_data)->sandboxes, l->data);

      g_variant_builder_add (&builder, "(sssuo)", l->data, creel_dbus_sandbox_get_state (sandbox), creel_dbus_sandbox_get_image (sandbox),
                             creel_dbus_sandbox_get_owner (sandbox), g_dbus_interface_skeleton_get_object_path (G_DBUS_INTERFACE_SKELETON (sandbox)));
    }
  creel_dbus_manager_complete_list_sandboxes (manager, invocation, g_variant_builder_end (&builder));
  return TRUE;
}

static gboolean
on_list_images (CreelDBusManager *manager, GDBusMethodInvocation *invocation, gpointer user_data)
{
  creel_dbus_manager_complete_list_images (
      manager, invocation,
      g_variant_new_parsed ("[('sha256-0123456789abcdef0123456789abcdef', ['shell:latest', 'ghcr.io/x/y:1', 'ghcr.io/x/y@sha256:fedcba9876543210'], uint64 104857600, int64 1700000000000000)]"));
  return TRUE;
}

static gboolean
finish_job (gpointer user_data)
{
  Fake *fake = g_object_get_data (user_data, "fake");
  const char *target = creel_dbus_job_get_target (user_data);
  gboolean good = !g_str_equal (target, "bad");
  GVariantDict details;

  g_variant_dict_init (&details, NULL);
  if (good)
    g_variant_dict_insert (&details, "id", "s", "sha256-0123456789abcdef");
  creel_dbus_manager_emit_job_removed (fake->manager, g_dbus_interface_skeleton_get_object_path (user_data), target, good ? "done" : "failed",
                                       good ? "" : CREEL_ERROR_PREFIX "BadImage", good ? "" : "It is not an image", g_variant_dict_end (&details));
  g_dbus_interface_skeleton_unexport (user_data);
  return G_SOURCE_REMOVE;
}

char *
fake_start_job (gpointer data, const char *operation, const char *target)
{
  Fake *fake = data;
  CreelDBusJob *job = creel_dbus_job_skeleton_new ();
  char *path = g_strdup_printf (CREEL_JOB_PATH "/%u", ++fake->n_jobs);

  g_object_set (job, "operation", operation, "target", target, "phase", "packing", "progress", g_variant_new ("(tt)", (guint64) 5, (guint64) 10), NULL);
  g_object_set_data (G_OBJECT (job), "fake", fake);
  g_dbus_interface_skeleton_export (G_DBUS_INTERFACE_SKELETON (job), fake->bus, path, NULL);
  g_timeout_add_full (G_PRIORITY_DEFAULT, g_str_equal (target, "instant") ? 0 : 1000, finish_job, job, g_object_unref);
  return path;
}

static gboolean
on_import (CreelDBusManager *manager, GDBusMethodInvocation *invocation, GUnixFDList *fds, GVariant *file, const char *reference,
           GVariant *options, gpointer user_data)
{
  g_autofree char *path = fake_start_job (user_data, "image-import", reference);

  creel_dbus_manager_complete_import_image (manager, invocation, NULL, path);
  return TRUE;
}

static gboolean
on_build (CreelDBusManager *manager, GDBusMethodInvocation *invocation, GUnixFDList *fds, const char *recipe, GVariant *options,
          gpointer user_data)
{
  g_autofree char *path = fake_start_job (user_data, "image-build", recipe);
  int output = fds != NULL ? g_unix_fd_list_get (fds, 0, NULL) : -1;

  /* what a guest prints may be anything */
  if (output >= 0)
    {
      static const char text[] = "Step 1 of 1: RUN make\n\033[31mred\rover\r\nhalf";

      if (write (output, text, sizeof text - 1) < 0)
        g_warning ("output");
      close (output);
    }
  creel_dbus_manager_complete_build_image (manager, invocation, NULL, path);
  return TRUE;
}

static gboolean
on_pull (CreelDBusManager *manager, GDBusMethodInvocation *invocation, const char *reference, GVariant *options, gpointer user_data)
{
  g_autofree char *path = fake_start_job (user_data, "image-pull", reference);

  creel_dbus_manager_complete_pull_image (manager, invocation, path);
  return TRUE;
}

static gboolean
on_push (CreelDBusManager *manager, GDBusMethodInvocation *invocation, const char *image, const char *reference, GVariant *options,
         gpointer user_data)
{
  g_autofree char *path = fake_start_job (user_data, "image-push", reference);

  creel_dbus_manager_complete_push_image (manager, invocation, path);
  return TRUE;
}

static gboolean
on_export (CreelDBusManager *manager, GDBusMethodInvocation *invocation, GUnixFDList *fds, const char *image, GVariant *file, const char *format,
           GVariant *options, gpointer user_data)
{
  g_autofree char *path = fake_start_job (user_data, "image-export", image);

  creel_dbus_manager_complete_export_image (manager, invocation, NULL, path);
  return TRUE;
}

static gboolean
on_tag (CreelDBusManager *manager, GDBusMethodInvocation *invocation, const char *image, const char *reference, gpointer user_data)
{
  creel_dbus_manager_complete_tag_image (manager, invocation);
  return TRUE;
}

static gboolean
on_prune (CreelDBusManager *manager, GDBusMethodInvocation *invocation, GVariant *options, gpointer user_data)
{
  const char *const removed[] = { "sha256-0123456789abcdef", NULL };

  creel_dbus_manager_complete_prune_images (manager, invocation, removed, 12345678);
  return TRUE;
}

static gboolean
on_inspect_image (CreelDBusManager *manager, GDBusMethodInvocation *invocation, const char *reference, gpointer user_data)
{
  creel_dbus_manager_complete_inspect_image (
      manager, invocation,
      g_variant_new_parsed ("{'id': <%s>, 'references': <['shell:latest']>, 'size': <uint64 104857600>, 'blobs-size': <uint64 1048576>,"
                            " 'used-by': <['box']>, 'used-by-others': <uint32 2>}", reference));
  return TRUE;
}

static gboolean
on_remove_image (CreelDBusManager *manager, GDBusMethodInvocation *invocation, const char *reference, gpointer user_data)
{
  if (g_str_equal (reference, "shell"))
    refuse (invocation, CREEL_ERROR_IMAGE_IN_USE, "Image shell is used by sandbox box");
  else
    creel_dbus_manager_complete_remove_image (manager, invocation);
  return TRUE;
}

static gboolean
on_check (CreelDBusManager *manager, GDBusMethodInvocation *invocation, gpointer user_data)
{
  creel_dbus_manager_complete_check (manager, invocation,
                                     g_variant_new_parsed ("[('kvm', 'warning', 'no /dev/kvm: sandboxes run with TCG', 'enable virtualisation in the firmware'),"
                                                           " ('libvirt', 'error', 'libvirtd is not installed', 'sudo apt install libvirt-daemon-system')]"));
  return TRUE;
}

static void
on_lost (GDBusConnection *bus, const char *name, gpointer user_data)
{
  g_main_loop_quit (user_data);
}

static gboolean
on_terminate (gpointer user_data)
{
  g_main_loop_quit (user_data);
  return G_SOURCE_REMOVE;
}

int
main (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  Fake fake = { 0 };

  signal (SIGPIPE, SIG_IGN);
  (void) creel_error_quark ();
  fake.bus = g_bus_get_sync (G_BUS_TYPE_SYSTEM, NULL, &error);
  g_assert_no_error (error);
  fake.sandboxes = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_object_unref);
  fake.manager = creel_dbus_manager_skeleton_new ();
  g_object_set (fake.manager, "version", "0.1.0", "accelerator", "tcg", NULL);
  g_signal_connect (fake.manager, "handle-create-sandbox", G_CALLBACK (on_create), &fake);
  g_signal_connect (fake.manager, "handle-get-sandbox", G_CALLBACK (on_get), &fake);
  g_signal_connect (fake.manager, "handle-list-sandboxes", G_CALLBACK (on_list), &fake);
  g_signal_connect (fake.manager, "handle-list-images", G_CALLBACK (on_list_images), &fake);
  g_signal_connect (fake.manager, "handle-import-image", G_CALLBACK (on_import), &fake);
  g_signal_connect (fake.manager, "handle-build-image", G_CALLBACK (on_build), &fake);
  g_signal_connect (fake.manager, "handle-pull-image", G_CALLBACK (on_pull), &fake);
  g_signal_connect (fake.manager, "handle-push-image", G_CALLBACK (on_push), &fake);
  g_signal_connect (fake.manager, "handle-export-image", G_CALLBACK (on_export), &fake);
  g_signal_connect (fake.manager, "handle-tag-image", G_CALLBACK (on_tag), &fake);
  g_signal_connect (fake.manager, "handle-prune-images", G_CALLBACK (on_prune), &fake);
  g_signal_connect (fake.manager, "handle-inspect-image", G_CALLBACK (on_inspect_image), &fake);
  g_signal_connect (fake.manager, "handle-remove-image", G_CALLBACK (on_remove_image), &fake);
  g_signal_connect (fake.manager, "handle-check", G_CALLBACK (on_check), &fake);
  g_dbus_interface_skeleton_export (G_DBUS_INTERFACE_SKELETON (fake.manager), fake.bus, CREEL_OBJECT_PATH, &error);
  g_assert_no_error (error);
  fake_export_models (fake.bus, &fake);
  g_bus_own_name_on_connection (fake.bus, CREEL_BUS_NAME, G_BUS_NAME_OWNER_FLAGS_NONE, NULL, on_lost, loop, NULL);
  g_unix_signal_add (SIGTERM, on_terminate, loop);
  g_main_loop_run (loop);
  g_object_unref (fake.manager);
  g_hash_table_unref (fake.sandboxes);
  g_object_unref (fake.bus);
  return 0;
}
