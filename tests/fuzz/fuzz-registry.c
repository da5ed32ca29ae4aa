/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What comes from a registry and from skopeo: manifests, indexes, complaints; and names of images. The first byte chooses. */
#include "creel-error.h"
#include "creel-image-digest.h"
#include "creel-image-manifest.h"
#include "creel-image-skopeo.h"
#include "creel-model-config.h"
#include "creel-model-manifest.h"
#include "creel-registry-private.h"
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

static void
read_model (const guint8 *data, gsize size)
{
  g_autoptr (GBytes) bytes = g_bytes_new (data, size);
  g_autoptr (GError) error = NULL;
  g_autoptr (CreelModelManifest) manifest = creel_model_manifest_parse (bytes, &error);
  g_autoptr (CreelModelConfig) config = creel_model_config_new ();

  g_assert_true ((manifest != NULL) == (error == NULL));
  /* Every file of it can be taken. */
  for (guint i = 0; manifest != NULL && i < manifest->layers->len; i++)
    {
      const CreelModelLayer *layer = manifest->layers->pdata[i];

      g_assert_true (creel_model_config_add_file (config, layer->kind, layer->blob->digest, layer->blob->size, layer->name));
    }
}

static void
read_challenge (const char *text)
{
  g_autoptr (CreelChallenge) challenge = creel_challenge_parse (text);
  g_autofree char *uri = challenge->kind == CREEL_CHALLENGE_BEARER ? creel_challenge_token_uri (challenge, FALSE, "x") : NULL;

  g_assert_true (uri == NULL || g_str_has_prefix (uri, "https://"));
}

static void
read_token (const guint8 *data, gsize size)
{
  g_autoptr (GBytes) bytes = g_bytes_new (data, size);
  g_autofree char *token = creel_challenge_take_token (bytes);

  g_assert_true (token == NULL || strpbrk (token, " \r\n") == NULL);
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
    case 'M':
      read_model (data + 1, size - 1);
      break;
    case 'w':
      read_challenge (text);
      break;
    case 'k':
      read_token (data + 1, size - 1);
      break;
    case 'n':
      read_name (text);
      break;
    default:
      read_manifest (data + 1, size - 1);
    }
  return 0;
}
