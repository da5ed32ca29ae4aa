/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

/* What waits for a person in a sandbox, as its gateway says. What comes from the guest is in it: names are hosts, the rest is cut and
 * plain printable ASCII, and a rule that "always" would write opens this host and port only, or is "". */

/* questions: aa{sv} or NULL, as hostile as the guest. Floating aa{sv} with what the documentation of Sandbox.Questions names. */
GVariant *creel_question_clean (GVariant *questions);
/* The one with this id of what creel_question_clean() made, owned by the caller, or NULL with CREEL_ERROR_NO_SUCH_QUESTION. */
GVariant *creel_question_find (GVariant *questions, guint64 id, GError **error);
/* All but the one with this id; floating. */
GVariant *creel_question_drop (GVariant *questions, guint64 id);
