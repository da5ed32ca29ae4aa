/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

/* What people set for a model, by its name: CREEL_MODEL_DIR/settings.conf. A name keeps its settings when another model gets it. */
typedef struct
{
  guint64 context_size; /* tokens; 0: not set */
  gboolean has_keep_alive;
  guint64 keep_alive;   /* usec; G_MAXUINT64: never unloaded */
  char **engine_flags;  /* NULL: not set */
} CreelModelSettings;

void creel_model_settings_free (CreelModelSettings *settings);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CreelModelSettings, creel_model_settings_free)

/* Name (or id, of a model without one) -> CreelModelSettings. What is wrong in the file is not there, with a warning. */
GHashTable *creel_model_settings_load (GError **error);
/* Of the first of these names that has any, else of the id; borrowed, or NULL. */
const CreelModelSettings *creel_model_settings_find (GHashTable *all, char **names, const char *id);
/* Changes those of each name (of the id when there is none): those that options have, keys as in Models.ConfigureModel. */
gboolean creel_model_settings_configure (char **names, const char *id, GVariant *options, GError **error);
/* The new name of a model gets what it has. */
gboolean creel_model_settings_copy (char **names, const char *id, const char *name, GError **error);
/* Names that nobody has any more are forgotten. */
gboolean creel_model_settings_forget (char **names, GError **error);
