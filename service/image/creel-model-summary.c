/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-model-summary.h"
#include "creel-error.h"
#include <unistd.h>

CreelModelSummary *
creel_model_summary_new (void)
{
  CreelModelSummary *self = g_new0 (CreelModelSummary, 1);

  self->in_order = TRUE;
  return self;
}

void
creel_model_summary_free (CreelModelSummary *self)
{
  g_clear_pointer (&self->first, creel_gguf_free);
  g_free (self);
}

gboolean
creel_model_summary_add (CreelModelSummary *self, CreelImageBlobs *blobs, const char *kind,
                         const char *hex, GError **error)
{
  gboolean is_model = g_str_equal (kind, "gguf"), is_projector = g_str_equal (kind, "mmproj");
  g_autoptr (CreelGguf) gguf = NULL;
  guint64 size;
  int fd;

  self->has_template |= g_str_equal (kind, "chat-template");
  if (!is_model && !is_projector)
    return TRUE;
  fd = creel_image_blobs_get (blobs, hex, &size, error);
  if (fd < 0)
    return FALSE;
  gguf = creel_gguf_read (fd, size, error);
  close (fd);
  if (gguf == NULL)
    return FALSE;
  if (creel_gguf_is_projector (gguf) != is_projector)
    {
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE,
                   is_projector ? "The file that is given as the projector of the model is none"
                                : "This GGUF file is the projector of a model, not a model");
      return FALSE;
    }
  if (!g_uint64_checked_add (&self->size, self->size, size))
    self->in_order = FALSE;
  if (is_projector)
    return TRUE;
  if (self->first != NULL || gguf->split_count > 1)
    self->in_order &= gguf->split_no == self->n_parts;
  self->n_parts++;
  self->parameters += gguf->parameters;
  if (self->first == NULL)
    self->first = g_steal_pointer (&gguf);
  return TRUE;
}

gboolean
creel_model_summary_check (const CreelModelSummary *self, GError **error)
{
  guint64 wanted = self->first != NULL ? MAX (self->first->split_count, 1) : 0;

  if (self->first != NULL && self->in_order && wanted == self->n_parts)
    return TRUE;
  if (self->first == NULL)
    g_set_error (error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE, "There is no GGUF file");
  else
    g_set_error (error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE,
                 "The model has %" G_GUINT64_FORMAT
                 " parts, but %u are given, or not in their order; "
                 "give all of them, the first first",
                 wanted, self->n_parts);
  return FALSE;
}

static void
say (CreelImageReport *report, const char *key, const char *value)
{
  g_autofree char *word = g_strconcat (key, "=", value, NULL);
  const char *const words[] = { word, NULL };

  creel_image_report_words (report, "model", words);
}

static void
say_number (CreelImageReport *report, const char *key, guint64 value)
{
  g_autofree char *text = g_strdup_printf ("%" G_GUINT64_FORMAT, value);

  say (report, key, text);
}

void
creel_model_summary_report (const CreelModelSummary *self, CreelImageReport *report)
{
  g_autofree char *parameters = creel_gguf_format_parameters (self->parameters);

  say (report, "architecture", self->first->architecture);
  say (report, "parameters", parameters);
  say (report, "quantization", self->first->quantization);
  say_number (report, "size", self->size);
  say_number (report, "context-length", self->first->context_length);
  say_number (report, "layers", self->first->layers);
  say_number (report, "kv-bytes-per-token", self->first->kv_bytes_per_token);
  say (report, "chat-template",
       self->first->has_chat_template || self->has_template ? "yes" : "no");
  say (report, "embedding", self->first->embedding ? "yes" : "no");
}
