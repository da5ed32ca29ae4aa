/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* JSON out of an image: bounded, and typed getters that return NULL for anything unexpected. */
#pragma once

#include <json-glib/json-glib.h>

#define CREEL_IMAGE_JSON_MAX (4 * 1024 * 1024)
#define CREEL_IMAGE_JSON_DEPTH 64

/* what: the name of the file, for the error (BadImage). */
JsonNode *creel_image_json_parse (GBytes *bytes, const char *what, GError **error);

/* NULL objects are allowed and have no members; results are borrowed. */
JsonObject *creel_image_json_object (JsonObject *object, const char *name);
JsonArray *creel_image_json_array (JsonObject *object, const char *name);
const char *creel_image_json_string (JsonObject *object, const char *name);
JsonObject *creel_image_json_element_object (JsonArray *array, guint index);
const char *creel_image_json_element_string (JsonArray *array, guint index);

/* The text of what was built. */
char *creel_image_json_format (JsonBuilder *builder);
