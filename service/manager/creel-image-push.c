/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "creel-auth.h"
#include "creel-error.h"
#include "creel-image-job.h"
#include "creel-image-layer.h"
#include "creel-image-secret.h"
#include "creel-image-store.h"
#include "creel-names.h"
#include "creel-reference.h"
#include "creel-root.h"

/* PushImage and ExportImage: what leaves this machine. An image without blobs gets them first. */
typedef struct
{
  char *id;
  CreelReference *reference; /* where to; of an export: its name in the archive */
  char *name;
  char *manifest;
  char *format; /* of an export */
  int file;     /* of an export, or -1 */
} Push;

static void
push_free (gpointer data)
{
  Push *push = data;

  if (push->file >= 0)
    close (push->file);
  if (push->reference != NULL)
    creel_reference_free (push->reference);
  g_free (push->id);
  g_free (push->name);
  g_free (push->manifest);
  g_free (push->format);
  g_free (push);
}

static void
pushed (CreelImageJob *job, CreelWorkerLines *lines, gpointer data)
{
  Push *push = data;
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  g_auto (GStrv) names = NULL;
  g_autoptr (GError) error = NULL;

  g_strv_builder_add (builder, push->name);
  for (char **digest = lines->digests; *digest != NULL; digest++)
    {
      g_autofree char *name = creel_reference_format_digest (push->reference, *digest);

      g_strv_builder_add (builder, name);
    }
  names = g_strv_builder_end (builder);
  if (!creel_image_store_add_names (push->id, names, &error))
    {
      creel_image_job_fail (job, error);
      return;
    }
  creel_image_job_add_detail (job, "id", g_variant_new_string (push->id));
  creel_image_job_add_detail (job, "reference", g_variant_new_string (push->name));
  if (lines->digests[0] != NULL)
    creel_image_job_add_detail (job, "digest", g_variant_new_string (lines->digests[0]));
  creel_image_job_done (job);
}

static void
with_secret (CreelImageJob *job, int secret, gpointer data)
{
  Push *push = data;
  const char *arguments[] = { push->manifest, push->name, NULL };

  creel_image_job_run (job, CREEL_WORKER_PUSH, arguments, secret, -1, pushed);
}

static void
layered_to_push (CreelImageJob *job, const char *manifest, gpointer data)
{
  Push *push = data;

  push->manifest = g_strdup (manifest);
  creel_image_secret_ask (job, push->reference->host, with_secret);
}

static void
exported (CreelImageJob *job, CreelWorkerLines *lines, gpointer data)
{
  Push *push = data;

  creel_image_job_add_detail (job, "id", g_variant_new_string (push->id));
  creel_image_job_done (job);
}

static void
layered_to_export (CreelImageJob *job, const char *manifest, gpointer data)
{
  Push *push = data;
  const char *arguments[] = { manifest, push->format, push->name, NULL };
  int file = push->file;

  push->file = -1; /* the worker's now */
  creel_image_job_run (job, CREEL_WORKER_EXPORT, arguments, -1, file, exported);
}

static void
export_rootfs (CreelImageJob *job, Push *push)
{
  static const char *const arguments[] = { "-", "rootfs", "-", NULL };
  g_autofree char *store = creel_root_path (CREEL_IMAGE_DIR);
  g_autofree char *path = g_build_filename (store, push->id, "rootfs.squashfs", NULL);
  g_autoptr (GError) error = NULL;
  int input = open (path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW), file = push->file;

  if (input < 0)
    {
      g_set_error (&error, CREEL_ERROR, CREEL_ERROR_FAILED, "Cannot open the disk of image %.19s", push->id);
      creel_image_job_fail (job, error);
      return;
    }
  push->file = -1;
  creel_image_job_run (job, CREEL_WORKER_EXPORT, arguments, input, file, exported);
}

/* Where a push goes: what was said, or the name that the image was asked for by when that has a host. */
static CreelReference *
parse_target (const char *image, const char *text, GError **error)
{
  g_autofree char *registry = creel_registry_default (error);
  g_autoptr (CreelReference) reference = NULL;

  if (registry == NULL)
    return NULL;
  reference = creel_reference_parse (text[0] != '\0' ? text : image, error);
  if (reference == NULL)
    return NULL;
  if (text[0] == '\0' && (reference->host == NULL || reference->digest != NULL))
    {
      g_set_error (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS,
                   "\"%.255s\" does not say where to: write the registry too, as in \"creel image push %.255s ghcr.io/NAME/IMAGE:TAG\"", image, image);
      return NULL;
    }
  if (reference->digest != NULL)
    {
      g_set_error_literal (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS, "A push goes to a tag: write HOST/NAME:TAG without a digest");
      return NULL;
    }
  creel_reference_qualify (reference, registry);
  return g_steal_pointer (&reference);
}

/* The administrator's rules see what goes where. */
static void
need_export (CreelCall *call, const char *image, const char *reference)
{
  GVariantBuilder details;

  g_variant_builder_init (&details, G_VARIANT_TYPE ("a{ss}"));
  g_variant_builder_add (&details, "{ss}", "image", image);
  g_variant_builder_add (&details, "{ss}", "reference", reference);
  creel_call_need (call, CREEL_ACTION_EXPORT_IMAGE, g_variant_builder_end (&details));
}

static gboolean
prepare_push (CreelCall *call, GStrvBuilder *actions, GError **error)
{
  static const char *const known[] = { NULL };
  g_autoptr (GVariant) options = NULL;
  g_autoptr (CreelReference) reference = NULL;
  g_autofree char *id = NULL, *name = NULL;
  const char *image, *text;

  g_variant_get (call->parameters, "(&s&s@a{sv})", &image, &text, &options);
  if (!creel_options_check (options, known, error) || (id = creel_image_resolve (image, error)) == NULL ||
      (reference = parse_target (image, text, error)) == NULL)
    return FALSE;
  name = creel_reference_format (reference);
  need_export (call, id, name);
  return TRUE;
}

static void
handle_push (CreelCall *call)
{
  Push *push = g_new0 (Push, 1);
  g_autoptr (GError) error = NULL;
  CreelImageJob *job;
  const char *image, *text;

  g_variant_get (call->parameters, "(&s&s@a{sv})", &image, &text, NULL);
  push->file = -1;
  push->id = creel_image_resolve (image, &error);
  push->reference = push->id != NULL ? parse_target (image, text, &error) : NULL;
  if (push->reference == NULL)
    {
      push_free (push);
      creel_call_fail (call, error);
      return;
    }
  push->name = creel_reference_format (push->reference);
  job = creel_image_job_new (call, "image-push", push->name, NULL, push, push_free);
  if (job == NULL)
    return;
  creel_image_job_reply (job, call);
  creel_image_layer_run (job, push->id, layered_to_push);
}

static gboolean
prepare_export (CreelCall *call, GStrvBuilder *actions, GError **error)
{
  static const char *const known[] = { NULL };
  static const char *const formats[] = { "oci-archive", "docker-archive", "rootfs", NULL };
  g_autoptr (GVariant) options = NULL;
  g_autofree char *id = NULL;
  const char *image, *format;

  g_variant_get (call->parameters, "(&sh&s@a{sv})", &image, NULL, &format, &options);
  if (!creel_options_check (options, known, error) || (id = creel_image_resolve (image, error)) == NULL)
    return FALSE;
  if (!g_strv_contains (formats, format))
    {
      g_set_error_literal (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS, "The format must be oci-archive, docker-archive or rootfs");
      return FALSE;
    }
  need_export (call, id, "");
  return TRUE;
}

/* What an archive calls the image: the name it was asked for by, else any it has, else the beginning of its id. */
static char *
choose_name (const char *image, const char *id)
{
  g_autoptr (GHashTable) names = creel_image_references_load (NULL);
  g_autofree char *name = names != NULL ? creel_image_find_name (names, image) : NULL;
  GHashTableIter iter;
  gpointer key, value;

  if (name != NULL && strchr (name, '@') == NULL)
    return g_steal_pointer (&name);
  if (names != NULL)
    {
      g_hash_table_iter_init (&iter, names);
      while (g_hash_table_iter_next (&iter, &key, &value))
        if (g_str_equal (value, id) && strchr (key, '@') == NULL)
          return g_strdup (key);
    }
  return g_strdup_printf ("image-%.12s:latest", id + strlen ("sha256-"));
}

static void
handle_export (CreelCall *call)
{
  Push *push = g_new0 (Push, 1);
  g_autoptr (GError) error = NULL;
  CreelImageJob *job;
  const char *image;
  struct stat st;
  gint32 index;
  int flags = -1;

  g_variant_get (call->parameters, "(&shs@a{sv})", &image, &index, &push->format, NULL);
  push->file = creel_call_steal_fd (call, index, &error);
  push->id = push->file >= 0 ? creel_image_resolve (image, &error) : NULL;
  if (push->id != NULL)
    flags = fcntl (push->file, F_GETFL);
  if (push->id != NULL && (flags < 0 || (flags & O_ACCMODE) == O_RDONLY || (flags & O_PATH) != 0 || fstat (push->file, &st) < 0 ||
                           !(S_ISREG (st.st_mode) || S_ISFIFO (st.st_mode))))
    g_set_error_literal (&error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS, "The image must go to a regular file or a pipe, open for writing");
  if (error != NULL)
    {
      push_free (push);
      creel_call_fail (call, error);
      return;
    }
  push->name = choose_name (image, push->id);
  job = creel_image_job_new (call, "image-export", push->name, NULL, push, push_free);
  if (job == NULL)
    return;
  creel_image_job_reply (job, call);
  if (g_str_equal (push->format, "rootfs"))
    export_rootfs (job, push);
  else
    creel_image_layer_run (job, push->id, layered_to_export);
}

const CreelMethod creel_image_push_methods[] = {
  { "Manager", "PushImage", prepare_push, handle_push },
  { "Manager", "ExportImage", prepare_export, handle_export },
  { NULL }
};
