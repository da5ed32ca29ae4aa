/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-image-build.h"
#include "creel-error.h"
#include "creel-image-merge.h"
#include "creel-image-namespace.h"
#include "creel-image-recipe.h"
#include "creel-image-squash.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* archive: NULL with error set. recipe: replaces what the archive says about itself, or NULL. */
static gboolean
pack (CreelImageArchive *archive, int out, const CreelImageRecipe *recipe, CreelImageReport *report,
      GError **error)
{
  g_autoptr (CreelImageList) list = NULL;
  g_autoptr (CreelImageTree) tree = NULL;
  g_autofree char *id = NULL;

  if (archive == NULL || (tree = creel_image_merge (archive, &list, error)) == NULL ||
      !creel_image_squash (archive, tree, list, out, report, error))
    return FALSE;
  id = archive->id != NULL ? g_strdup (archive->id) : creel_image_squash_digest (out, error);
  if (id == NULL)
    return FALSE;
  creel_image_config_report (recipe != NULL ? recipe->config : archive->config, report);
  creel_image_report_done (report, id);
  return TRUE;
}

gboolean
creel_image_import (int in, int out, CreelImageReport *report, GError **error)
{
  g_autoptr (CreelImageArchive) archive = creel_image_archive_open (in, report, error);

  return pack (archive, out, NULL, report, error);
}

gboolean
creel_image_convert (const char *manifest, int out, CreelImageReport *report, GError **error)
{
  g_autoptr (CreelImageBlobs) blobs = creel_image_blobs_open (FALSE, error);
  g_autoptr (CreelImageArchive) archive =
      blobs != NULL ? creel_image_archive_open_blobs (blobs, manifest, report, error) : NULL;

  return pack (archive, out, NULL, report, error);
}

/* ---- build ---- */

static gboolean
pack_tar (int tar, int out, const CreelImageRecipe *recipe, CreelImageReport *report,
          GError **error)
{
  g_autoptr (CreelImageArchive) archive = creel_image_archive_open (tar, report, error);

  return pack (archive, out, recipe, report, error);
}

static gboolean
run_for_output (const char *const *argv, char **ret_output, GError **error)
{
  g_autoptr (GSubprocess) process = g_subprocess_newv (
      argv, G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_SILENCE, error);

  return process != NULL &&
         g_subprocess_communicate_utf8 (process, NULL, NULL, ret_output, NULL, error);
}

static void
add_source (GString *sources, const char *uri, const char *release, const char *suite)
{
  g_autofree char *updates = g_strconcat (suite, "-updates", NULL);
  g_autofree char *security = g_strconcat (suite, "-security", NULL);
  g_autofree char *line = g_strdup_printf ("deb %s %s main\n", uri, release);

  if ((g_str_equal (release, suite) || g_str_equal (release, updates) ||
       g_str_equal (release, security)) &&
      strstr (sources->str, line) == NULL)
    g_string_append (sources, line);
}

/* The archives which this machine's own apt uses for the suite: so a company's mirror is used here
 * too. */
static char *
host_sources (const char *suite, GError **error)
{
  const char *const known[] = {
    "apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE)", "Created-By: Packages", NULL
  };
  /* Before the first apt-get update there are no index files to list, but there is where it would
   * look. */
  const char *const configured[] = { "apt-get", "update", "--print-uris", NULL };
  g_autofree char *output = NULL;
  g_autofree char *uris = NULL;
  g_autoptr (GString) sources = g_string_new (NULL);
  g_auto (GStrv) lines = NULL;
  g_auto (GStrv) uri_lines = NULL;

  if (!run_for_output (known, &output, error))
    {
      g_prefix_error (error, "Cannot ask apt-get for this host's package archives: ");
      return NULL;
    }
  lines = g_strsplit (output, "\n", -1);
  for (guint i = 0; lines[i] != NULL; i++)
    {
      g_auto (GStrv) words = g_strsplit (lines[i], " ", -1);

      if (g_strv_length (words) == 2)
        add_source (sources, words[0], words[1], suite);
    }
  if (sources->len == 0 && run_for_output (configured, &uris, NULL))
    uri_lines = g_strsplit (uris, "\n", -1);
  for (guint i = 0; uri_lines != NULL && uri_lines[i] != NULL; i++)
    {
      /* 'URI/dists/SUITE/InRelease' FILE 0 */
      const char *dists = strstr (uri_lines[i], "/dists/");
      const char *end = dists != NULL ? strstr (dists, "/InRelease'") : NULL;

      if (end != NULL && *uri_lines[i] == '\'')
        {
          g_autofree char *uri = g_strndup (uri_lines[i] + 1, dists + 1 - (uri_lines[i] + 1));
          g_autofree char *release =
              g_strndup (dists + strlen ("/dists/"), end - dists - strlen ("/dists/"));

          add_source (sources, uri, release, suite);
        }
    }
  if (sources->len == 0)
    {
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_FAILED,
                   "apt on this host has no package archive of “%s”; add one to its sources, or "
                   "give Mirrors= in the recipe",
                   suite);
      return NULL;
    }
  return g_string_free (g_steal_pointer (&sources), FALSE);
}

/* The host's proxy settings for apt, so that a build works wherever apt-get install does. */
static void
add_proxy (GPtrArray *argv)
{
  const char *const dump[] = { "apt-config", "dump", "--format", "%f=%v%n", "Acquire", NULL };
  g_autofree char *output = NULL;
  g_auto (GStrv) lines = NULL;

  if (!run_for_output (dump, &output, NULL))
    return;
  lines = g_strsplit (output, "\n", -1);
  for (guint i = 0; lines[i] != NULL; i++)
    {
      g_auto (GStrv) pair = g_strsplit (lines[i], "=", 2);

      if (g_strv_length (pair) == 2 && *pair[1] != '\0' && strchr (pair[1], '"') == NULL &&
          (g_ascii_strcasecmp (pair[0], "Acquire::http::Proxy") == 0 ||
           g_ascii_strcasecmp (pair[0], "Acquire::https::Proxy") == 0))
        g_ptr_array_add (argv, g_strdup_printf ("--aptopt=%s \"%s\"", pair[0], pair[1]));
    }
}

static GPtrArray *
make_command (const CreelImageRecipe *recipe)
{
  static const char *const fixed[] = {
    "mmdebstrap",
    "--mode=root",
    "--format=tar",
    "--variant=minbase",
    "--aptopt=APT::Install-Recommends \"false\"",
    "--dpkgopt=force-unsafe-io",
    "--dpkgopt=path-exclude=/usr/share/man/*",
    "--dpkgopt=path-exclude=/usr/share/info/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*",
    "--dpkgopt=path-exclude=/usr/share/doc/*",
    "--dpkgopt=path-include=/usr/share/doc/*/copyright",
  };
  GPtrArray *argv = g_ptr_array_new_with_free_func (g_free);
  g_autofree char *files = g_build_filename (recipe->directory, "files", NULL);
  g_autofree char *setup = g_build_filename (recipe->directory, "setup", NULL);

  for (guint i = 0; i < G_N_ELEMENTS (fixed); i++)
    g_ptr_array_add (argv, g_strdup (fixed[i]));
  add_proxy (argv);
  if (recipe->packages->len > 0)
    {
      g_autoptr (GString) include = g_string_new ("--include=");

      for (guint i = 0; i < recipe->packages->len; i++)
        g_string_append_printf (include, "%s%s", i > 0 ? "," : "",
                                (char *)recipe->packages->pdata[i]);
      g_ptr_array_add (argv, g_string_free (g_steal_pointer (&include), FALSE));
    }
  /* The directory's name holds nothing that the shell minds: the recipe's loader saw to that. */
  if (g_file_test (files, G_FILE_TEST_IS_DIR))
    g_ptr_array_add (
        argv,
        g_strdup_printf ("--customize-hook=cp -R --no-preserve=ownership %s/. \"$1\"/", files));
  if (g_file_test (setup, G_FILE_TEST_IS_REGULAR))
    g_ptr_array_add (argv,
                     g_strdup_printf ("--customize-hook=chroot \"$1\" /bin/sh -eus < %s", setup));
  g_ptr_array_add (argv, g_strdup (recipe->suite));
  g_ptr_array_add (argv, g_strdup ("-"));
  g_ptr_array_add (argv, g_strdup ("-"));
  g_ptr_array_add (argv, NULL);
  return argv;
}

/* mmdebstrap's own words for its steps, in order. */
static const struct
{
  const char *text, *phase;
} steps[] = {
  { "I: running apt-get update", "fetching" },
  { "I: downloading packages", "fetching" },
  { "I: extracting archives", "installing" },
  { "I: installing essential packages", "installing" },
  { "I: installing remaining packages", "installing" },
  { "I: running --customize-hook", "installing" },
  { "I: cleaning package lists", "installing" },
  { "I: creating tarball", "installing" },
};

/* Follows mmdebstrap until it ends; *ret_text is the last that it complained about. */
static void
follow (int fd, CreelImageReport *report, char **ret_text)
{
  FILE *stream = fdopen (fd, "r");
  char line[1024];

  *ret_text = NULL;
  while (stream != NULL && fgets (line, sizeof line, stream) != NULL)
    {
      g_strchomp (line);
      for (guint i = 0; i < G_N_ELEMENTS (steps); i++)
        if (g_str_has_prefix (line, steps[i].text))
          creel_image_report_progress (report, steps[i].phase, i, G_N_ELEMENTS (steps));
      if (strstr (line, "No space left on device") != NULL ||
          ((g_str_has_prefix (line, "E: ") || g_str_has_prefix (line, "dpkg: error")) &&
           (*ret_text == NULL || strstr (*ret_text, "No space") == NULL) &&
           strstr (line, "received signal") == NULL &&
           strstr (line, "mmdebstrap failed to run") == NULL))
        {
          g_free (*ret_text);
          *ret_text = g_strdup (line);
        }
    }
  if (stream != NULL)
    fclose (stream);
}

static int
memory_file (const char *text)
{
  int fd = memfd_create ("sources", MFD_CLOEXEC);
  gsize length = strlen (text);

  if (fd >= 0 && (write (fd, text, length) != (gssize)length || lseek (fd, 0, SEEK_SET) != 0))
    {
      close (fd);
      fd = -1;
    }
  return fd;
}

static gboolean
run_mmdebstrap (const CreelImageRecipe *recipe, int tar, CreelImageReport *report, GError **error)
{
  const char *const environment[] = { "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
                                      "LC_ALL=C.UTF-8",
                                      "TMPDIR=/var/tmp",
                                      "HOME=/nonexistent",
                                      "DEBIAN_FRONTEND=noninteractive",
                                      NULL };
  g_autoptr (GPtrArray) argv = make_command (recipe);
  g_autofree char *sources =
      recipe->mirrors != NULL ? g_strdup (recipe->mirrors) : host_sources (recipe->suite, error);
  g_autofree char *text = NULL;
  int in, noise[2], status = 0;
  pid_t pid;

  if (sources == NULL)
    return FALSE;
  in = memory_file (sources);
  if (in < 0 || pipe2 (noise, O_CLOEXEC) < 0)
    {
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_FAILED, "Cannot start the build: %s",
                   g_strerror (errno));
      return FALSE;
    }
  creel_image_report_progress (report, "fetching", 0, G_N_ELEMENTS (steps));
  pid = creel_image_namespace_spawn ((const char *const *)argv->pdata, environment, in, tar,
                                     noise[1], error);
  close (in);
  close (noise[1]);
  if (pid < 0)
    {
      close (noise[0]);
      return FALSE;
    }
  /* From here on root is of no use any more: what is left to do is to wait and to read. */
  if (!creel_image_namespace_drop (error))
    return FALSE;
  follow (noise[0], report, &text);
  while (waitpid (pid, &status, 0) < 0 && errno == EINTR)
    ;
  if (WIFEXITED (status) && WEXITSTATUS (status) == 0)
    return TRUE;
  if (WIFEXITED (status) && WEXITSTATUS (status) == 127)
    g_set_error (error, CREEL_ERROR, CREEL_ERROR_FAILED,
                 "mmdebstrap is not installed; install it with apt-get install mmdebstrap");
  else if (text != NULL && strstr (text, "No space left") != NULL)
    g_set_error (error, CREEL_ERROR, CREEL_ERROR_NO_SPACE,
                 "The disk of /var/tmp is full; a build needs about 2 GB there");
  else
    {
      g_autofree char *quoted = creel_image_quote (text != NULL ? text : "it did not say why");

      g_set_error (error, CREEL_ERROR, CREEL_ERROR_FAILED,
                   "mmdebstrap failed: %s; can this host reach its package archives?", quoted);
    }
  return FALSE;
}

gboolean
creel_image_build (const char *name, int out, CreelImageReport *report, GError **error)
{
  g_autoptr (CreelImageRecipe) recipe = creel_image_recipe_load (name, error);
  gboolean good;
  int tar;

  if (recipe == NULL)
    return FALSE;
  if (geteuid () != 0)
    {
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_FAILED,
                   "A build must be started as root; it gives that up itself");
      return FALSE;
    }
  tar = open ("/var/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (tar < 0)
    {
      g_set_error (error, CREEL_ERROR, CREEL_ERROR_FAILED, "Cannot make a file in /var/tmp: %s",
                   g_strerror (errno));
      return FALSE;
    }
  good = run_mmdebstrap (recipe, tar, report, error) && pack_tar (tar, out, recipe, report, error);
  close (tar);
  return good;
}
