/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "creel-definition.h"

/* A definition while it is read: assignments of several files in order, then _finish. */
typedef struct
{
  CreelDefinition *definition;
  gboolean seen;           /* one of the files has the section */
  gboolean has_owner;
  gboolean has_policy;
  GPtrArray *rules;        /* Rule */
} CreelDefinitionReader;

void creel_definition_reader_init (CreelDefinitionReader *reader, const char *name);
/* A CreelConfFunc; user_data is the reader. */
gboolean creel_definition_reader_take (const char *section, const char *key, const char *value, const char *origin,
                                       gpointer reader, GError **error);
/* Checks the whole and gives the definition away; clears the reader in any case. */
CreelDefinition *creel_definition_reader_finish (CreelDefinitionReader *reader, GError **error);
