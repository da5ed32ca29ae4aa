/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-models-api.h"

#include <json-glib/json-glib.h>
#include <string.h>

#include "creel-host.h"
#include "creel-policy.h"
#include "creel-rule.h"

#define TARGET_MAX 2048

typedef struct
{
  const char *path; /* below a prefix; "*" is a model's name, slashes and all */
  const char *method;
  CreelModelsOperation operation;
  const char *engine_path;
} Entry;

/* under each of openai_prefixes */
static const Entry openai[] = {
  { "/chat/completions", "POST", CREEL_MODELS_RELAY, "/v1/chat/completions" },
  { "/completions", "POST", CREEL_MODELS_RELAY, "/v1/completions" },
  { "/embeddings", "POST", CREEL_MODELS_RELAY, "/v1/embeddings" },
  { "/responses", "POST", CREEL_MODELS_RELAY, "/v1/responses" },
  { "/models", "GET", CREEL_MODELS_LIST, NULL },
  { "/models/*", "GET", CREEL_MODELS_SHOW, NULL },
};
static const char *const openai_prefixes[] = { "/engines/llama.cpp/v1", "/engines/v1", "/v1" };

static const Entry anthropic[] = {
  { "/messages", "POST", CREEL_MODELS_RELAY, "/v1/messages" },
  { "/messages/count_tokens", "POST", CREEL_MODELS_RELAY, "/v1/messages/count_tokens" },
};
static const char *const anthropic_prefixes[] = { "/engines/llama.cpp/v1", "/engines/anthropic/v1", "/engines/v1", "/anthropic/v1", "/v1" };

static const Entry ollama[] = {
  { "/api/chat", "POST", CREEL_MODELS_CHAT, NULL },
  { "/api/generate", "POST", CREEL_MODELS_GENERATE, NULL },
  { "/api/embed", "POST", CREEL_MODELS_EMBED, NULL },
  { "/api/tags", "GET", CREEL_MODELS_LIST, NULL },
  { "/api/show", "POST", CREEL_MODELS_SHOW, NULL },
  { "/api/ps", "GET", CREEL_MODELS_LOADED, NULL },
  { "/api/version", "GET", CREEL_MODELS_VERSION, NULL },
  { "/api/pull", "POST", CREEL_MODELS_PULL, NULL },
  { "/api/push", "POST", CREEL_MODELS_PUSH, NULL },
  { "/api/create", "POST", CREEL_MODELS_MAKE, NULL },
  { "/api/copy", "POST", CREEL_MODELS_TAG, NULL },
  { "/api/delete", "DELETE", CREEL_MODELS_REMOVE, NULL },
};
static const char *const no_prefix[] = { "" };

static const Entry docker[] = {
  { "/models", "GET", CREEL_MODELS_LIST, NULL },
  { "/models/create", "POST", CREEL_MODELS_PULL, NULL },
  { "/models/*", "GET", CREEL_MODELS_SHOW, NULL },
  { "/models/*", "DELETE", CREEL_MODELS_REMOVE, NULL },
  { "/models/*/tag", "POST", CREEL_MODELS_TAG, NULL },
  { "/models/*/push", "POST", CREEL_MODELS_PUSH, NULL },
  { "/engines/ps", "GET", CREEL_MODELS_LOADED, NULL },
  { "/engines/df", "GET", CREEL_MODELS_DISK, NULL },
  { "/engines/status", "GET", CREEL_MODELS_STATUS, NULL },
  { "/engines/unload", "POST", CREEL_MODELS_UNLOAD, NULL },
  { "/engines/_configure", "POST", CREEL_MODELS_CONFIGURE, NULL },
  { "/engines/llama.cpp/_configure", "POST", CREEL_MODELS_CONFIGURE, NULL },
  { "/metrics", "GET", CREEL_MODELS_METRICS, NULL },
  { "/", "GET", CREEL_MODELS_ROOT, NULL },
};

static const struct
{
  CreelModelsForm form;
  const char *const *prefixes;
  gsize n_prefixes;
  const Entry *entries;
  gsize n_entries;
} tables[] = {
  { CREEL_MODELS_FORM_ANTHROPIC, anthropic_prefixes, G_N_ELEMENTS (anthropic_prefixes), anthropic, G_N_ELEMENTS (anthropic) },
  { CREEL_MODELS_FORM_OPENAI, openai_prefixes, G_N_ELEMENTS (openai_prefixes), openai, G_N_ELEMENTS (openai) },
  { CREEL_MODELS_FORM_OLLAMA, no_prefix, 1, ollama, G_N_ELEMENTS (ollama) },
  { CREEL_MODELS_FORM_DOCKER, no_prefix, 1, docker, G_N_ELEMENTS (docker) },
};

void
creel_models_route_clear (CreelModelsRoute *route)
{
  g_clear_pointer (&route->model, g_free);
  g_clear_pointer (&route->query, g_free);
}

gboolean
creel_models_operation_manages (CreelModelsOperation operation)
{
  return operation >= CREEL_MODELS_PULL;
}

/* Clients encode the slashes of a model's name, which is no way out of its place: the name is looked up and never sent on. */
static char *
canonicalize (const char *target)
{
  g_autoptr (GString) path = g_string_new (target);

  g_string_truncate (path, strcspn (target, "?"));
  if (strlen (target) > TARGET_MAX || path->str[0] != '/')
    return NULL;
  g_string_replace (path, "%2F", "/", 0);
  g_string_replace (path, "%2f", "/", 0);
  return creel_path_canonicalize (path->str, NULL);
}

/* Whether a path belongs to an entry; ret_name: the model's name in it, owned by the caller, or NULL */
static gboolean
match (const Entry *entry, const char *prefix, const char *path, char **ret_name)
{
  const char *star = strchr (entry->path, '*'), *end;
  gsize before = star != NULL ? (gsize) (star - entry->path) : strlen (entry->path);

  if (!g_str_has_prefix (path, prefix) || strncmp (path + strlen (prefix), entry->path, before) != 0)
    return FALSE;
  path += strlen (prefix) + before;
  *ret_name = NULL;
  if (star == NULL)
    return *path == '\0';
  end = path + strlen (path) - MIN (strlen (path), strlen (star + 1));
  if (end == path || !g_str_equal (end, star + 1))
    return FALSE;
  *ret_name = g_strndup (path, (gsize) (end - path));
  return TRUE;
}

/* In whose form somebody is told that a path is unknown */
static CreelModelsForm
guess_form (const char *target)
{
  if (g_str_has_prefix (target, "/api/"))
    return CREEL_MODELS_FORM_OLLAMA;
  if (g_str_has_prefix (target, "/anthropic/") || strstr (target, "/v1/messages") != NULL)
    return CREEL_MODELS_FORM_ANTHROPIC;
  return strstr (target, "/v1/") != NULL ? CREEL_MODELS_FORM_OPENAI : CREEL_MODELS_FORM_DOCKER;
}

guint
creel_models_api_route (const char *method, const char *target, CreelModelsRoute *ret_route)
{
  g_autofree char *path = canonicalize (target);
  guint status = 404;

  *ret_route = (CreelModelsRoute){ .form = guess_form (target), .operation = CREEL_MODELS_ROOT };
  if (path == NULL)
    return 400;
  for (gsize t = 0; t < G_N_ELEMENTS (tables); t++)
    for (gsize p = 0; p < tables[t].n_prefixes; p++)
      for (gsize e = 0; e < tables[t].n_entries; e++)
        {
          const Entry *entry = &tables[t].entries[e];
          g_autofree char *name = NULL;

          if (!match (entry, tables[t].prefixes[p], path, &name))
            continue;
          ret_route->form = tables[t].form;
          if (!g_str_equal (method, entry->method))
            {
              status = 405;
              continue;
            }
          ret_route->operation = entry->operation;
          ret_route->engine_path = entry->engine_path;
          ret_route->model = name != NULL ? g_uri_unescape_string (name, NULL) : NULL;
          ret_route->query = strchr (target, '?') != NULL ? g_strdup (strchr (target, '?') + 1) : NULL;
          return 0;
        }
  return status;
}

static const char *
get_openai_type (guint status)
{
  return status == 404 ? "not_found_error" : status == 403 ? "permission_error" : status < 500 ? "invalid_request_error" : "server_error";
}

static const char *
get_anthropic_type (guint status)
{
  switch (status)
    {
    case 403: return "permission_error";
    case 404: return "not_found_error";
    case 413: return "request_too_large";
    case 503: return "overloaded_error";
    default: return status < 500 ? "invalid_request_error" : "api_error";
    }
}

static void
add_string (JsonBuilder *builder, const char *name, const char *value)
{
  json_builder_set_member_name (builder, name);
  json_builder_add_string_value (builder, value);
}

char *
creel_models_api_format_error (CreelModelsForm form, guint status, const char *message)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  g_autoptr (JsonNode) root = NULL;
  g_autofree char *valid = g_utf8_make_valid (message, -1), *json = NULL;

  if (form == CREEL_MODELS_FORM_DOCKER)
    return g_strconcat (valid, "\n", NULL);
  json_builder_begin_object (builder);
  if (form == CREEL_MODELS_FORM_OLLAMA)
    add_string (builder, "error", valid);
  else
    {
      if (form == CREEL_MODELS_FORM_ANTHROPIC)
        add_string (builder, "type", "error");
      json_builder_set_member_name (builder, "error");
      json_builder_begin_object (builder);
      add_string (builder, "type", form == CREEL_MODELS_FORM_ANTHROPIC ? get_anthropic_type (status) : get_openai_type (status));
      add_string (builder, "message", valid);
      if (form == CREEL_MODELS_FORM_OPENAI)
        {
          json_builder_set_member_name (builder, "code");
          json_builder_add_int_value (builder, status);
        }
      json_builder_end_object (builder);
    }
  json_builder_end_object (builder);
  root = json_builder_get_root (builder);
  json = json_to_string (root, FALSE);
  return g_strconcat (json, "\n", NULL);
}

const char *
creel_models_api_get_error_type (CreelModelsForm form)
{
  return form == CREEL_MODELS_FORM_DOCKER ? "text/plain; charset=utf-8" : "application/json";
}

static gboolean
host_is_here (const CreelHost *host)
{
  GInetAddress *address = creel_host_get_address (host);

  if (address != NULL)
    return g_inet_address_get_is_loopback (address);
  return g_str_equal (creel_host_get_text (host), "localhost") || g_str_has_suffix (creel_host_get_text (host), ".localhost");
}

gboolean
creel_models_api_host_is_ours (const char *authority)
{
  guint16 port;
  g_autoptr (CreelHost) host = creel_host_parse_authority (authority, -1, 80, &port, NULL);

  /* or a name that leads here from a sandbox */
  return host != NULL && (host_is_here (host) || creel_rule_is_localhost_name (host));
}

gboolean
creel_models_api_origin_is_allowed (const char *origin, const char *const *allowed)
{
  const char *authority = g_str_has_prefix (origin, "http://")    ? origin + strlen ("http://")
                          : g_str_has_prefix (origin, "https://") ? origin + strlen ("https://")
                                                                  : NULL;
  guint16 port;
  g_autoptr (CreelHost) host = authority != NULL ? creel_host_parse_authority (authority, -1, 80, &port, NULL) : NULL;

  return (host != NULL && host_is_here (host)) || (allowed != NULL && g_strv_contains (allowed, origin));
}
