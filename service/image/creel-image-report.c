/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-image-report.h"
#include "creel-error.h"
#include <errno.h>
#include <string.h>
#include <unistd.h>

#define PROGRESS_INTERVAL (G_USEC_PER_SEC / 10)
#define QUOTE_MAX 160

struct _CreelImageReport
{
  int fd;
  char *phase;
  gint64 last;
  gboolean complete;
};

CreelImageReport *
creel_image_report_new (int fd)
{
  CreelImageReport *self = g_new0 (CreelImageReport, 1);

  self->fd = fd;
  return self;
}

void
creel_image_report_free (CreelImageReport *self)
{
  g_free (self->phase);
  g_free (self);
}

static void write_line (CreelImageReport *self, const char *format, ...) G_GNUC_PRINTF (2, 3);

static void
write_line (CreelImageReport *self, const char *format, ...)
{
  g_autofree char *line = NULL;
  gsize length, done = 0;
  va_list args;

  va_start (args, format);
  line = g_strdup_vprintf (format, args);
  va_end (args);

  length = strlen (line);
  while (done < length)
    {
      gssize n = write (self->fd, line + done, length - done);

      if (n > 0)
        done += n;
      else if (n < 0 && errno != EINTR)
        _exit (1);
    }
}

void
creel_image_report_progress (CreelImageReport *self, const char *phase, guint64 done, guint64 total)
{
  gint64 now = g_get_monotonic_time ();
  gboolean complete = total > 0 && done >= total;

  if (self == NULL)
    return;
  if (g_strcmp0 (self->phase, phase) == 0 &&
      (complete ? self->complete : now - self->last < PROGRESS_INTERVAL))
    return;

  g_free (self->phase);
  self->phase = g_strdup (phase);
  self->last = now;
  self->complete = complete;
  write_line (self, "progress %s %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT "\n", phase, done,
              total);
}

void
creel_image_report_config (CreelImageReport *self, const char *key, const char *value)
{
  g_autofree char *escaped = NULL;

  if (self == NULL)
    return;
  escaped = g_uri_escape_string (value, "/:=,@+ ", FALSE);
  write_line (self, "config %s=%s\n", key, escaped);
}

void
creel_image_report_words (CreelImageReport *self, const char *first, const char *const *words)
{
  g_autoptr (GString) line = g_string_new (first);

  for (; *words != NULL; words++)
    {
      g_string_append_c (line, ' ');
      g_string_append_uri_escaped (line, *words, "/:=,@+", FALSE);
    }
  write_line (self, "%s\n", line->str);
}

void
creel_image_report_hex (CreelImageReport *self, const char *word, const char *hex)
{
  if (self != NULL)
    write_line (self, "%s %s\n", word, hex);
}

void
creel_image_report_manifest (CreelImageReport *self, const char *hex, guint64 size,
                             const CreelImageManifest *manifest)
{
  g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);

  if (self == NULL)
    return;
  write_line (self, "blob %s %" G_GUINT64_FORMAT "\n", hex, size);
  write_line (self, "blob %s %" G_GUINT64_FORMAT "\n", manifest->config->digest,
              manifest->config->size);
  for (guint i = 0; i < manifest->layers->len; i++)
    {
      const CreelImageDescriptor *layer = manifest->layers->pdata[i];

      if (g_hash_table_add (seen, layer->digest))
        write_line (self, "blob %s %" G_GUINT64_FORMAT "\n", layer->digest, layer->size);
    }
  creel_image_report_hex (self, "manifest", hex);
}

const char *
creel_image_report_code (const GError *error)
{
  if (g_error_matches (error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE))
    return "BadImage";
  if (g_error_matches (error, CREEL_ERROR, CREEL_ERROR_BAD_DEFINITION))
    return "BadDefinition";
  if (g_error_matches (error, CREEL_ERROR, CREEL_ERROR_GUEST_FAILED))
    return "GuestFailed";
  if (g_error_matches (error, CREEL_ERROR, CREEL_ERROR_NO_SPACE))
    return "NoSpace";
  if (g_error_matches (error, CREEL_ERROR, CREEL_ERROR_NO_SUCH_IMAGE))
    return "NoSuchImage";
  if (g_error_matches (error, CREEL_ERROR, CREEL_ERROR_NO_SUCH_SECRET))
    return "NoSuchSecret";
  if (g_error_matches (error, CREEL_ERROR, CREEL_ERROR_TIMED_OUT))
    return "TimedOut";
  if (g_error_matches (error, CREEL_ERROR, CREEL_ERROR_CANCELLED))
    return "Cancelled";
  return "Failed";
}

void
creel_image_report_error (CreelImageReport *self, const GError *error)
{
  g_autofree char *text = g_strdup (error->message);

  g_strdelimit (text, "\n\r\t", ' ');
  write_line (self, "error %s %s\n", creel_image_report_code (error), text);
}

void
creel_image_report_done (CreelImageReport *self, const char *sha256)
{
  write_line (self, "done %s\n", sha256);
}

char *
creel_image_quote (const char *name)
{
  g_autofree char *valid = g_utf8_make_valid (name, strnlen (name, QUOTE_MAX));
  g_autoptr (GString) text = g_string_new ("“");

  for (const char *p = valid; *p != '\0'; p = g_utf8_next_char (p))
    {
      gunichar c = g_utf8_get_char (p);

      if (g_unichar_isprint (c))
        g_string_append_unichar (text, c);
      else
        g_string_append_printf (text, "\\x%02x", c);
    }
  if (strlen (name) > QUOTE_MAX)
    g_string_append (text, "…");
  g_string_append (text, "”");
  return g_string_free (g_steal_pointer (&text), FALSE);
}
