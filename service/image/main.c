/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One step of an image job: see README.md for the modes and the three file descriptors. */
#include "creel-build-plan.h"
#include "creel-error.h"
#include "creel-image-build.h"
#include "creel-image-export.h"
#include "creel-image-fetch.h"
#include "creel-image-report.h"
#include "creel-image-save.h"
#include "creel-image-unsquash.h"
#include "creel-model-fetch.h"
#include "creel-model-pack.h"
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void
on_terminate (int signal_number)
{
  static const char line[] = "error Cancelled The job was cancelled\n";
  gssize ignored = write (STDERR_FILENO, line, sizeof line - 1);

  (void)ignored; /* children die with us: PR_SET_PDEATHSIG */
  _exit (1);
}

static gboolean
run_import (char **args, CreelImageReport *report, GError **error)
{
  return creel_image_import (STDIN_FILENO, STDOUT_FILENO, report, error);
}

static gboolean
run_build (char **args, CreelImageReport *report, GError **error)
{
  return creel_image_build (args[0], STDOUT_FILENO, report, error);
}

static gboolean
run_fetch (char **args, CreelImageReport *report, GError **error)
{
  return creel_image_fetch (args[0], STDIN_FILENO, report, error);
}

static gboolean
run_convert (char **args, CreelImageReport *report, GError **error)
{
  return creel_image_convert (args[0], STDOUT_FILENO, report, error);
}

static gboolean
run_layer (char **args, CreelImageReport *report, GError **error)
{
  return creel_image_layer (STDIN_FILENO, args, report, error);
}

static gboolean
run_save (char **args, CreelImageReport *report, GError **error)
{
  return creel_image_save (args[0], args + 1, STDIN_FILENO, report, error);
}

static gboolean
run_export (char **args, CreelImageReport *report, GError **error)
{
  return creel_image_export (args[0], args[1], args[2], STDIN_FILENO, STDOUT_FILENO, report, error);
}

static gboolean
run_push (char **args, CreelImageReport *report, GError **error)
{
  return creel_image_push (args[0], args[1], STDIN_FILENO, report, error);
}

static gboolean
run_plan (char **args, CreelImageReport *report, GError **error)
{
  return creel_image_plan (args[0], STDIN_FILENO, report, error);
}

static gboolean
run_copy (char **args, CreelImageReport *report, GError **error)
{
  return creel_image_copy (args[0], args[1], args[2], args[3], args + 4, STDOUT_FILENO, report,
                           error);
}

static gboolean
run_model_add (char **args, CreelImageReport *report, GError **error)
{
  return creel_model_add (args[0], STDIN_FILENO, report, error);
}

static gboolean
run_model_pack (char **args, CreelImageReport *report, GError **error)
{
  return creel_model_pack (args, report, error);
}

static gboolean
run_model_fetch (char **args, CreelImageReport *report, GError **error)
{
  return creel_model_fetch (args[0], STDIN_FILENO, report, error);
}

static gboolean
run_model_push (char **args, CreelImageReport *report, GError **error)
{
  return creel_model_push (args[0], args[1], STDIN_FILENO, report, error);
}

static const struct
{
  const char *name, *help;
  int min, max;
  gboolean (*run) (char **args, CreelImageReport *report, GError **error);
} modes[] = {
  { "import", "< ARCHIVE 1<> SQUASHFS", 0, 0, run_import },
  { "build", "RECIPE 1<> SQUASHFS", 1, 1, run_build },
  { "plan", "FOLDER < BASE", 1, 1, run_plan },
  { "copy", "FOLDER UID:GID MODE NAME SOURCE... > TAR", 5, G_MAXINT, run_copy },
  { "fetch", "REFERENCE < CREDENTIAL", 1, 1, run_fetch },
  { "convert", "MANIFEST 1<> SQUASHFS", 1, 1, run_convert },
  { "layer", "[KEY=VALUE...] < SQUASHFS", 0, G_MAXINT, run_layer },
  { "save", "MANIFEST|scratch [KEY=VALUE...] < TAR", 1, G_MAXINT, run_save },
  { "push", "MANIFEST REFERENCE < CREDENTIAL", 2, 2, run_push },
  { "export", "MANIFEST oci-archive|docker-archive|rootfs REFERENCE > FILE", 3, 3, run_export },
  { "model-add", "KIND < FILE", 1, 1, run_model_add },
  { "model-pack", "file=KIND:HEX:NAME... [KEY=VALUE...]", 1, G_MAXINT, run_model_pack },
  { "model-fetch", "REFERENCE < CREDENTIAL", 1, 1, run_model_fetch },
  { "model-push", "MANIFEST REFERENCE < CREDENTIAL", 2, 2, run_model_push },
};

int
main (int argc, char **argv)
{
  g_autoptr (CreelImageReport) report = creel_image_report_new (STDERR_FILENO);
  g_autoptr (GError) error = NULL;

  /* Names in archives are UTF-8 or raw bytes, whatever the caller's locale is. */
  setlocale (LC_ALL, "C.UTF-8");
  signal (SIGPIPE, SIG_IGN);
  signal (SIGTERM, on_terminate);

  for (guint i = 0; argc >= 2 && i < G_N_ELEMENTS (modes); i++)
    if (g_str_equal (argv[1], modes[i].name) && argc - 2 >= modes[i].min &&
        argc - 2 <= modes[i].max)
      {
        if (modes[i].run (argv + 2, report, &error))
          return 0;
        creel_image_report_error (report, error);
        return 1;
      }
  for (guint i = 0; i < G_N_ELEMENTS (modes); i++)
    fprintf (stderr, "%s creel-image %s %s\n", i == 0 ? "usage:" : "      ", modes[i].name,
             modes[i].help);
  return 2;
}
