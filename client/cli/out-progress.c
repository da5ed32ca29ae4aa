/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "out-progress.h"

#include <stdio.h>
#include <unistd.h>

#include "cli-terminal.h"
#include "out-text.h"

struct _OutProgress
{
  gboolean visible;
  gboolean plain; /* no terminal */
  char *phase;
  gint64 phase_started; /* monotonic usec */
};

OutProgress *
out_progress_new (gboolean quiet)
{
  OutProgress *progress = g_new0 (OutProgress, 1);

  progress->visible = !quiet && isatty (STDERR_FILENO);
  progress->plain = !quiet && !progress->visible;
  return progress;
}

char *
out_progress_format (const char *phase, guint64 done, guint64 total, double seconds, guint columns)
{
  /* small numbers are steps, not bytes */
  gboolean bytes = total >= 4096 || (total == 0 && done >= 4096);
  double fraction = total > 0 ? MIN ((double) done / total, 1.0) : 0;
  g_autoptr (GString) line = g_string_new (phase);
  g_autoptr (GString) tail = g_string_new (NULL);

  if (bytes)
    {
      g_autofree char *have = out_size (done), *whole = total > 0 ? out_size (total) : NULL;

      g_string_append_printf (tail, " %s%s%s", have, whole != NULL ? " of " : "", whole != NULL ? whole : "");
      if (seconds >= 1 && done > 0)
        {
          g_autofree char *rate = out_size (done / seconds);

          g_string_append_printf (tail, ", %s/s", rate);
        }
    }
  else if (total > 0)
    g_string_append_printf (tail, " %" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT, done, total);
  if (total > 0 && done > 0 && done < total && seconds >= 1)
    {
      g_autofree char *left = out_duration (seconds * (total - done) / done + 0.5);

      g_string_append_printf (tail, ", %s left", left);
    }
  if (total > 0 && line->len + tail->len + 20 < columns)
    {
      guint width = MIN (columns - line->len - tail->len - 4, 30), filled = fraction * width;

      g_string_append (line, " [");
      for (guint i = 0; i < width; i++)
        g_string_append_c (line, i < filled ? '#' : '.');
      g_string_append_c (line, ']');
    }
  g_string_append (line, tail->str);
  g_string_truncate (line, MIN (line->len, columns > 0 ? columns - 1 : 0));
  return g_string_free (g_steal_pointer (&line), FALSE);
}

void
out_progress_update (OutProgress *progress, const char *phase, guint64 done, guint64 total)
{
  g_autofree char *safe = NULL, *line = NULL;
  guint16 rows, columns = 80;
  gint64 now = g_get_monotonic_time ();

  if (!progress->visible && !progress->plain)
    return;
  if (g_strcmp0 (phase, progress->phase) != 0)
    {
      if (progress->plain && *phase != '\0')
        {
          g_autofree char *plain = out_printable (phase, -1, FALSE);

          fprintf (stderr, "%s\n", plain);
        }
      g_free (progress->phase);
      progress->phase = g_strdup (phase);
      progress->phase_started = now;
    }
  if (progress->plain)
    return;
  cli_terminal_size (&rows, &columns);
  safe = out_printable (*phase != '\0' ? phase : "waiting", -1, FALSE);
  line = out_progress_format (safe, done, total, (now - progress->phase_started) / 1e6, columns);
  fprintf (stderr, "\r%s\033[K", line);
}

void
out_progress_clear (OutProgress *progress)
{
  if (progress->visible && progress->phase != NULL)
    fputs ("\r\033[K", stderr);
}

void
out_progress_free (OutProgress *progress)
{
  out_progress_clear (progress);
  g_free (progress->phase);
  g_free (progress);
}
