/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <gio/gunixfdlist.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "creel-auth.h"
#include "creel-engines.h"
#include "creel-error.h"
#include "creel-image-job.h"
#include "creel-model-import.h"
#include "creel-model-store.h"
#include "creel-reference.h"

/* ImportModel: each file becomes a blob, then they are packed. */
typedef struct
{
  char *name;        /* of the model, in its one spelling */
  GPtrArray *kinds;  /* of the files, in order */
  GPtrArray *names;  /* what they are called in the model */
  GPtrArray *blobs;  /* digests, as far as they were read */
  int *files;        /* -1: given away */
} Import;

static void
import_free (gpointer data)
{
  Import *import = data;

  for (guint i = 0; i < import->kinds->len; i++)
    if (import->files[i] >= 0)
      close (import->files[i]);
  g_ptr_array_unref (import->kinds);
  g_ptr_array_unref (import->names);
  g_ptr_array_unref (import->blobs);
  g_free (import->files);
  g_free (import->name);
  g_free (import);
}

char *
creel_model_import_stem (const char *name, const char *reference)
{
  g_autoptr (CreelReference) parsed = NULL;
  g_autofree char *stem = NULL;
  gsize length;

  if (name == NULL)
    {
      const char *slash;

      parsed = creel_reference_parse (reference, NULL);
      if (parsed == NULL)
        return NULL;
      slash = strrchr (parsed->path, '/');
      return g_strdup (slash != NULL ? slash + 1 : parsed->path);
    }
  stem = g_strdup (name);
  length = strlen (stem);
  if (length > strlen (".gguf") && g_ascii_strcasecmp (stem + length - strlen (".gguf"), ".gguf") == 0)
    stem[length - strlen (".gguf")] = '\0';
  /* of a split one: NAME-00001-of-00003 */
  if (g_regex_match_simple ("-[0-9]{5}-of-[0-9]{5}$", stem, 0, 0))
    stem[strlen (stem) - strlen ("-00001-of-00003")] = '\0';
  return stem[0] != '\0' ? g_steal_pointer (&stem) : NULL;
}

char *
creel_model_import_file_name (const char *kind, const char *stem, guint n, guint of)
{
  if (g_str_equal (kind, "gguf"))
    return of == 1 ? g_strdup_printf ("%s.gguf", stem) : g_strdup_printf ("%s-%05u-of-%05u.gguf", stem, n, of);
  if (g_str_equal (kind, "mmproj"))
    return n == 1 ? g_strdup_printf ("%s.mmproj", stem) : g_strdup_printf ("%s-%u.mmproj", stem, n);
  if (g_str_equal (kind, "chat-template"))
    return n == 1 ? g_strdup ("template.jinja") : g_strdup_printf ("template-%u.jinja", n);
  return n == 1 ? g_strdup ("LICENSE") : g_strdup_printf ("LICENSE-%u", n);
}

static void
packed (CreelImageJob *job, CreelWorkerLines *lines, gpointer data)
{
  Import *import = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (CreelModelConfig) config = creel_worker_lines_take_model (lines, &error);

  if (config != NULL)
    {
      config->created = g_get_real_time ();
      g_free (config->source);
      config->source = g_strdup ("import");
      if (creel_model_store_add (config, import->name, &error))
        creel_engines_models_changed (creel_image_job_get_daemon (job)->engines);
    }
  if (error != NULL)
    {
      creel_image_job_fail (job, error);
      return;
    }
  creel_image_job_add_detail (job, "id", g_variant_new_string (config->id));
  creel_image_job_add_detail (job, "reference", g_variant_new_string (import->name));
  creel_image_job_done (job);
}

static void
pack (CreelImageJob *job, Import *import)
{
  g_autoptr (GPtrArray) arguments = g_ptr_array_new_with_free_func (g_free);

  for (guint i = 0; i < import->kinds->len; i++)
    {
      g_autofree char *name = g_uri_escape_string (import->names->pdata[i], NULL, FALSE);

      g_ptr_array_add (arguments, g_strdup_printf ("file=%s:%s:%s", (char *) import->kinds->pdata[i], (char *) import->blobs->pdata[i], name));
    }
  g_ptr_array_add (arguments, NULL);
  creel_image_job_run (job, CREEL_WORKER_MODEL_PACK, (const char *const *) arguments->pdata, -1, -1, packed);
}

static void added (CreelImageJob *job, CreelWorkerLines *lines, gpointer data);

static void
add_next (CreelImageJob *job, Import *import)
{
  guint i = import->blobs->len;
  const char *arguments[] = { NULL, NULL };
  int file;

  if (i == import->kinds->len)
    {
      pack (job, import);
      return;
    }
  arguments[0] = import->kinds->pdata[i];
  file = import->files[i];
  import->files[i] = -1; /* the worker's now */
  creel_image_job_run (job, CREEL_WORKER_MODEL_ADD, arguments, file, -1, added);
}

static void
added (CreelImageJob *job, CreelWorkerLines *lines, gpointer data)
{
  Import *import = data;

  g_ptr_array_add (import->blobs, g_strdup (lines->id + strlen ("sha256-")));
  add_next (job, import);
}

static gboolean
check_files (GVariant *files, GError **error)
{
  static const char *const kinds[] = { "gguf", "mmproj", "chat-template", "license", NULL };
  GVariantIter iter;
  const char *kind;
  gboolean weights = FALSE;

  g_variant_iter_init (&iter, files);
  while (g_variant_iter_next (&iter, "(&sh)", &kind, NULL))
    {
      if (!g_strv_contains (kinds, kind))
        {
          g_set_error (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS, "A file of a model is gguf, mmproj, chat-template or license, not \"%.32s\"", kind);
          return FALSE;
        }
      weights |= g_str_equal (kind, "gguf");
    }
  if (!weights || g_variant_n_children (files) > CREEL_MODEL_MAX_FILES - 1)
    {
      g_set_error (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS, "A model is made of one GGUF file or more, %d files at most", CREEL_MODEL_MAX_FILES - 1);
      return FALSE;
    }
  return TRUE;
}

static gboolean
prepare_import (CreelCall *call, GStrvBuilder *actions, GError **error)
{
  static const char *const known[] = { "name:s", NULL };
  g_autoptr (GVariant) files = NULL;
  g_autoptr (GVariant) options = NULL;
  g_autoptr (CreelReference) reference = NULL;
  g_autofree char *stem = NULL;
  g_autofree char *normal = NULL;
  const char *text, *name = NULL;
  GVariantBuilder details;

  g_variant_get (call->parameters, "(&s@a(sh)@a{sv})", &text, &files, &options);
  reference = creel_reference_parse (text, error);
  if (reference == NULL || !creel_options_check (options, known, error) || !check_files (files, error))
    return FALSE;
  if (reference->digest != NULL)
    {
      g_set_error_literal (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS, "A digest cannot be given to a model: write NAME:TAG");
      return FALSE;
    }
  g_variant_lookup (options, "name", "&s", &name);
  stem = creel_model_import_stem (name, text);
  if (stem == NULL || strlen (stem) > 128 || !creel_model_file_name_is_valid (stem))
    {
      g_set_error_literal (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS, "This cannot be the name of a model's file");
      return FALSE;
    }
  normal = creel_reference_format (reference);
  g_variant_builder_init (&details, G_VARIANT_TYPE ("a{ss}"));
  g_variant_builder_add (&details, "{ss}", "reference", normal);
  creel_call_need (call, CREEL_ACTION_PULL_MODEL, g_variant_builder_end (&details));
  return TRUE;
}

/* -1 with an error: what is not a regular file could block the worker, or change under it without end. */
static int
take_file (GUnixFDList *fds, gint32 index, GError **error)
{
  g_autoptr (GError) local_error = NULL;
  int fd = fds != NULL ? g_unix_fd_list_get (fds, index, &local_error) : -1;
  int flags = fd >= 0 ? fcntl (fd, F_GETFL) : -1;
  struct stat st;

  if (fd >= 0 && flags >= 0 && (flags & O_ACCMODE) != O_WRONLY && (flags & O_PATH) == 0 && fstat (fd, &st) == 0 && S_ISREG (st.st_mode))
    return fd;
  if (fd >= 0)
    close (fd);
  g_set_error_literal (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS, "The files of a model must be regular files, open for reading");
  return -1;
}

static guint
count_kind (GPtrArray *kinds, const char *kind)
{
  guint n = 0;

  for (guint i = 0; i < kinds->len; i++)
    n += g_str_equal (kinds->pdata[i], kind);
  return n;
}

static Import *
parse (CreelCall *call, GError **error)
{
  GUnixFDList *fds = g_dbus_message_get_unix_fd_list (g_dbus_method_invocation_get_message (call->invocation));
  g_autoptr (GVariant) files = NULL;
  g_autoptr (GVariant) options = NULL;
  g_autoptr (GPtrArray) seen = g_ptr_array_new ();
  g_autofree char *stem = NULL;
  const char *text, *kind, *name = NULL;
  Import *import = g_new0 (Import, 1);
  GVariantIter iter;
  gint32 index;

  g_variant_get (call->parameters, "(&s@a(sh)@a{sv})", &text, &files, &options);
  g_variant_lookup (options, "name", "&s", &name);
  stem = creel_model_import_stem (name, text);
  import->name = creel_image_reference_normalize (text, error);
  import->kinds = g_ptr_array_new_with_free_func (g_free);
  import->names = g_ptr_array_new_with_free_func (g_free);
  import->blobs = g_ptr_array_new_with_free_func (g_free);
  import->files = g_new (int, g_variant_n_children (files));
  g_variant_iter_init (&iter, files);
  while (import->name != NULL && g_variant_iter_next (&iter, "(&sh)", &kind, &index))
    {
      int fd = take_file (fds, index, error);

      if (fd < 0)
        break;
      import->files[import->kinds->len] = fd;
      g_ptr_array_add (import->kinds, g_strdup (kind));
    }
  if (import->name == NULL || import->kinds->len < g_variant_n_children (files))
    {
      import_free (import);
      return NULL;
    }
  for (guint i = 0; i < import->kinds->len; i++)
    {
      g_ptr_array_add (seen, import->kinds->pdata[i]);
      g_ptr_array_add (import->names, creel_model_import_file_name (import->kinds->pdata[i], stem, count_kind (seen, import->kinds->pdata[i]),
                                                                   count_kind (import->kinds, import->kinds->pdata[i])));
    }
  return import;
}

static void
handle_import (CreelCall *call)
{
  g_autoptr (GError) error = NULL;
  Import *import = parse (call, &error);
  CreelImageJob *job;

  if (import == NULL)
    {
      creel_call_fail (call, error);
      return;
    }
  job = creel_image_job_new (call, "model-import", import->name, NULL, import, import_free);
  if (job == NULL)
    return;
  creel_image_job_reply (job, call);
  add_next (job, import);
}

const CreelMethod creel_model_import_methods[] = {
  { "Models", "ImportModel", prepare_import, handle_import },
  { NULL }
};
