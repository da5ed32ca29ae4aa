/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

#include "creel-models-scheduler.h"

/* The models of this machine, as Models.ListModels told them. Values that do not change. */
typedef struct
{
  char *id;   /* "sha256-" and 64 hex digits */
  char *name; /* that lists show */
  char **references;
  char *format, *architecture, *parameters, *quantization;
  guint64 size, context_length, kv_bytes_per_token;
  gboolean embedding, chat_template;
  gint64 created; /* usec since the epoch */
  guint64 context_size;    /* settings: 0 when there is none */
  gint64 keep_alive;       /* usec; CREEL_MODELS_KEEP_FOR_EVER */
  char **engine_flags;
} CreelModelsModel;

typedef struct _CreelModelsCatalog CreelModelsCatalog;
/* models: aa{sv}; what is wrong in it is left out. registry: of names without a host. */
CreelModelsCatalog *creel_models_catalog_new (GVariant *models, const char *registry);
CreelModelsCatalog *creel_models_catalog_ref (CreelModelsCatalog *catalog);
void creel_models_catalog_unref (CreelModelsCatalog *catalog);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CreelModelsCatalog, creel_models_catalog_unref)

/* In the order in which they were told; of CreelModelsModel. */
const GPtrArray *creel_models_catalog_get_models (CreelModelsCatalog *catalog);
/* By one of its names, as a person writes them, its id or the beginning of that; NULL. */
const CreelModelsModel *creel_models_catalog_find (CreelModelsCatalog *catalog, const char *text);
/* "a, b and 3 more", for somebody who named another; "" when there are none. */
char *creel_models_catalog_format_names (CreelModelsCatalog *catalog);

/* What it needs when it is loaded: with the configured context, else as large as it was trained with and fits into a
 * part of the capacity. Borrows the model's id. */
CreelModelsNeed creel_models_model_get_need (const CreelModelsModel *model, guint64 capacity);
/* The same for an engine that runs with a context. */
CreelModelsNeed creel_models_model_get_need_of (const CreelModelsModel *model, guint64 context);
