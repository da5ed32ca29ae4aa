/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

/* Which requests there are, in the forms of four programs' APIs, and how each says that something went wrong. What is not
 * in this table never reaches an engine. */
typedef enum
{
  CREEL_MODELS_FORM_OPENAI,
  CREEL_MODELS_FORM_ANTHROPIC,
  CREEL_MODELS_FORM_OLLAMA,
  CREEL_MODELS_FORM_DOCKER,
} CreelModelsForm;

typedef enum
{
  CREEL_MODELS_RELAY,  /* to engine_path of the model that the body names */
  CREEL_MODELS_LIST,
  CREEL_MODELS_SHOW,   /* model; NULL: the body names it */
  CREEL_MODELS_CHAT,   /* Ollama: to be translated */
  CREEL_MODELS_GENERATE,
  CREEL_MODELS_EMBED,
  CREEL_MODELS_LOADED,
  CREEL_MODELS_VERSION,
  CREEL_MODELS_ROOT,
  CREEL_MODELS_METRICS,
  CREEL_MODELS_DISK,
  CREEL_MODELS_STATUS,
  /* These change something, and are not for everybody. */
  CREEL_MODELS_PULL,
  CREEL_MODELS_PUSH,
  CREEL_MODELS_TAG,
  CREEL_MODELS_REMOVE,
  CREEL_MODELS_UNLOAD,
  CREEL_MODELS_CONFIGURE,
  CREEL_MODELS_MAKE, /* not through this port */
} CreelModelsOperation;

typedef struct
{
  CreelModelsForm form;
  CreelModelsOperation operation;
  const char *engine_path; /* static; of CREEL_MODELS_RELAY */
  char *model;             /* that the path names; NULL */
  char *query;             /* as sent, without the question mark; NULL */
} CreelModelsRoute;
void creel_models_route_clear (CreelModelsRoute *route);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (CreelModelsRoute, creel_models_route_clear)

/* Whether an operation changes something. */
gboolean creel_models_operation_manages (CreelModelsOperation operation);

/* Looks a request up; target as sent, whose query does not matter. 0, or the status of the refusal: 400 (the path can be
 * read in two ways), 404, 405. ret_route->form is set in any case, so that the refusal has one. */
guint creel_models_api_route (const char *method, const char *target, CreelModelsRoute *ret_route);

/* The body of a refusal, and its media type (static). */
char *creel_models_api_format_error (CreelModelsForm form, guint status, const char *message);
const char *creel_models_api_get_error_type (CreelModelsForm form);

/* Whether the Host of a request is a name by which this service is known: any other is a web page whose name was
 * made to lead here. */
gboolean creel_models_api_host_is_ours (const char *authority);
/* Whether a page of this Origin may ask: those of this machine, and those that are allowed by name. */
gboolean creel_models_api_origin_is_allowed (const char *origin, const char *const *allowed);
