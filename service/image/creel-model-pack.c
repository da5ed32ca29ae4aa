/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-model-pack.h"
#include "creel-error.h"
#include "creel-gguf.h"
#include "creel-image-digest.h"
#include "creel-image-json.h"
#include "creel-image-process.h"
#include "creel-model-config.h"
#include "creel-model-manifest.h"
#include "creel-model-summary.h"
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK (1024 * 1024)
#define MAX_TEXT (4 * 1024 * 1024)
#define CONTEXT_MAX G_MAXINT32

/* ---- model-add ---- */

/* The first bytes are looked at before gigabytes are copied. */
static gboolean
check_content (const char *kind, int fd, guint64 size, GError **error)
{
  g_autoptr (CreelGguf) gguf = NULL;

  if (!g_str_equal (kind, "gguf") && !g_str_equal (kind, "mmproj"))
    {
      if (size <= MAX_TEXT)
        return TRUE;
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE, "A %s of more than %d MB is none",
                   kind, MAX_TEXT / 1024 / 1024);
      return FALSE;
    }
  gguf = creel_gguf_read (fd, size, error);
  return gguf != NULL;
}

static char *
copy (CreelImageBlobs *blobs, int fd, guint64 size, CreelImageReport *report, GError **error)
{
  g_autoptr (CreelImageDigest) digest = creel_image_digest_new ();
  g_autofree guint8 *buffer = g_malloc (BLOCK);
  g_autofree char *hex = NULL;
  guint64 done = 0;
  int to = creel_image_blobs_create (blobs, error);
  gboolean good = to >= 0;

  while (good && done < size)
    {
      gssize n = pread (fd, buffer, MIN (BLOCK, size - done), done);

      if (n < 0 && errno == EINTR)
        continue;
      if (n <= 0)
        {
          g_set_error (error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE,
                       "The file became shorter, or cannot be read to its end");
          good = FALSE;
        }
      else if (!creel_image_process_write (to, buffer, n))
        good = creel_image_process_fail (error, "Cannot write to the OCI store");
      else
        {
          creel_image_digest_update (digest, buffer, n);
          done += n;
          creel_image_report_progress (report, "reading", done, size);
        }
    }
  if (good)
    {
      hex = creel_image_digest_get (digest);
      good = creel_image_blobs_commit (blobs, to, hex, error);
    }
  if (to >= 0)
    close (to);
  return good ? g_steal_pointer (&hex) : NULL;
}

gboolean
creel_model_add (const char *kind, int fd, CreelImageReport *report, GError **error)
{
  g_autoptr (CreelImageBlobs) blobs = NULL;
  g_autoptr (CreelModelSummary) summary = creel_model_summary_new ();
  g_autofree char *hex = NULL;
  g_autofree char *number = NULL;
  struct stat st;

  if (!creel_model_file_kind_is_valid (kind) || g_str_equal (kind, "config"))
    {
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_FAILED, "There is no such kind of a file");
      return FALSE;
    }
  if (fstat (fd, &st) < 0 || !S_ISREG (st.st_mode))
    {
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE, "This is not a regular file");
      return FALSE;
    }
  if (!check_content (kind, fd, st.st_size, error) ||
      (blobs = creel_image_blobs_open (TRUE, error)) == NULL ||
      !creel_image_blobs_check_free (blobs, "model", st.st_size, error) ||
      (hex = copy (blobs, fd, st.st_size, report, error)) == NULL ||
      !creel_model_summary_add (summary, blobs, kind, hex, error))
    return FALSE;
  number = g_strdup_printf ("%" G_GUINT64_FORMAT, (guint64)st.st_size);
  {
    const char *const words[] = { hex, number, NULL };

    creel_image_report_words (report, "blob", words);
  }
  if (summary->first != NULL)
    creel_model_summary_report (summary, report);
  creel_image_report_done (report, hex);
  return TRUE;
}

/* ---- model-pack ---- */

typedef struct
{
  CreelModelConfig *files; /* for its checks of names and kinds */
  CreelModelSummary *summary;
  guint64 context_size, created;
} Pack;

static gboolean
take_file (Pack *self, CreelImageBlobs *blobs, const char *value, GError **error)
{
  g_auto (GStrv) parts = g_strsplit (value, ":", 3);
  gint64 size = g_strv_length (parts) == 3 && creel_image_digest_is_valid (parts[1])
                    ? creel_image_blobs_peek (blobs, parts[1])
                    : -1;

  if (size >= 0 && creel_model_manifest_type (parts[0]) != NULL &&
      creel_model_config_add_file (self->files, parts[0], parts[1], size, parts[2]))
    return creel_model_summary_add (self->summary, blobs, parts[0], parts[1], error);
  g_set_error (error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE,
               "A file of the model is not in the store, or has no valid kind or name");
  return FALSE;
}

static gboolean
take_setting (Pack *self, CreelImageBlobs *blobs, const char *setting, GError **error)
{
  const char *value = strchr (setting, '=');
  g_autofree char *text = value != NULL ? g_uri_unescape_string (value + 1, NULL) : NULL;

  if (text != NULL && g_str_has_prefix (setting, "file="))
    return take_file (self, blobs, text, error);
  if (text != NULL && g_str_has_prefix (setting, "context-size=") &&
      g_ascii_string_to_unsigned (text, 10, 1, CONTEXT_MAX, &self->context_size, NULL))
    return TRUE;
  if (text != NULL && g_str_has_prefix (setting, "created=") &&
      g_ascii_string_to_unsigned (text, 10, 0, G_MAXINT32, &self->created, NULL))
    return TRUE;
  g_set_error (error, CREEL_ERROR, CREEL_ERROR_FAILED, "A setting of the model is not valid");
  return FALSE;
}

static void
add_text (JsonBuilder *builder, const char *name, const char *value)
{
  if (*value == '\0')
    return;
  json_builder_set_member_name (builder, name);
  json_builder_add_string_value (builder, value);
}

static void
begin (JsonBuilder *builder, const char *name)
{
  json_builder_set_member_name (builder, name);
  json_builder_begin_object (builder);
}

static GBytes *
make_config (Pack *self)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  g_autofree char *parameters = creel_gguf_format_parameters (self->summary->parameters);
  g_autofree char *size =
      g_strdup_printf ("%" G_GUINT64_FORMAT ".%02u MB", self->summary->size / 1000000,
                       (guint)(self->summary->size % 1000000 / 10000));
  char *text;

  json_builder_begin_object (builder);
  begin (builder, "config");
  add_text (builder, "format", "gguf");
  add_text (builder, "quantization", self->summary->first->quantization);
  add_text (builder, "parameters", parameters);
  add_text (builder, "architecture", self->summary->first->architecture);
  add_text (builder, "size", size);
  if (self->context_size > 0)
    {
      json_builder_set_member_name (builder, "context_size");
      json_builder_add_int_value (builder, self->context_size);
    }
  json_builder_end_object (builder);
  begin (builder, "descriptor");
  if (self->created > 0)
    {
      g_autoptr (GDateTime) when = g_date_time_new_from_unix_utc (self->created);
      g_autofree char *iso = g_date_time_format_iso8601 (when);

      add_text (builder, "created", iso);
    }
  json_builder_end_object (builder);
  begin (builder, "rootfs");
  add_text (builder, "type", "rootfs");
  json_builder_set_member_name (builder, "diff_ids");
  json_builder_begin_array (builder);
  for (guint i = 0; i < self->files->files->len; i++)
    {
      const CreelModelFile *file = self->files->files->pdata[i];
      g_autofree char *id = g_strconcat ("sha256:", file->blob, NULL);

      json_builder_add_string_value (builder, id);
    }
  json_builder_end_array (builder);
  json_builder_end_object (builder);
  json_builder_end_object (builder);
  text = creel_image_json_format (builder);
  return g_bytes_new_take (text, strlen (text));
}

static void
add_descriptor (JsonBuilder *builder, const char *type, const char *hex, guint64 size)
{
  g_autofree char *digest = g_strconcat ("sha256:", hex, NULL);

  add_text (builder, "mediaType", type);
  add_text (builder, "digest", digest);
  json_builder_set_member_name (builder, "size");
  json_builder_add_int_value (builder, size);
}

static GBytes *
make_manifest (Pack *self, const char *config, guint64 config_size)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  char *text;

  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "schemaVersion");
  json_builder_add_int_value (builder, 2);
  add_text (builder, "mediaType", CREEL_IMAGE_TYPE_MANIFEST);
  begin (builder, "config");
  add_descriptor (builder, CREEL_MODEL_TYPE_CONFIG, config, config_size);
  json_builder_end_object (builder);
  json_builder_set_member_name (builder, "layers");
  json_builder_begin_array (builder);
  for (guint i = 0; i < self->files->files->len; i++)
    {
      const CreelModelFile *file = self->files->files->pdata[i];

      json_builder_begin_object (builder);
      add_descriptor (builder, creel_model_manifest_type (file->kind), file->blob, file->size);
      begin (builder, "annotations");
      add_text (builder, "org.cncf.model.filepath", file->name);
      json_builder_end_object (builder);
      json_builder_end_object (builder);
    }
  json_builder_end_array (builder);
  json_builder_end_object (builder);
  text = creel_image_json_format (builder);
  return g_bytes_new_take (text, strlen (text));
}

gboolean
creel_model_pack (char **settings, CreelImageReport *report, GError **error)
{
  g_autoptr (CreelImageBlobs) blobs = creel_image_blobs_open (TRUE, error);
  g_autoptr (CreelModelConfig) files = creel_model_config_new ();
  g_autoptr (CreelModelSummary) summary = creel_model_summary_new ();
  g_autoptr (CreelModelManifest) parsed = NULL;
  g_autoptr (GBytes) config = NULL;
  g_autoptr (GBytes) manifest = NULL;
  g_autofree char *config_hex = NULL;
  g_autofree char *hex = NULL;
  Pack self = { .files = files, .summary = summary };

  if (blobs == NULL)
    return FALSE;
  for (; *settings != NULL; settings++)
    if (!take_setting (&self, blobs, *settings, error))
      return FALSE;
  if (!creel_model_summary_check (summary, error))
    return FALSE;
  config = make_config (&self);
  config_hex = creel_image_blobs_put (blobs, config, error);
  if (config_hex == NULL)
    return FALSE;
  manifest = make_manifest (&self, config_hex, g_bytes_get_size (config));
  /* What was made is read as if it had come from a registry: it is the same model there. */
  if ((parsed = creel_model_manifest_parse (manifest, error)) == NULL ||
      (hex = creel_image_blobs_put (blobs, manifest, error)) == NULL ||
      !creel_model_manifest_report (parsed, blobs, hex, g_bytes_get_size (manifest), report, error))
    return FALSE;
  creel_image_report_done (report, hex);
  return TRUE;
}
