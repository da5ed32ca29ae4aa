/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "creel-model-config.h"

/* Models on disk: a directory each with its model.conf (creel-model-config), and references.conf with their names. The bytes are
 * blobs of the OCI store. Errors are in CREEL_ERROR. */

/* Valid ids, in order; owned by the caller. */
char **creel_model_store_list (void);
/* Name -> id; owned by the caller. */
GHashTable *creel_model_store_load_names (GError **error);
/* The names of a model in order, as they are stored; owned by the caller. */
char **creel_model_store_names_of (GHashTable *names, const char *id);
/* The shortest spelling of a name: without the registry that names without a host mean, and without ":latest". Owned by the caller. */
char *creel_model_store_shorten (const char *name, const char *registry);
/* What people call a model: the shortest spelling of its first name, or its id. Owned by the caller. */
char *creel_model_store_name_of (const char *id);
/* The id that a name, an id or the beginning of one means; NO_SUCH_MODEL. Owned by the caller. */
char *creel_model_store_resolve (const char *text, GError **error);
/* Keeps a model that is whole, called `reference` (in its one spelling); who had that name loses it. */
gboolean creel_model_store_add (const CreelModelConfig *config, const char *reference, GError **error);
gboolean creel_model_store_add_name (const char *id, const char *reference, GError **error);
/* Removes a name, and the model with its last one. By its id: MODEL_IN_USE when it has more than one name, unless `force`. `in_use` tells
 * whether an id must stay. ret_blobs: what the model had in the OCI store, or NULL when it stays; owned by the caller. */
gboolean creel_model_store_remove (const char *text, gboolean force, gboolean (*in_use) (const char *id, gpointer user_data), gpointer user_data,
                                   char ***ret_blobs, GError **error);
/* Adds the digests of all blobs that models have to a set that owns its keys; FALSE when one cannot be read. */
gboolean creel_model_store_add_owned (GHashTable *digests, GError **error);
