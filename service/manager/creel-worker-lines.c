/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-worker-lines.h"

#include <string.h>

#include "creel-conf.h"
#include "creel-error.h"

#define MAX_LINE (512 * 1024) /* a step of a plan: 100 KiB, encoded */
#define MAX_TOTAL (16 * 1024 * 1024)
#define MAX_ENTRIES 1024
#define MAX_DIGESTS 8
#define MAX_TEXT 512
#define HEX "0123456789abcdef"

CreelWorkerLines *
creel_worker_lines_new (void)
{
  CreelWorkerLines *lines = g_new0 (CreelWorkerLines, 1);

  lines->pending = g_string_new (NULL);
  lines->phase = g_strdup ("");
  lines->config = g_new0 (CreelImageConfig, 1);
  lines->config->environment = g_new0 (char *, 1);
  lines->config->entrypoint = g_new0 (char *, 1);
  lines->config->command = g_new0 (char *, 1);
  lines->config->references = g_new0 (char *, 1);
  lines->config->blobs = g_new0 (char *, 1);
  lines->digests = g_new0 (char *, 1);
  lines->model = creel_model_config_new ();
  lines->plan = creel_plan_new ();
  return lines;
}

void
creel_worker_lines_free (CreelWorkerLines *lines)
{
  g_string_free (lines->pending, TRUE);
  g_free (lines->phase);
  g_free (lines->error_code);
  g_free (lines->error_text);
  g_free (lines->id);
  g_strfreev (lines->digests);
  creel_model_config_free (lines->model);
  creel_plan_free (lines->plan);
  creel_image_config_free (lines->config);
  g_free (lines);
}

static gboolean
is_word (const char *text, gsize max)
{
  return text[0] != '\0' && strlen (text) <= max &&
         text[strspn (text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-")] == '\0';
}

static gboolean
take_progress (CreelWorkerLines *lines, const char *rest)
{
  g_auto (GStrv) words = g_strsplit (rest, " ", 4);
  guint64 done, total;

  if (g_strv_length (words) != 3 || !is_word (words[0], 32) ||
      !g_ascii_string_to_unsigned (words[1], 10, 0, G_MAXINT64, &done, NULL) ||
      !g_ascii_string_to_unsigned (words[2], 10, 0, G_MAXINT64, &total, NULL))
    return FALSE;
  g_free (lines->phase);
  lines->phase = g_strdup (words[0]);
  lines->done = done;
  lines->total_steps = total;
  return TRUE;
}

static gboolean
append (char ***list, char *value, guint max)
{
  guint length = g_strv_length (*list);

  if (length >= max)
    {
      g_free (value);
      return FALSE;
    }
  *list = g_renew (char *, *list, length + 2);
  (*list)[length] = value;
  (*list)[length + 1] = NULL;
  return TRUE;
}

static gboolean
set_once (char **text, char *value)
{
  g_free (*text);
  *text = value;
  return TRUE;
}

static gboolean
take_config (CreelWorkerLines *lines, const char *rest)
{
  const char *equals = strchr (rest, '=');
  g_autofree char *key = equals != NULL ? g_strndup (rest, equals - rest) : NULL;
  CreelImageConfig *config = lines->config;
  char *value = key != NULL ? g_uri_unescape_string (equals + 1, NULL) : NULL; /* NULL for %00 too */

  if (value == NULL || !g_utf8_validate (value, -1, NULL))
    {
      g_free (value);
      return FALSE;
    }
  if (g_str_equal (key, "environment"))
    return append (&config->environment, value, MAX_ENTRIES);
  if (g_str_equal (key, "entrypoint"))
    return append (&config->entrypoint, value, MAX_ENTRIES);
  if (g_str_equal (key, "command"))
    return append (&config->command, value, MAX_ENTRIES);
  if (g_str_equal (key, "reference"))
    return append (&config->references, value, MAX_ENTRIES);
  if (g_str_equal (key, "user") && strlen (value) <= 256)
    return set_once (&config->user, value);
  if (g_str_equal (key, "working-dir") && strlen (value) <= 4096)
    return set_once (&config->working_dir, value);
  if (g_str_equal (key, "architecture") && is_word (value, 32))
    return set_once (&config->architecture, value);
  if (g_str_equal (key, "source") && strlen (value) <= 256)
    return set_once (&config->source, value);
  g_free (value);
  return FALSE;
}

static gboolean
is_digest (const char *text)
{
  return strlen (text) == 64 && strspn (text, HEX) == 64;
}

static gboolean
take_blob (CreelWorkerLines *lines, const char *rest)
{
  if (!creel_image_blob_is_valid (rest))
    return FALSE;
  for (char **blob = lines->config->blobs; *blob != NULL; blob++)
    if (strncmp (*blob, rest, 64) == 0)
      return g_str_equal (*blob, rest); /* one blob has one size */
  return append (&lines->config->blobs, g_strdup (rest), MAX_ENTRIES);
}

static gboolean
take_manifest (CreelWorkerLines *lines, const char *rest)
{
  if (!is_digest (rest) || lines->config->manifest != NULL)
    return FALSE;
  lines->config->manifest = g_strdup (rest);
  return TRUE;
}

static gboolean
take_digest (CreelWorkerLines *lines, const char *rest)
{
  return is_digest (rest) && append (&lines->digests, g_strconcat ("sha256:", rest, NULL), MAX_DIGESTS);
}

static gboolean
take_model (CreelWorkerLines *lines, const char *rest)
{
  const char *equals = strchr (rest, '=');
  g_autofree char *key = equals != NULL ? g_strndup (rest, equals - rest) : NULL;
  g_autofree char *value = key != NULL ? g_uri_unescape_string (equals + 1, NULL) : NULL;

  return value != NULL && creel_model_config_set (lines->model, key, value);
}

/* KIND HEX SIZE NAME */
static gboolean
take_file (CreelWorkerLines *lines, const char *rest)
{
  g_auto (GStrv) words = g_strsplit (rest, " ", 5);
  g_autofree char *name = NULL;
  guint64 size;

  if (g_strv_length (words) != 4 || !g_ascii_string_to_unsigned (words[2], 10, 0, G_MAXINT64, &size, NULL))
    return FALSE;
  name = g_uri_unescape_string (words[3], NULL);
  return name != NULL && creel_model_config_add_file (lines->model, words[0], words[1], size, name);
}

static gboolean
take_error (CreelWorkerLines *lines, const char *rest)
{
  gsize length = strcspn (rest, " ");
  g_autofree char *code = g_strndup (rest, length);

  if (!is_word (code, 32) || rest[length] != ' ')
    return FALSE;
  g_free (lines->error_code);
  g_free (lines->error_text);
  lines->error_code = g_steal_pointer (&code);
  lines->error_text = g_utf8_make_valid (rest + length + 1, MIN (strlen (rest + length + 1), MAX_TEXT));
  for (char *p = lines->error_text; *p != '\0'; p++)
    if ((guchar) *p < 0x20 || *p == 0x7f)
      *p = '?';
  return TRUE;
}

static gboolean
take_line (CreelWorkerLines *lines, const char *line)
{
  if (g_str_has_prefix (line, "progress "))
    return take_progress (lines, line + strlen ("progress "));
  if (g_str_has_prefix (line, "config "))
    return take_config (lines, line + strlen ("config "));
  if (g_str_has_prefix (line, "blob "))
    return take_blob (lines, line + strlen ("blob "));
  if (g_str_has_prefix (line, "manifest "))
    return take_manifest (lines, line + strlen ("manifest "));
  if (g_str_has_prefix (line, "digest "))
    return take_digest (lines, line + strlen ("digest "));
  if (g_str_has_prefix (line, "model "))
    return take_model (lines, line + strlen ("model "));
  if (g_str_has_prefix (line, "file "))
    return take_file (lines, line + strlen ("file "));
  if (g_str_has_prefix (line, "from "))
    return creel_plan_take_from (lines->plan, line + strlen ("from "));
  if (g_str_has_prefix (line, "step "))
    return creel_plan_take_step (lines->plan, line + strlen ("step "));
  if (g_str_has_prefix (line, "error "))
    return take_error (lines, line + strlen ("error "));
  if (g_str_has_prefix (line, "done "))
    {
      g_autofree char *id = g_strconcat ("sha256-", line + strlen ("done "), NULL);

      if (!creel_image_id_is_valid (id) || lines->id != NULL)
        return FALSE;
      lines->id = g_steal_pointer (&id);
      return TRUE;
    }
  return TRUE; /* a library's complaint on stderr means nothing */
}

gboolean
creel_worker_lines_feed (CreelWorkerLines *lines, const char *bytes, gsize length)
{
  gboolean changed = FALSE;
  char *newline;

  lines->total += length;
  if (lines->broken || lines->total > MAX_TOTAL || (length > 0 && memchr (bytes, '\0', length) != NULL))
    {
      lines->broken = TRUE;
      return FALSE;
    }
  g_string_append_len (lines->pending, bytes, length);
  while (!lines->broken && (newline = memchr (lines->pending->str, '\n', lines->pending->len)) != NULL)
    {
      gsize size = newline - lines->pending->str;

      *newline = '\0';
      /* nothing comes after done */
      if (lines->id != NULL || !take_line (lines, lines->pending->str))
        lines->broken = TRUE;
      changed |= g_str_has_prefix (lines->pending->str, "progress ");
      g_string_erase (lines->pending, 0, size + 1);
    }
  if (lines->pending->len > MAX_LINE)
    lines->broken = TRUE;
  return changed;
}

CreelModelConfig *
creel_worker_lines_take_model (CreelWorkerLines *lines, GError **error)
{
  g_autoptr (CreelModelConfig) model = g_steal_pointer (&lines->model);

  lines->model = creel_model_config_new ();
  if (lines->broken || lines->id == NULL || lines->config->manifest == NULL)
    {
      g_set_error_literal (error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE, "The worker has described no model");
      return NULL;
    }
  g_free (model->id);
  model->id = g_strdup (lines->id);
  g_free (model->manifest);
  model->manifest = g_strdup (lines->config->manifest);
  g_strfreev (model->blobs);
  model->blobs = g_strdupv (lines->config->blobs);
  return creel_model_config_validate (model, error) ? g_steal_pointer (&model) : NULL;
}
