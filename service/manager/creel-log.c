/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The bus face of creel-log-reader. */
#include "creel-log-reader.h"

#include <string.h>

#include "creel-call.h"
#include "creel-error.h"
#include "creel-sandbox.h"

/* Each is a thread for a moment */
#define MAX_READERS_PER_USER 8

typedef struct
{
  char *name;
  CreelLogKind kind;
  gint64 since;
  char *cursor;
  guint limit;
} Read;

static GHashTable *readers; /* uid -> how many read; what a user may keep busy */

static guint
count_reader (uid_t uid, int change)
{
  gpointer key = GUINT_TO_POINTER (uid);
  guint n;

  if (readers == NULL)
    readers = g_hash_table_new (NULL, NULL);
  n = GPOINTER_TO_UINT (g_hash_table_lookup (readers, key)) + change;
  if (n == 0)
    g_hash_table_remove (readers, key);
  else
    g_hash_table_insert (readers, key, GUINT_TO_POINTER (n));
  return n;
}

static void
read_free (gpointer data)
{
  Read *request = data;

  g_free (request->name);
  g_free (request->cursor);
  g_free (request);
}

static void
run (GTask *task, gpointer source, gpointer task_data, GCancellable *cancellable)
{
  Read *request = task_data;
  g_autoptr (GError) error = NULL;
  GVariant *answer = creel_log_read (g_getenv ("CREEL_JOURNAL"), request->name, request->kind, request->since, request->cursor,
                                     request->limit, &error);

  if (answer != NULL)
    g_task_return_pointer (task, g_variant_ref_sink (answer), (GDestroyNotify) g_variant_unref);
  else
    g_task_return_error (task, g_steal_pointer (&error));
}

/* When it was made; of a definition that is broken, what creeld wrote itself. A name without that date may have been another's
 * before: its log is for root alone. */
static gint64
get_created (CreelSandbox *sandbox)
{
  const CreelDefinition *definition = creel_sandbox_get_definition (sandbox, NULL);
  g_autoptr (CreelDefinition) own = NULL;

  if (definition == NULL)
    definition = own = creel_definition_load_own (creel_sandbox_get_name (sandbox), NULL);
  if (definition != NULL && definition->created > 0)
    return definition->created;
  return creel_sandbox_get_owner (sandbox) == 0 ? 0 : G_MAXINT64;
}

static void
on_read (GObject *source, GAsyncResult *result, gpointer user_data)
{
  CreelCall *call = user_data;
  Read *request = g_task_get_task_data (G_TASK (result));
  CreelSandbox *sandbox = g_hash_table_lookup (call->daemon->sandboxes, call->node);
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) answer = g_task_propagate_pointer (G_TASK (result), &error);

  count_reader (call->uid, -1);
  if (answer == NULL)
    creel_call_fail (call, error);
  /* removed, and perhaps made again by somebody else, while it was read */
  else if (sandbox == NULL || get_created (sandbox) != request->since)
    creel_call_fail_new (call, CREEL_ERROR, CREEL_ERROR_NO_SUCH_SANDBOX, "There is no sandbox \"%s\"", call->node);
  else
    creel_call_return (call, answer);
}

static gboolean
prepare_read_log (CreelCall *call, GStrvBuilder *actions, GError **error)
{
  const char *kind, *cursor;
  CreelLogKind unused;
  guint32 limit;

  g_variant_get (call->parameters, "(&s&su)", &kind, &cursor, &limit);
  if (!creel_log_kind_parse (kind, &unused))
    g_set_error (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS, "kind must be \"network\" or \"life\"");
  else if (!creel_log_cursor_is_valid (cursor))
    g_set_error (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS, "This cursor did not come from ReadLog");
  else if (limit > CREEL_LOG_MAX_ENTRIES)
    g_set_error (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS, "limit must be at most %d", CREEL_LOG_MAX_ENTRIES);
  else
    return TRUE;
  return FALSE;
}

/* NULL: too many, and the call is answered. */
static Read *
begin_read (CreelCall *call, CreelLogKind kind, const char *cursor, guint32 limit)
{
  Read *request;

  if (count_reader (call->uid, 1) > MAX_READERS_PER_USER)
    {
      count_reader (call->uid, -1);
      creel_call_fail_new (call, CREEL_ERROR, CREEL_ERROR_LIMITS_EXCEEDED, "Too many read the journal for you at this moment; try again");
      return NULL;
    }
  request = g_new0 (Read, 1);
  request->kind = kind;
  request->cursor = g_strdup (cursor);
  request->limit = limit;
  return request;
}

static void
run_read (CreelCall *call, Read *request, GAsyncReadyCallback done)
{
  g_autoptr (GTask) task = g_task_new (NULL, NULL, done, call);

  g_task_set_task_data (task, request, read_free);
  g_task_run_in_thread (task, run);
}

static void
handle_read_log (CreelCall *call)
{
  CreelSandbox *sandbox = creel_call_sandbox (call);
  const char *text, *cursor;
  CreelLogKind kind = CREEL_LOG_LIFE;
  Read *request;
  guint32 limit;

  if (sandbox == NULL)
    return;
  g_variant_get (call->parameters, "(&s&su)", &text, &cursor, &limit);
  creel_log_kind_parse (text, &kind);
  request = begin_read (call, kind, cursor, limit);
  if (request == NULL)
    return;
  request->name = g_strdup (call->node);
  request->since = get_created (sandbox);
  run_read (call, request, on_read);
}

static gboolean
prepare_read_models (CreelCall *call, GStrvBuilder *actions, GError **error)
{
  const char *cursor;
  guint32 limit;

  g_variant_get (call->parameters, "(&su)", &cursor, &limit);
  if (!creel_log_cursor_is_valid (cursor))
    g_set_error (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS, "This cursor did not come from ReadLog");
  else if (limit > CREEL_LOG_MAX_ENTRIES)
    g_set_error (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS, "limit must be at most %d", CREEL_LOG_MAX_ENTRIES);
  else
    return TRUE;
  return FALSE;
}

static void
on_models_read (GObject *source, GAsyncResult *result, gpointer user_data)
{
  CreelCall *call = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) answer = g_task_propagate_pointer (G_TASK (result), &error);

  count_reader (call->uid, -1);
  if (answer == NULL)
    creel_call_fail (call, error);
  else
    creel_call_return (call, answer);
}

static void
handle_read_models (CreelCall *call)
{
  const char *cursor;
  Read *request;
  guint32 limit;

  g_variant_get (call->parameters, "(&su)", &cursor, &limit);
  request = begin_read (call, CREEL_LOG_MODELS, cursor, limit);
  if (request != NULL)
    run_read (call, request, on_models_read);
}

const CreelMethod creel_log_methods[] = {
  { "Models", "ReadLog", prepare_read_models, handle_read_models },
  { "Sandbox", "ReadLog", prepare_read_log, handle_read_log },
  { NULL }
};
