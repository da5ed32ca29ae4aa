/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "creel-error.h"
#include "creel-image-job.h"
#include "creel-image-make.h"

/* Images from an archive and from a recipe: one worker that writes a squashfs. */
typedef struct
{
  char *reference; /* NULL: the worker names it */
  const char *source;
} Make;

static void
make_free (gpointer data)
{
  Make *make = data;

  g_free (make->reference);
  g_free (make);
}

static char *
choose_reference (Make *make, CreelImageConfig *config, GError **error)
{
  if (make->reference != NULL)
    return g_strdup (make->reference);
  for (char **offered = config->references; *offered != NULL; offered++)
    {
      char *normal = creel_image_reference_normalize (*offered, NULL);

      if (normal != NULL)
        return normal;
    }
  g_set_error_literal (error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE, "The archive does not name its image; say what it shall be called");
  return NULL;
}

static void
made (CreelImageJob *job, CreelWorkerLines *lines, gpointer data)
{
  Make *make = data;
  g_autoptr (GError) error = NULL;
  g_autofree char *reference = choose_reference (make, lines->config, &error);

  if (reference != NULL)
    {
      lines->config->id = g_strdup (lines->id);
      if (lines->config->source == NULL)
        lines->config->source = g_strdup (make->source);
    }
  if (reference == NULL || !creel_image_job_commit_image (job, lines->config, reference, &error))
    {
      creel_image_job_fail (job, error);
      return;
    }
  creel_image_job_add_detail (job, "id", g_variant_new_string (lines->id));
  creel_image_job_add_detail (job, "reference", g_variant_new_string (reference));
  creel_image_job_done (job);
}

/* Takes input. */
static void
start (CreelCall *call, CreelWorkerKind kind, const char *operation, const char *target, const char *recipe, const char *reference,
       int input)
{
  const char *arguments[] = { recipe, NULL };
  Make *make = g_new0 (Make, 1);
  CreelImageJob *job;
  g_autoptr (GError) error = NULL;
  int output;

  make->reference = g_strdup (reference);
  make->source = kind == CREEL_WORKER_BUILD ? "build" : "import";
  job = creel_image_job_new (call, operation, target, NULL, make, make_free);
  if (job == NULL)
    {
      if (input >= 0)
        close (input);
      return;
    }
  creel_image_job_reply (job, call);
  output = creel_image_job_begin_image (job, &error);
  if (output >= 0)
    {
      creel_image_job_run (job, kind, arguments, input, output, made);
      return;
    }
  if (input >= 0)
    close (input);
  creel_image_job_fail (job, error);
}

static gboolean
prepare_import (CreelCall *call, GStrvBuilder *actions, GError **error)
{
  static const char *const known[] = { NULL };
  g_autoptr (GVariant) options = g_variant_get_child_value (call->parameters, 2);
  g_autofree char *normal = NULL;
  const char *reference;

  g_variant_get_child (call->parameters, 1, "&s", &reference);
  if (!creel_options_check (options, known, error))
    return FALSE;
  normal = reference[0] != '\0' ? creel_image_reference_normalize (reference, error) : g_strdup ("");
  return normal != NULL;
}

static void
handle_import (CreelCall *call)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *normal = NULL;
  const char *reference;
  struct stat st;
  gint32 index;
  int fd, flags;

  g_variant_get (call->parameters, "(h&s@a{sv})", &index, &reference, NULL);
  fd = creel_call_steal_fd (call, index, &error);
  if (fd < 0)
    {
      creel_call_fail (call, error);
      return;
    }
  flags = fcntl (fd, F_GETFL);
  if (fstat (fd, &st) < 0 || !S_ISREG (st.st_mode) || flags < 0 || (flags & O_ACCMODE) == O_WRONLY || (flags & O_PATH) != 0)
    {
      close (fd);
      creel_call_fail_new (call, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS, "The image must be a regular file open for reading");
      return;
    }
  normal = reference[0] != '\0' ? creel_image_reference_normalize (reference, NULL) : NULL;
  start (call, CREEL_WORKER_IMPORT, "image-import", normal != NULL ? normal : "", NULL, normal, fd);
}

void
creel_image_make_build (CreelCall *call, const char *recipe, const char *reference)
{
  start (call, CREEL_WORKER_BUILD, "image-build", reference, recipe, reference, -1);
}

const CreelMethod creel_image_make_methods[] = {
  { "Manager", "ImportImage", prepare_import, handle_import },
  { NULL }
};
