/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The layer that a guest sends, up to a blob in a store. What is accepted must be accepted again, as it was written. */
#include "creel-image-pack.h"
#include "creel-image-process.h"
#include "creel-image-save.h"

#include <glib/gstdio.h>
#include <locale.h>
#include <stdlib.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

static CreelImageBlobs *blobs;
static char *root;

static void
remove_store (void)
{
  static const char *const directories[] = { CREEL_IMAGE_OCI_DIR "/blobs/sha256", CREEL_IMAGE_OCI_DIR "/blobs", CREEL_IMAGE_OCI_DIR "/jobs",
                                             CREEL_IMAGE_OCI_DIR, "/var/lib/creel", "/var/lib", "/var", "" };

  creel_image_blobs_free (blobs);
  for (guint i = 0; i < G_N_ELEMENTS (directories); i++)
    {
      g_autofree char *path = g_strconcat (root, directories[i], NULL);

      g_rmdir (path);
    }
  g_free (root);
}

static CreelImageBlobs *
open_store (void)
{
  g_autofree char *sha256 = NULL;
  g_autofree char *jobs = NULL;
  if (blobs != NULL)
    return blobs;
  setlocale (LC_ALL, "C.UTF-8");
  root = g_dir_make_tmp ("creel-fuzz-XXXXXX", NULL);
  sha256 = g_build_filename (root, CREEL_IMAGE_OCI_DIR, "blobs", "sha256", NULL);
  jobs = g_build_filename (root, CREEL_IMAGE_OCI_DIR, "jobs", NULL);
  g_mkdir_with_parents (sha256, 0700);
  g_mkdir_with_parents (jobs, 0700);
  g_setenv ("CREEL_ROOT", root, TRUE);
  blobs = creel_image_blobs_open (TRUE, NULL);
  g_assert_nonnull (blobs);
  atexit (remove_store);
  return blobs;
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autoptr (CreelImagePack) pack = creel_image_pack_new (open_store (), NULL);
  g_autoptr (GError) error = NULL;
  int fd = creel_image_process_memory (data, size, NULL);
  guint entries;
  gboolean good = creel_image_save_stream (fd, FALSE, pack, NULL, &entries, &error);

  g_assert_true (good == (error == NULL));
  close (fd);
  return 0;
}
