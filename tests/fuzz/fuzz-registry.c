/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What comes from a registry and from skopeo: manifests, indexes, complaints; and names of images. The first byte chooses. */
#include "creel-error.h"
#include "creel-image-digest.h"
#include "creel-image-manifest.h"
#include "creel-image-skopeo.h"
#include <string.h>

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

static void
read_manifest (const guint8 *data, gsize size)
{
  g_autoptr (GBytes) bytes = g_bytes_new (data, size);
  g_autoptr (GError) error = NULL;
  g_autoptr (CreelImageManifest) manifest = creel_image_manifest_parse (bytes, &error);

  g_assert_true ((manifest != NULL) == (error == NULL));
  for (guint i = 0; manifest != NULL && i < manifest->layers->len; i++)
    g_assert_true (creel_image_digest_is_valid (((CreelImageDescriptor *)manifest->layers->pdata[i])->digest));
}

static void
read_index (const guint8 *data, gsize size, gboolean top)
{
  g_autoptr (GBytes) bytes = g_bytes_new (data, size);
  g_autoptr (CreelImageDescriptor) descriptor = NULL;
  g_autoptr (JsonNode) entry = NULL;
  g_autoptr (GError) error = NULL;
  gboolean good = creel_image_manifest_choose (bytes, top, &descriptor, &entry, &error);

  g_assert_true (good == (error == NULL));
  g_assert_true (descriptor == NULL || creel_image_digest_is_valid (descriptor->digest));
}

static void
read_complaint (const char *text)
{
  g_autoptr (CreelImageRemote) remote = creel_image_remote_parse ("r.example/a/b:1", NULL);
  g_autoptr (GError) error = NULL;

  creel_image_skopeo_explain (remote, TRUE, text, &error);
  g_assert_nonnull (error);
  for (const char *p = error->message; *p != '\0'; p++)
    g_assert_false (g_ascii_iscntrl (*p));
}

static void
read_name (const char *text)
{
  g_autoptr (CreelImageRemote) remote = creel_image_remote_parse (text, NULL);
  g_autofree char *uri = remote != NULL ? creel_image_remote_uri (remote, NULL) : NULL;

  if (uri == NULL)
    return;
  g_assert_true (g_str_has_prefix (uri, "docker://"));
  g_assert_null (strpbrk (uri, " \t\n?#%\\"));
  g_assert_null (strstr (uri, ".."));
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autofree char *text = NULL;

  if (size < 2)
    return 0;
  text = g_strndup ((const char *)data + 1, size - 1);
  switch (data[0])
    {
    case 'i':
      read_index (data + 1, size - 1, FALSE);
      break;
    case 't':
      read_index (data + 1, size - 1, TRUE);
      break;
    case 'c':
      read_complaint (text);
      break;
    case 'n':
      read_name (text);
      break;
    default:
      read_manifest (data + 1, size - 1);
    }
  return 0;
}
