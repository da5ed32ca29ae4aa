/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-call.h"
#include "creel-definition.h"
#include "creel-engine-flags.h"
#include "creel-engine-search.h"
#include "creel-engines.h"
#include "creel-error.h"
#include "creel-model-store.h"

/* The interface Engines, for the front of the model runner: the dispatcher lets nobody else in. */

static void
answer (gpointer user_data, const GError *error)
{
  CreelCall *call = user_data;

  if (error != NULL)
    creel_call_fail (call, error);
  else
    creel_call_return (call, NULL);
}

/* Whoever calls hears the signals from then on. */
static void
begin (CreelCall *call, CreelEngineReadyFunc next)
{
  if (creel_callers_is_known (call->daemon->callers, call->sender))
    creel_engines_add_client (call->daemon->engines, call->sender);
  creel_engines_when_ready (call->daemon->engines, next, call);
}

static gboolean
check_id (CreelCall *call, GError **error)
{
  const char *id;

  g_variant_get_child (call->parameters, 0, "&s", &id);
  if (creel_image_id_is_valid (id))
    return TRUE;
  g_set_error_literal (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS, "This is not the id of a model");
  return FALSE;
}

static gboolean
prepare_start (CreelCall *call, GStrvBuilder *actions, GError **error)
{
  static const char *const known[] = { "memory-max:t", "context-size:t", "flags:as", NULL };
  g_autoptr (GVariant) options = g_variant_get_child_value (call->parameters, 1);
  g_autoptr (GVariant) value = g_variant_lookup_value (options, "flags", G_VARIANT_TYPE ("as"));
  g_autofree const char **flags = value != NULL ? g_variant_get_strv (value, NULL) : NULL;
  guint64 context_size = 0;

  if (!check_id (call, error) || !creel_options_check (options, known, error) || (flags != NULL && !creel_engine_flags_check (flags, error)))
    return FALSE;
  g_variant_lookup (options, "context-size", "t", &context_size);
  if (context_size <= CREEL_ENGINE_MAX_CONTEXT)
    return TRUE;
  g_set_error (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS, "A context has at most %" G_GUINT64_FORMAT " tokens", CREEL_ENGINE_MAX_CONTEXT);
  return FALSE;
}

static void
start (gpointer user_data)
{
  CreelCall *call = user_data;
  g_autoptr (GVariant) options = g_variant_get_child_value (call->parameters, 1);
  g_autoptr (GVariant) value = g_variant_lookup_value (options, "flags", G_VARIANT_TYPE ("as"));
  g_autofree const char **flags = value != NULL ? g_variant_get_strv (value, NULL) : NULL;
  g_autoptr (CreelModelConfig) config = NULL;
  g_autofree char *engine = NULL;
  g_autofree char *alias = NULL;
  g_autoptr (GError) error = NULL;
  CreelEngineStart order = { .flags = flags };
  const char *id;

  g_variant_get_child (call->parameters, 0, "&s", &id);
  g_variant_lookup (options, "memory-max", "t", &order.memory_max);
  g_variant_lookup (options, "context-size", "t", &order.context_size);
  config = creel_model_config_load (id, &error);
  if (g_error_matches (error, CREEL_ERROR, CREEL_ERROR_NO_SUCH_IMAGE))
    error->code = CREEL_ERROR_NO_SUCH_MODEL;
  engine = config != NULL ? creel_engine_find (&error) : NULL;
  if (engine == NULL)
    {
      creel_call_fail (call, error);
      return;
    }
  alias = creel_model_store_name_of (id);
  order.config = config;
  order.engine = engine;
  order.alias = alias;
  creel_engines_start (call->daemon->engines, &order, answer, call);
}

static void
handle_start (CreelCall *call)
{
  begin (call, start);
}

static gboolean
prepare_stop (CreelCall *call, GStrvBuilder *actions, GError **error)
{
  return check_id (call, error);
}

static void
stop (gpointer user_data)
{
  CreelCall *call = user_data;
  const char *id;

  g_variant_get_child (call->parameters, 0, "&s", &id);
  creel_engines_stop (call->daemon->engines, id, answer, call);
}

static void
handle_stop (CreelCall *call)
{
  begin (call, stop);
}

static void
listed (GPtrArray *engines, gpointer user_data)
{
  CreelCall *call = user_data;
  GVariantBuilder b;

  g_variant_builder_init (&b, G_VARIANT_TYPE ("aa{sv}"));
  for (guint i = 0; i < engines->len; i++)
    {
      const CreelEngine *engine = engines->pdata[i];

      g_variant_builder_open (&b, G_VARIANT_TYPE ("a{sv}"));
      g_variant_builder_add (&b, "{sv}", "id", g_variant_new_string (engine->id));
      g_variant_builder_add (&b, "{sv}", "unit", g_variant_new_string (engine->unit));
      g_variant_builder_add (&b, "{sv}", "state", g_variant_new_string (engine->state));
      g_variant_builder_add (&b, "{sv}", "memory", g_variant_new_uint64 (engine->memory));
      g_variant_builder_add (&b, "{sv}", "memory-max", g_variant_new_uint64 (engine->memory_max));
      g_variant_builder_add (&b, "{sv}", "context-size", g_variant_new_uint64 (engine->context_size));
      g_variant_builder_close (&b);
    }
  creel_call_return (call, g_variant_new ("(aa{sv})", &b));
}

static void
list (gpointer user_data)
{
  CreelCall *call = user_data;

  creel_engines_list (call->daemon->engines, listed, call);
}

static void
handle_list (CreelCall *call)
{
  begin (call, list);
}

static gboolean
prepare_report (CreelCall *call, GStrvBuilder *actions, GError **error)
{
  static const char *const known[] = { "expires:t", "busy:u", NULL };
  g_autoptr (GVariant) options = g_variant_get_child_value (call->parameters, 1);

  return check_id (call, error) && creel_options_check (options, known, error);
}

static void
report (gpointer user_data)
{
  CreelCall *call = user_data;
  g_autoptr (GVariant) options = g_variant_get_child_value (call->parameters, 1);
  g_autoptr (GError) error = NULL;
  gboolean has_expires, has_busy;
  const char *id;
  guint64 expires;
  guint32 busy;

  g_variant_get_child (call->parameters, 0, "&s", &id);
  has_expires = g_variant_lookup (options, "expires", "t", &expires);
  has_busy = g_variant_lookup (options, "busy", "u", &busy);
  creel_engines_report (call->daemon->engines, id, has_expires ? &expires : NULL, has_busy ? &busy : NULL, &error);
  answer (call, error);
}

static void
handle_report (CreelCall *call)
{
  begin (call, report);
}

const CreelMethod creel_engine_methods[] = {
  { "Engines", "StartEngine", prepare_start, handle_start },
  { "Engines", "StopEngine", prepare_stop, handle_stop },
  { "Engines", "ListEngines", NULL, handle_list },
  { "Engines", "ReportEngine", prepare_report, handle_report },
  { NULL }
};
