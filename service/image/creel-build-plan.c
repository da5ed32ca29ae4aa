/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-build-plan.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "creel-error.h"

#define MAX_BASE (16 * 1024 * 1024)

static gboolean
take_record (CreelContainerfileBase *base, const char *record, gboolean *complete)
{
  const char *value = strchr (record, '=');
  gsize length = value != NULL ? (gsize) (value - record) : 0;
  gboolean variable = strncmp (record, "env=", 4) == 0 || strncmp (record, "arg=", 4) == 0;

  if (value == NULL || !g_utf8_validate (record, -1, NULL))
    return FALSE;
  value++;
  if (length == strlen ("workdir") && g_str_has_prefix (record, "workdir="))
    {
      if (*value != '\0' && *value != '/')
        return FALSE;
      g_free (base->working_dir);
      base->working_dir = g_canonicalize_filename (*value != '\0' ? value : "/", "/");
      return *complete = TRUE;
    }
  if (variable)
    {
      const char *equals = strchr (value, '=');

      if (equals == NULL || equals == value)
        return FALSE;
      g_hash_table_insert (record[0] == 'e' ? base->environment : base->arguments, g_strndup (value, equals - value), g_strdup (equals + 1));
      return TRUE;
    }
  return FALSE;
}

CreelContainerfileBase *
creel_build_parse_base (const char *bytes, gsize length, gboolean *ret_complete, GError **error)
{
  g_autoptr (CreelContainerfileBase) base = creel_containerfile_base_new ();
  const char *end = bytes + length;

  *ret_complete = FALSE;
  while (bytes < end)
    {
      if (memchr (bytes, '\0', end - bytes) == NULL || !take_record (base, bytes, ret_complete))
        {
          g_set_error_literal (error, CREEL_ERROR, CREEL_ERROR_FAILED, "What is known of the base image is not understood");
          return NULL;
        }
      bytes += strlen (bytes) + 1;
    }
  return g_steal_pointer (&base);
}

static GByteArray *
read_all (int fd, GError **error)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  guint8 buffer[16 * 1024];
  gssize n;

  while ((n = read (fd, buffer, sizeof buffer)) != 0)
    {
      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0 || bytes->len > MAX_BASE)
        {
          g_set_error (error, CREEL_ERROR, CREEL_ERROR_FAILED, "Cannot read what is known of the base image: %s",
                       n < 0 ? g_strerror (errno) : "too long");
          return NULL;
        }
      g_byte_array_append (bytes, buffer, (guint) n);
    }
  return g_steal_pointer (&bytes);
}

/* Links are followed. */
static gboolean
is_folder (CreelBuildContext *context, const char *asked, gboolean *ret, GError **error)
{
  g_autofree char *path = creel_build_context_follow (context, asked);
  int fd = path != NULL ? creel_build_context_open_path (context, path, O_PATH) : -1;
  struct stat st;

  if (fd < 0 || fstat (fd, &st) < 0)
    {
      int code = errno;
      g_autofree char *quoted = creel_image_quote (asked);

      g_set_error (error, CREEL_ERROR, CREEL_ERROR_FAILED, "Cannot read %s: %s", quoted, g_strerror (code));
      if (fd >= 0)
        close (fd);
      return FALSE;
    }
  close (fd);
  *ret = S_ISDIR (st.st_mode);
  return TRUE;
}

GPtrArray *
creel_build_find_sources (CreelBuildContext *context, char *const *sources, gboolean to_folder, char **ret_name, GError **error)
{
  g_autoptr (GPtrArray) all = g_ptr_array_new_with_free_func (g_free);
  gboolean folder;

  for (; *sources != NULL; sources++)
    {
      g_autoptr (GPtrArray) found = creel_build_context_find (context, *sources, error);

      if (found == NULL)
        return NULL;
      g_ptr_array_extend_and_steal (all, g_steal_pointer (&found));
    }
  *ret_name = NULL;
  if (to_folder)
    return g_steal_pointer (&all);
  if (all->len > 1)
    {
      g_set_error_literal (error, CREEL_ERROR, CREEL_ERROR_FAILED, "COPY of several files: what they are copied to must end with a slash");
      return NULL;
    }
  if (!is_folder (context, all->pdata[0], &folder, error))
    return NULL;
  if (!folder)
    *ret_name = g_path_get_basename (all->pdata[0]);
  return g_steal_pointer (&all);
}

static gboolean
tell_step (CreelBuildContext *context, const CreelStep *step, CreelImageReport *report, GError **error)
{
  static const char *const kinds[] = { "run", "copy", "env", "arg", "workdir", "user", "cmd", "entrypoint" };
  g_autoptr (GStrvBuilder) words = g_strv_builder_new ();
  g_autofree char *line = g_strdup_printf ("%u", step->line);
  g_auto (GStrv) strv = NULL;

  g_strv_builder_add_many (words, line, kinds[step->kind], NULL);
  if (step->kind != CREEL_STEP_COPY)
    g_strv_builder_addv (words, (const char **) step->words);
  else
    {
      guint n = g_strv_length (step->words) - 1;
      const char *to = step->words[n];
      g_autofree char **sources = g_new0 (char *, n + 1);
      g_autofree char *name = NULL;
      g_autoptr (GPtrArray) found = NULL;

      memcpy (sources, step->words, n * sizeof (char *));
      found = creel_build_find_sources (context, sources, g_str_has_suffix (to, "/"), &name, error);
      if (found == NULL)
        return FALSE;
      g_strv_builder_add_many (words, step->owner != NULL ? step->owner : "0:0", step->mode != NULL ? step->mode : "-",
                               name != NULL ? name : "", to, NULL);
      g_strv_builder_addv (words, (const char **) sources);
    }
  strv = g_strv_builder_end (words);
  creel_image_report_words (report, "step", (const char *const *) strv);
  return TRUE;
}

gboolean
creel_image_plan (const char *folder, int in, CreelImageReport *report, GError **error)
{
  g_autoptr (CreelBuildContext) context = creel_build_context_open (folder, error);
  g_autoptr (GByteArray) known = context != NULL ? read_all (in, error) : NULL;
  g_autoptr (CreelContainerfileBase) base = NULL;
  g_autoptr (CreelContainerfile) file = NULL;
  g_autoptr (GBytes) bytes = NULL;
  g_autofree char *digest = NULL;
  g_autofree char *from_line = NULL;
  gboolean complete;
  const char *name;

  if (known == NULL || (base = creel_build_parse_base ((const char *) known->data, known->len, &complete, error)) == NULL ||
      (bytes = creel_build_context_read_containerfile (context, &name, error)) == NULL)
    return FALSE;
  file = creel_containerfile_parse (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), name, base, error);
  if (file == NULL)
    return FALSE;
  from_line = g_strdup_printf ("%u", file->from_line);
  creel_image_report_words (report, "from", (const char *const[]) { from_line, file->from, NULL });
  for (guint i = 0; complete && i < file->steps->len; i++)
    {
      CreelStep *step = file->steps->pdata[i];

      if (!tell_step (context, step, report, error))
        {
          g_prefix_error (error, "%s:%u: ", name, step->line);
          return FALSE;
        }
    }
  digest = g_compute_checksum_for_bytes (G_CHECKSUM_SHA256, bytes);
  creel_image_report_done (report, digest);
  return TRUE;
}
