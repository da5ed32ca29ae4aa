/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-engine-search.h"

#include <string.h>
#include <unistd.h>

#include "creel-conf.h"
#include "creel-error.h"
#include "creel-names.h"
#include "creel-root.h"

#define CONF CREEL_CONFIG_DIR "/creel.conf"
#define ADVICE \
  "install llama.cpp, so that /usr/bin/llama-server or /usr/local/bin/llama-server is there, or name the program with Engine= in section [Models] of " CONF

const char *
creel_engine_advice (const GError *error)
{
  return error == NULL || g_str_has_suffix (error->message, ADVICE) ? ADVICE : error->message;
}

static gboolean
take_engine (const char *section, const char *key, const char *value, const char *origin, gpointer user_data, GError **error)
{
  char **engine = user_data;

  if (key == NULL || !g_str_equal (section, "Models") || !g_str_equal (key, "Engine"))
    return TRUE;
  g_free (*engine);
  *engine = value[0] != '\0' ? g_strdup (value) : NULL;
  return TRUE;
}

static gboolean
is_program (const char *path)
{
  g_autofree char *full = creel_root_path (path);

  return access (full, X_OK) == 0 && g_file_test (full, G_FILE_TEST_IS_REGULAR);
}

char *
creel_engine_find (GError **error)
{
  static const char *const paths[] = { "/usr/bin/llama-server", "/usr/local/bin/llama-server", "/usr/libexec/creel/llama-server" };
  g_autofree char *conf = creel_root_path (CONF);
  g_autofree char *named = NULL;
  g_autofree char *canonical = NULL;
  g_autoptr (GError) local_error = NULL;

  if (!creel_conf_parse_file (conf, take_engine, &named, &local_error) && !g_error_matches (local_error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND))
    {
      g_set_error_literal (error, CREEL_ERROR, CREEL_ERROR_NO_ENGINE, local_error->message);
      return NULL;
    }
  if (named != NULL)
    {
      canonical = g_path_is_absolute (named) ? g_canonicalize_filename (named, "/") : NULL;
      if (canonical != NULL && is_program (canonical))
        return g_steal_pointer (&canonical);
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_NO_ENGINE, "Engine=%.255s in " CONF " is not the path of a program that can be run", named);
      return NULL;
    }
  for (guint i = 0; i < G_N_ELEMENTS (paths); i++)
    if (is_program (paths[i]))
      return g_strdup (paths[i]);
  g_set_error_literal (error, CREEL_ERROR, CREEL_ERROR_NO_ENGINE, "No engine is installed that a model can be loaded in; " ADVICE);
  return NULL;
}
