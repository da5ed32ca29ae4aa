/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* creel-image import | build RECIPE | plan FOLDER | copy FOLDER ...: see README.md for the three file descriptors. */
#include "creel-build-plan.h"
#include "creel-error.h"
#include "creel-image-build.h"
#include "creel-image-report.h"
#include "creel-image-squash.h"
#include <locale.h>
#include <signal.h>
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

int
main (int argc, char **argv)
{
  g_autoptr (CreelImageReport) report = creel_image_report_new (STDERR_FILENO);
  g_autoptr (GError) error = NULL;
  gboolean good;

  /* Names in archives are UTF-8 or raw bytes, whatever the caller's locale is. */
  setlocale (LC_ALL, "C.UTF-8");
  signal (SIGPIPE, SIG_IGN);
  signal (SIGTERM, on_terminate);

  if (argc == 2 && g_str_equal (argv[1], "import"))
    good = creel_image_import (STDIN_FILENO, STDOUT_FILENO, report, &error);
  else if (argc == 3 && g_str_equal (argv[1], "build"))
    good = creel_image_build (argv[2], STDOUT_FILENO, report, &error);
  else if (argc == 3 && g_str_equal (argv[1], "plan"))
    good = creel_image_plan (argv[2], STDIN_FILENO, report, &error);
  else if (argc >= 7 && g_str_equal (argv[1], "copy"))
    good = creel_image_copy (argv[2], argv[3], argv[4], argv[5], argv + 6, STDOUT_FILENO, report, &error);
  else
    {
      fprintf (stderr, "usage: creel-image import < ARCHIVE 1<> SQUASHFS\n"
                       "       creel-image build RECIPE 1<> SQUASHFS\n"
                       "       creel-image plan FOLDER < BASE\n"
                       "       creel-image copy FOLDER UID:GID MODE NAME SOURCE... > TAR\n");
      return 2;
    }
  if (!good)
    creel_image_report_error (report, error);
  return good ? 0 : 1;
}
