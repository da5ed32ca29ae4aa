/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-exec.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gunixfdlist.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "creel-error.h"
#include "creel-names.h"
#include "creel-root.h"
#include "creel-sandbox.h"
#include "creel-session.h"

#define MAX_ARGUMENTS (128 * 1024)
#define MAX_CONSOLE (1024 * 1024)
#define EXEC_TIMEOUT_MS (60 * 1000)

typedef struct
{
  char *sandbox;
  guint32 id;
  int code, number;
  char *message;
} Early;

/* Execs under way, and exits that nobody waits for yet. */
static GSList *early;
static guint n_execs;

static void
early_free (gpointer data)
{
  Early *e = data;

  g_free (e->sandbox);
  g_free (e->message);
  g_free (e);
}

void
creel_exec_remember_exit (CreelDaemon *daemon, const char *sandbox, guint32 id, int code, int number, const char *message)
{
  Early *e;

  if (n_execs == 0 || g_slist_length (early) >= 2 * n_execs)
    return;
  e = g_new0 (Early, 1);
  *e = (Early) { g_strdup (sandbox), id, code, number, g_strdup (message) };
  early = g_slist_prepend (early, e);
}

static Early *
steal_early (const char *sandbox, guint32 id)
{
  for (GSList *l = early; l != NULL; l = l->next)
    {
      Early *e = l->data;

      if (e->id == id && g_str_equal (e->sandbox, sandbox))
        {
          early = g_slist_delete_link (early, l);
          return e;
        }
    }
  return NULL;
}

void
creel_exec_expect (int change)
{
  n_execs += change;
  if (n_execs > 0)
    return;
  g_slist_free_full (early, early_free);
  early = NULL;
}

gboolean
creel_exec_take_early (const char *sandbox, guint32 id, int *ret_code, int *ret_number, char **ret_message)
{
  Early *e = steal_early (sandbox, id);

  if (e == NULL)
    return FALSE;
  *ret_code = e->code;
  *ret_number = e->number;
  *ret_message = g_steal_pointer (&e->message);
  early_free (e);
  return TRUE;
}

/* argv and options are not looked at by a shell on the way: bounds are all they need. */
static gboolean
check_arguments (CreelCall *call, const char *const *known, GError **error)
{
  g_autoptr (GVariant) argv = g_variant_get_child_value (call->parameters, 0);
  g_autoptr (GVariant) options = g_variant_get_child_value (call->parameters, 1);

  if (g_variant_get_size (argv) > MAX_ARGUMENTS || g_variant_get_size (options) > MAX_ARGUMENTS)
    {
      g_set_error_literal (error, CREEL_ERROR, CREEL_ERROR_LIMITS_EXCEEDED, "The command line and its environment are larger than 128 KiB");
      return FALSE;
    }
  return creel_options_check (options, known, error);
}

static gboolean
prepare_exec (CreelCall *call, GStrvBuilder *actions, GError **error)
{
  static const char *const known[] = { "environment:as", "cwd:s", "user:s", "tty:b", "rows:q", "columns:q", "term:s", NULL };
  g_autoptr (GVariant) argv = g_variant_get_child_value (call->parameters, 0);

  for (gsize i = 0; i < g_variant_n_children (argv); i++)
    {
      g_autoptr (GVariant) word = g_variant_get_child_value (argv, i);
      gsize length;
      const char *bytes = g_variant_get_fixed_array (word, &length, 1);

      if (length == 0 || memchr (bytes, '\0', length) != bytes + length - 1)
        {
          g_set_error_literal (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS, "Each word of the command must end in its only NUL byte");
          return FALSE;
        }
    }
  return check_arguments (call, known, error);
}

static void
on_exec (GVariant *reply, GUnixFDList *fds, gpointer user_data, GError *error)
{
  CreelCall *call = user_data;
  CreelDaemon *daemon = call->daemon;
  g_autoptr (GVariant) options = g_variant_get_child_value (call->parameters, 1);
  g_autofree char *name = g_strdup (call->node);
  CreelSession *session;
  gboolean tty = FALSE;
  g_autofree char *path = NULL;
  g_autofree char *sender = g_strdup (call->sender);
  guint32 id;
  int in, out, err;
  Early *ended;

  if (error != NULL)
    {
      creel_exec_expect (-1);
      creel_call_fail (call, error);
      return;
    }
  g_variant_get (reply, "(uhhh)", &id, &in, &out, &err);
  if (fds == NULL || g_unix_fd_list_get_length (fds) != 3)
    {
      creel_exec_expect (-1);
      creel_call_fail_new (call, CREEL_ERROR, CREEL_ERROR_FAILED, "The gateway did not send three pipes");
      return;
    }
  g_variant_lookup (options, "tty", "b", &tty);
  /* the command line may carry what is private even within one user's sessions: its first word is enough to tell them apart */
  session = creel_session_new (daemon, name, id, sender, call->uid, call->data != NULL ? (const char *) call->data : "", tty);
  path = g_strdup (creel_session_get_path (session));
  creel_call_return_fds (call, g_variant_new ("(ohhh)", path, in, out, err), fds);

  ended = steal_early (name, id);
  if (ended != NULL)
    creel_session_exited (daemon, name, id, ended->code, ended->number, ended->message);
  if (ended != NULL)
    early_free (ended);
  else if (!creel_callers_is_known (daemon->callers, sender))
    creel_session_hangup_all (daemon, sender); /* left while we waited */
  creel_exec_expect (-1);
}

/* NULL: the call is answered */
static CreelGatewayLink *
get_gateway (CreelCall *call)
{
  CreelSandbox *sandbox = creel_call_sandbox (call);
  CreelGatewayLink *link = sandbox != NULL ? creel_sandbox_get_link (sandbox) : NULL;

  if (sandbox != NULL && link == NULL)
    creel_call_fail_new (call, CREEL_ERROR, CREEL_ERROR_NOT_RUNNING, "Sandbox \"%s\" does not run; start it with \"creel start %s\"",
                         call->node, call->node);
  return link;
}

static void
handle_exec (CreelCall *call)
{
  CreelGatewayLink *link = get_gateway (call);
  g_autoptr (GVariant) argv = NULL;

  if (link == NULL)
    return;
  if (creel_session_count (call->daemon, call->uid) >= CREEL_MAX_SESSIONS_PER_USER)
    {
      creel_call_fail_new (call, CREEL_ERROR, CREEL_ERROR_LIMITS_EXCEEDED, "You have %d sessions already; end one first",
                           CREEL_MAX_SESSIONS_PER_USER);
      return;
    }
  argv = g_variant_get_child_value (call->parameters, 0);
  if (g_variant_n_children (argv) > 0)
    {
      g_autoptr (GVariant) word = g_variant_get_child_value (argv, 0);

      call->data = g_utf8_make_valid (g_variant_get_bytestring (word), -1);
      call->free_data = g_free;
    }
  creel_exec_expect (1);
  creel_gateway_link_call (link, "Exec", call->parameters, "(uhhh)", EXEC_TIMEOUT_MS, on_exec, call);
}

static gboolean
prepare_capture (CreelCall *call, GStrvBuilder *actions, GError **error)
{
  static const char *const known[] = { "environment:as", "cwd:s", "user:s", "stdin:s", "timeout:t", NULL };

  return check_arguments (call, known, error);
}

static void
on_captured (GVariant *reply, GUnixFDList *fds, gpointer user_data, GError *error)
{
  if (error != NULL)
    creel_call_fail (user_data, error);
  else
    creel_call_return (user_data, reply);
}

static void
handle_capture (CreelCall *call)
{
  CreelGatewayLink *link = get_gateway (call);
  g_autoptr (GVariant) options = NULL;
  guint64 timeout = 60 * G_USEC_PER_SEC;

  if (link == NULL)
    return;
  options = g_variant_get_child_value (call->parameters, 1);
  g_variant_lookup (options, "timeout", "t", &timeout);
  creel_gateway_link_call (link, "Capture", call->parameters, "(iss)",
                           MIN (timeout / 1000 + 10 * 1000, 24 * 3600 * 1000), on_captured, call);
}

char *
creel_exec_make_printable (const char *bytes, gsize length)
{
  GString *text = g_string_sized_new (length);
  const char *end = bytes + length;

  while (bytes < end)
    {
      gunichar c = g_utf8_get_char_validated (bytes, end - bytes);

      if (c == (gunichar) -1 || c == (gunichar) -2 || c == 0)
        {
          g_string_append_c (text, '?');
          bytes++;
          continue;
        }
      /* escape sequences of a terminal begin with a control byte: without it they are but odd text */
      if (c == '\n' || c == '\t' || g_unichar_isprint (c))
        g_string_append_unichar (text, c);
      else if (c != '\r')
        g_string_append_c (text, '?');
      bytes = g_utf8_next_char (bytes);
    }
  return g_string_free (text, FALSE);
}

static void
handle_read_console (CreelCall *call)
{
  g_autofree char *directory = creel_root_path (CREEL_RUNTIME_DIR "/console");
  g_autofree char *path = g_strdup_printf ("%s/%s.log", directory, call->node);
  g_autofree char *bytes = NULL;
  g_autofree char *text = NULL;
  guint64 wanted;
  gssize n = 0;
  struct stat st;
  int fd;

  g_variant_get (call->parameters, "(t)", &wanted);
  wanted = CLAMP (wanted, 1, MAX_CONSOLE);
  fd = open (path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (fd >= 0 && fstat (fd, &st) == 0 && S_ISREG (st.st_mode))
    {
      off_t start = MAX (0, st.st_size - (off_t) wanted);

      bytes = g_malloc (wanted);
      n = pread (fd, bytes, wanted, start);
    }
  if (fd >= 0)
    close (fd);
  text = n > 0 ? creel_exec_make_printable (bytes, n) : g_strdup ("");
  creel_call_return (call, g_variant_new ("(s)", text));
}

const CreelMethod creel_exec_methods[] = {
  { "Sandbox", "Exec", prepare_exec, handle_exec },
  { "Sandbox", "Capture", prepare_capture, handle_capture },
  { "Sandbox", "ReadConsole", NULL, handle_read_console },
  { NULL }
};
