/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-models-engines.h"

#include <string.h>

#include "creel-error.h"
#include "creel-models-probe.h"
#include "creel-names.h"

#define MODELS CREEL_BUS_NAME ".Models"
#define ENGINES CREEL_BUS_NAME ".Engines"
#define ID_PREFIX "sha256-"
#define HEX_DIGITS 16
#define CALL_MS 60000
/* creeld is restarted in less */
#define RETRY_MS 300
#define RETRIES 10

typedef struct
{
  CreelModelsEngines *engines;
  char *id;
  GVariant *options; /* of StartEngine */
  CreelModelsProbe *probe;
  guint retries, retry;
  guint64 number; /* no other has it */
  guint born;     /* engines->serial when it was added */
  gboolean told; /* ready() was said */
  gboolean stopping;
} Engine;

struct _CreelModelsEngines
{
  GDBusConnection *connection;
  char *bus_name;
  char *directory;
  CreelModelsEnginesFuncs funcs;
  gpointer user_data;
  GHashTable *running; /* id -> Engine: started, or found */
  GVariant *listed;    /* by ListEngines, until the models are known */
  guint64 next;
  guint listed_serial, serial; /* of the question that it answers; of the last question */
  GCancellable *cancellable;
  guint signal_id, watch_id;
  gboolean refreshing, again;
};

typedef struct
{
  CreelModelsEngines *engines;
  guint serial;
} List;

/* A call whose answer belongs to one engine, unless that ended meanwhile */
typedef struct
{
  CreelModelsEngines *engines;
  guint64 number;
  char *id;
} Call;

static void start_engine (Engine *engine);

static void
engine_free (gpointer data)
{
  Engine *engine = data;

  g_clear_handle_id (&engine->retry, g_source_remove);
  creel_models_probe_free (engine->probe);
  g_clear_pointer (&engine->options, g_variant_unref);
  g_free (engine->id);
  g_free (engine);
}

static Engine *
add_engine (CreelModelsEngines *engines, const char *id)
{
  Engine *engine = g_new0 (Engine, 1);

  engine->engines = engines;
  engine->id = g_strdup (id);
  engine->number = engines->next++;
  engine->born = engines->serial;
  g_hash_table_replace (engines->running, engine->id, engine);
  return engine;
}

static void
call (CreelModelsEngines *engines, const char *interface, const char *method, GVariant *parameters, const char *type,
      GAsyncReadyCallback callback, gpointer user_data)
{
  g_dbus_connection_call (engines->connection, engines->bus_name, CREEL_OBJECT_PATH, interface, method, parameters, G_VARIANT_TYPE (type),
                          G_DBUS_CALL_FLAGS_NONE, CALL_MS, engines->cancellable, callback, user_data);
}

static void
call_of_engine (Engine *engine, const char *method, GVariant *parameters, GAsyncReadyCallback callback)
{
  Call *data = g_new0 (Call, 1);

  data->engines = engine->engines;
  data->number = engine->number;
  data->id = g_strdup (engine->id);
  call (engine->engines, ENGINES, method, parameters, "()", callback, data);
}

/* NULL when it is gone; that of the same name may be another by now */
static Engine *
call_end (Call *data)
{
  Engine *engine = g_hash_table_lookup (data->engines->running, data->id);
  Engine *same = engine != NULL && engine->number == data->number ? engine : NULL;

  g_free (data->id);
  g_free (data);
  return same;
}

/* The one way in which an engine goes */
static void
remove_engine (CreelModelsEngines *engines, const char *id, CreelModelsStopped how, const char *text)
{
  g_autofree char *copy = g_strdup (id);

  if (g_hash_table_remove (engines->running, copy))
    engines->funcs.stopped (copy, how, text, engines->user_data);
}

/* creeld is being restarted: what it was asked it does not know any more */
static gboolean
is_passing (const GError *error)
{
  return g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_NO_REPLY) || g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_DISCONNECTED) ||
         g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_NAME_HAS_NO_OWNER) ||
         /* it may have been done all the same, which the next answer says */
         g_error_matches (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT);
}

static char *
explain (GError *error)
{
  gboolean ours = g_dbus_error_is_remote_error (error) && error->domain == CREEL_ERROR;

  g_dbus_error_strip_remote_error (error);
  return ours ? g_strdup (error->message) : g_strdup_printf ("creeld, which keeps the models, does not answer: %s", error->message);
}

static void
on_probed (gpointer user_data)
{
  Engine *engine = user_data;

  engine->told = TRUE;
  engine->engines->funcs.ready (engine->id, engine->engines->user_data);
}

static gboolean
on_retry (gpointer user_data)
{
  Engine *engine = user_data;

  engine->retry = 0;
  start_engine (engine);
  return G_SOURCE_REMOVE;
}

static void
on_started (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);
  gboolean cancelled = g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  Call *data = user_data;
  g_autofree char *path = NULL, *text = NULL;
  Engine *engine;

  if (cancelled)
    {
      g_free (data->id);
      g_free (data);
      return;
    }
  engine = call_end (data);
  if (engine == NULL || engine->stopping)
    return;
  /* it may run already: this front's last life, or the first try */
  if (reply != NULL || g_error_matches (error, CREEL_ERROR, CREEL_ERROR_RUNNING))
    {
      path = creel_models_engines_get_socket (engine->engines, engine->id);
      engine->probe = creel_models_probe_new (path, on_probed, engine);
      return;
    }
  if (is_passing (error) && engine->retries++ < RETRIES)
    {
      engine->retry = g_timeout_add (RETRY_MS, on_retry, engine);
      return;
    }
  text = explain (error);
  remove_engine (engine->engines, engine->id,
                 error->domain != CREEL_ERROR || error->code == CREEL_ERROR_NO_ENGINE ? CREEL_MODELS_STOPPED_MISSING : CREEL_MODELS_STOPPED_CRASH, text);
}

static void
start_engine (Engine *engine)
{
  call_of_engine (engine, "StartEngine", g_variant_new ("(s@a{sv})", engine->id, engine->options), on_started);
}

void
creel_models_engines_start (CreelModelsEngines *engines, const char *id, guint64 memory_max, guint64 context, char **flags)
{
  Engine *engine = add_engine (engines, id);
  g_auto (GVariantDict) options = G_VARIANT_DICT_INIT (NULL);

  g_variant_dict_insert (&options, "memory-max", "t", memory_max);
  if (context > 0)
    g_variant_dict_insert (&options, "context-size", "t", context);
  if (flags != NULL && flags[0] != NULL)
    g_variant_dict_insert (&options, "flags", "^as", flags);
  engine->options = g_variant_ref_sink (g_variant_dict_end (&options));
  start_engine (engine);
}

static void
on_stopped (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);
  Call *data = user_data;
  Engine *engine;

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    {
      g_free (data->id);
      g_free (data);
      return;
    }
  engine = call_end (data);
  /* The signal comes first. When creeld is being restarted, the list that is asked for then knows. */
  if (engine != NULL && !is_passing (error))
    remove_engine (engine->engines, engine->id, CREEL_MODELS_STOPPED, "The model was unloaded");
}

void
creel_models_engines_stop (CreelModelsEngines *engines, const char *id)
{
  Engine *engine = g_hash_table_lookup (engines->running, id);

  if (engine == NULL)
    engine = add_engine (engines, id);
  engine->stopping = TRUE;
  g_clear_pointer (&engine->probe, creel_models_probe_free);
  g_clear_handle_id (&engine->retry, g_source_remove);
  call_of_engine (engine, "StopEngine", g_variant_new ("(s)", id), on_stopped);
}

void
creel_models_engines_report (CreelModelsEngines *engines, const char *id, guint64 expires, guint busy)
{
  g_auto (GVariantDict) options = G_VARIANT_DICT_INIT (NULL);

  g_variant_dict_insert (&options, "expires", "t", expires);
  g_variant_dict_insert (&options, "busy", "u", busy);
  g_dbus_connection_call (engines->connection, engines->bus_name, CREEL_OBJECT_PATH, ENGINES, "ReportEngine",
                          g_variant_new ("(s@a{sv})", id, g_variant_dict_end (&options)), NULL, G_DBUS_CALL_FLAGS_NO_AUTO_START, -1, NULL, NULL, NULL);
}

/* What runs there against what is known here, when creeld is new or this front is */
static void
compare (CreelModelsEngines *engines, GVariant *listed)
{
  g_autoptr (GHashTable) there = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr (GList) known = NULL;
  GVariantIter iter;
  GVariant *dict;

  g_variant_iter_init (&iter, listed);
  while ((dict = g_variant_iter_next_value (&iter)) != NULL)
    {
      g_autoptr (GVariant) owned = dict;
      const char *id = "", *state = "";
      guint64 context = 0;
      Engine *engine;

      g_variant_lookup (dict, "id", "&s", &id);
      g_variant_lookup (dict, "state", "&s", &state);
      g_variant_lookup (dict, "context-size", "t", &context);
      g_hash_table_add (there, g_strdup (id));
      if (!g_str_has_prefix (id, ID_PREFIX) || g_str_equal (state, "stopping"))
        continue;
      engine = g_hash_table_lookup (engines->running, id);
      if (engine != NULL)
        {
          /* the creeld that was told to is gone */
          if (engine->stopping)
            creel_models_engines_stop (engines, id);
          continue;
        }
      engine = add_engine (engines, id);
      if (engines->funcs.found (id, context, engines->user_data))
        {
          g_autofree char *path = creel_models_engines_get_socket (engines, id);

          engine->probe = creel_models_probe_new (path, on_probed, engine);
        }
      else
        creel_models_engines_stop (engines, id);
    }
  known = g_hash_table_get_values (engines->running);
  for (GList *link = known; link != NULL; link = link->next)
    {
      Engine *engine = link->data;

      /* one whose start was asked for after this question is not in the answer */
      if (engine->born < engines->listed_serial && !g_hash_table_contains (there, engine->id) &&
          (engine->told || engine->stopping || engine->probe != NULL))
        remove_engine (engines, engine->id, engine->stopping ? CREEL_MODELS_STOPPED : CREEL_MODELS_STOPPED_CRASH, "The engine ended");
    }
}

static void ask_for_models (CreelModelsEngines *engines);

static void
on_models (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);
  g_autoptr (GVariant) models = NULL, listed = NULL;
  g_autofree char *text = NULL;
  CreelModelsEngines *engines = user_data;

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return;
  engines->refreshing = FALSE;
  if (reply != NULL)
    models = g_variant_get_child_value (reply, 0);
  else
    text = explain (error);
  engines->funcs.models (models, text, engines->user_data);
  if (models != NULL && engines->listed != NULL)
    {
      listed = g_steal_pointer (&engines->listed);
      compare (engines, listed);
    }
  if (engines->again)
    ask_for_models (engines);
}

static void
ask_for_models (CreelModelsEngines *engines)
{
  /* an answer that is on its way may be older than what was just asked for */
  engines->again = engines->refreshing;
  if (engines->refreshing)
    return;
  engines->refreshing = TRUE;
  call (engines, MODELS, "ListModels", g_variant_new ("(a{sv})", NULL), "(aa{sv})", on_models, engines);
}

void
creel_models_engines_refresh (CreelModelsEngines *engines)
{
  if (!engines->refreshing)
    ask_for_models (engines);
}

static void
on_listed (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);
  g_autofree List *list = user_data;
  CreelModelsEngines *engines = list->engines;

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return;
  g_clear_pointer (&engines->listed, g_variant_unref);
  engines->listed_serial = list->serial;
  if (reply != NULL)
    engines->listed = g_variant_get_child_value (reply, 0);
  else
    g_info ("Engines.ListEngines: %s", error->message);
  ask_for_models (engines);
}

/* A creeld that has not heard of this front tells it nothing: this call is how it hears. */
static void
resync (CreelModelsEngines *engines)
{
  List *list = g_new0 (List, 1);

  list->engines = engines;
  list->serial = ++engines->serial;
  call (engines, ENGINES, "ListEngines", NULL, "(aa{sv})", on_listed, list);
}

static void
on_signal (GDBusConnection *connection, const char *sender, const char *path, const char *interface, const char *name, GVariant *parameters,
           gpointer user_data)
{
  CreelModelsEngines *engines = user_data;
  const char *id, *result, *text;
  Engine *engine;

  if (g_str_equal (name, "ModelsChanged"))
    ask_for_models (engines);
  else if (g_str_equal (name, "EngineStopped") && g_variant_is_of_type (parameters, G_VARIANT_TYPE ("(sss)")))
    {
      g_variant_get (parameters, "(&s&s&s)", &id, &result, &text);
      engine = g_hash_table_lookup (engines->running, id);
      if (engine != NULL)
        remove_engine (engines, id, engine->stopping || (engine->told && g_str_equal (result, "success")) ? CREEL_MODELS_STOPPED : CREEL_MODELS_STOPPED_CRASH,
                       *text != '\0' ? text : "The engine ended");
    }
}

static void
on_appeared (GDBusConnection *connection, const char *name, const char *owner, gpointer user_data)
{
  resync (user_data);
}

CreelModelsEngines *
creel_models_engines_new (GDBusConnection *connection, const char *bus_name, const char *directory, const CreelModelsEnginesFuncs *funcs,
                          gpointer user_data)
{
  CreelModelsEngines *engines = g_new0 (CreelModelsEngines, 1);

  /* registers the names of errors */
  (void) CREEL_ERROR;
  engines->connection = g_object_ref (connection);
  engines->bus_name = g_strdup (bus_name);
  engines->directory = g_strdup (directory);
  engines->funcs = *funcs;
  engines->user_data = user_data;
  engines->running = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, engine_free);
  engines->cancellable = g_cancellable_new ();
  engines->signal_id = g_dbus_connection_signal_subscribe (connection, bus_name, ENGINES, NULL, CREEL_OBJECT_PATH, NULL,
                                                           G_DBUS_SIGNAL_FLAGS_NONE, on_signal, engines, NULL);
  if (bus_name != NULL)
    engines->watch_id = g_bus_watch_name_on_connection (connection, bus_name, G_BUS_NAME_WATCHER_FLAGS_AUTO_START, on_appeared, NULL, engines, NULL);
  else
    resync (engines);
  return engines;
}

void
creel_models_engines_free (CreelModelsEngines *engines)
{
  if (engines == NULL)
    return;
  g_cancellable_cancel (engines->cancellable);
  g_clear_handle_id (&engines->watch_id, g_bus_unwatch_name);
  g_dbus_connection_signal_unsubscribe (engines->connection, engines->signal_id);
  g_hash_table_unref (engines->running);
  g_clear_pointer (&engines->listed, g_variant_unref);
  g_object_unref (engines->connection);
  g_object_unref (engines->cancellable);
  g_free (engines->bus_name);
  g_free (engines->directory);
  g_free (engines);
}

static char *
get_hex (const char *id)
{
  return g_strndup (g_str_has_prefix (id, ID_PREFIX) ? id + strlen (ID_PREFIX) : id, HEX_DIGITS);
}

char *
creel_models_engines_get_socket (CreelModelsEngines *engines, const char *id)
{
  g_autofree char *hex = get_hex (id);

  return g_build_filename (engines->directory, hex, "engine.sock", NULL);
}

char *
creel_models_engines_get_unit (const char *id)
{
  g_autofree char *hex = get_hex (id);

  return g_strdup_printf (CREEL_ENGINE_UNIT_PREFIX "%s.service", hex);
}
