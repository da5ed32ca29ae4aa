/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "creel-image-unsquash.h"
#include "creel-error.h"
#include "creel-image-document.h"
#include "creel-image-pack.h"
#include "creel-image-process.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define BLOCK (256 * 1024)
#define PIPE_SIZE (1024 * 1024)
#define NOISE_MAX 4096

static pid_t
start (int squashfs, int noise, int *ret_output, GError **error)
{
  /* The root directory's owner and mode would be lost without the dot. */
  const char *const argv[] = { "sqfs2tar",  "--root-becomes",  ".",
                               "--no-skip", "/proc/self/fd/3", NULL };
  const char *const environment[] = { "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", NULL };
  int null = open ("/dev/null", O_RDONLY | O_CLOEXEC), pipes[2];
  pid_t pid;

  if (null < 0 || pipe2 (pipes, O_CLOEXEC) < 0)
    {
      creel_image_process_fail (error, "Cannot start sqfs2tar");
      if (null >= 0)
        close (null);
      return -1;
    }
  fcntl (pipes[0], F_SETPIPE_SZ, PIPE_SIZE);
  {
    const int fds[] = { null, pipes[1], noise, squashfs };

    pid = creel_image_process_spawn (argv, environment, fds, G_N_ELEMENTS (fds), error);
  }
  close (null);
  close (pipes[1]);
  if (pid < 0)
    close (pipes[0]);
  else
    *ret_output = pipes[0];
  return pid;
}

static gboolean
explain (int status, int noise, GError **error)
{
  char text[NOISE_MAX];
  gssize n = MAX (pread (noise, text, sizeof text - 1, 0), 0);
  g_autofree char *quoted = NULL;

  text[n] = '\0';
  quoted = creel_image_quote (g_strstrip (text));
  if (status == 127)
    g_set_error (error, CREEL_ERROR, CREEL_ERROR_FAILED,
                 "sqfs2tar is not installed; install squashfs-tools-ng");
  else
    g_set_error (error, CREEL_ERROR, CREEL_ERROR_BAD_IMAGE,
                 "The image cannot be read back from its squashfs (status %d): %s", status, quoted);
  return FALSE;
}

gboolean
creel_image_unsquash (int squashfs, CreelImageSink sink, gpointer user_data, const char *phase,
                      CreelImageReport *report, GError **error)
{
  g_autofree guint8 *buffer = g_malloc (BLOCK);
  int noise = memfd_create ("sqfs2tar", MFD_CLOEXEC), output = -1, status;
  guint64 done = 0;
  gboolean good;
  pid_t pid;
  gssize n;

  if (noise < 0)
    return creel_image_process_fail (error, "Cannot start sqfs2tar");
  pid = start (squashfs, noise, &output, error);
  good = pid > 0;
  while (good && (n = read (output, buffer, BLOCK)) != 0)
    {
      if (n < 0 && errno == EINTR)
        continue;
      good = n > 0 ? sink (user_data, buffer, n, error)
                   : creel_image_process_fail (error, "Cannot read from sqfs2tar");
      done += MAX (n, 0);
      creel_image_report_progress (report, phase, done, 0);
    }
  if (pid > 0)
    {
      if (!good)
        creel_image_process_kill (pid);
      close (output);
      status = creel_image_process_wait (pid);
      if (good && status != 0)
        good = explain (status, noise, error);
    }
  close (noise);
  return good;
}

static gboolean
on_tar (gpointer user_data, gconstpointer bytes, gsize length, GError **error)
{
  return creel_image_pack_write (user_data, bytes, length, error);
}

gboolean
creel_image_layer (int squashfs, char **words, CreelImageReport *report, GError **error)
{
  g_autoptr (CreelImageChanges) changes = creel_image_changes_parse (words, error);
  g_autoptr (CreelImageBlobs) blobs = NULL;
  g_autoptr (CreelImagePack) pack = NULL;
  g_autoptr (CreelImageDescriptor) layer = NULL;
  g_autofree char *diff_id = NULL;

  if (changes == NULL || (blobs = creel_image_blobs_open (TRUE, error)) == NULL ||
      (pack = creel_image_pack_new (blobs, error)) == NULL)
    return FALSE;
  creel_image_report_progress (report, "saving", 0, 0);
  return creel_image_unsquash (squashfs, on_tar, pack, "saving", report, error) &&
         (layer = creel_image_pack_finish (pack, &diff_id, error)) != NULL &&
         creel_image_document_write (blobs, NULL, changes, layer, diff_id, report, error);
}
