/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-models-request.h"

#include <string.h>

#include "creel-models-manage.h"
#include "creel-models-relay.h"

#define JSON "application/json"
#define TEXT "text/plain; charset=utf-8"
#define METRICS "text/plain; version=0.0.4; charset=utf-8"
/* A tree is many times its text */
#define TREE_MAX (32 * 1024 * 1024)

struct _CreelModelsRequest
{
  CreelModelsFront *front;
  CreelEndpoint *client;
  CreelModelsRoute route;
  CreelModelsReply reply;
  char *fields, *accept;
  void (*done) (gpointer user_data);
  gpointer user_data;
  guint later;
  GBytes *body;
  guint64 held; /* of the body, in the sum of all */
  char *name; /* of the model, as the client wrote it */
  char *model; /* that was found, as people call it */
  CreelModelsOllamaRequest ollama;
  gboolean asked, retried;
  CreelModelsUse *use;
  CreelModelsRelay *relay;
  uid_t user;
  CreelModelsManage *manage; /* something is changed */
  guint status;
  gboolean cut, keep;
};

static void resolve (CreelModelsRequest *request);

static gboolean
on_done (gpointer user_data)
{
  CreelModelsRequest *request = user_data;

  request->later = 0;
  request->done (request->user_data);
  return G_SOURCE_REMOVE;
}

static void
finish (CreelModelsRequest *request, guint status)
{
  request->status = status;
  if (request->later == 0)
    request->later = g_idle_add_full (G_PRIORITY_HIGH, on_done, request, NULL);
}

static void
answer (CreelModelsRequest *request, const char *type, char *text)
{
  creel_models_reply_write (&request->reply, request->client, 200, type, text);
  g_free (text);
  request->keep = request->reply.keep;
  finish (request, 200);
}

static void
refuse (CreelModelsRequest *request, guint status, const char *message)
{
  creel_models_reply_write_error (&request->reply, request->client, request->route.form, status, message);
  request->keep = request->reply.keep;
  finish (request, status);
}

static void
drop_body (CreelModelsRequest *request)
{
  g_clear_pointer (&request->body, g_bytes_unref);
  request->front->held -= request->held;
  request->held = 0;
}

static void
refuse_unknown (CreelModelsRequest *request, CreelModelsCatalog *catalog)
{
  g_autofree char *names = creel_models_catalog_format_names (catalog), *text = NULL;

  /* not more of what somebody wrote than shows what it was */
  if (*names == '\0')
    text = g_strdup_printf ("There is no model \"%.200s\": no model is here; fetch one: creel model pull NAME", request->name);
  else
    text = g_strdup_printf ("There is no model \"%.200s\"; there are: %s. Another is fetched by: creel model pull NAME", request->name, names);
  refuse (request, 404, text);
}

static void
on_relayed (CreelModelsRelayEnd end, gpointer user_data)
{
  CreelModelsRequest *request = user_data;
  guint status = creel_models_relay_get_status (request->relay);
  g_autofree char *text = NULL;

  request->keep = creel_models_relay_keeps (request->relay);
  g_clear_pointer (&request->relay, creel_models_relay_free);
  if (end == CREEL_MODELS_RELAY_UNREACHABLE)
    creel_models_runner_lost (request->front->runner, request->use);
  creel_models_runner_release (request->front->runner, g_steal_pointer (&request->use));
  switch (end)
    {
    case CREEL_MODELS_RELAY_UNREACHABLE:
      /* It ended and nobody has said so yet: once more, from the start. */
      if (!request->retried && request->body != NULL)
        {
          request->retried = TRUE;
          resolve (request);
          return;
        }
      G_GNUC_FALLTHROUGH;
    case CREEL_MODELS_RELAY_LOST:
      text = g_strdup_printf ("The engine of %s ended before it answered; the next request starts it again, see: creel model logs", request->model);
      refuse (request, 502, text);
      return;
    case CREEL_MODELS_RELAY_BUSY:
      text = g_strdup_printf ("The engine of %s does not take more requests now; try again later", request->model);
      refuse (request, 503, text);
      return;
    case CREEL_MODELS_RELAY_FULL:
      refuse (request, 503, "Too many large answers at once; try again later");
      return;
    case CREEL_MODELS_RELAY_CUT:
      request->cut = TRUE;
      finish (request, status);
      return;
    case CREEL_MODELS_RELAY_WHOLE:
    default:
      finish (request, status);
    }
}

static void
on_sent (gpointer user_data)
{
  drop_body (user_data);
}

static void
on_granted (const char *socket_path, gpointer user_data)
{
  CreelModelsRequest *request = user_data;
  CreelModelsRelayRequest wanted = { .socket_path = socket_path, .engine_path = request->route.engine_path, .body = request->body,
                                     .sent = on_sent };

  wanted.accept = request->accept;
  wanted.fields = request->fields;
  wanted.http10 = request->reply.http10;
  wanted.keep = request->reply.keep;
  wanted.answers = &request->front->answers;
  if (request->ollama.engine_path != NULL)
    {
      wanted.engine_path = request->ollama.engine_path;
      wanted.accept = NULL;
      wanted.stream = request->ollama.stream;
      wanted.answer = creel_models_ollama_answer_new (request->route.operation, request->name);
    }
  request->relay = creel_models_relay_new (&wanted, request->client, on_relayed, request);
}

static void
on_refused (guint status, const char *text, gpointer user_data)
{
  CreelModelsRequest *request = user_data;

  request->use = NULL;
  refuse (request, status, text);
}

static void
on_asked (gpointer owner)
{
  CreelModelsRequest *request = owner;

  request->asked = TRUE;
  resolve (request);
}

/* Without what creeld tells: asks, and comes back. */
static void
ask (CreelModelsRequest *request)
{
  creel_models_runner_ask (request->front->runner, on_asked, request);
}

static void
resolve (CreelModelsRequest *request)
{
  static const CreelModelsUseFuncs funcs = { on_granted, on_refused };
  CreelModelsRunner *runner = request->front->runner;
  CreelModelsCatalog *catalog = creel_models_runner_get_catalog (runner);
  const CreelModelsModel *model = NULL;

  if (catalog != NULL && request->name != NULL)
    model = creel_models_catalog_find (catalog, request->name);
  if ((catalog == NULL || (request->name != NULL && model == NULL)) && !request->asked)
    {
      ask (request);
      return;
    }
  if (catalog == NULL || (request->name != NULL && model == NULL && creel_models_runner_get_trouble (runner) != NULL))
    {
      refuse (request, 503, creel_models_runner_get_trouble (runner));
      return;
    }
  if (request->name != NULL && model == NULL)
    {
      refuse_unknown (request, catalog);
      return;
    }
  if (model != NULL && request->model == NULL)
    request->model = g_strdup (model->name);
  switch (request->route.operation)
    {
    case CREEL_MODELS_LIST:
      answer (request, JSON, creel_models_answer_list (request->route.form, catalog));
      return;
    case CREEL_MODELS_DISK:
      answer (request, JSON, creel_models_answer_disk (catalog));
      return;
    case CREEL_MODELS_SHOW:
      answer (request, JSON, creel_models_answer_show (request->route.form, model));
      return;
    default:
      request->use = creel_models_runner_use (runner, model, &funcs, request);
    }
}

/* FALSE: it was refused */
static gboolean
read_body (CreelModelsRequest *request)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonNode) root = NULL;
  gsize size;
  const char *text = g_bytes_get_data (request->body, &size);
  gboolean translate = request->route.operation != CREEL_MODELS_RELAY && request->route.operation != CREEL_MODELS_SHOW;

  if (!translate && request->route.operation == CREEL_MODELS_RELAY)
    request->name = creel_models_json_find_model (text != NULL ? text : "", size, &error);
  else if (size > TREE_MAX)
    g_set_error (&error, G_DBUS_ERROR, G_DBUS_ERROR_LIMITS_EXCEEDED, "The body is larger than %d MiB", TREE_MAX / 1024 / 1024);
  else if ((root = creel_models_json_parse (text != NULL ? text : "", size, &error)) != NULL)
    {
      JsonObject *object = json_node_get_object (root);
      const char *name = creel_models_json_get_string (object, "model");

      if (!translate && name == NULL)
        name = creel_models_json_get_string (object, "name");
      if (!translate && name == NULL)
        g_set_error_literal (&error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS, "\"model\" is missing");
      else if (name != NULL && strlen (name) > CREEL_MODELS_NAME_MAX)
        g_set_error_literal (&error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS, "\"model\" is not a name");
      else if (!translate || creel_models_ollama_translate (request->route.operation, object, &request->ollama, &error))
        request->name = g_strdup (name);
    }
  if (request->name == NULL)
    {
      refuse (request, g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_LIMITS_EXCEEDED) ? 413 : 400, error->message);
      return FALSE;
    }
  if (request->ollama.body != NULL)
    {
      gsize length = strlen (request->ollama.body);

      drop_body (request);
      request->held = creel_models_front_count (length);
      request->front->held += request->held;
      request->body = g_bytes_new_take (g_steal_pointer (&request->ollama.body), length);
    }
  return TRUE;
}

static void
answer_metrics (CreelModelsRequest *request)
{
  CreelModelsMetrics *metrics = &request->front->metrics;
  g_autoptr (GArray) loaded = creel_models_runner_list_loaded (request->front->runner);

  creel_models_runner_count (request->front->runner, &metrics->runner);
  metrics->loaded = loaded->len;
  metrics->lost = creel_models_audit_get_lost (request->front->audit);
  answer (request, METRICS, creel_models_answer_metrics (metrics));
}

static void
on_managed (guint status, gboolean keep, gpointer user_data)
{
  CreelModelsRequest *request = user_data;

  request->keep = keep;
  finish (request, status);
}

static void
manage (CreelModelsRequest *request)
{
  g_auto (CreelModelsOrder) order = { 0 };
  g_autoptr (GError) error = NULL;
  gsize size;
  const char *text = g_bytes_get_data (request->body, &size);

  if (!creel_models_order_parse (&request->route, text != NULL ? text : "", size, &order, &error))
    {
      refuse (request, 400, error->message);
      return;
    }
  request->model = g_strdup (order.model);
  request->manage = creel_models_manage_new (request->front, request->client, request->route.form, request->route.operation, &order, request->user,
                                             &request->reply, request->accept, on_managed, request);
}

static void
begin (CreelModelsRequest *request)
{
  g_autoptr (GArray) loaded = NULL;

  switch (request->route.operation)
    {
    case CREEL_MODELS_ROOT:
      answer (request, TEXT, g_strdup ("Creel's model runner is running\n"));
      return;
    case CREEL_MODELS_VERSION:
      answer (request, JSON, creel_models_answer_version ());
      return;
    case CREEL_MODELS_LOADED:
      loaded = creel_models_runner_list_loaded (request->front->runner);
      answer (request, JSON, creel_models_answer_loaded (request->route.form, loaded));
      return;
    case CREEL_MODELS_STATUS:
      loaded = creel_models_runner_list_loaded (request->front->runner);
      answer (request, JSON, creel_models_answer_status (loaded));
      return;
    case CREEL_MODELS_METRICS:
      answer_metrics (request);
      return;
    case CREEL_MODELS_LIST:
    case CREEL_MODELS_DISK:
      resolve (request);
      return;
    case CREEL_MODELS_SHOW:
      if (request->route.model != NULL)
        request->name = g_strdup (request->route.model);
      if (request->name != NULL || read_body (request))
        resolve (request);
      return;
    case CREEL_MODELS_PULL:
    case CREEL_MODELS_PUSH:
    case CREEL_MODELS_TAG:
    case CREEL_MODELS_REMOVE:
    case CREEL_MODELS_UNLOAD:
    case CREEL_MODELS_CONFIGURE:
    case CREEL_MODELS_MAKE:
      /* the connection has let it through */
      manage (request);
      return;
    case CREEL_MODELS_RELAY:
    case CREEL_MODELS_CHAT:
    case CREEL_MODELS_GENERATE:
    case CREEL_MODELS_EMBED:
    default:
      if (read_body (request))
        resolve (request);
    }
}

CreelModelsRequest *
creel_models_request_new (CreelModelsFront *front, CreelEndpoint *client, CreelModelsRoute *route, const CreelModelsReply *reply,
                          uid_t user, const char *accept, GByteArray *body, void (*done) (gpointer user_data), gpointer user_data)
{
  CreelModelsRequest *request = g_new0 (CreelModelsRequest, 1);

  request->front = front;
  request->client = creel_endpoint_ref (client);
  request->route = *route;
  *route = (CreelModelsRoute){ 0 };
  request->reply = *reply;
  request->fields = g_strdup (reply->fields);
  request->reply.fields = request->fields;
  request->accept = g_strdup (accept);
  request->user = user;
  /* counted by the connection while it came */
  request->held = creel_models_front_count (body->len);
  request->body = g_byte_array_free_to_bytes (body);
  request->done = done;
  request->user_data = user_data;
  begin (request);
  return request;
}

void
creel_models_request_free (CreelModelsRequest *request)
{
  if (request == NULL)
    return;
  g_clear_handle_id (&request->later, g_source_remove);
  creel_models_relay_free (request->relay);
  creel_models_manage_free (request->manage);
  if (request->use != NULL)
    creel_models_runner_release (request->front->runner, request->use);
  creel_models_runner_forget (request->front->runner, request);
  drop_body (request);
  creel_models_route_clear (&request->route);
  creel_models_ollama_request_clear (&request->ollama);
  creel_endpoint_unref (request->client);
  g_free (request->fields);
  g_free (request->accept);
  g_free (request->name);
  g_free (request->model);
  g_free (request);
}

void
creel_models_request_step (CreelModelsRequest *request)
{
  if (request->relay != NULL)
    creel_models_relay_step (request->relay);
}

guint
creel_models_request_get_status (CreelModelsRequest *request)
{
  return request->status == 0 && request->relay != NULL ? creel_models_relay_get_status (request->relay) : request->status;
}

guint64
creel_models_request_get_progress (CreelModelsRequest *request)
{
  return request->manage != NULL ? creel_models_manage_get_moved (request->manage) : 0;
}

gboolean
creel_models_request_is_cut (CreelModelsRequest *request)
{
  return request->cut;
}

gboolean
creel_models_request_keeps (CreelModelsRequest *request)
{
  return request->keep;
}

const char *
creel_models_request_get_model (CreelModelsRequest *request)
{
  return request->model;
}

gboolean
creel_models_request_is_relaying (CreelModelsRequest *request)
{
  return request->relay != NULL || request->use != NULL || (request->manage != NULL && !creel_models_manage_is_done (request->manage));
}
