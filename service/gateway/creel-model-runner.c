/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-model-runner.h"

#include <string.h>

#include "creel-names.h"
#include "creel-policy.h"
#include "creel-rule.h"

#define MODELS "models/"

/* What stands before the paths of OpenAI and Anthropic */
static const char *const prefixes[] = { "/v1/", "/engines/v1/", "/engines/llama.cpp/v1/", "/anthropic/v1/", "/engines/anthropic/v1/" };
static const char *const asks[] = { "chat/completions", "completions", "embeddings", "responses", "messages", "messages/count_tokens", NULL };

/* Whole paths: Ollama's, and what shows that somebody is there */
static const char *const posts[] = { "/api/chat", "/api/generate", "/api/show", "/api/embed", NULL };
static const char *const gets[] = { "/", "/api/tags", "/api/ps", "/api/version", NULL };

gboolean
creel_model_runner_is_at (GInetAddress *address, guint16 port)
{
  /* to the kernel 0.0.0.0 and :: are this machine too */
  return port == CREEL_MODEL_RUNNER_PORT && (g_inet_address_get_is_loopback (address) || g_inet_address_get_is_any (address));
}

gboolean
creel_model_runner_is (const CreelHost *host, guint16 port)
{
  GInetAddress *address = creel_host_get_address (host);

  return address != NULL ? creel_model_runner_is_at (address, port) : port == CREEL_MODEL_RUNNER_PORT && creel_rule_is_localhost_name (host);
}

static const char *
skip_prefix (const char *path)
{
  for (gsize i = 0; i < G_N_ELEMENTS (prefixes); i++)
    if (g_str_has_prefix (path, prefixes[i]))
      return path + strlen (prefixes[i]);
  return NULL;
}

static gboolean
is_allowed (const char *method, const char *path)
{
  const char *rest = skip_prefix (path);

  if (g_str_equal (method, "POST"))
    return g_strv_contains (posts, path) || (rest != NULL && g_strv_contains (asks, rest));
  if (!g_str_equal (method, "GET") && !g_str_equal (method, "HEAD"))
    return FALSE;
  if (g_strv_contains (gets, path))
    return TRUE;
  return rest != NULL && !g_str_has_suffix (rest, "/") &&
         (g_str_equal (rest, "models") || (g_str_has_prefix (rest, MODELS) && rest[strlen (MODELS)] != '\0'));
}

char *
creel_model_runner_check (const char *method, const char *path)
{
  g_autoptr (GString) plain = g_string_new (path);
  g_autofree char *canonical = NULL;

  g_string_replace (plain, "%2F", "/", 0);
  g_string_replace (plain, "%2f", "/", 0);
  g_string_replace (plain, "%3A", ":", 0);
  g_string_replace (plain, "%3a", ":", 0);
  canonical = creel_path_canonicalize (plain->str, NULL);
  /* parameters of a path and escapes that are left mean something else to some: no path of the table has them */
  if (canonical == NULL || strchr (canonical, ';') != NULL || strchr (canonical, '%') != NULL || !is_allowed (method, canonical))
    return NULL;
  return g_steal_pointer (&canonical);
}

gboolean
creel_model_runner_prepare (CreelRequest *request, const char *sandbox)
{
  g_autofree char *path = creel_model_runner_check (request->head->method, request->path);
  const char *query = strchr (request->target, '?');
  char *target;

  if (path == NULL)
    return FALSE;
  target = g_strconcat (path, query != NULL ? query : "", NULL);
  g_free (request->target);
  request->target = target;
  g_free (request->path);
  request->path = g_steal_pointer (&path);
  request->wants_websocket = FALSE;
  /* first, or "Connection: Creel-Sandbox" would take ours away */
  creel_http_head_remove_hop_by_hop (request->head);
  soup_message_headers_replace (request->head->headers, CREEL_SANDBOX_HEADER, sandbox);
  return TRUE;
}

gboolean
creel_model_runner_take_place (guint *n)
{
  if (*n >= CREEL_MODEL_RUNNER_REQUESTS_MAX)
    return FALSE;
  (*n)++;
  return TRUE;
}
