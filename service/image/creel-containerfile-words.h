/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The words of a Containerfile's instructions: quotes, variables, lists. As Docker reads them; what is not
 * supported is an error (CREEL_ERROR_BAD_DEFINITION, without file and line). */
#pragma once

#include <gio/gio.h>

/* KEY -> VALUE. */
typedef GHashTable CreelVariables;
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CreelVariables, g_hash_table_unref)

/* One word with its quotes taken away and $NAME, ${NAME}, ${NAME:-WORD}, ${NAME:+WORD}, ${NAME:?WORD}
 * (and without the colon) replaced; what is not set is empty. */
char *creel_words_expand (const char *word, CreelVariables *variables, GError **error);
/* Splits at blanks outside quotes; quotes and backslashes stay. */
char **creel_words_split_quoted (const char *text);
/* Splits at blanks, whatever stands around them. */
char **creel_words_split (const char *text);
/* A JSON list of strings; NULL when the text is none. */
char **creel_words_parse_list (const char *text);
/* Whether a shell would read more lines for this text: <<WORD. */
gboolean creel_words_has_heredoc (const char *text);
/* [A-Za-z_][A-Za-z0-9_.-]*, at most 256 bytes. */
gboolean creel_words_is_name (const char *text, gssize length);
