/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-models-answer.h"

#include <string.h>

#include "creel-config.h"
#include "creel-models-json.h"

static void
set_time (JsonObject *object, const char *name, gint64 usec)
{
  g_autoptr (GDateTime) time = g_date_time_new_from_unix_utc (usec / G_USEC_PER_SEC);
  g_autofree char *text = time != NULL ? g_date_time_format (time, "%Y-%m-%dT%H:%M:%SZ") : NULL;

  json_object_set_string_member (object, name, text != NULL ? text : "");
}

static char *
format_array (JsonArray *array)
{
  g_autoptr (JsonNode) node = json_node_new (JSON_NODE_ARRAY);

  json_node_take_array (node, array);
  return json_to_string (node, FALSE);
}

/* "sha256:...": how others write what is "sha256-..." here */
static char *
get_digest (const CreelModelsModel *model)
{
  return g_strconcat ("sha256:", model->id + strlen ("sha256-"), NULL);
}

/* 8.0G is 8 GiB in none of these APIs */
static char *
format_size (guint64 size)
{
  return g_format_size_full (size, G_FORMAT_SIZE_IEC_UNITS);
}

static JsonObject *
make_openai (const CreelModelsModel *model)
{
  JsonObject *object = json_object_new ();

  json_object_set_string_member (object, "id", model->name);
  json_object_set_string_member (object, "object", "model");
  json_object_set_int_member (object, "created", model->created / G_USEC_PER_SEC);
  json_object_set_string_member (object, "owned_by", "creel");
  return object;
}

static JsonObject *
make_docker (const CreelModelsModel *model)
{
  JsonObject *object = json_object_new (), *config = json_object_new ();
  JsonArray *tags = json_array_new ();
  g_autofree char *digest = get_digest (model), *size = format_size (model->size);

  for (char **name = model->references; *name != NULL; name++)
    json_array_add_string_element (tags, *name);
  json_object_set_string_member (object, "id", digest);
  json_object_set_array_member (object, "tags", tags);
  json_object_set_int_member (object, "created", model->created / G_USEC_PER_SEC);
  json_object_set_string_member (config, "format", model->format);
  json_object_set_string_member (config, "quantization", model->quantization);
  json_object_set_string_member (config, "parameters", model->parameters);
  json_object_set_string_member (config, "architecture", model->architecture);
  json_object_set_string_member (config, "size", size);
  if (model->context_size > 0)
    json_object_set_int_member (config, "context_size", (gint64) model->context_size);
  json_object_set_object_member (object, "config", config);
  return object;
}

static JsonObject *
make_ollama_details (const CreelModelsModel *model)
{
  JsonObject *details = json_object_new ();
  JsonArray *families = json_array_new ();

  json_array_add_string_element (families, model->architecture);
  json_object_set_string_member (details, "parent_model", "");
  json_object_set_string_member (details, "format", model->format);
  json_object_set_string_member (details, "family", model->architecture);
  json_object_set_array_member (details, "families", families);
  json_object_set_string_member (details, "parameter_size", model->parameters);
  json_object_set_string_member (details, "quantization_level", model->quantization);
  return details;
}

static JsonObject *
make_ollama (const CreelModelsModel *model)
{
  JsonObject *object = json_object_new ();

  json_object_set_string_member (object, "name", model->name);
  json_object_set_string_member (object, "model", model->name);
  json_object_set_string_member (object, "digest", model->id + strlen ("sha256-"));
  json_object_set_int_member (object, "size", (gint64) model->size);
  json_object_set_object_member (object, "details", make_ollama_details (model));
  return object;
}

char *
creel_models_answer_list (CreelModelsForm form, CreelModelsCatalog *catalog)
{
  const GPtrArray *models = creel_models_catalog_get_models (catalog);
  JsonArray *list = json_array_new ();
  JsonObject *object;

  for (guint i = 0; i < models->len; i++)
    {
      const CreelModelsModel *model = models->pdata[i];

      object = form == CREEL_MODELS_FORM_DOCKER ? make_docker (model) : form == CREEL_MODELS_FORM_OLLAMA ? make_ollama (model) : make_openai (model);
      if (form == CREEL_MODELS_FORM_OLLAMA)
        set_time (object, "modified_at", model->created);
      json_array_add_object_element (list, object);
    }
  if (form == CREEL_MODELS_FORM_DOCKER)
    return format_array (list);
  object = json_object_new ();
  if (form != CREEL_MODELS_FORM_OLLAMA)
    json_object_set_string_member (object, "object", "list");
  json_object_set_array_member (object, form == CREEL_MODELS_FORM_OLLAMA ? "models" : "data", list);
  return creel_models_json_format (object);
}

static JsonObject *
show_ollama (const CreelModelsModel *model)
{
  JsonObject *object = json_object_new (), *info = json_object_new ();
  JsonArray *abilities = json_array_new ();
  g_autofree char *context = g_strconcat (model->architecture, ".context_length", NULL);

  json_array_add_string_element (abilities, model->embedding ? "embedding" : "completion");
  if (model->chat_template && !model->embedding)
    json_array_add_string_element (abilities, "tools");
  json_object_set_string_member (info, "general.architecture", model->architecture);
  json_object_set_int_member (info, context, (gint64) model->context_length);
  set_time (object, "modified_at", model->created);
  json_object_set_object_member (object, "details", make_ollama_details (model));
  json_object_set_object_member (object, "model_info", info);
  json_object_set_array_member (object, "capabilities", abilities);
  return object;
}

char *
creel_models_answer_show (CreelModelsForm form, const CreelModelsModel *model)
{
  return creel_models_json_format (form == CREEL_MODELS_FORM_DOCKER   ? make_docker (model)
                                   : form == CREEL_MODELS_FORM_OLLAMA ? show_ollama (model)
                                                                      : make_openai (model));
}

char *
creel_models_answer_loaded (CreelModelsForm form, GArray *loaded)
{
  JsonArray *list = json_array_new ();
  JsonObject *object;

  for (guint i = 0; i < loaded->len; i++)
    {
      const CreelModelsLoaded *one = &g_array_index (loaded, CreelModelsLoaded, i);

      if (form == CREEL_MODELS_FORM_DOCKER)
        {
          object = json_object_new ();
          json_object_set_string_member (object, "backend_name", "llama.cpp");
          json_object_set_string_member (object, "model_name", one->model->name);
          json_object_set_string_member (object, "mode", one->model->embedding ? "embedding" : "completion");
          json_object_set_boolean_member (object, "loading", !one->ready);
          json_object_set_boolean_member (object, "in_use", one->users > 0);
        }
      else
        {
          object = make_ollama (one->model);
          json_object_set_int_member (object, "size_vram", 0);
          json_object_set_int_member (object, "context_length", (gint64) one->context);
        }
      /* 0: while it is used nobody knows */
      set_time (object, "expires_at", one->expires == 0 ? g_get_real_time () + one->model->keep_alive
                                      : one->expires > G_MAXINT64 ? G_GINT64_CONSTANT (253402300799) * G_USEC_PER_SEC
                                                                  : (gint64) one->expires);
      json_array_add_object_element (list, object);
    }
  if (form == CREEL_MODELS_FORM_DOCKER)
    return format_array (list);
  object = json_object_new ();
  json_object_set_array_member (object, "models", list);
  return creel_models_json_format (object);
}

char *
creel_models_answer_disk (CreelModelsCatalog *catalog)
{
  const GPtrArray *models = creel_models_catalog_get_models (catalog);
  JsonObject *object = json_object_new ();
  guint64 sum = 0;

  for (guint i = 0; i < models->len; i++)
    sum += ((CreelModelsModel *) models->pdata[i])->size;
  json_object_set_int_member (object, "models_disk_usage", (gint64) MIN (sum, G_MAXINT64));
  json_object_set_int_member (object, "default_backend_disk_usage", 0);
  return creel_models_json_format (object);
}

char *
creel_models_answer_status (GArray *loaded)
{
  JsonObject *object = json_object_new ();
  g_autofree char *text = g_strdup_printf ("running, %u models loaded", loaded->len);

  json_object_set_string_member (object, "llama.cpp", text);
  return creel_models_json_format (object);
}

char *
creel_models_answer_version (void)
{
  JsonObject *object = json_object_new ();

  json_object_set_string_member (object, "version", CREEL_VERSION);
  return creel_models_json_format (object);
}

static void
add_metric (GString *text, const char *name, const char *type, const char *help, guint64 value)
{
  g_string_append_printf (text, "# HELP creel_models_%s %s\n# TYPE creel_models_%s %s\ncreel_models_%s %" G_GUINT64_FORMAT "\n", name, help, name, type,
                          name, value);
}

char *
creel_models_answer_metrics (const CreelModelsMetrics *metrics)
{
  GString *text = g_string_new ("# HELP creel_models_requests_total Requests that ended, by the class of their status; gone: the client hung up.\n"
                                "# TYPE creel_models_requests_total counter\n");

  for (guint i = 1; i < G_N_ELEMENTS (metrics->requests); i++)
    g_string_append_printf (text, "creel_models_requests_total{status=\"%uxx\"} %" G_GUINT64_FORMAT "\n", i, metrics->requests[i]);
  g_string_append_printf (text, "creel_models_requests_total{status=\"gone\"} %" G_GUINT64_FORMAT "\n", metrics->requests[0]);
  add_metric (text, "received_bytes_total", "counter", "Bytes of clients.", metrics->bytes_in);
  add_metric (text, "sent_bytes_total", "counter", "Bytes to clients.", metrics->bytes_out);
  add_metric (text, "loads_total", "counter", "Models that were loaded.", metrics->runner.loads);
  add_metric (text, "engine_failures_total", "counter", "Engines that ended by themselves.", metrics->runner.crashes);
  add_metric (text, "loaded", "gauge", "Models that are loaded or being loaded.", metrics->loaded);
  add_metric (text, "waiting", "gauge", "Requests that wait for their model.", metrics->runner.waiting);
  add_metric (text, "lost_entries_total", "counter", "Entries that the journal did not take.", metrics->lost);
  add_metric (text, "connections", "gauge", "Connections of clients.", metrics->connections);
  return g_string_free (text, FALSE);
}
