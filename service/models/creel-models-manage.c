/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-models-manage.h"

#include <string.h>

#include "creel-error.h"
#include "creel-models-progress.h"

struct _CreelModelsManage
{
  CreelModelsFront *front;
  CreelEndpoint *client;
  CreelModelsForm form;
  CreelModelsOperation operation;
  CreelModelsOrder order;
  uid_t uid;
  CreelModelsReply reply;
  CreelModelsLines lines;
  void (*done) (guint status, gboolean keep, gpointer user_data);
  gpointer user_data;
  CreelModelsErrand *errand; /* NULL: creeld is done */
  gboolean done_is_said;
  guint next;      /* of the order's calls */
  guint unloaded;
  guint64 moved;   /* bytes, as was heard last */
  char *removed;   /* what is said when it is */
  gboolean begun, chunked;
};

static void begin_next (CreelModelsManage *manage);

static guint
get_status (const GError *error)
{
  static const struct
  {
    int code;
    guint status;
  } ours[] = {
    { CREEL_ERROR_NO_SUCH_MODEL, 404 },  { CREEL_ERROR_NO_SUCH_IMAGE, 404 },  { CREEL_ERROR_MODEL_IN_USE, 409 },     { CREEL_ERROR_IMAGE_IN_USE, 409 },
    { CREEL_ERROR_NO_SUCH_SECRET, 403 }, { CREEL_ERROR_KEYRING_LOCKED, 403 }, { CREEL_ERROR_NO_AGENT, 403 },         { CREEL_ERROR_AUTH_REQUIRED, 403 },
    { CREEL_ERROR_NO_SPACE, 507 },       { CREEL_ERROR_CANCELLED, 503 },      { CREEL_ERROR_LIMITS_EXCEEDED, 503 },
  };

  for (gsize i = 0; error->domain == CREEL_ERROR && i < G_N_ELEMENTS (ours); i++)
    if (ours[i].code == error->code)
      return ours[i].status;
  if (error->domain != G_DBUS_ERROR)
    return 500;
  return error->code == G_DBUS_ERROR_INVALID_ARGS ? 400 : error->code == G_DBUS_ERROR_ACCESS_DENIED ? 403 : 503;
}

static void
write_line (CreelModelsManage *manage, char *line)
{
  creel_models_reply_write_piece (manage->client, manage->chunked, line, strlen (line));
  creel_endpoint_flush (manage->client);
  g_free (line);
}

/* Not before there is something to say: what goes wrong until then has a status of its own. */
static void
begin_lines (CreelModelsManage *manage)
{
  if (!manage->begun)
    manage->chunked = creel_models_reply_begin (&manage->reply, manage->client, creel_models_lines_get_type (manage->lines, TRUE));
  manage->begun = TRUE;
}

static void
on_progress (guint64 done, guint64 total, const char *digest, gpointer user_data)
{
  CreelModelsManage *manage = user_data;

  manage->moved = done;
  /* a client that does not read hears of the next one */
  if (!manage->order.stream || (done == 0 && total == 0) || !creel_endpoint_has_room (manage->client))
    return;
  begin_lines (manage);
  write_line (manage, creel_models_lines_format_progress (manage->lines, manage->operation, manage->order.model, done, total, digest));
}

static void
answer (CreelModelsManage *manage, guint status, const char *type, char *text)
{
  creel_models_reply_write (&manage->reply, manage->client, status, type, text);
  g_free (text);
}

static void
end_lines (CreelModelsManage *manage, const char *error)
{
  char *line = creel_models_lines_format_end (manage->lines, manage->operation, manage->order.model, error);

  if (!manage->order.stream)
    {
      answer (manage, 200, creel_models_lines_get_type (manage->lines, FALSE), line);
      return;
    }
  begin_lines (manage);
  write_line (manage, line);
  if (manage->chunked)
    creel_endpoint_write (manage->client, "0\r\n\r\n", 5);
  creel_endpoint_flush (manage->client);
}

static guint
tell (CreelModelsManage *manage)
{
  static const char json[] = "application/json";
  gboolean docker = manage->form == CREEL_MODELS_FORM_DOCKER;
  guint status = 200;

  switch (manage->operation)
    {
    case CREEL_MODELS_TAG:
      status = docker ? 201 : 200;
      answer (manage, status, docker ? json : NULL, docker ? creel_models_answer_tagged (&manage->order) : NULL);
      return status;
    case CREEL_MODELS_REMOVE:
      answer (manage, status, docker ? json : NULL, docker ? g_steal_pointer (&manage->removed) : NULL);
      return status;
    case CREEL_MODELS_UNLOAD:
      answer (manage, status, json, creel_models_answer_unloaded (manage->unloaded));
      return status;
    case CREEL_MODELS_CONFIGURE:
      status = 202;
      answer (manage, status, NULL, NULL);
      return status;
    default:
      end_lines (manage, NULL);
      return status;
    }
}

static void
finish (CreelModelsManage *manage, guint status)
{
  manage->done_is_said = TRUE;
  manage->done (status, manage->reply.keep, manage->user_data);
}

static void
on_known (gpointer owner)
{
  CreelModelsManage *manage = owner;

  finish (manage, tell (manage));
}

static void
on_ended (const GError *error, gpointer user_data)
{
  CreelModelsManage *manage = user_data;
  guint status;

  manage->errand = NULL;
  if (manage->operation == CREEL_MODELS_UNLOAD && g_error_matches (error, CREEL_ERROR, CREEL_ERROR_NOT_RUNNING))
    error = NULL;
  else if (manage->operation == CREEL_MODELS_UNLOAD && manage->order.model != NULL && error == NULL)
    manage->unloaded++;
  if (error == NULL && manage->next < manage->order.calls->len)
    {
      begin_next (manage);
      return;
    }
  /* what the client asks next is answered with what there is now */
  if (error == NULL)
    {
      creel_models_runner_ask (manage->front->runner, on_known, manage);
      return;
    }
  status = get_status (error);
  if (manage->begun)
    end_lines (manage, error->message);
  else
    creel_models_reply_write_error (&manage->reply, manage->client, manage->form, status, error->message);
  finish (manage, status);
}

static void
begin_next (CreelModelsManage *manage)
{
  static const CreelModelsErrandFuncs funcs = { on_progress, on_ended };

  manage->errand = creel_models_errands_begin (creel_models_runner_get_errands (manage->front->runner), manage->uid, manage->order.method,
                                               manage->order.calls->pdata[manage->next++], &funcs, manage);
}

CreelModelsManage *
creel_models_manage_new (CreelModelsFront *front, CreelEndpoint *client, CreelModelsForm form, CreelModelsOperation operation, CreelModelsOrder *order,
                         uid_t uid, const CreelModelsReply *reply, const char *accept, void (*done) (guint status, gboolean keep, gpointer user_data),
                         gpointer user_data)
{
  CreelModelsManage *manage = g_new0 (CreelModelsManage, 1);
  CreelModelsCatalog *catalog = creel_models_runner_get_catalog (front->runner);

  manage->front = front;
  manage->client = creel_endpoint_ref (client);
  manage->form = form;
  manage->operation = operation;
  manage->order = *order;
  *order = (CreelModelsOrder){ 0 };
  manage->uid = uid;
  manage->reply = *reply;
  manage->lines = creel_models_lines_choose (form, accept);
  manage->done = done;
  manage->user_data = user_data;
  /* what it is now, nobody knows then */
  if (operation == CREEL_MODELS_REMOVE)
    manage->removed = creel_models_answer_removed (&manage->order, catalog != NULL ? creel_models_catalog_find (catalog, manage->order.model) : NULL);
  if (operation == CREEL_MODELS_UNLOAD && manage->order.model == NULL)
    {
      g_autoptr (GArray) loaded = creel_models_runner_list_loaded (front->runner);

      manage->unloaded = loaded->len;
    }
  begin_next (manage);
  return manage;
}

void
creel_models_manage_free (CreelModelsManage *manage)
{
  if (manage == NULL)
    return;
  if (manage->errand != NULL)
    creel_models_errands_cancel (creel_models_runner_get_errands (manage->front->runner), manage->errand);
  creel_models_runner_forget (manage->front->runner, manage);
  creel_models_order_clear (&manage->order);
  creel_endpoint_unref (manage->client);
  g_free (manage->removed);
  g_free (manage);
}

guint64
creel_models_manage_get_moved (CreelModelsManage *manage)
{
  return manage->moved;
}

gboolean
creel_models_manage_is_done (CreelModelsManage *manage)
{
  return manage->done_is_said;
}
