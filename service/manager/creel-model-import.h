/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* What the files of a model are called that was made of files. */

/* "tiny" of "tiny.gguf" and of "tiny-00001-of-00003.gguf"; with name NULL the last part of the model's name. NULL when nothing is left.
 * Owned by the caller. */
char *creel_model_import_stem (const char *name, const char *reference);
/* The name of the nth (from 1) of `of` files of this kind: the engine finds the parts of a split GGUF by it. Owned by the caller. */
char *creel_model_import_file_name (const char *kind, const char *stem, guint n, guint of);
