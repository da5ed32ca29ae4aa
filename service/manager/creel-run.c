/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-run.h"

#include <fcntl.h>
#include <gio/gunixfdlist.h>
#include <unistd.h>

#include "creel-error.h"
#include "creel-exec.h"
#include "creel-sandbox.h"
#include "creel-session.h"

#define EXEC_TIMEOUT_MS (60 * 1000)

struct _CreelRun
{
  CreelDaemon *daemon;
  char *sandbox;
  char *name;        /* of the command */
  GVariant *call;    /* (aaya{sv}) */
  GUnixFDList *fds;  /* of the output */
  CreelSession *session;
  gboolean asked;    /* Exec is under way */
  gboolean cancelled;
  guint source;
  CreelRunStarted started;
  CreelRunDone done;
  gpointer user_data;
};

static void
run_free (CreelRun *run)
{
  g_clear_handle_id (&run->source, g_source_remove);
  g_variant_unref (run->call);
  g_clear_object (&run->fds);
  g_free (run->sandbox);
  g_free (run->name);
  g_free (run);
}

static void
finish (CreelRun *run, int code, int number, const GError *error)
{
  if (!run->cancelled)
    run->done (code, number, error, run->user_data);
  run_free (run);
}

static void
on_ended (int code, int number, const char *message, gpointer user_data)
{
  CreelRun *run = user_data;
  g_autoptr (GError) error = NULL;

  run->session = NULL;
  if (message[0] != '\0')
    g_set_error (&error, CREEL_ERROR, CREEL_ERROR_GUEST_FAILED, "it did not end normally: %s", message);
  finish (run, code, number, error);
}

/* Takes what Exec gave; -1 with an error. */
static int
take_reply (CreelRun *run, GVariant *reply, GUnixFDList *fds, guint32 *ret_id, GError **error)
{
  CreelSandbox *sandbox = g_hash_table_lookup (run->daemon->sandboxes, run->sandbox);
  gint32 in;
  int input;

  g_variant_get (reply, "(uhhh)", ret_id, &in, NULL, NULL);
  input = fds != NULL && sandbox != NULL ? g_unix_fd_list_get (fds, in, NULL) : -1;
  if (input < 0)
    {
      g_set_error_literal (error, CREEL_ERROR, CREEL_ERROR_FAILED, "the gateway did not start it");
      return -1;
    }
  run->session = creel_session_new (run->daemon, run->sandbox, *ret_id, "", creel_sandbox_get_owner (sandbox), run->name, FALSE);
  creel_session_set_ended (run->session, on_ended, run);
  return input;
}

static void
on_exec (GVariant *reply, GUnixFDList *fds, gpointer user_data, GError *error)
{
  CreelRun *run = user_data;
  CreelDaemon *daemon = run->daemon;
  g_autofree char *sandbox = g_strdup (run->sandbox);
  g_autofree char *message = NULL;
  g_autoptr (GError) local_error = NULL;
  gboolean early = FALSE;
  int code, number, input = -1;
  guint32 id;

  run->asked = FALSE;
  if (error == NULL)
    {
      input = take_reply (run, reply, fds, &id, &local_error);
      early = input >= 0 && creel_exec_take_early (sandbox, id, &code, &number, &message);
    }
  creel_exec_expect (-1);
  if (input < 0)
    {
      finish (run, -1, 0, error != NULL ? error : local_error);
      return;
    }
  if (run->cancelled || run->started == NULL)
    close (input);
  if (run->cancelled)
    creel_run_cancel (run);
  else if (run->started != NULL)
    run->started (input, run->user_data); /* may cancel the run */
  if (early)
    creel_session_exited (daemon, sandbox, id, code, number, message);
}

static gboolean
on_start (gpointer user_data)
{
  CreelRun *run = user_data;
  CreelSandbox *sandbox = g_hash_table_lookup (run->daemon->sandboxes, run->sandbox);
  CreelGatewayLink *link = sandbox != NULL ? creel_sandbox_get_link (sandbox) : NULL;

  run->source = 0;
  run->asked = TRUE;
  creel_exec_expect (1);
  creel_gateway_link_call_with_fds (link, "Exec", run->call, run->fds, "(uhhh)", EXEC_TIMEOUT_MS, on_exec, run);
  return G_SOURCE_REMOVE;
}

CreelRun *
creel_run_start (CreelDaemon *daemon, const char *sandbox, const CreelRunCommand *command, CreelRunStarted started, CreelRunDone done,
                 gpointer user_data)
{
  CreelRun *run = g_new0 (CreelRun, 1);
  GVariantBuilder options;

  run->daemon = daemon;
  run->sandbox = g_strdup (sandbox);
  run->name = g_strdup (command->argv[0]);
  run->started = started;
  run->done = done;
  run->user_data = user_data;
  g_variant_builder_init (&options, G_VARIANT_TYPE ("a{sv}"));
  if (command->environment != NULL)
    g_variant_builder_add (&options, "{sv}", "environment", g_variant_new_strv (command->environment, -1));
  if (command->user != NULL)
    g_variant_builder_add (&options, "{sv}", "user", g_variant_new_string (command->user));
  if (command->cwd != NULL)
    g_variant_builder_add (&options, "{sv}", "cwd", g_variant_new_string (command->cwd));
  if (command->output >= 0)
    {
      run->fds = g_unix_fd_list_new ();
      if (g_unix_fd_list_append (run->fds, command->output, NULL) >= 0) /* has its own copy */
        g_variant_builder_add (&options, "{sv}", "output", g_variant_new_handle (0));
    }
  else
    g_variant_builder_add (&options, "{sv}", "discard", g_variant_new_boolean (TRUE));
  run->call = g_variant_ref_sink (g_variant_new ("(^aaya{sv})", command->argv, &options));
  run->source = g_idle_add (on_start, run);
  return run;
}

void
creel_run_cancel (CreelRun *run)
{
  run->cancelled = TRUE;
  if (run->asked)
    return; /* the answer comes, and finds it so */
  if (run->session != NULL)
    creel_session_hangup (run->session);
  run_free (run);
}
