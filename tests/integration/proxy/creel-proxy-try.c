/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The proxy of the gateway on a TCP port of the loopback, for real clients: it prints its CA to a file, audit entries to
 * standard error; after SIGUSR2 its policy denies everything. For tests; never installed. */
#include <gio/gio.h>
#include <glib-unix.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "creel-account.h"
#include "creel-error.h"
#include "creel-guest-config.h"
#include "creel-proxy-private.h"
#include "creel-records.h"

static char **arg_ask, **arg_allow, **arg_deny, **arg_bypass, **arg_credential;
static char *arg_parent, *arg_parent_key;
static char *arg_format, *arg_parameter;
static char *arg_ca, *arg_trust, *arg_key, *arg_audit, *arg_transparent, *arg_environment;
static char *arg_answer;
static char **arg_limit;
static char *arg_times;
static int arg_port;
static gint64 arg_budget;

static const GOptionEntry options[] = {
  { "allow", 0, 0, G_OPTION_ARG_STRING_ARRAY, &arg_allow, "Rule that allows", "RULE" },
  { "deny", 0, 0, G_OPTION_ARG_STRING_ARRAY, &arg_deny, "Rule that denies", "RULE" },
  { "ask", 0, 0, G_OPTION_ARG_STRING_ARRAY, &arg_ask, "Rule that asks", "RULE" },
  { "answer", 0, 0, G_OPTION_ARG_STRING, &arg_answer, "What is answered to every question; without, nobody is there", "CHOICE" },
  { "bypass", 0, 0, G_OPTION_ARG_STRING_ARRAY, &arg_bypass, "Never intercepted", "HOST" },
  { "credential", 0, 0, G_OPTION_ARG_STRING_ARRAY, &arg_credential, "Host that gets the key, as bearer or in a format of its own", "HOST:PORT[=FORMAT]" },
  { "format", 0, 0, G_OPTION_ARG_STRING, &arg_format, "How it gets the key: \"basic:USER\"", "FORMAT" },
  { "parameter", 0, 0, G_OPTION_ARG_STRING, &arg_parameter, "It gets the key in the query", "NAME" },
  { "key", 0, 0, G_OPTION_ARG_STRING, &arg_key, "The key; without one the keyring counts as locked", "KEY" },
  { "ca", 0, 0, G_OPTION_ARG_FILENAME, &arg_ca, "Where to write the certificate", "FILE" },
  { "environment", 0, 0, G_OPTION_ARG_FILENAME, &arg_environment, "Where to write what a guest's programs have, a variable a line", "FILE" },
  { "trust", 0, 0, G_OPTION_ARG_FILENAME, &arg_trust, "Directory of trusted certificates", "DIRECTORY" },
  { "audit", 0, 0, G_OPTION_ARG_FILENAME, &arg_audit, "Socket that stands for the journal's; made when nobody has it yet", "SOCKET" },
  { "transparent", 0, 0, G_OPTION_ARG_STRING, &arg_transparent, "Take every connection as one to this", "HOST:PORT" },
  { "parent", 0, 0, G_OPTION_ARG_FILENAME, &arg_parent, "File whose section [Network] names a proxy", "FILE" },
  { "parent-key", 0, 0, G_OPTION_ARG_FILENAME, &arg_parent_key, "File with the secret of the credential \"parent\"; SIGUSR1 forgets what was read", "FILE" },
  { "limit", 0, 0, G_OPTION_ARG_STRING_ARRAY, &arg_limit, "Another limit than the defaults, which here are without one on the pace", "KEY=NUMBER" },
  { "times", 0, 0, G_OPTION_ARG_STRING, &arg_times, "How long is waited, see CreelTimes, in seconds", "HEAD,IDLE,BODY,QUIET" },
  { "budget", 0, 0, G_OPTION_ARG_INT64, &arg_budget, "Of the buffers of all connections", "BYTES" },
  { "port", 0, 0, G_OPTION_ARG_INT, &arg_port, "Port", "PORT" },
  { NULL },
};

static void
add_rules (CreelPolicy *policy, CreelVerdict verdict, char **rules)
{
  for (; rules != NULL && *rules != NULL; rules++)
    {
      g_autoptr (GError) error = NULL;
      CreelRule *rule = creel_rule_parse (verdict, *rules, "command line", &error);

      if (rule == NULL)
        g_error ("%s", error->message);
      creel_policy_take_rule (policy, rule);
    }
}

static void
provide (const char *credential, GTask *reply, gpointer user_data)
{
  g_autofree char *parent = NULL;
  const char *key = arg_key;

  if (g_str_equal (credential, "parent"))
    {
      if (arg_parent_key != NULL && g_file_get_contents (arg_parent_key, &parent, NULL, NULL))
        g_strchomp (parent);
      key = parent;
    }
  if (key != NULL)
    g_task_return_pointer (reply, g_bytes_new (key, strlen (key)), (GDestroyNotify) g_bytes_unref);
  else
    g_task_return_new_error (reply, CREEL_ERROR, CREEL_ERROR_KEYRING_LOCKED, "Locked");
}

static void
add_variable (const char *key, const char *value, gpointer text)
{
  if (g_str_equal (key, "env"))
    g_string_append_printf (text, "%s\n", value);
}

static void
write_environment (void)
{
  CreelDefinition definition = { .name = (char *) "try" };
  g_autoptr (GByteArray) records = creel_guest_config_build (&definition, NULL, NULL, NULL, 0);
  g_autoptr (GString) text = g_string_new (NULL);
  g_autoptr (GError) error = NULL;

  creel_records_parse (records->data, records->len, add_variable, text);
  if (!g_file_set_contents (arg_environment, text->str, -1, &error))
    g_error ("%s", error->message);
}

static void
set_limits (CreelProxy *proxy)
{
  CreelLimits limits;

  creel_limits_init (&limits);
  limits.values[CREEL_LIMIT_REQUESTS] = creel_limit_infos[CREEL_LIMIT_REQUESTS].most;
  limits.values[CREEL_LIMIT_HALF_OPEN] = creel_limit_infos[CREEL_LIMIT_HALF_OPEN].most;
  for (char **text = arg_limit; text != NULL && *text != NULL; text++)
    {
      g_auto (GStrv) words = g_strsplit (*text, "=", 2);
      CreelLimit limit = creel_limit_find (words[0]);

      if (limit == CREEL_N_LIMITS || words[1] == NULL)
        g_error ("There is no limit %s", *text);
      limits.values[limit] = (guint) g_ascii_strtoull (words[1], NULL, 10);
    }
  creel_proxy_set_limits (proxy, &limits);
}

static gboolean
on_incoming (GSocketService *service, GSocketConnection *connection, GObject *source, gpointer user_data)
{
  GSocket *socket = g_socket_connection_get_socket (connection);

  g_socket_set_blocking (socket, FALSE);
  g_socket_set_option (socket, IPPROTO_TCP, TCP_NODELAY, 1, NULL); /* as on the guest's channel nothing waits for more */
  g_socket_set_option (socket, IPPROTO_TCP, TCP_NOTSENT_LOWAT, 64 * 1024, NULL); /* nor is much kept outside of it */
  creel_proxy_accept (user_data, G_IO_STREAM (connection), arg_transparent,
                      arg_transparent != NULL ? CREEL_WAY_TRANSPARENT : CREEL_WAY_PROXY);
  return TRUE;
}

static gboolean
on_entry (int fd, GIOCondition condition, gpointer user_data)
{
  char entry[65536];
  gssize n = recv (fd, entry, sizeof entry, MSG_DONTWAIT);

  for (gssize i = 0; i + 1 < n; i++)
    if (entry[i] == '\n')
      entry[i] = ' ';
  if (n > 0)
    {
      fprintf (stderr, "audit: %.*s", (int) n, entry);
      fflush (stderr);
    }
  return G_SOURCE_CONTINUE;
}

static gboolean
answer_all (gpointer user_data)
{
  g_autoptr (GVariant) list = g_variant_ref_sink (creel_questions_list (user_data));

  for (gsize i = 0; i < g_variant_n_children (list); i++)
    {
      g_autoptr (GVariant) question = g_variant_get_child_value (list, i);
      guint64 id = 0;

      g_variant_lookup (question, "id", "t", &id);
      creel_questions_answer (user_data, id, arg_answer, "0", NULL);
    }
  return G_SOURCE_REMOVE;
}

static void
on_question (gpointer questions)
{
  g_idle_add (answer_all, questions);
}

static gboolean
on_signal (gpointer loop)
{
  g_main_loop_quit (loop);
  return G_SOURCE_REMOVE;
}

static gboolean
on_forget (gpointer proxy)
{
  creel_proxy_forget (proxy, NULL);
  return G_SOURCE_CONTINUE;
}

static gboolean
on_deny (gpointer proxy)
{
  g_autoptr (CreelPolicy) nothing = creel_policy_new (CREEL_VERDICT_DENY);

  creel_proxy_set_policy (proxy, nothing, NULL);
  return G_SOURCE_CONTINUE;
}

static void
open_journal (void)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  int fd = socket (AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

  g_strlcpy (address.sun_path, arg_audit, sizeof address.sun_path);
  unlink (arg_audit);
  if (bind (fd, (struct sockaddr *) &address, sizeof address) < 0)
    g_error ("Cannot bind %s", arg_audit);
  g_unix_fd_add (fd, G_IO_IN, on_entry, NULL);
}

int
main (int argc, char **argv)
{
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (CreelPolicy) policy = creel_policy_new (CREEL_VERDICT_DENY);
  g_autoptr (GPtrArray) credentials = g_ptr_array_new_with_free_func ((GDestroyNotify) creel_credential_free);
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  g_autoptr (GSocketService) service = g_socket_service_new ();
  g_autoptr (GInetAddress) loopback = g_inet_address_new_loopback (G_SOCKET_FAMILY_IPV4);

  g_option_context_add_main_entries (context, options, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error))
    g_error ("%s", error->message);
  add_rules (policy, CREEL_VERDICT_ALLOW, arg_allow);
  add_rules (policy, CREEL_VERDICT_DENY, arg_deny);
  add_rules (policy, CREEL_VERDICT_ASK, arg_ask);
  for (char **host = arg_credential; host != NULL && *host != NULL; host++)
    {
      CreelCredential *credential = g_new0 (CreelCredential, 1);
      g_auto (GStrv) words = g_strsplit (*host, "=", 2);
      const char *format = words[1] != NULL ? words[1] : arg_format != NULL ? arg_format : "Bearer {}";

      credential->name = g_strdup ("try");
      credential->hosts = g_strdupv ((char *[]){ words[0], NULL });
      credential->header = arg_parameter == NULL ? g_strdup ("Authorization") : NULL;
      credential->format = g_strdup (format);
      credential->parameter = g_strdup (arg_parameter);
      g_ptr_array_add (credentials, credential);
    }

  g_autoptr (CreelCa) ca = creel_ca_new ("try", &error);
  g_assert_no_error (error);
  if (arg_ca != NULL && !g_file_set_contents (arg_ca, creel_ca_get_certificate (ca), -1, &error))
    g_error ("%s", error->message);
  if (arg_environment != NULL)
    write_environment ();
  if (arg_audit != NULL && !g_file_test (arg_audit, G_FILE_TEST_EXISTS))
    open_journal ();
  g_autoptr (CreelAudit) audit = creel_audit_new ("try", arg_audit);
  g_autoptr (CreelProxy) proxy = creel_proxy_new ("try", ca, audit);
  if (arg_trust != NULL)
    creel_proxy_set_trust_directory (proxy, arg_trust);
  g_autoptr (CreelParentProxy) parent = NULL;
  if (arg_parent != NULL && !creel_parent_proxy_load (arg_parent, &parent, &error))
    g_error ("%s", error->message);
  creel_proxy_set_parent (proxy, parent);
  set_limits (proxy);
  if (arg_times != NULL && sscanf (arg_times, "%u,%u,%u,%u", &proxy->times.head, &proxy->times.idle, &proxy->times.body, &proxy->times.quiet) != 4)
    g_error ("%s are not four times", arg_times);
  if (arg_budget > 0)
    creel_account_set_budget ((gsize) arg_budget);
  creel_proxy_set_policy (proxy, policy, arg_bypass);
  creel_proxy_set_credentials (proxy, credentials, NULL);
  creel_proxy_set_secret_func (proxy, provide, NULL);
  creel_questions_set_attended (creel_proxy_get_questions (proxy), arg_answer != NULL);
  if (arg_answer != NULL)
    creel_questions_set_changed_func (creel_proxy_get_questions (proxy), on_question, creel_proxy_get_questions (proxy));

  g_autoptr (GSocketAddress) address = g_inet_socket_address_new (loopback, (guint16) arg_port);
  g_socket_listener_set_backlog (G_SOCKET_LISTENER (service), 4096);
  if (!g_socket_listener_add_address (G_SOCKET_LISTENER (service), address, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, NULL,
                                      NULL, &error))
    g_error ("%s", error->message);
  g_signal_connect (service, "incoming", G_CALLBACK (on_incoming), proxy);
  g_unix_signal_add (SIGTERM, on_signal, loop);
  g_unix_signal_add (SIGUSR1, on_forget, proxy);
  g_unix_signal_add (SIGUSR2, on_deny, proxy);
  puts ("ready");
  fflush (stdout);
  g_main_loop_run (loop);
  creel_proxy_abort_all (proxy);
  return 0;
}
