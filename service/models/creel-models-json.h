/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-glib/json-glib.h>

/* JSON-GLib for texts of strangers: it recurses without a limit, and its getters mind a member of another type. */
#define CREEL_MODELS_JSON_DEPTH_MAX 64
/* A tree is many times its text: a value costs a hundred bytes, an object or an array as much as eight. In such units */
#define CREEL_MODELS_JSON_MAX (128 * 1024)
#define CREEL_MODELS_JSON_VECTORS_MAX (512 * 1024)
/* bytes of what a client calls a model */
#define CREEL_MODELS_NAME_MAX 1024

/* One object; the error says what is wrong in words for the client. */
JsonNode *creel_models_json_parse (const char *text, gsize size, GError **error);
/* The same for what is mostly numbers. */
JsonNode *creel_models_json_parse_vectors (const char *text, gsize size, GError **error);

/* The top member "model" of an object that goes on as it is, without a tree of the rest: a request can have megabytes. What else is wrong
 * with the text the engine says. The last one counts, as it does there. Owned by the caller. */
char *creel_models_json_find_model (const char *text, gsize size, GError **error);

/* NULL, or the fallback, when there is no such member or it is of another type. Borrowed. */
const char *creel_models_json_get_string (JsonObject *object, const char *name);
JsonObject *creel_models_json_get_object (JsonObject *object, const char *name);
JsonArray *creel_models_json_get_array (JsonObject *object, const char *name);
gboolean creel_models_json_get_boolean (JsonObject *object, const char *name, gboolean fallback);
gint64 creel_models_json_get_int (JsonObject *object, const char *name, gint64 fallback);
/* The element when it is an object, else NULL. */
JsonObject *creel_models_json_get_element (JsonArray *array, guint i);
/* Takes the object. */
char *creel_models_json_format (JsonObject *object);
