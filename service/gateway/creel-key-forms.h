/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* All ways in which a key may be written: as it is, in hex, in base64 at each of the three alignments, backwards; and each
 * character of these as itself, with percent, or escaped as in JSON, C or HTML; hex and base64 also broken into lines. Immutable;
 * wiped when it is freed. */
typedef struct _CreelKeyForms CreelKeyForms;

/* secrets: the key and what else is as good as it, none of them empty, five at most. */
CreelKeyForms *creel_key_forms_new (const char *const *secrets);
CreelKeyForms *creel_key_forms_ref (CreelKeyForms *forms);
void creel_key_forms_unref (CreelKeyForms *forms);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CreelKeyForms, creel_key_forms_unref)

typedef struct
{
  gsize start, end;
} CreelKeySpan;

/* Appends to `spans` (of CreelKeySpan, ordered) where secrets stand that start in the decided part. Returns how much is
 * decided: what follows may be the start of a form that goes on after `size`; with `last` all is. The last span may reach
 * beyond it. */
gsize creel_key_forms_find (const CreelKeyForms *forms, const guint8 *data, gsize size, gboolean last, GArray *spans);
