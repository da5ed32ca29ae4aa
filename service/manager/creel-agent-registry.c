/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-agent-registry.h"

#include <fcntl.h>
#include <gio/gunixfdlist.h>
#include <string.h>
#include <unistd.h>

#include "creel-call.h"
#include "creel-error.h"
#include "creel-names.h"
#include "creel-sandbox.h"

#define TIMEOUT_MS (120 * 1000)
#define MAX_AGENTS_PER_USER 8
#define SEALS (F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW)

typedef struct
{
  char *name;
  uid_t uid;
} Agent;

struct _CreelAgentRegistry
{
  CreelDaemon *daemon;
  GPtrArray *agents; /* Agent, oldest first */
};

static void
agent_free (gpointer data)
{
  Agent *agent = data;

  g_free (agent->name);
  g_free (agent);
}

CreelAgentRegistry *
creel_agent_registry_new (CreelDaemon *daemon)
{
  CreelAgentRegistry *registry = g_new0 (CreelAgentRegistry, 1);

  registry->daemon = daemon;
  registry->agents = g_ptr_array_new_with_free_func (agent_free);
  return registry;
}

void
creel_agent_registry_free (CreelAgentRegistry *registry)
{
  g_ptr_array_unref (registry->agents);
  g_free (registry);
}

static guint
count (CreelAgentRegistry *registry, uid_t uid)
{
  guint n = 0;

  for (guint i = 0; i < registry->agents->len; i++)
    n += ((Agent *) registry->agents->pdata[i])->uid == uid;
  return n;
}

static void
on_forgotten (GVariant *reply, GUnixFDList *fds, gpointer user_data, GError *error)
{
  if (error != NULL && !g_error_matches (error, CREEL_ERROR, CREEL_ERROR_NOT_RUNNING))
    g_warning ("A gateway did not forget its keys: %s", error->message);
}

static void
forget (CreelAgentRegistry *registry, uid_t uid, const char *const *credentials)
{
  GHashTableIter iter;
  gpointer sandbox;

  g_hash_table_iter_init (&iter, registry->daemon->sandboxes);
  while (g_hash_table_iter_next (&iter, NULL, &sandbox))
    if (creel_sandbox_get_owner (sandbox) == uid && creel_sandbox_get_link (sandbox) != NULL)
      creel_gateway_link_call (creel_sandbox_get_link (sandbox), "Forget", g_variant_new ("(^as)", credentials), "()", -1,
                               on_forgotten, NULL);
}

static gboolean
remove_agent (CreelAgentRegistry *registry, const char *name, uid_t *ret_uid)
{
  for (guint i = 0; i < registry->agents->len; i++)
    {
      Agent *agent = registry->agents->pdata[i];

      if (g_str_equal (agent->name, name))
        {
          *ret_uid = agent->uid;
          g_ptr_array_remove_index (registry->agents, i);
          return TRUE;
        }
    }
  return FALSE;
}

void
creel_agent_registry_gone (CreelAgentRegistry *registry, const char *name)
{
  static const char *const all[] = { NULL };
  uid_t uid;

  if (remove_agent (registry, name, &uid) && count (registry, uid) == 0)
    forget (registry, uid, all);
}

typedef struct
{
  CreelAgentRegistry *registry;
  GPtrArray *names; /* left to ask, the next one last */
  const char *method;
  GVariant *parameters;
  gboolean optional; /* none is no error */
  GError *error;
  CreelSecretFunc done;
  gpointer user_data;
} Request;

static void ask_next (Request *request);

static void
request_finish (Request *request, int fd)
{
  if (fd < 0 && request->optional && !g_error_matches (request->error, CREEL_ERROR, CREEL_ERROR_KEYRING_LOCKED))
    g_clear_error (&request->error);
  request->done (fd, request->user_data, request->error);
  g_ptr_array_unref (request->names);
  g_variant_unref (request->parameters);
  g_clear_error (&request->error);
  g_free (request);
}

/* Exactly one descriptor, sealed: what we pass on cannot change under the gateway. */
static int
take_sealed (GUnixFDList *fds, GVariant *reply, GError **error)
{
  int fd, seals;

  if (fds == NULL || g_unix_fd_list_get_length (fds) != 1)
    {
      g_set_error_literal (error, CREEL_ERROR, CREEL_ERROR_NO_SUCH_SECRET, "The session's agent did not send one descriptor");
      return -1;
    }
  fd = g_unix_fd_list_get (fds, 0, error);
  seals = fd >= 0 ? fcntl (fd, F_GET_SEALS) : -1;
  if (fd >= 0 && (seals < 0 || (seals & SEALS) != SEALS))
    {
      close (fd);
      g_set_error_literal (error, CREEL_ERROR, CREEL_ERROR_NO_SUCH_SECRET, "The session's agent sent something that is not sealed");
      return -1;
    }
  return fd;
}

static void
on_secret (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Request *request = user_data;
  g_autoptr (GUnixFDList) fds = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = g_dbus_connection_call_with_unix_fd_list_finish (G_DBUS_CONNECTION (source), &fds, result, &error);
  int fd = reply != NULL ? take_sealed (fds, reply, &error) : -1;

  if (fd >= 0)
    {
      request_finish (request, fd);
      return;
    }
  g_dbus_error_strip_remote_error (error);
  /* only the errors of the contract go on; a keyring that is locked says more than one that lacks the key */
  if (error->domain != CREEL_ERROR || (error->code != CREEL_ERROR_NO_SUCH_SECRET && error->code != CREEL_ERROR_KEYRING_LOCKED))
    {
      g_autofree char *message = g_strdup_printf ("The session's agent does not answer: %s", error->message);

      g_clear_error (&error);
      error = g_error_new_literal (CREEL_ERROR, CREEL_ERROR_NO_AGENT, message);
    }
  if (request->error == NULL || error->code == CREEL_ERROR_KEYRING_LOCKED)
    {
      g_clear_error (&request->error);
      request->error = g_steal_pointer (&error);
    }
  ask_next (request);
}

static void
ask_next (Request *request)
{
  g_autofree char *name = NULL;

  if (request->names->len == 0)
    {
      if (request->error == NULL)
        g_set_error_literal (&request->error, CREEL_ERROR, CREEL_ERROR_NO_AGENT,
                             "No session of the sandbox's owner runs creel-agent: log in, or \"systemctl --user start creel-agent\"");
      request_finish (request, -1);
      return;
    }
  name = g_ptr_array_steal_index (request->names, request->names->len - 1);
  g_dbus_connection_call_with_unix_fd_list (request->registry->daemon->bus, name, CREEL_AGENT_PATH, CREEL_BUS_NAME ".Agent",
                                            request->method, request->parameters,
                                            G_VARIANT_TYPE ("(h)"), G_DBUS_CALL_FLAGS_NO_AUTO_START, TIMEOUT_MS, NULL, NULL,
                                            on_secret, request);
}

static void
ask (CreelAgentRegistry *registry, uid_t uid, const char *method, GVariant *parameters, gboolean optional, CreelSecretFunc done,
     gpointer user_data)
{
  Request *request = g_new0 (Request, 1);

  request->registry = registry;
  request->names = g_ptr_array_new_with_free_func (g_free);
  request->method = method;
  request->parameters = g_variant_ref_sink (parameters);
  request->optional = optional;
  request->done = done;
  request->user_data = user_data;
  for (guint i = 0; i < registry->agents->len; i++)
    {
      Agent *agent = registry->agents->pdata[i];

      if (agent->uid == uid)
        g_ptr_array_add (request->names, g_strdup (agent->name));
    }
  ask_next (request);
}

void
creel_agent_registry_get_secret (CreelAgentRegistry *registry, uid_t uid, const char *sandbox, const char *credential,
                                 CreelSecretFunc done, gpointer user_data)
{
  ask (registry, uid, "GetSecret", g_variant_new ("(ssu)", sandbox, credential, 0), FALSE, done, user_data);
}

void
creel_agent_registry_get_registry_secret (CreelAgentRegistry *registry, uid_t uid, const char *host, CreelSecretFunc done,
                                          gpointer user_data)
{
  ask (registry, uid, "GetRegistrySecret", g_variant_new ("(su)", host, 0), TRUE, done, user_data);
}

static void
handle_register (CreelCall *call)
{
  CreelAgentRegistry *registry = call->daemon->agents;
  Agent *agent;
  uid_t uid;

  remove_agent (registry, call->sender, &uid);
  if (count (registry, call->uid) >= MAX_AGENTS_PER_USER)
    {
      creel_call_fail_new (call, CREEL_ERROR, CREEL_ERROR_LIMITS_EXCEEDED, "Too many agents of this user");
      return;
    }
  agent = g_new0 (Agent, 1);
  agent->name = g_strdup (call->sender);
  agent->uid = call->uid;
  g_ptr_array_add (registry->agents, agent);
  creel_call_return (call, NULL);
}

static void
handle_unregister (CreelCall *call)
{
  creel_agent_registry_gone (call->daemon->agents, call->sender);
  creel_call_return (call, NULL);
}

static void
handle_revoke (CreelCall *call)
{
  g_autofree const char **credentials = NULL;

  g_variant_get (call->parameters, "(^a&s)", &credentials);
  forget (call->daemon->agents, call->uid, credentials);
  creel_call_return (call, NULL);
}

const CreelMethod creel_agent_methods[] = {
  { "AgentManager", "Register", NULL, handle_register },
  { "AgentManager", "Unregister", NULL, handle_unregister },
  { "AgentManager", "Revoke", NULL, handle_revoke },
  { NULL }
};
