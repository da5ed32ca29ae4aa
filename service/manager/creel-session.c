/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-session.h"

#include <gio/gunixfdlist.h>

#include "creel-error.h"
#include "creel-call.h"
#include "creel-exec.h"
#include "creel-names.h"
#include "creel-sandbox.h"

#define INTERFACE CREEL_BUS_NAME ".Session"

struct _CreelSession
{
  CreelDaemon *daemon;
  char *key;  /* in the daemon's table */
  char *path;
  char *sandbox;
  guint32 id; /* at the gateway */
  char *sender;
  uid_t uid;
  char *command;
  gboolean terminal;
  CreelSessionEnded ended; /* or NULL: `sender` is told */
  gpointer user_data;
};

CreelSession *
creel_session_new (CreelDaemon *daemon, const char *sandbox, guint32 id, const char *sender, uid_t uid,
                   const char *command, gboolean terminal)
{
  CreelSession *session = g_new0 (CreelSession, 1);

  session->daemon = daemon;
  session->key = g_strdup_printf ("%u", ++daemon->last_session);
  session->path = g_strconcat (CREEL_SESSION_PATH "/", session->key, NULL);
  session->sandbox = g_strdup (sandbox);
  session->id = id;
  session->sender = g_strdup (sender);
  session->uid = uid;
  session->command = g_strdup (command);
  session->terminal = terminal;
  g_hash_table_insert (daemon->sessions, g_strdup (session->key), session);
  return session;
}

void
creel_session_free (CreelSession *session)
{
  g_free (session->key);
  g_free (session->path);
  g_free (session->sandbox);
  g_free (session->sender);
  g_free (session->command);
  g_free (session);
}

const char *
creel_session_get_path (CreelSession *session)
{
  return session->path;
}

uid_t
creel_session_get_owner (CreelSession *session)
{
  return session->uid;
}

GVariant *
creel_session_get_properties (CreelSession *session)
{
  GVariantBuilder b;

  if (session == NULL)
    return NULL;
  g_variant_builder_init (&b, G_VARIANT_TYPE ("a{sv}"));
  g_variant_builder_add (&b, "{sv}", "Sandbox", g_variant_new_string (session->sandbox));
  g_variant_builder_add (&b, "{sv}", "Command", g_variant_new_string (session->command));
  g_variant_builder_add (&b, "{sv}", "Terminal", g_variant_new_boolean (session->terminal));
  return g_variant_builder_end (&b);
}

guint
creel_session_count (CreelDaemon *daemon, uid_t uid)
{
  GHashTableIter iter;
  gpointer session;
  guint n = 0;

  g_hash_table_iter_init (&iter, daemon->sessions);
  while (g_hash_table_iter_next (&iter, NULL, &session))
    n += ((CreelSession *) session)->uid == uid;
  return n;
}

void
creel_session_set_ended (CreelSession *session, CreelSessionEnded ended, gpointer user_data)
{
  session->ended = ended;
  session->user_data = user_data;
}

/* The starter alone is told how its command ended. */
static void
emit_exited (CreelSession *session, int code, int number, const char *message)
{
  g_autofree char *text = g_utf8_make_valid (message, -1);

  if (session->ended == NULL)
    g_dbus_connection_emit_signal (session->daemon->bus, session->sender, session->path, INTERFACE, "Exited",
                                   g_variant_new ("(iis)", code, number, text), NULL);
}

/* Out of the table first: what is told may look into it. */
static void
end (CreelSession *session, int code, int number, const char *message)
{
  g_autofree char *key = NULL;

  g_hash_table_steal_extended (session->daemon->sessions, session->key, (gpointer *) &key, NULL);
  emit_exited (session, code, number, message);
  if (session->ended != NULL)
    session->ended (code, number, message, session->user_data);
  creel_session_free (session);
}

static CreelSession *
find (CreelDaemon *daemon, const char *sandbox, guint32 id)
{
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, daemon->sessions);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      CreelSession *session = value;

      if (session->id == id && g_str_equal (session->sandbox, sandbox))
        return session;
    }
  return NULL;
}

void
creel_session_exited (CreelDaemon *daemon, const char *sandbox, guint32 id, int code, int number, const char *message)
{
  CreelSession *session = find (daemon, sandbox, id);

  if (session == NULL)
    {
      creel_exec_remember_exit (daemon, sandbox, id, code, number, message);
      return;
    }
  end (session, code, number, message);
}

void
creel_session_end_all (CreelDaemon *daemon, const char *sandbox, const char *message)
{
  g_autofree char *name = g_strdup (sandbox); /* may go with what is told */
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, daemon->sessions);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    if (g_str_equal (((CreelSession *) value)->sandbox, name))
      {
        end (value, -1, 0, message);
        g_hash_table_iter_init (&iter, daemon->sessions); /* the table has changed */
      }
}

static void
on_hung_up (GVariant *reply, GUnixFDList *fds, gpointer user_data, GError *error)
{
  if (error != NULL)
    g_debug ("Hangup: %s", error->message);
}

static void
on_answered (GVariant *reply, GUnixFDList *fds, gpointer user_data, GError *error)
{
  if (error != NULL)
    creel_call_fail (user_data, error);
  else
    creel_call_return (user_data, NULL);
}

static CreelGatewayLink *
get_link (CreelSession *session)
{
  CreelSandbox *sandbox = g_hash_table_lookup (session->daemon->sandboxes, session->sandbox);

  return sandbox != NULL ? creel_sandbox_get_link (sandbox) : NULL;
}

static void
tell_hangup (CreelSession *session)
{
  CreelGatewayLink *link = get_link (session);

  if (link != NULL)
    creel_gateway_link_call (link, "Hangup", g_variant_new ("(u)", session->id), "()", -1, on_hung_up, NULL);
}

void
creel_session_hangup (CreelSession *session)
{
  tell_hangup (session);
  g_hash_table_remove (session->daemon->sessions, session->key);
}

void
creel_session_hangup_all (CreelDaemon *daemon, const char *sender)
{
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, daemon->sessions);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      CreelSession *session = value;

      if (session->ended != NULL || !g_str_equal (session->sender, sender))
        continue;
      tell_hangup (session);
      g_hash_table_iter_remove (&iter);
    }
}

static void
handle_resize (CreelCall *call)
{
  CreelSession *session = g_hash_table_lookup (call->daemon->sessions, call->node);
  guint16 rows, columns;

  g_variant_get (call->parameters, "(qq)", &rows, &columns);
  if (rows == 0 || columns == 0)
    creel_call_fail_new (call, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS, "A terminal has at least one row and column");
  else
    creel_gateway_link_call (get_link (session), "Resize", g_variant_new ("(uqq)", session->id, rows, columns), "()", -1,
                             on_answered, call);
}

static void
handle_signal (CreelCall *call)
{
  CreelSession *session = g_hash_table_lookup (call->daemon->sessions, call->node);
  int number;

  g_variant_get (call->parameters, "(i)", &number);
  if (number < 1 || number > 64)
    creel_call_fail_new (call, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS, "Signal %d: there are 1 to 64", number);
  else
    creel_gateway_link_call (get_link (session), "Signal", g_variant_new ("(ui)", session->id, number), "()", -1,
                             on_answered, call);
}

const CreelMethod creel_session_methods[] = {
  { "Session", "Resize", NULL, handle_resize },
  { "Session", "Signal", NULL, handle_signal },
  { NULL }
};
