/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-glib/json-glib.h>

/* JSON-GLib for texts of strangers: it recurses without a limit, and its getters mind a member of another type. */
#define CREEL_MODELS_JSON_DEPTH_MAX 64

/* One object; the error says what is wrong in words for the client. */
JsonNode *creel_models_json_parse (const char *text, gsize size, GError **error);

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
